// The hub as one object: database prepared, leases planned, gateway and page on one port. Composition only;
// what happens to a batch is ingest/, who may collect is lease/, what people see is query/ and web/.
import type pg from "pg";
import { decodeBatch } from "../shared/batch.ts";
import type { BatchHeader } from "../shared/batch.ts";
import { sleep } from "../shared/clock.ts";
import type { Clock } from "../shared/clock.ts";
import { codeOf, TickhubError } from "../shared/errors.ts";
import { RollingLatency } from "../shared/latency.ts";
import type { MarketClock } from "../shared/market-clock.ts";
import type { Reporter } from "../shared/report.ts";
import { asDatabaseError, openPool } from "../store/database.ts";
import { migrate } from "../store/migrate.ts";
import { BatchWriter } from "../store/writer.ts";
import { Admission, assertPrivate } from "./ingest/admission.ts";
import type { Backend } from "./ingest/connection.ts";
import { Gateway } from "./ingest/gateway.ts";
import type { GatewayLimits } from "./ingest/gateway.ts";
import { TAILSCALE_SOCKET, TailnetIdentity } from "./ingest/identity.ts";
import { Leases } from "./lease/leases.ts";
import type { LeaseTimings } from "./lease/leases.ts";
import type { PlanAccount, PlanSymbol } from "./lease/planner.ts";
import { Conservation } from "./query/conservation.ts";
import { CoverageKeeper } from "./query/coverage/keeper.ts";
import { LiveView } from "./query/live.ts";
import { Overview } from "./query/overview.ts";
import { pictureOf } from "./query/picture.ts";
import type { Picture } from "./query/picture.ts";
import { createHubMetrics } from "./web/metrics.ts";
import { createWebServer } from "./web/server.ts";
import type { WebServer } from "./web/server.ts";

export interface HubOptions {
  /** As the owner of the schema. */
  databaseUrl: string;
  /** 0 picks a free one. */
  port: number;
  bind: string;
  allowPublic?: boolean;
  /** Edges and their tokens, or these tokens' `sha256:HEX`. */
  edges: ReadonlyMap<string, string>;
  /** Tailnet tags of which an edge's machine needs one; an edge without any is not asked. */
  edgeTags?: ReadonlyMap<string, readonly string[]>;
  /** Where the local tailscaled listens; default TAILSCALE_SOCKET. */
  tailscaleSocket?: string;
  /** Accounts an edge may write and claim; all where none are given. */
  edgeAccounts?: ReadonlyMap<string, readonly string[]>;
  symbols: readonly PlanSymbol[];
  accounts: readonly PlanAccount[];
  leaseTimings: LeaseTimings;
  /** Edges that may hold an account; any, where none are given. Several: failover. */
  placement?: ReadonlyMap<string, readonly string[]>;
  version: string;
  clock: Clock;
  /** What time the market has; default: the clock's. */
  market?: MarketClock;
  reporter: Reporter;
  /** How long to wait for the database before giving up. */
  databaseWaitMs?: number;
  /** Bounds; defaults GATEWAY_LIMITS and HEARTBEAT. */
  limits?: Partial<GatewayLimits>;
  heartbeat?: { tickMs: number; missesMax: number };
}

export interface Hub {
  /** `http://address:port` of page, /status, /healthz, /metrics. */
  readonly url: string;
  /** `ws://address:port` for edges. */
  readonly gatewayUrl: string;
  readonly port: number;
  picture(): Promise<Picture>;
  /** Takes nothing new, commits and acks what is under way, closes. */
  stop(): Promise<void>;
}

const WRITERS_MAX = 4;
const DATABASE_WAIT_MS = 60_000;
const DATABASE_RETRY_MS = 500;
const STOP_MS = 10_000;
const LIVE_READERS_MAX = 20;
const LATENCY_SPAN_MS = 60_000;
/** For the page only; the writer checks against its own. */
const DECODE_LIMITS = { rowsMax: 100_000, rawBytesMax: 64 * 1024 * 1024 };

/**
 * Starts a hub: the port first, so that a second one is refused before it touches the database, then the
 * database. Throws GATEWAY_PUBLIC, GATEWAY_PORT_TAKEN, DATABASE_*, CAP_TOO_SMALL.
 */
export async function startHub(options: HubOptions): Promise<Hub> {
  const { bind, port, allowPublic = false } = options;
  assertPrivate(bind, allowPublic);
  const core = createCore(options);
  const gateway = createGateway(core);
  const picture = () => look(core, gateway);
  const web = createWeb(core, gateway, picture);
  try {
    const url = await web.listen(port, bind);
    await core.identity.look();
    await whenReachable(options, () => prepare(core));
    core.state.ready = true;
    core.conservation.start();
    core.keeper.start();
    core.emit({ event: "hub_listening", url });
    return {
      url,
      gatewayUrl: url.replace(/^http/, "ws"),
      port: Number(new URL(url).port),
      picture,
      stop: () => stop(core, gateway, web),
    };
  } catch (error) {
    await web.close();
    await core.pool.end();
    throw error;
  }
}

/** What the hub consists of before anything listens. */
function createCore(options: HubOptions) {
  const { clock, reporter } = options;
  const { emit, registry } = reporter;
  const pool = openPool(options.databaseUrl, {
    connectionsMax: WRITERS_MAX + 4,
    name: "tickhub-hub",
  });
  return {
    ...options,
    emit,
    registry,
    pool,
    startedMs: clock.nowMs(),
    state: { ready: false, system: "" },
    writer: new BatchWriter({ pool, clock, connectionsMax: WRITERS_MAX, onEvent: emit }),
    live: new LiveView(),
    keeper: new CoverageKeeper({ pool, clock, emit, market: options.market ?? ((ms) => ms) }),
    latency: new RollingLatency(LATENCY_SPAN_MS, clock.monoMs()),
    metrics: createHubMetrics(registry),
    overview: new Overview(pool, clock, (code, reason) =>
      emit({ event: "database_failed", code, reason }),
    ),
    conservation: new Conservation({ pool, clock, emit }),
    admission: new Admission(options.edges, options.edgeAccounts),
    identity: new TailnetIdentity({
      tags: options.edgeTags ?? new Map(),
      socketPath: options.tailscaleSocket ?? TAILSCALE_SOCKET,
      clock,
    }),
    leases: new Leases({
      ...options,
      pool,
      emit,
      channels: ["trade", "book"],
      timings: options.leaseTimings,
    }),
  };
}
type Core = ReturnType<typeof createCore>;

/** What an edge's connection can do here. */
function createBackend(core: Core): Backend {
  const { writer, admission, live, leases, latency, metrics, pool, state, clock } = core;
  return {
    write: (bytes, from) => writer.write(bytes, from),
    mayUse: (edge, account) => admission.mayUse(edge, account),
    ask(edge, question) {
      live.status(edge, question.status, clock.nowMs());
      return leases.ask(edge, question);
    },
    async system() {
      state.system = await readSystem(pool).catch(() => state.system);
      return state.system;
    },
    stored(bytes, header) {
      const delayMs = clock.nowMs() - header.firstMs;
      latency.record(delayMs, clock.monoMs());
      metrics.committed(header.account, delayMs);
      showTrades(live, bytes, header);
    },
  };
}

function createGateway(core: Core): Gateway {
  const { version, admission, identity, clock, emit, limits, heartbeat, state } = core;
  return new Gateway({
    version,
    admission,
    identity,
    clock,
    emit,
    isReady: () => state.ready,
    backend: createBackend(core),
    ...(limits ? { limits } : {}),
    ...(heartbeat ? { heartbeat } : {}),
  });
}

function createWeb(core: Core, gateway: Gateway, picture: () => Promise<Picture>): WebServer {
  const { clock, emit, live, state, overview, metrics, registry } = core;
  return createWebServer({
    clock,
    emit,
    picture,
    trades: (version) => live.changedSince(version),
    liveReadersMax: LIVE_READERS_MAX,
    onUpgrade: (request, socket, head) => gateway.upgrade(request, socket, head),
    async reasons() {
      if (!state.ready) return ["The database is not prepared yet."];
      await overview.refresh();
      const health = overview.health();
      return health.ok ? [] : [`The database does not answer: ${health.code}.`];
    },
    async metrics() {
      const loads = gateway.connections().map((connection) => connection.load());
      const inFlightBytes = loads.reduce((sum, load) => sum + load.inFlightBytes, 0);
      metrics.set(await picture(), { connections: loads.length, inFlightBytes });
      return { type: registry.contentType, text: await registry.metrics() };
    },
  });
}

async function look(core: Core, gateway: Gateway): Promise<Picture> {
  const { version, startedMs, clock, overview, identity, live, latency, leases, keeper } = core;
  await overview.refresh();
  return pictureOf({
    version,
    startedMs,
    nowMs: clock.nowMs(),
    health: overview.health(),
    identity: identity.status(),
    books: overview.books(),
    statuses: live.statuses(),
    latency: latency.percentiles(clock.monoMs()),
    planned: leases.planned(),
    connections: countByEdge(gateway),
    unbalanced: core.conservation.wrong(),
    coverage: keeper.summary(),
  });
}

async function stop(core: Core, gateway: Gateway, web: WebServer): Promise<void> {
  await Promise.all([core.conservation.stop(), core.keeper.stop()]);
  await gateway.stop(STOP_MS);
  gateway.terminate();
  await web.close();
  await core.pool.end();
}

async function prepare({ pool, clock, reporter, leases, state }: Core): Promise<void> {
  await migrate(pool, { clock, onEvent: reporter.emit });
  await leases.prepare();
  state.system = await readSystem(pool);
}

/** Runs `prepare` again until the database is there, with room and time for it, or our time is over. */
async function whenReachable(options: HubOptions, prepare: () => Promise<void>): Promise<void> {
  const { clock, reporter, databaseWaitMs = DATABASE_WAIT_MS } = options;
  const untilMs = clock.monoMs() + databaseWaitMs;
  for (let attempt = 1; ; attempt++) {
    try {
      await prepare();
      return;
    } catch (thrown) {
      const error = asDatabaseError(thrown);
      const isAway = error instanceof TickhubError && error.retry;
      if (!isAway || clock.monoMs() >= untilMs) throw error;
      if (attempt === 1) {
        reporter.emit({ event: "database_failed", code: error.code, reason: codeOf(thrown) });
      }
      await sleep(clock, DATABASE_RETRY_MS);
    }
  }
}

async function readSystem(pool: pg.Pool): Promise<string> {
  const { rows } = await pool.query<{ system: string }>(
    "select system_identifier::text as system from pg_control_system()",
  );
  return rows[0]!.system;
}

/** The rows are stored already: a batch that cannot be shown is not worth an error. */
function showTrades(live: LiveView, bytes: Uint8Array, header: BatchHeader): void {
  if (header.table !== "trade" || header.tombstone) return;
  const batch = decodeBatch(bytes, DECODE_LIMITS);
  if (batch.kind === "trade") live.trades(header.account, batch.columns);
}

function countByEdge(gateway: Gateway): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { edge } of gateway.connections()) counts.set(edge, (counts.get(edge) ?? 0) + 1);
  return counts;
}
