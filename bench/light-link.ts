// What the light edge's link costs: bytes a second while nothing happens, and what a start sends again, over a
// real hub and real sockets. Packets' headers and the tailnet's share are added by rule: an edge in a container
// does not see them.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Edge } from "../app/edge/core.ts";
import { startNewsEdge } from "../app/edge/news-edge.ts";
import { startHub } from "../app/hub/hub.ts";
import { sleep, systemClock } from "../app/shared/clock.ts";
import { COUNTERS } from "../app/shared/meters.ts";
import type { CounterName } from "../app/shared/meters.ts";
import { createReporter } from "../app/shared/report.ts";
import { startEmbedded } from "../app/store/embedded.ts";
import { createDatabase } from "../app/store/scratch.ts";

const QUIET_S = 180;
const DOCUMENTS = join(process.env.TICKHUB_DATA_DIR ?? "../shared/data", "news/rss-parser");
/** TCP and IPv4 with time stamps; WireGuard, its padding, UDP and IPv4 around it. */
const PACKET_BYTES = 52 + 68;
/**
 * A tailnet's own: a ping and a pong of 152 bytes each 3 s while a peer is spoken to, a handshake of 176 each 2 min,
 * some 20 bytes a second to find its own address and to stay known to a relay.
 */
const TAILNET_BYTES_PER_S = (2 * 152) / 3 + 176 / 120 + 20;
const MONTH_S = 30 * 86_400;

export async function run(): Promise<Record<string, number>> {
  const directory = mkdtempSync(join(tmpdir(), "tickhub-bench-"));
  const server = await startEmbedded({
    directory: join(directory, "postgres"),
    clock: systemClock,
  });
  const hub = await startHub({
    databaseUrl: await createDatabase(server.url, "bench_light_link"),
    ...{ port: 0, bind: "127.0.0.1", edges: new Map([["news", "a token of the bench"]]) },
    ...{ symbols: [], accounts: [], leaseTimings: { quietMs: 0, killGraceMs: 1_000 } },
    ...{ version: "bench", clock: systemClock, reporter: createReporter("bench", "silent") },
  });
  try {
    return { ...(await quiet(hub.gatewayUrl)), ...(await restart(hub.gatewayUrl)) };
  } finally {
    await hub.stop();
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

function startEdge(hubUrl: string, urls: readonly string[]) {
  return startNewsEdge({
    ...{ edge: "news", version: "bench", hubUrl, token: "a token of the bench" },
    ...{ outboxBytes: 32 * 2 ** 20, statusPort: 0, clock: systemClock },
    reporter: createReporter("bench", "silent"),
    sources: urls.map((url, no) => ({ kind: "rss", name: `rss:d${no}`, url, everyMs: 3_600_000 })),
    keys: { dartUrl: "http://127.0.0.1:1", naverUrl: "http://127.0.0.1:1" },
    ...{ hostPauseMs: 0, spreadMs: 0 },
  });
}

function meterOf(edge: Edge): { bytes: number; messages: number } {
  const meters = edge.report().meters ?? [];
  const value = (name: CounterName) => meters[COUNTERS.indexOf(name)] ?? 0;
  return { bytes: value("hub_bytes"), messages: value("hub_messages") };
}

async function quiet(hubUrl: string): Promise<Record<string, number>> {
  const edge = await startEdge(hubUrl, []);
  await sleep(systemClock, 5_000);
  const before = meterOf(edge);
  await sleep(systemClock, QUIET_S * 1_000);
  const after = meterOf(edge);
  await edge.stop(1_000);
  const bytesPerS = (after.bytes - before.bytes) / QUIET_S;
  const packetsPerS = (after.messages - before.messages) / QUIET_S;
  const allInPerS = bytesPerS + packetsPerS * PACKET_BYTES + TAILNET_BYTES_PER_S;
  return {
    quietSeconds: QUIET_S,
    bytesPerS: rounded(bytesPerS),
    packetsPerS: rounded(packetsPerS),
    linkMbPerMonth: rounded((MONTH_S * bytesPerS) / 1e6),
    allInMbPerMonth: rounded((MONTH_S * allInPerS) / 1e6),
  };
}

/** A process that starts again over the recorded documents, all of which the database has. */
async function restart(hubUrl: string): Promise<Record<string, number>> {
  const names = readdirSync(DOCUMENTS).filter((name) => name !== "LICENSE");
  const server = createServer((request, response) => {
    const name = names[Number(request.url?.slice(1))];
    if (name === undefined) response.writeHead(404).end();
    else response.end(readFileSync(join(DOCUMENTS, name)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const urls = names.map((_name, no) => `http://127.0.0.1:${port}/${no}`);
  const lives: { bytes: number; received: number; duplicate: number }[] = [];
  while (lives.length < 2) {
    const edge = await startEdge(hubUrl, urls);
    await sleep(systemClock, 15_000);
    const { received, duplicate } = (await edge.stop(5_000)).ledger;
    lives.push({ bytes: meterOf(edge).bytes, received, duplicate });
  }
  server.close();
  const [, second] = lives;
  const { bytes = 0, received = 0, duplicate = 0 } = second ?? {};
  return {
    restartItems: received,
    restartDuplicates: duplicate,
    restartBytes: bytes,
    restartBytesPerItem: rounded(bytes / Math.max(1, received)),
  };
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
