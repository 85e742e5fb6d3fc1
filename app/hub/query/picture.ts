// The whole picture in one object: what /status prints, the page draws and /metrics counts. Joins the
// database's books with what is live in this process; pure, so that one look is consistent in itself.
import type { BrokerKind } from "../../shared/brokers.ts";
import type { EdgeStatus } from "../../shared/gateway-protocol.ts";
import type { Percentiles } from "../../shared/latency.ts";
import type { LoopDelay } from "../../shared/loop-watch.ts";
import type { ReleaseStatus } from "../../shared/release-status.ts";
import type { Ledger } from "../../shared/tick.ts";
import { isBalanced, sumOf } from "../../shared/tick.ts";
import type { EdgeHealth } from "../../shared/web-api.ts";
import type { SiteRule } from "../phase/phases.ts";
import type { BackupPicture } from "./backup.ts";
import type { CoverageSummary } from "./coverage/summary.ts";
import { healthOf } from "./edge-health.ts";
import type { ParityPicture } from "./parity/job.ts";
import type { SeenStatus } from "./live.ts";
import type { MeterPicture } from "./meters/keeper.ts";
import type { Imbalance } from "./stream-audit.ts";
import type { Books, DatabaseHealth, LeaseRow, PhaseWord, StoredLedger } from "./overview.ts";

export interface EdgePicture {
  edge: string;
  /** Connections to this hub's gateway; a direct edge has none. */
  connections: number;
  /** Age of the status on the hub's clock. */
  seenAgeMs: number;
  status: EdgeStatus;
  health: EdgeHealth;
}

export interface AccountPicture {
  account: string;
  /** Registrations planned for it. */
  planned: number;
  lease: LeaseRow | null;
  /** All streams ever stored, as the hub's database counts them. */
  hub: Ledger & { isBalanced: boolean };
  /** The process that collects now, as its edge counts: from its start, with what it still holds. */
  edge: (Ledger & { isBalanced: boolean; edge: string }) | null;
}

export interface Picture {
  version: string;
  /** Whose ticks this hub takes. */
  brokers: BrokerKind;
  nowMs: number;
  upMs: number;
  database: DatabaseHealth;
  /** Where the migration stands; null where there are no phases. */
  phase: PhaseWord | null;
  /** Whether edges' machines are compared with their tailnet tags, and why not. */
  identity: { isChecked: boolean; reason: string };
  edges: EdgePicture[];
  accounts: AccountPicture[];
  /** Committed rows by table. */
  rows: Record<string, number>;
  /** From receipt at the edge to commit; as good as the two machines' clocks agree. */
  latency: Percentiles;
  /** The same of the last second or two. */
  latencyNow: Percentiles;
  loop: LoopDelay;
  /** The conservation sum over all accounts: the hub's books and what the edges hold beside. */
  total: Ledger & { isBalanced: boolean };
  /** Books that were found wrong at the last check, stream by stream and against the edges. */
  unbalanced: readonly Imbalance[];
  /** What is known to be complete of the market's day. */
  coverage: CoverageSummary;
  /** How far two brokers agree, day by day. */
  parity: ParityPicture;
  /** How the machine's release agent stands; null where there is none. */
  release: ReleaseStatus | null;
  backup: BackupPicture;
  /** What the free tiers are measured by, projected to the month's end. */
  meters: readonly MeterPicture[];
}

export interface PictureInput {
  version: string;
  brokers: BrokerKind;
  nowMs: number;
  startedMs: number;
  health: DatabaseHealth;
  identity: Picture["identity"];
  books: Books;
  statuses: ReadonlyMap<string, SeenStatus>;
  latency: Percentiles;
  latencyNow: Percentiles;
  loop: LoopDelay;
  planned: ReadonlyMap<string, number>;
  connections: ReadonlyMap<string, number>;
  /** Edges of the configuration: one that is none of them and long silent is no edge any more. */
  known: ReadonlySet<string>;
  sites: readonly SiteRule[];
  unbalanced: Picture["unbalanced"];
  coverage: CoverageSummary;
  parity: ParityPicture;
  release: ReleaseStatus | null;
  backup: BackupPicture;
  meters: readonly MeterPicture[];
}

export function pictureOf(input: PictureInput): Picture {
  const { version, nowMs, startedMs, health, books, planned } = input;
  const edges = edgesOf(input);
  const names = new Set([...planned.keys(), ...books.ledgers.map(({ account }) => account)]);
  const accounts = [...names].sort().map((account) => ({
    account,
    planned: planned.get(account) ?? 0,
    lease: books.leases.find((lease) => lease.account === account) ?? null,
    hub: judged(sumOf(books.ledgers.filter((ledger) => ledger.account === account))),
    edge: edgeLedger(account, edges),
  }));
  return {
    ...{ version, brokers: input.brokers },
    nowMs,
    upMs: nowMs - startedMs,
    database: health,
    phase: books.phase,
    identity: input.identity,
    edges,
    accounts,
    rows: rowsByTable(books.ledgers),
    latency: input.latency,
    latencyNow: input.latencyNow,
    loop: input.loop,
    total: judged(totalOf(accounts)),
    unbalanced: input.unbalanced,
    coverage: input.coverage,
    parity: input.parity,
    release: input.release,
    backup: input.backup,
    meters: input.meters,
  };
}

/** The database's clock and this process's may differ by less. */
const DIRECT_MS = 5_000;
/** An edge that left the configuration is shown for so long after its last word. */
const FORGOTTEN_MS = 86_400_000;

/** Statuses heard here, and those a direct edge wrote into the database. */
function edgesOf({
  books,
  statuses: heard,
  connections,
  known,
  sites,
  nowMs,
}: PictureInput): EdgePicture[] {
  const seen = new Map<string, SeenStatus>();
  for (const { edge, seenMs, status } of books.statuses) seen.set(edge, { seenMs, status });
  // What passed the gateway is in the database too; newer there is only what an edge wrote itself.
  const direct = new Set(
    books.statuses
      .filter(({ edge, seenMs }) => seenMs - (heard.get(edge)?.seenMs ?? 0) > DIRECT_MS)
      .map(({ edge }) => edge),
  );
  for (const [edge, status] of heard) if (!direct.has(edge)) seen.set(edge, status);
  for (const edge of connections.keys()) {
    if (!seen.has(edge)) seen.set(edge, { seenMs: nowMs, status: {} });
  }
  return [...seen]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([edge, { status, seenMs }]) => {
      const seenAgeMs = Math.max(0, nowMs - seenMs);
      const own = { edge, connections: connections.get(edge) ?? 0, seenAgeMs, status };
      const isAtGateway = !direct.has(edge);
      return { ...own, health: healthOf({ ...own, isAtGateway }, sites, books.leases) };
    })
    .filter(
      ({ edge, connections: open, seenAgeMs }) =>
        open > 0 || known.has(edge) || seenAgeMs < FORGOTTEN_MS,
    );
}

/** Of several edges that name the account, the one heard last: the others are past or stand by. */
function edgeLedger(account: string, edges: readonly EdgePicture[]): AccountPicture["edge"] {
  const latest = edges
    .filter(({ status }) => status.accounts?.[account]?.ledger)
    .sort((a, b) => a.seenAgeMs - b.seenAgeMs)[0];
  const ledger = latest?.status.accounts?.[account]?.ledger;
  return latest && ledger ? { ...judged(ledger), edge: latest.edge } : null;
}

/** The hub's books of each account, and what its edge holds beside them. */
function totalOf(accounts: readonly AccountPicture[]): Ledger {
  return sumOf(
    accounts.map(({ hub, edge }) => {
      const held = edge?.held ?? 0;
      return { ...hub, received: hub.received + held, held };
    }),
  );
}

function judged(ledger: Ledger): Ledger & { isBalanced: boolean } {
  return { ...ledger, isBalanced: isBalanced(ledger) };
}

function rowsByTable(ledgers: readonly StoredLedger[]): Record<string, number> {
  const rows: Record<string, number> = {};
  for (const { table, committed } of ledgers) rows[table] = (rows[table] ?? 0) + committed;
  return rows;
}
