// The whole picture in one object: what /status prints, the page draws and /metrics counts. Joins the
// database's books with what is live in this process; pure, so that one look is consistent in itself.
import type { EdgeStatus } from "../../shared/gateway-protocol.ts";
import type { Percentiles } from "../../shared/latency.ts";
import type { Ledger } from "../../shared/tick.ts";
import { isBalanced, sumOf } from "../../shared/tick.ts";
import type { CoverageSummary } from "./coverage/summary.ts";
import type { SeenStatus } from "./live.ts";
import type { Imbalance } from "./stream-audit.ts";
import type { Books, DatabaseHealth, LeaseRow, StoredLedger } from "./overview.ts";

export interface EdgePicture {
  edge: string;
  /** Connections to this hub's gateway; a direct edge has none. */
  connections: number;
  /** Age of the status on the hub's clock. */
  seenAgeMs: number;
  status: EdgeStatus;
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
  nowMs: number;
  upMs: number;
  database: DatabaseHealth;
  /** Whether edges' machines are compared with their tailnet tags, and why not. */
  identity: { isChecked: boolean; reason: string };
  edges: EdgePicture[];
  accounts: AccountPicture[];
  /** Committed rows by table. */
  rows: Record<string, number>;
  /** From receipt at the edge to commit; as good as the two machines' clocks agree. */
  latency: Percentiles;
  /** The conservation sum over all accounts: the hub's books and what the edges hold beside. */
  total: Ledger & { isBalanced: boolean };
  /** Books that were found wrong at the last check, stream by stream and against the edges. */
  unbalanced: readonly Imbalance[];
  /** What is known to be complete of the market's day. */
  coverage: CoverageSummary;
}

export interface PictureInput {
  version: string;
  nowMs: number;
  startedMs: number;
  health: DatabaseHealth;
  identity: Picture["identity"];
  books: Books;
  statuses: ReadonlyMap<string, SeenStatus>;
  latency: Percentiles;
  planned: ReadonlyMap<string, number>;
  connections: ReadonlyMap<string, number>;
  unbalanced: Picture["unbalanced"];
  coverage: CoverageSummary;
}

export function pictureOf(input: PictureInput): Picture {
  const { version, nowMs, startedMs, health, books, statuses, planned, connections } = input;
  const edges = edgesOf(books, statuses, connections, nowMs);
  const names = new Set([...planned.keys(), ...books.ledgers.map(({ account }) => account)]);
  const accounts = [...names].sort().map((account) => ({
    account,
    planned: planned.get(account) ?? 0,
    lease: books.leases.find((lease) => lease.account === account) ?? null,
    hub: judged(sumOf(books.ledgers.filter((ledger) => ledger.account === account))),
    edge: edgeLedger(account, edges),
  }));
  return {
    version,
    nowMs,
    upMs: nowMs - startedMs,
    database: health,
    identity: input.identity,
    edges,
    accounts,
    rows: rowsByTable(books.ledgers),
    latency: input.latency,
    total: judged(totalOf(accounts)),
    unbalanced: input.unbalanced,
    coverage: input.coverage,
  };
}

/** Statuses heard here, and those a direct edge wrote into the database. */
function edgesOf(
  books: Books,
  heard: ReadonlyMap<string, SeenStatus>,
  connections: ReadonlyMap<string, number>,
  nowMs: number,
): EdgePicture[] {
  const seen = new Map<string, SeenStatus>();
  for (const { edge, seenMs, status } of books.statuses) seen.set(edge, { seenMs, status });
  for (const [edge, status] of heard) seen.set(edge, status);
  for (const edge of connections.keys()) {
    if (!seen.has(edge)) seen.set(edge, { seenMs: nowMs, status: {} });
  }
  return [...seen]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([edge, { status, seenMs }]) => ({
      edge,
      connections: connections.get(edge) ?? 0,
      seenAgeMs: Math.max(0, nowMs - seenMs),
      status,
    }));
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
