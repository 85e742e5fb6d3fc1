// Databases beside the one in use, on the same server: a recording's own, a replay's own.
import { openPool } from "./database.ts";

/** Creates an empty database and returns its URL. `name` is an identifier of ours, never input. */
export async function createDatabase(serverUrl: string, name: string): Promise<string> {
  await onServer(serverUrl, `create database ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** Drops it, whoever is still connected. */
export async function dropDatabase(serverUrl: string, name: string): Promise<void> {
  await onServer(serverUrl, `drop database if exists ${name} with (force)`);
}

async function onServer(url: string, statement: string): Promise<void> {
  const pool = openPool(url, { connectionsMax: 1, name: "tickhub-scratch" });
  try {
    await pool.query(statement);
  } finally {
    await pool.end();
  }
}
