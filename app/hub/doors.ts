// The hub's ports and what people find behind them: the wiring between what the hub consists of (hub.ts) and the
// server (web/server.ts). Composition only.
import { randomUUID } from "node:crypto";
import { expectsTrades } from "../shared/calendar.ts";
import { kstDay } from "../shared/market-time.ts";
import type { Act } from "../shared/web-api.ts";
import type { Core } from "./hub.ts";
import { countByEdge } from "./hub.ts";
import type { EvidenceDoor } from "./ingest/evidence-door.ts";
import type { InstrumentsDoor } from "./ingest/instruments-door.ts";
import type { SentinelDoor } from "./ingest/sentinel-door.ts";
import type { StressDoor } from "./ingest/stress-door.ts";
import type { Gateway } from "./ingest/gateway.ts";
import { CALL_BACK_MS, callBack } from "./lease/call-back.ts";
import { ERRAND_STEP_MS, runErrand } from "./phase/errand.ts";
import { Arrivals } from "./query/arrivals.ts";
import { readAlerts } from "./query/alerts.ts";
import { readDisk } from "./query/disk.ts";
import { readLogs } from "./query/logs.ts";
import { parityGate } from "./query/parity/gate.ts";
import type { Picture } from "./query/picture.ts";
import { watchOf } from "./query/watch.ts";
import { ActRefusal, Acts } from "./web/acts.ts";
import type { ApiOptions } from "./web/api.ts";
import { createGatewayServer, createWebServer } from "./web/server.ts";
import type { WebOptions, WebServer } from "./web/server.ts";

/** The hub's ports: one, or the gateway's and the page's. */
export interface Doors {
  listen(): Promise<{ url: string; edgeUrl: string }>;
  close(): Promise<void>;
}

/** Of /live, and of each other stream. */
const READERS_MAX = 20;

export function createDoors(
  core: Core,
  gateway: Gateway,
  inner: {
    picture: () => Promise<Picture>;
    evidence: EvidenceDoor;
    instruments: InstrumentsDoor;
    stress: StressDoor;
    sentinel: SentinelDoor | undefined;
  },
): Doors {
  const { port, webPort, bind } = core;
  const { evidence, instruments, stress, sentinel, picture } = inner;
  const options: WebOptions = { ...webOptions(core, gateway, picture), sentinel };
  const forEdges = {
    onUpgrade: (...upgrade: Parameters<Gateway["upgrade"]>) => gateway.upgrade(...upgrade),
    ...{ evidence, instruments, stress },
  };
  if (webPort === undefined) {
    const both = createWebServer({ ...options, ...forEdges });
    return {
      async listen() {
        const url = await both.listen(port, bind);
        return { url, edgeUrl: url };
      },
      close: () => both.close(),
    };
  }
  const edges: WebServer = createGatewayServer({ ...options, ...forEdges });
  const people: WebServer = createWebServer(options);
  return {
    async listen() {
      const edgeUrl = await edges.listen(port, bind);
      return { url: await people.listen(webPort, bind), edgeUrl };
    },
    async close() {
      await Promise.all([edges.close(), people.close()]);
    },
  };
}

function webOptions(core: Core, gateway: Gateway, picture: () => Promise<Picture>): WebOptions {
  const { version, clock, emit, live, state, overview, metrics, registry, served } = core;
  return {
    version,
    clock,
    emit,
    served: served.sockets,
    picture,
    watch: () => watch(core, picture),
    trades: (since) => live.changedSince(since),
    liveReadersMax: READERS_MAX,
    api: apiOptions(core, gateway),
    async reasons() {
      if (!state.ready) return ["The database is not prepared yet."];
      await overview.refresh();
      const health = overview.health();
      return health.ok ? [] : [`The database does not answer: ${health.code}.`];
    },
    async metrics() {
      const loads = gateway.connections().map((connection) => connection.load());
      const inFlightBytes = loads.reduce((sum, load) => sum + load.inFlightBytes, 0);
      // A database that hangs must not take the figures with it that say so.
      const [tables, disk] = [core.tableSizes.known(), await readDisk(core.diskPath)];
      const marketMs = core.market(clock.nowMs());
      const inSession = core.leases.due((venue) => expectsTrades(venue, marketMs) === "yes");
      const beside = { connections: loads.length, inFlightBytes, tables, disk, inSession };
      metrics.set(await picture(), beside);
      const text = await registry.metrics();
      served.metricsBytes += Buffer.byteLength(text);
      return { type: registry.contentType, text };
    },
  };
}

async function watch(core: Core, picture: () => Promise<Picture>) {
  const { clock, market, keeper, expiries, diskPath } = core;
  const [now, disk, ends] = await Promise.all([picture(), readDisk(diskPath), expiries.read()]);
  return watchOf(now, { marketMs: market(clock.nowMs()), due: keeper.due(), disk, expiries: ends });
}

function apiOptions(core: Core, gateway: Gateway): ApiOptions {
  const { version, clock, emit, reader, live, market, overview, adminToken: token } = core;
  const isDirect = (source: string) => {
    const lease = overview.books().leases.find(({ account }) => account === source);
    const isHeld = lease?.edge != null && lease.holder !== null;
    return isHeld && !countByEdge(gateway).has(lease.edge!);
  };
  const arrivals = new Arrivals({ reader, live, clock, isDirect });
  return {
    ...{ version, clock, reader, readersMax: READERS_MAX },
    marketMs: () => market(clock.nowMs()),
    acts: new Acts({ token, clock, emit, perform: (act, by) => perform(core, act, by) }),
    watch: (place) => live.watch(place),
    fetchArrived() {
      // Who holds what is read for whoever looks; a watcher may be the only one.
      void overview.refresh();
      arrivals.look();
    },
    readLogs: (filter) => reader.ask(["logs", filter], (db) => readLogs(db, filter)),
    readAlerts: () => reader.ask(["alerts"], readAlerts),
  };
}

/** Throws TickhubError, or ActRefusal where a gate is shut. */
async function perform(core: Core, act: Act, by: string): Promise<string[]> {
  const { clock, databaseUrl, pool, market } = core;
  if (act.action === "lease.release") {
    return await callBack({ pool, clock, account: act.account, waitMs: CALL_BACK_MS });
  }
  const marketMs = market(clock.nowMs());
  const { moved, lines } = await runErrand({
    ...{ databaseUrl, clock, marketMs, by, waitMs: ERRAND_STEP_MS, mintRun: randomUUID },
    parity: (database) => parityGate(database, { nowDay: kstDay(marketMs) }),
    verb: act.action === "phase.advance" ? "advance" : "rollback",
    forced: act.action === "phase.advance" && act.force ? act.reason : null,
  });
  if (!moved.ok) throw new ActRefusal(moved.refused.map(({ name, says }) => `${name}: ${says}`));
  return [
    ...lines,
    `phase ${moved.phase}`,
    ...moved.skipped.map((skipped) => `skipped ${skipped}`),
  ];
}
