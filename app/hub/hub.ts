// The hub as one object: database prepared, leases planned, gateway and page listening. Composition only;
// what happens to a batch is ingest/, who may collect is lease/, what people see is query/ and web/.
import type pg from "pg";
import type { BrokerKind } from "../shared/brokers.ts";
import { CANARY, canaryToken } from "../shared/canary.ts";
import { sleep } from "../shared/clock.ts";
import type { Clock } from "../shared/clock.ts";
import { codeOf, TickhubError } from "../shared/errors.ts";
import { RollingLatency } from "../shared/latency.ts";
import type { LogSettings } from "../shared/log-lines.ts";
import { LoopWatch } from "../shared/loop-watch.ts";
import type { MarketClock } from "../shared/market-clock.ts";
import { isAnybodysOwn } from "../shared/own-account.ts";
import { assertPrivate } from "../shared/private-address.ts";
import type { Reporter } from "../shared/report.ts";
import { TAILSCALE_SOCKET } from "../shared/tailscaled.ts";
import { SocketBytes } from "../shared/socket-bytes.ts";
import { asDatabaseError, openPool } from "../store/database.ts";
import { readInstrumentNames } from "../store/instruments.ts";
import { claimBrokers } from "../store/brokers.ts";
import { openAlerts, storeSentinelReport } from "../store/alerts.ts";
import { keepEvidence } from "../store/latency-runs.ts";
import { migrate } from "../store/migrate.ts";
import { isBare } from "../store/standing.ts";
import { BatchWriter } from "../store/writer.ts";
import { createDoors } from "./doors.ts";
import type { Doors } from "./doors.ts";
import { Admission } from "./ingest/admission.ts";
import type { Backend } from "./ingest/connection.ts";
import { EvidenceDoor } from "./ingest/evidence-door.ts";
import { InstrumentsDoor } from "./ingest/instruments-door.ts";
import { SentinelDoor } from "./ingest/sentinel-door.ts";
import { StressDoor } from "./ingest/stress-door.ts";
import { Gateway } from "./ingest/gateway.ts";
import type { GatewayLimits } from "./ingest/gateway.ts";
import { TailnetIdentity } from "./ingest/identity.ts";
import { Leases } from "./lease/leases.ts";
import type { LeaseTimings } from "./lease/leases.ts";
import type { PlanAccount, PlanSymbol } from "./lease/planner.ts";
import type { SiteRule } from "./phase/phases.ts";
import { HubLog } from "./logs/hub-log.ts";
import { BackupWatch } from "./query/backup.ts";
import { Conservation } from "./query/conservation.ts";
import { CoverageKeeper } from "./query/coverage/keeper.ts";
import { ParityJob } from "./query/parity/job.ts";
import { Expiries } from "./query/expiries.ts";
import { LiveView } from "./query/live.ts";
import { MeterKeeper } from "./query/meters/keeper.ts";
import { Overview } from "./query/overview.ts";
import { pictureOf } from "./query/picture.ts";
import type { Picture } from "./query/picture.ts";
import { Reader } from "./query/reader.ts";
import { readRelease, RELEASES } from "./query/release.ts";
import { TableSizes } from "./query/table-sizes.ts";
import { Retention } from "./retention.ts";
import { createHubMetrics } from "./web/metrics.ts";

export interface HubOptions {
  /** As the owner of the schema. */
  databaseUrl: string;
  /** Of the gateway; of everything, when there is no `webPort`. 0 picks a free one. */
  port: number;
  /** A port of its own for the page, /status and /metrics; 0 picks a free one. */
  webPort?: number | undefined;
  bind: string;
  allowPublic?: boolean;
  /** Whose ticks it takes, of edges that say the same; default: real ones. */
  brokers?: BrokerKind;
  /** Edges and their tokens, or these tokens' `sha256:HEX`. */
  edges: ReadonlyMap<string, string>;
  /** Tailnet tags of which an edge's machine needs one; an edge without any is not asked. */
  edgeTags?: ReadonlyMap<string, readonly string[]>;
  /** Where the local tailscaled listens; default TAILSCALE_SOCKET. */
  tailscaleSocket?: string;
  /** Accounts an edge may write and claim; all where none are given. */
  edgeAccounts?: ReadonlyMap<string, readonly string[]>;
  /** Lets whoever shows it act from the page: the token or its `sha256:HEX`; default: nobody. */
  adminToken?: string | undefined;
  symbols: readonly PlanSymbol[];
  accounts: readonly PlanAccount[];
  leaseTimings: LeaseTimings;
  /** Edges that may hold an account; any, where none are given. Several: failover. */
  placement?: ReadonlyMap<string, readonly string[]>;
  /** Which edges stand at home and which in the cloud; then the migration's phases place the accounts. */
  sites?: readonly SiteRule[];
  /** Days of raw ticks to keep; default all. */
  retainDays?: number;
  /** The Sentinel's token or its `sha256:HEX`; without one the hub takes no alerts. */
  sentinelToken?: string | undefined;
  /** A folder on the volume that the database is on. */
  diskPath?: string | undefined;
  /** What of the hub's own log goes into the central one, and how long and large that grows. */
  logs?: LogSettings & { retainDays: number; bytesMax: number };
  /** Where the machine's WAL upload says how it stands. */
  backupStatus?: string | undefined;
  /** What meters are compared with, as `meter@subject`; default: the vendors' free tiers. */
  meterLimits?: ReadonlyMap<string, number>;
  /** GB an edge may send a month; over it, it does without logs and books. */
  egressBudgets?: ReadonlyMap<string, number>;
  version: string;
  clock: Clock;
  /** What time the market has; default: the clock's. */
  market?: MarketClock;
  reporter: Reporter;
  /** How long to wait for the database before giving up. */
  databaseWaitMs?: number;
  /** Where the release agent says how it stands; default RELEASES. */
  releaseDir?: string;
  /** Bounds; defaults GATEWAY_LIMITS and HEARTBEAT. */
  limits?: Partial<GatewayLimits>;
  heartbeat?: { tickMs: number; missesMax: number };
}

export interface Hub {
  /** `http://address:port` of page, /status, /healthz, /metrics. */
  readonly url: string;
  /** `ws://address:port` for edges. */
  readonly gatewayUrl: string;
  /** The gateway's. */
  readonly port: number;
  picture(): Promise<Picture>;
  /** Takes nothing new, commits and acks what is under way, closes. */
  stop(): Promise<void>;
}

const WRITERS_MAX = 4;
const NO_LOG: LogSettings = { level: null, bytesPerDay: 0 };
const DATABASE_WAIT_MS = 60_000;
const DATABASE_RETRY_MS = 500;
const STOP_MS = 10_000;
const LATENCY_SPAN_MS = 60_000;
const LATENCY_NOW_SPAN_MS = 1_000;

/**
 * Starts a hub: the port first, so that a second one is refused before it touches the database, then the
 * database. Throws GATEWAY_PUBLIC, GATEWAY_PORT_TAKEN, DATABASE_*, CAP_TOO_SMALL; DATABASE_BROKERS where it holds
 * the other kind of ticks.
 */
export async function startHub(options: HubOptions): Promise<Hub> {
  assertPrivate(options.bind, options.allowPublic ?? false);
  const core = createCore(options);
  const gateway = createGateway(core);
  const picture = () => look(core, gateway);
  const stress = createStressDoor(core, gateway, picture);
  const doors = createDoors(core, gateway, {
    picture,
    evidence: createEvidenceDoor(core, gateway),
    instruments: new InstrumentsDoor({
      vet: (edge, request) => gateway.vet(edge, request),
      read: () => readInstrumentNames(core.pool),
      emit: core.emit,
    }),
    stress,
    sentinel: createSentinelDoor(core),
  });
  try {
    const { url, edgeUrl } = await doors.listen();
    await core.identity.look();
    await whenReachable(options, () => prepare(core));
    core.state.ready = true;
    core.conservation.start();
    core.keeper.start();
    core.parity.start();
    core.backup.start();
    core.meters.start();
    core.retention.start();
    core.log.start();
    const gatewayUrl = edgeUrl.replace(/^http/, "ws");
    core.emit({ event: "hub_listening", url, gatewayUrl });
    return {
      url,
      gatewayUrl,
      port: Number(new URL(edgeUrl).port),
      picture,
      async stop() {
        await stop(core, gateway, doors);
        await stress.stop();
      },
    };
  } catch (error) {
    core.loop.stop();
    await doors.close();
    await Promise.all([core.reader.stop(), core.pool.end(), stress.stop()]);
    throw error;
  }
}

/** What the hub consists of before anything listens. */
function createCore(options: HubOptions) {
  const { clock, reporter } = options;
  const { emit, registry } = reporter;
  const pool = openPool(options.databaseUrl, {
    connectionsMax: WRITERS_MAX + 6,
    name: "tickhub-hub",
  });
  const backup = new BackupWatch({ path: options.backupStatus, clock, emit });
  const live = new LiveView();
  const served = { sockets: new SocketBytes(), metricsBytes: 0 };
  const market = options.market ?? ((wallMs: number) => wallMs);
  const startedMs = clock.monoMs();
  return {
    ...options,
    brokers: options.brokers ?? ("real" as const),
    served,
    meters: new MeterKeeper({
      ...{
        pool,
        clock,
        emit,
        edges: [...options.edges.keys()],
        boot: `${clock.nowMs()}-${clock.random()}`,
      },
      limits: options.meterLimits ?? new Map(),
      budgets: options.egressBudgets ?? new Map(),
      counters: () => ({
        up_seconds: Math.round((clock.monoMs() - startedMs) / 1_000),
        served_bytes: served.sockets.written(),
        log_bytes: reporter.logBytes(),
        metrics_bytes: served.metricsBytes,
        requests_taken: served.sockets.requests,
      }),
      bucketBytes: () => backup.picture().note?.bucketBytes ?? null,
    }),
    emit,
    registry,
    pool,
    startedMs: clock.nowMs(),
    state: { ready: false, system: "" },
    writer: new BatchWriter({
      ...{ pool, clock, connectionsMax: WRITERS_MAX, onEvent: emit },
      onStored: (batch) => batch.header.account !== CANARY && live.stored(batch),
    }),
    live,
    reader: new Reader({ databaseUrl: options.databaseUrl, clock }),
    market,
    keeper: new CoverageKeeper({ pool, clock, emit, market }),
    parity: new ParityJob({ pool, clock, emit, market }),
    latency: new RollingLatency(LATENCY_SPAN_MS, clock.monoMs()),
    latencyNow: new RollingLatency(LATENCY_NOW_SPAN_MS, clock.monoMs()),
    loop: new LoopWatch(clock),
    metrics: createHubMetrics(registry, options.version),
    tableSizes: new TableSizes(pool, clock),
    overview: new Overview(pool, clock, (code, reason) =>
      emit({ event: "database_failed", code, reason }),
    ),
    conservation: new Conservation({ pool, clock, emit }),
    backup,
    retention: new Retention({
      ...{ pool, clock, emit, retainDays: options.retainDays ?? 0, logs: options.logs },
    }),
    log: new HubLog({ pool, clock, reporter, ...(options.logs ?? NO_LOG) }),
    admission: new Admission(
      new Map([...options.edges, [CANARY, canaryToken(options.databaseUrl)]]),
      new Map([...(options.edgeAccounts ?? []), [CANARY, [CANARY]]]),
    ),
    identity: new TailnetIdentity({
      tags: options.edgeTags ?? new Map(),
      socketPath: options.tailscaleSocket ?? TAILSCALE_SOCKET,
      clock,
    }),
    expiries: new Expiries(options.tailscaleSocket ?? TAILSCALE_SOCKET, clock),
    leases: new Leases({
      ...options,
      pool,
      emit,
      channels: ["trade", "book"],
      timings: options.leaseTimings,
    }),
  };
}
export type Core = ReturnType<typeof createCore>;

/** What an edge's connection can do here. */
function createBackend(core: Core): Backend {
  const { writer, admission, live, leases, metrics, meters, pool, state, clock } = core;
  const { latency, latencyNow } = core;
  return {
    write: (bytes, from) => writer.write(bytes, from),
    mayUse: (edge, account) => admission.mayUse(edge, account),
    async ask(edge, question) {
      if (!isBare(question.status)) live.status(edge, question.status, clock.nowMs());
      const standing = await leases.ask(edge, question);
      const shedding = meters.sheddingOf(edge);
      return shedding === "none" ? standing : { ...standing, shedding };
    },
    async system() {
      state.system = await readSystem(pool).catch(() => state.system);
      return state.system;
    },
    stored(_bytes, header) {
      // No ticks: neither a measurement nor what may wait changes what the hub says of its latency.
      if (header.account === CANARY || isAnybodysOwn(header.account)) return;
      const delayMs = clock.nowMs() - header.firstMs;
      latency.record(delayMs, clock.monoMs());
      latencyNow.record(delayMs, clock.monoMs());
      metrics.committed(header.account, delayMs);
    },
  };
}

function createGateway(core: Core): Gateway {
  const { version, brokers, admission, identity, clock, emit, limits, heartbeat, state } = core;
  return new Gateway({
    ...{ version, brokers },
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

function createEvidenceDoor(core: Core, gateway: Gateway): EvidenceDoor {
  const { pool, clock, emit, admission, accounts, brokers } = core;
  return new EvidenceDoor({
    brokers,
    vet: (edge, request) => gateway.vet(edge, request),
    isOwn: (edge, account) =>
      accounts.some((planned) => planned.account === account) && admission.mayUse(edge, account),
    store: (evidence) => keepEvidence(pool, evidence),
    clock,
    emit,
  });
}

function createStressDoor(
  core: Core,
  gateway: Gateway,
  picture: () => Promise<Picture>,
): StressDoor {
  const { brokers, databaseUrl, clock, emit, version, symbols, accounts } = core;
  return new StressDoor({
    ...{ brokers, databaseUrl, clock, emit },
    vet: (edge, request) => gateway.vet(edge, request),
    async hub() {
      const { accounts: known, loop, latency, latencyNow } = await picture();
      const leases = known.flatMap(({ account, lease }) => {
        if (lease?.holder == null) return [];
        return [{ account, edge: lease.edge, seenMs: lease.seenMs }];
      });
      return {
        ...{ version, symbols: [...symbols], leases, loop, latency, latencyNow },
        accounts: accounts.map(({ account }) => account),
      };
    },
  });
}

function createSentinelDoor({ pool, clock, emit, sentinelToken }: Core): SentinelDoor | undefined {
  if (sentinelToken === undefined) return undefined;
  return new SentinelDoor({
    token: sentinelToken,
    async store(report) {
      await storeSentinelReport(pool, report);
      if (report.evidence) await keepEvidence(pool, report.evidence);
    },
    open: (limit) => openAlerts(pool, limit),
    clock,
    emit,
  });
}

async function look(core: Core, gateway: Gateway): Promise<Picture> {
  const { version, startedMs, clock, overview, identity, live, latency, leases, keeper } = core;
  await overview.refresh();
  return pictureOf({
    ...{ version, brokers: core.brokers },
    startedMs,
    nowMs: clock.nowMs(),
    health: overview.health(),
    identity: identity.status(),
    books: overview.books(),
    statuses: live.statuses(),
    latency: latency.percentiles(clock.monoMs()),
    latencyNow: core.latencyNow.percentiles(clock.monoMs()),
    loop: core.loop.read(),
    planned: leases.planned(),
    connections: countByEdge(gateway),
    known: new Set(core.edges.keys()),
    sites: core.sites ?? [],
    unbalanced: core.conservation.wrong(),
    coverage: keeper.summary(),
    parity: core.parity.picture(),
    backup: core.backup.picture(),
    meters: core.meters.picture(),
    release: await readRelease(core.releaseDir ?? RELEASES),
  });
}

async function stop(core: Core, gateway: Gateway, doors: Doors): Promise<void> {
  core.backup.stop();
  core.loop.stop();
  await Promise.all([
    core.conservation.stop(),
    core.keeper.stop(),
    core.parity.stop(),
    core.retention.stop(),
  ]);
  await gateway.stop(STOP_MS);
  gateway.terminate();
  await core.meters.stop();
  await doors.close();
  await core.log.stop();
  await Promise.all([core.reader.stop(), core.pool.end()]);
}

async function prepare({ pool, clock, reporter, leases, state, brokers }: Core): Promise<void> {
  await migrate(pool, { clock, onEvent: reporter.emit });
  await claimBrokers(pool, brokers);
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

export function countByEdge(gateway: Gateway): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { edge } of gateway.connections()) counts.set(edge, (counts.get(edge) ?? 0) + 1);
  return counts;
}
