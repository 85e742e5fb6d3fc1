// What `tickhub latency` reports of a delay that a proxy adds, and of a server that stands still: real
// PostgreSQL, real hub, each probe. Real time on a machine that others use, where every wake-up may be late,
// the proxy's own too. So it runs under the real-time scheduler where that is allowed (as root), its disk is
// memory, it alternates with the same proxy that adds nothing, and it judges by medians against what the
// proxy found that it had added. Where medians of the same thing differ by more than a twentieth all the same,
// the machine cannot tell, and their spread is allowed on top.
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createTransport } from "../../app/edge/uplink/transport.ts";
import { LatencyDatabase } from "../../app/measure/latency-database.ts";
import { LatencyGateway } from "../../app/measure/latency-gateway.ts";
import {
  connectProbe,
  databaseProbes,
  gatewayProbes,
  queryableProbe,
  SEEN_LANES,
} from "../../app/measure/latency-probes.ts";
import type { Probe } from "../../app/measure/latency-probes.ts";
import { LATENCY_LIMITS, runProbe } from "../../app/measure/latency.ts";
import type { MeasuredRun } from "../../app/measure/latency.ts";
import { medianOf } from "../../app/measure/latency-schedule.ts";
import { systemClock } from "../../app/shared/clock.ts";
import { routeThrough } from "../../app/shared/dial/route.ts";
import type { LatencyProbe } from "../../app/shared/latency-run.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { startTestHub, TOKEN } from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";
import { startConnectProxy } from "../support/proxies.ts";
import type { TestProxy } from "../support/proxies.ts";
import { OwnPostgres } from "./support/own-postgres.ts";

let isRealTime = false;
let postgres: OwnPostgres;
let hub: TestHub;
let proxies: { database: FaultProxy; gateway: FaultProxy; connect: FaultProxy };
let connectProxy: TestProxy;
let database: LatencyDatabase;
let gateway: LatencyGateway;

beforeAll(async () => {
  // All threads of this process, and with them what they start: the server.
  isRealTime = spawnSync("chrt", ["-a", "-r", "-p", "1", String(process.pid)]).status === 0;
  const memory = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  postgres = await OwnPostgres.start(await mkdtemp(join(memory, "tickhub-latency-")));
  hub = await startTestHub(postgres.url);
  const toDatabase = await FaultProxy.before(postgres.url);
  const toGateway = await FaultProxy.before(hub.gatewayUrl);
  // The kernel shakes hands with a proxy itself, so a delay of bytes does not show in a plain connection;
  // through CONNECT, as an edge connects, it is one round trip.
  connectProxy = await startConnectProxy({ "hub.test": { host: "127.0.0.1", port: hub.port } });
  const toConnect = await FaultProxy.before(connectProxy.url);
  proxies = { database: toDatabase.proxy, gateway: toGateway.proxy, connect: toConnect.proxy };
  database = new LatencyDatabase({
    ...{ url: toDatabase.url, run: randomUUID(), lanesMax: SEEN_LANES, clock: systemClock },
  });
  gateway = new LatencyGateway({
    ...{ shown: toGateway.url, host: "127.0.0.1", port: toGateway.proxy.port, edge: "kis" },
    createLink: () =>
      createTransport(toGateway.url, {
        ...{ edge: "kis", token: TOKEN, version: "0.0.0-test", bootId: "boot", clock: systemClock },
        ...{ answerMs: 10_000, verdictMs: 10_000, heartbeat: { tickMs: 1_000, missesMax: 15 } },
      }),
    ...{ mintId: randomUUID, clock: systemClock },
  });
});
afterAll(async () => {
  await database.clear();
  await Promise.all([database.close(), gateway.close()]);
  await Promise.all(Object.values(proxies).map((proxy) => proxy.close()));
  await connectProxy.close();
  await hub.stop();
  await postgres.remove();
});

function probes(): Probe[] {
  const { dial } = routeThrough([`http://127.0.0.1:${proxies.connect.port}`], systemClock)!;
  return [
    connectProbe({ shown: "hub.test", host: "hub.test", port: hub.port, dial }),
    ...databaseProbes(database),
    ...gatewayProbes(gateway),
    queryableProbe(gateway, database, 10_000),
  ];
}

function run(probe: Probe, samples: number): Promise<MeasuredRun> {
  return runProbe(probe, {
    ...LATENCY_LIMITS,
    ...{ samples, accept: [], label: null, clock: systemClock },
  });
}

/** Half of it each way. */
function addRoundTrip(ms: number): void {
  for (const proxy of Object.values(proxies)) proxy.delay(ms / 2);
}

function proxyOf(name: LatencyProbe): FaultProxy {
  if (name === "connect") return proxies.connect;
  return name === "query" || name === "commit" ? proxies.database : proxies.gateway;
}

const NAMES: LatencyProbe[] = ["connect", "query", "commit", "ask", "ack", "queryable"];
const PAIRS = 5;
const SAMPLES = 40;
const p50Of = ({ figures }: MeasuredRun) => figures.percentiles.p50!;
const spreadOf = (values: readonly number[]) => Math.max(...values) - Math.min(...values);

describe.each([5, 50, 150])("a round trip that is %i ms longer", (addedMs) => {
  test.each(NAMES)("is reported by %s to a twentieth", async (name) => {
    onTestFinished(() => addRoundTrip(0));
    const probe = { ...probes().find((one) => one.name === name)!, ratePerS: 100 };
    const side = proxyOf(name);
    const [without, added]: [MeasuredRun[], MeasuredRun[]] = [[], []];
    const heldMs: number[] = [];
    // In alternation, so that what else the machine does meets both sides.
    for (let pair = 0; pair < PAIRS; pair++) {
      addRoundTrip(0);
      without.push(await run(probe, SAMPLES));
      addRoundTrip(addedMs);
      added.push(await run(probe, SAMPLES));
      heldMs.push(medianOf(side.held.there) + medianOf(side.held.back));
    }
    for (const { figures } of [...without, ...added]) {
      expect(figures).toMatchObject({ samples: SAMPLES, failed: 0 });
    }
    const reportedMs = medianOf(added.map((one, i) => p50Of(one) - p50Of(without[i]!)));
    // How far apart medians of the same thing are here and now.
    const noiseMs = spreadOf(without.map(p50Of)) + spreadOf(added.map(p50Of));
    const [held, said] = [medianOf(heldMs), (ms: number) => ms.toFixed(2)];
    console.log(
      `${name} +${addedMs} ms: reported ${said(reportedMs)}, held ${said(held)}, noise ${said(noiseMs)}`,
    );
    const isQuiet = isRealTime && noiseMs <= 0.05 * held;
    expect(Math.abs(reportedMs - held)).toBeLessThanOrEqual(0.05 * held + (isQuiet ? 0 : noiseMs));
  });
});

describe("a server that stands still for three seconds", () => {
  const STALL_MS = 3_000;

  test.each(["query", "commit", "ack", "queryable"] as const)(
    "shows in p99.9 of %s, and no sample is missing",
    async (name) => {
      const probe = probes().find((one) => one.name === name)!;
      const under = proxyOf(name);
      let began = 0;
      const stalled: Probe = {
        ...probe,
        ratePerS: 100,
        async open() {
          const opened = await probe.open();
          const once = (number: number) => {
            if (number >= 0 && ++began === 400) {
              under.stall();
              systemClock.after(STALL_MS, () => void under.heal());
            }
            return opened.once(number);
          };
          return { ...opened, once };
        },
      };
      const { figures } = await run(stalled, 1_000);
      expect(figures).toMatchObject({ samples: 1_000, failed: 0 });
      expect(began).toBe(1_000);
      // 300 of them came due meanwhile; the first waited for all of it.
      expect(figures.percentiles["p99.9"]!).toBeGreaterThan(0.9 * STALL_MS);
      expect(figures.percentiles.p90!).toBeGreaterThan(0.25 * STALL_MS);
      expect(figures.percentiles.p50!).toBeLessThan(0.1 * STALL_MS);
    },
  );
});
