// Rows a second from a socket frame to committed and acked, over both uplinks, as a ratio to one binary
// COPY of the same rows into the same tables in the same run. Processes as in production: this one is the
// edge, the hub is another, PostgreSQL (with fsync) a third.
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import pg from "pg";
import copy from "pg-copy-streams";
import { Child } from "../app/cli/child.ts";
import { KisDecoder } from "../app/edge/feed/kis/decode.ts";
import { Sequencer } from "../app/edge/feed/sequencer.ts";
import { Outbox, OUTBOX_DEFAULTS } from "../app/edge/outbox/outbox.ts";
import { Sender } from "../app/edge/uplink/sender.ts";
import { sleep, systemClock } from "../app/shared/clock.ts";
import { startEmbedded } from "../app/store/embedded.ts";
import { createDatabase } from "../app/store/scratch.ts";
import { makeFrames } from "./frames.ts";
import type { Frames } from "./frames.ts";
import { median } from "./median.ts";

const RECORDS = { trade: 400_000, book: 150_000 };
const ROUNDS = 3;
const START_MS = Date.UTC(2026, 10, 23, 1, 0, 0);
const TOKEN = "bench-token";
const ACCOUNT = "kis:1";
/** Frames handed on before the event loop gets its turn, as if read from one socket chunk. */
const FRAMES_PER_TURN = 64;
/** The socket would wait here: what the outbox holds stays in memory. */
const OUTBOX_BYTES = 64 * 1024 * 1024;

type Kind = keyof typeof RECORDS;
type Uplink = "gateway" | "postgres";

interface Figures {
  rows: number;
  copyRowsPerS: number;
  gatewayRowsPerS: number;
  postgresRowsPerS: number;
  /** To COPY; 1 would be as fast as the database alone. */
  gatewayRatio: number;
  postgresRatio: number;
}

export async function run(): Promise<Record<Kind, Figures> & { edgeRssMb: number[] }> {
  const directory = mkdtempSync(join(tmpdir(), "tickhub-bench-"));
  const server = await startEmbedded({
    directory: join(directory, "postgres"),
    clock: systemClock,
  });
  try {
    const trade = await measure("trade", server.url, directory);
    const book = await measure("book", server.url, directory);
    return { trade, book, edgeRssMb: await edgeRssMb(directory) };
  } finally {
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measure(kind: Kind, serverUrl: string, directory: string): Promise<Figures> {
  const frames = makeFrames(kind === "trade" ? "kisTrade" : "kisBook", RECORDS[kind], START_MS);
  const rates = { copy: [] as number[], gateway: [] as number[], postgres: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    const url = await createDatabase(serverUrl, `bench_${randomUUID().replaceAll("-", "")}`);
    const hub = await startHub(url, frames, directory);
    const pool = new pg.Pool({ connectionString: url, max: 1 });
    try {
      for (const uplink of ["gateway", "postgres"] as const) {
        await pool.query(`truncate ${kind}`);
        rates[uplink].push(await drive(frames, uplink === "gateway" ? hub.url : url, uplink));
      }
      rates.copy.push(await copyBaseline(pool, kind, frames.records));
    } finally {
      await pool.end();
      await hub.child.stop();
    }
  }
  const rate = (name: keyof typeof rates) => Math.round(median(rates[name]));
  return {
    rows: frames.records,
    copyRowsPerS: rate("copy"),
    gatewayRowsPerS: rate("gateway"),
    postgresRowsPerS: rate("postgres"),
    gatewayRatio: ratio(rate("gateway"), rate("copy")),
    postgresRatio: ratio(rate("postgres"), rate("copy")),
  };
}

/** Rows a second from the first frame to the last ack. */
async function drive(frames: Frames, url: string, uplink: Uplink): Promise<number> {
  const outbox = new Outbox({ ...OUTBOX_DEFAULTS, bytesMax: OUTBOX_BYTES, mintStream: randomUUID });
  const [edge, holder] = ["bench", randomUUID()];
  const sender = new Sender({
    url: uplink === "gateway" ? `${url.replace("http", "ws")}/edge` : url,
    edge,
    token: TOKEN,
    version: "bench",
    bootId: randomUUID(),
    outbox,
    clock: systemClock,
    emit: () => undefined,
  });
  sender.addHolder(ACCOUNT, holder);
  sender.start();
  const epoch = await claim(sender, edge, holder);
  const decoder = new KisDecoder();
  const sequencer = new Sequencer({ market: () => frames.lastMs });
  sequencer.assign(
    frames.symbols.flatMap((symbol) => [
      { venue: "KRX", symbol, channel: "trade" },
      { venue: "KRX", symbol, channel: "book" },
    ]),
  );
  const startedMs = systemClock.monoMs();
  let turn = 0;
  for (const frame of frames.frames) {
    const decoded = decoder.decode(frame, {
      edgeRecvMs: systemClock.nowMs(),
      marketMs: frames.lastMs,
    });
    if (decoded.kind !== "data") throw new Error("a benchmark frame was not data");
    const nowMs = systemClock.monoMs();
    for (const tick of decoded.ticks) outbox.push(ACCOUNT, epoch, sequencer.accept(tick), nowMs);
    if (++turn % FRAMES_PER_TURN !== 0) continue;
    await new Promise((resolve) => setImmediate(resolve));
    while (outbox.stats(nowMs).bytes > OUTBOX_BYTES / 2) await sleep(systemClock, 1);
  }
  await sender.drain(systemClock.monoMs() + 120_000);
  const tookS = (systemClock.monoMs() - startedMs) / 1_000;
  const { committed } = outbox.ledger();
  await sender.ask({ account: ACCOUNT, holder, edge, wish: "release", status: {} });
  await sender.stop();
  if (committed !== frames.records)
    throw new Error(`${committed} of ${frames.records} were committed`);
  return frames.records / tookS;
}

async function claim(sender: Sender, edge: string, holder: string): Promise<number> {
  for (;;) {
    const standing = await sender
      .ask({ account: ACCOUNT, holder, edge, wish: "claim", status: {} })
      .catch(() => null);
    if (standing?.lease.state === "granted") return standing.lease.epoch!;
    await sleep(systemClock, 20);
  }
}

async function startHub(databaseUrl: string, frames: Frames, directory: string) {
  const child = new Child({
    args: ["hub", "--json"],
    env: {
      TICKHUB_DATABASE_URL: databaseUrl,
      TICKHUB_PORT: "0",
      TICKHUB_EDGE_TOKENS: `bench=${TOKEN}`,
      TICKHUB_ACCOUNTS: ACCOUNT,
      TICKHUB_SYMBOLS: frames.symbols.join(","),
      TICKHUB_QUIET_MS: "0",
      TICKHUB_LOG_LEVEL: "warn",
    },
    logFile: join(directory, "hub.log"),
  });
  const { url } = await child.announced("hub_listening");
  return { child, url: String(url) };
}

/** One COPY of everything the last drive stored, out of the table and in again. */
async function copyBaseline(pool: pg.Pool, table: Kind, rows: number): Promise<number> {
  const client = await pool.connect();
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of client.query(copy.to(`copy ${table} to stdout (format binary)`))) {
      chunks.push(chunk as Buffer);
    }
    await client.query(`truncate ${table}`);
    const startedMs = systemClock.monoMs();
    await pipeline(
      Readable.from(chunks),
      client.query(copy.from(`copy ${table} from stdin (format binary)`)),
    );
    return rows / ((systemClock.monoMs() - startedMs) / 1_000);
  } finally {
    client.release();
  }
}

/** Of two real edges after 20 s of a market with 1,000 updates a second. */
async function edgeRssMb(directory: string): Promise<number[]> {
  const args = ["app/cli/main.ts", "up", "--seconds", "20", "--rate", "1000", "--json"];
  const env = { ...process.env, TICKHUB_STATE_DIR: join(directory, "up"), TICKHUB_PORT: "0" };
  const { stdout } = await promisify(execFile)(process.execPath, args, { env });
  const report = JSON.parse(stdout.trim().split("\n").at(-1)!) as { edges: { rssBytes: number }[] };
  return report.edges.map(({ rssBytes }) => Math.round(rssBytes / 2 ** 20));
}

function ratio(ours: number, theirs: number): number {
  return Number((ours / theirs).toFixed(2));
}
