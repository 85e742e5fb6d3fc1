// Debian's docker-registry on loopback, in a folder of its own.
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { until } from "./shell.ts";

export interface Registry {
  /** `127.0.0.1:port`: Docker speaks plain HTTP with it. */
  address: string;
  stop: () => Promise<void>;
}

export async function startRegistry(directory: string): Promise<Registry> {
  mkdirSync(directory, { recursive: true });
  const address = `127.0.0.1:${await freePort()}`;
  const config = join(directory, "config.yml");
  const storage = { filesystem: { rootdirectory: join(directory, "data") } };
  // JSON is YAML.
  const settings = { version: 0.1, log: { level: "error" }, storage, http: { addr: address } };
  writeFileSync(config, JSON.stringify(settings));
  const log = openSync(join(directory, "registry.log"), "a");
  const child = spawn("docker-registry", ["serve", config], { stdio: ["ignore", log, log] });
  closeSync(log);
  const isUp = () =>
    fetch(`http://${address}/v2/`).then(
      (response) => response.ok,
      () => false,
    );
  await until("a registry that answers", isUp, 30_000);
  return {
    address,
    stop: () =>
      new Promise((resolve) => {
        child.once("exit", () => resolve());
        child.kill("SIGTERM");
      }),
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
