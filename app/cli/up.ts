// `tickhub up` (= `npm start`): everything on one machine, supervised. Ends with the conservation sum:
// what the simulated brokers counted, what the edges counted, and what SQL finds must be one number.
import { resolve } from "node:path";
import type { Pool } from "pg";
import { sleep, systemClock } from "../shared/clock.ts";
import { readSettings } from "../shared/config.ts";
import type { EdgeReport } from "../edge/core.ts";
import type { MarketState } from "../sim/sim.ts";
import { marketNow, parseMarketClock } from "../shared/market-clock.ts";
import { isoAtVenue } from "../shared/market-time.ts";
import { tapeSha256 } from "../shared/tape-file.ts";
import { isBalanced, sumOf } from "../shared/tick.ts";
import type { Ledger } from "../shared/tick.ts";
import { openPool } from "../store/database.ts";
import type { DatabaseDigest } from "../store/digest.ts";
import { continuityBreaks, countRows } from "../store/ledger.ts";
import type { RowCounts } from "../store/ledger.ts";
import { fetchJson } from "./http.ts";
import { grouped, printJson, say } from "./output.ts";
import { Progress } from "./progress.ts";
import { answered, declareSpan } from "./recording.ts";
import { untilSignal } from "./signal.ts";
import { BROKERS, Stack } from "./stack.ts";
import type { Broker, StackOptions } from "./stack.ts";

export interface UpOptions {
  seconds?: number;
  tape?: string[];
  speed: string;
  seed?: number;
  rate?: number;
  uplink: "gateway" | "postgres";
  json?: boolean;
}

/** The last line of a run. */
export interface RunReport extends Ledger {
  /** Counted by the simulated brokers, in their own process. */
  sent: number;
  /** Trades asked of the brokers' REST afterwards. */
  backfilled: number;
  /** Counted by SQL: rows of trade, book and status that this run added. */
  rows: number;
  balanced: boolean;
  edges: EdgeReport[];
  p50_ms: number | null;
  p99_ms: number | null;
  sources: RowCounts;
  /** Trades of the market's day that do not go on from the one before, by source. */
  continuity_breaks: Record<string, number>;
  /** Of a recording: what its replay has to give again, and where it is kept. */
  digest?: DatabaseDigest;
  database?: string;
  tapes?: string[];
}

/** How long the edges may take to hand over what they hold, once the market has ended. */
const DRAIN_MS = 60_000;
/** Market updates a second of the simulator's own market; each broker says every one. */
const RATE_PER_S = 300;
/** A process of ours that died is started again after this pause. */
const RESTART_MS = 1_000;

export async function up(options: UpOptions): Promise<number> {
  const settings = readSettings(process.env);
  const { report, ok } = await run(options, {
    stateDir: settings.TICKHUB_STATE_DIR,
    databaseUrl: settings.TICKHUB_DATABASE_URL,
    port: settings.TICKHUB_PORT,
    logLevel: settings.TICKHUB_LOG_LEVEL,
    uplink: options.uplink,
    simArgs: simArgs(options),
  });
  finish(report, ok, options.json ?? false);
  return ok ? 0 : 1;
}

/** A whole run, from the first process to the last count. */
export async function run(
  options: UpOptions,
  stackOptions: StackOptions,
): Promise<{ report: RunReport; ok: boolean; stack: Stack }> {
  const ending = untilSignal();
  const progress = new Progress(options.json ?? false);
  progress.step("database, simulated brokers, hub, edges");
  const stack = await Stack.start(stackOptions);
  try {
    const before = await counted(stack);
    const supervision = supervise(stack);
    progress.ready(stack, options.seconds);
    const watching = new AbortController();
    await Promise.race([ending, until(stack, options, progress, watching.signal)]);
    watching.abort();
    progress.step("the market closes; what is under way is stored");
    await stack.stopMarket();
    await drained(stack);
    supervision.end();
    if (options.tape) await declare(stack, options.tape);
    const report = await sumUp(stack, before);
    return { report, ok: isGood(report, await speaking(stack)), stack };
  } finally {
    progress.end();
    await stack.stop();
  }
}

export function simArgs(options: UpOptions): string[] {
  const args = ["--expect", BROKERS.join(",")];
  for (const tape of options.tape ?? []) args.push("--tape", resolve(tape));
  if (options.tape) args.push("--speed", options.speed);
  if (options.seed) args.push("--seed", String(options.seed));
  if (!options.tape) args.push("--rate", String(options.rate ?? RATE_PER_S));
  return args;
}

/** Resolves when the time is up, or the tape has been played and stored. */
async function until(
  stack: Stack,
  options: UpOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const deadlineMs = options.seconds ? systemClock.monoMs() + options.seconds * 1_000 : Infinity;
  while (!signal.aborted && systemClock.monoMs() < deadlineMs) {
    await sleep(systemClock, Math.min(500, Math.max(1, deadlineMs - systemClock.monoMs())));
    await progress.show(stack);
    if (options.tape && (await stack.marketDone())) return;
  }
}

/** Waits until the edges hold nothing and have heard everything that was sent. */
async function drained(stack: Stack): Promise<void> {
  const deadlineMs = systemClock.monoMs() + DRAIN_MS;
  while (systemClock.monoMs() < deadlineMs) {
    const sent = (await stack.simCounts())?.records ?? 0;
    const edges = await edgeReports(stack);
    const { held } = sumOf(edges.map((edge) => edge.ledger));
    if (held === 0 && sumOf(edges.map((edge) => edge.live)).received >= sent) return;
    await sleep(systemClock, 50);
  }
}

async function sumUp(stack: Stack, before: RowCounts): Promise<RunReport> {
  const edges = await edgeReports(stack);
  const ledger = sumOf(edges.map((edge) => edge.ledger));
  const backfilled = ledger.received - sumOf(edges.map((edge) => edge.live)).received;
  const sent = (await stack.simCounts())?.records ?? 0;
  const sources = added(before, await counted(stack));
  const breaks = await brokenAt(stack, Object.keys(sources));
  const rows = Object.values(sources).reduce(
    (total, one) => total + one.trade + one.book + one.status,
    0,
  );
  const worst = (of: "p50Ms" | "p99Ms") =>
    edges.reduce<number | null>(
      (most, edge) => (edge[of] === null ? most : Math.max(most ?? 0, edge[of])),
      null,
    );
  const isAllHeard = sent + backfilled === ledger.received;
  return {
    sent,
    backfilled,
    ...ledger,
    rows,
    balanced: isBalanced(ledger) && isAllHeard && rows === ledger.committed,
    edges,
    p50_ms: worst("p50Ms"),
    p99_ms: worst("p99Ms"),
    sources,
    continuity_breaks: breaks,
  };
}

/** The last line: for programs one JSON object, for people the sum and its verdict. */
export function finish(report: RunReport, ok: boolean, json: boolean): void {
  if (json) {
    printJson(report);
    return;
  }
  const n = (part: keyof Ledger) => `${grouped(report[part])} ${part}`;
  const later = report.backfilled > 0 ? ` and told ${grouped(report.backfilled)} later` : "";
  const { sent, rows } = report;
  say(`tickhub: brokers sent ${grouped(sent)}${later}, SQL finds ${grouped(rows)} rows`);
  say(
    `${ok ? "balanced" : "NOT GOOD"}: ${n("received")} = ${n("committed")} + ${n("duplicate")} + ` +
      `${n("held")} + ${n("quarantined")} + ${n("lost")}`,
  );
  if (report.tapes) say(`tickhub: tapes ${report.tapes.join(" ")}`);
  if (report.digest) process.stdout.write(`${report.digest.sha256}\n`);
}

/** Of a recording the database is told what time it holds; then the hub asks for what closes the day. */
async function declare(stack: Stack, tapes: readonly string[]): Promise<void> {
  const market = await fetchJson<MarketState>(`${stack.places.control}/market`);
  if (!market?.played) return;
  const { played, brokers } = market;
  const names = await Promise.all(tapes.map(tapeSha256));
  await look(stack, async (pool) => {
    for (const broker of brokers) await declareSpan(pool, `${broker}:1`, names.join("+"), played);
  });
  await answered(stack);
}

/** Who has something to say on this market: both brokers, or the one whose tape it is. */
async function speaking(stack: Stack): Promise<readonly string[]> {
  const market = await fetchJson<{ brokers: string[] }>(`${stack.places.control}/market`);
  return market?.brokers ?? BROKERS;
}

/** Nothing lost, nothing left behind, three independent counts agree, and who spoke was heard. */
function isGood(report: RunReport, brokers: readonly string[]): boolean {
  const heard =
    report.edges.length === BROKERS.length &&
    report.edges.every(({ edge, ledger }) => ledger.received > 0 || !brokers.includes(edge));
  return report.balanced && report.held === 0 && report.lost === 0 && heard;
}

/** Starts again what dies, as an operator's supervisor would. */
function supervise(stack: Stack): { end: () => void } {
  let over = false;
  const isOver = () => over;
  const watch = async (
    name: string,
    exited: () => Promise<unknown>,
    restart: () => Promise<void>,
  ) => {
    for (;;) {
      await exited();
      if (isOver()) return;
      say(`tickhub: ${name} died; it is started again`);
      await sleep(systemClock, RESTART_MS);
      if (isOver()) return;
      await restart().catch((error: unknown) => say(`tickhub: ${name}: ${String(error)}`));
    }
  };
  void watch(
    "the hub",
    () => stack.hub.exited,
    () => stack.startHub(),
  );
  for (const broker of BROKERS) {
    const exited = () => stack.edges.get(broker)!.exited;
    void watch(`edge ${broker}`, exited, () => stack.startEdge(broker));
  }
  return { end: () => void (over = true) };
}

async function edgeReports(stack: Stack): Promise<EdgeReport[]> {
  const reports = await Promise.all(BROKERS.map((broker: Broker) => stack.edgeStatus(broker)));
  return reports.filter((report) => report !== null);
}

async function counted(stack: Stack): Promise<RowCounts> {
  return await look(stack, countRows);
}

/** On the market's own day: a recording's, or today. */
async function brokenAt(stack: Stack, sources: readonly string[]): Promise<Record<string, number>> {
  const market = parseMarketClock(stack.places.marketClock);
  const day = isoAtVenue("KRX", marketNow(market, systemClock)).slice(0, 10);
  return await look(stack, async (pool) => {
    const counts: Record<string, number> = {};
    for (const source of sources)
      counts[source] = (await continuityBreaks(pool, source, day)).length;
    return counts;
  });
}

/** Looks into the stack's database, independently of its processes. */
async function look<T>(stack: Stack, ask: (pool: Pool) => Promise<T>): Promise<T> {
  const pool = openPool(stack.databaseUrl, { connectionsMax: 1, name: "tickhub-up" });
  try {
    return await ask(pool);
  } finally {
    await pool.end();
  }
}

/** What `after` has more than `before`. */
function added(before: RowCounts, after: RowCounts): RowCounts {
  return Object.fromEntries(
    Object.entries(after).map(([source, now]) => {
      const then = before[source];
      return [
        source,
        {
          trade: now.trade - (then?.trade ?? 0),
          book: now.book - (then?.book ?? 0),
          status: now.status - (then?.status ?? 0),
          quarantine: now.quarantine - (then?.quarantine ?? 0),
        },
      ];
    }),
  );
}
