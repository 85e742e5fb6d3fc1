// `tickhub verify`: how complete a day is, from the tables alone. Exits with 0 when everything that was
// expected while somebody collected is proved, with 1 when not; lists each span that is not, and what is
// known of it (docs/coverage.md).
import type pg from "pg";
import { provenShare, verifySource } from "../hub/query/coverage/verify.ts";
import type { SourceReport, UnprovenSpan } from "../hub/query/coverage/verify.ts";
import { readSources } from "../hub/query/coverage/evidence.ts";
import { marketDay } from "../shared/calendar.ts";
import { systemClock } from "../shared/clock.ts";
import { readSettings } from "../shared/config.ts";
import { TickhubError } from "../shared/errors.ts";
import { marketNow, parseMarketClock } from "../shared/market-clock.ts";
import { dayIn, isoAtVenue, zoneOf } from "../shared/market-time.ts";
import { asDatabaseError, openPool } from "../store/database.ts";
import { grouped, printJson, say } from "./output.ts";
import { openServer } from "./server.ts";

export interface VerifyOptions {
  date: string;
  source?: string;
  json?: boolean;
}

export interface VerifyReport {
  ok: boolean;
  date: string;
  trades: number;
  tookMs: number;
  sources: SourceReport[];
}

/** A day of five million trades is sorted before it is read. */
const STATEMENT_MS = 600_000;
const SPANS_SHOWN_MAX = 200;

export async function verify(options: VerifyOptions): Promise<number> {
  const day = dayOf(options.date);
  const settings = readSettings(process.env);
  const server = await openServer(settings.TICKHUB_STATE_DIR, settings.TICKHUB_DATABASE_URL);
  const pool = openPool(server.url, {
    connectionsMax: 2,
    name: "tickhub-verify",
    statementTimeoutMs: STATEMENT_MS,
  });
  try {
    const report = await verifyDay(pool, day, options, settings.TICKHUB_MARKET_CLOCK);
    if (options.json) printJson(report);
    else print(report, day);
    return report.ok ? 0 : 1;
  } catch (error) {
    throw asDatabaseError(error);
  } finally {
    await pool.end();
    await server.stop();
  }
}

async function verifyDay(
  pool: pg.Pool,
  day: number,
  { date, source }: VerifyOptions,
  clock: string,
): Promise<VerifyReport> {
  const startedMs = systemClock.monoMs();
  const market = parseMarketClock(clock);
  const nowMs = marketNow(market, systemClock);
  const names = source ? [source] : await readSources(pool, day);
  const sources: SourceReport[] = [];
  for (const name of names) {
    const one = await verifySource(pool, name, day, market, nowMs);
    if (one) sources.push(one);
  }
  const isNothing = sources.length === 0 && marketDay("KRX", day).isTrading;
  const ok = !isNothing && sources.every(({ unproven }) => unproven.length === 0);
  const trades = sources.reduce((sum, one) => sum + one.trades, 0);
  return { ok, date, trades, tookMs: Math.round(systemClock.monoMs() - startedMs), sources };
}

function print({ ok, date, trades, tookMs, sources }: VerifyReport, day: number): void {
  if (sources.length === 0) {
    const { isTrading, reason } = marketDay("KRX", day);
    say(`tickhub: nothing is stored of ${date}${isTrading ? "" : ` (${reason})`}`);
  }
  for (const report of sources) {
    for (const line of linesOf(report)) process.stdout.write(`${line}\n`);
  }
  const spans = sources.flatMap(({ unproven }) => unproven);
  for (const span of spans.slice(0, SPANS_SHOWN_MAX)) process.stdout.write(`  ${lineOf(span)}\n`);
  if (spans.length > SPANS_SHOWN_MAX) {
    say(`tickhub: ${grouped(spans.length - SPANS_SHOWN_MAX)} more spans: see --json`);
  }
  const seconds = (tookMs / 1_000).toFixed(1);
  const verdict = ok ? "complete" : `NOT COMPLETE: ${grouped(spans.length)} spans are not proven`;
  say(`tickhub: ${date} ${verdict} · ${grouped(trades)} trades in ${seconds} s`);
}

function linesOf({ source, channels, differs }: SourceReport): string[] {
  const lines = channels
    .filter(({ symbols }) => symbols > 0)
    .map(({ channel, symbols, sums }) => {
      const share = channel === "trade" ? provenShare(sums) : null;
      const word = share === null ? "" : `${percent(share)} verified · `;
      const parts = Object.entries(sums)
        .filter(([, ms]) => ms > 0)
        .map(([state, ms]) => `${state} ${duration(ms / symbols)}`);
      return `${source} ${channel} ${symbols} symbols · ${word}a symbol's day: ${parts.join(", ")}`;
    });
  const shown = differs.slice(0, 5).join(", ");
  const more = differs.length > 5 ? `, and ${differs.length - 5} more` : "";
  if (differs.length > 0) lines.push(`${source} the stored ledger differs: ${shown}${more}`);
  return lines;
}

/** KST; beside it the exchange's own time where that is another. */
function lineOf({ source, venue, symbol, channel, state, reason, ...span }: UnprovenSpan): string {
  const { fromMs, toMs, missingVolume } = span;
  const local = (at: string) => [fromMs, toMs].map((ms) => isoAtVenue(at, ms).slice(11, 19));
  const own = zoneOf(venue) === "Asia/Seoul" ? "" : ` (${local(venue).join("–")} at ${venue})`;
  const missing = missingVolume === null ? "" : ` · ${grouped(missingVolume)} shares missing`;
  const why = reason ? ` · ${reason}` : "";
  return `${source} ${venue}:${symbol} ${channel} ${local("KRX").join("–")} KST${own} · ${state}${why}${missing}`;
}

/** Never rounded up to a hundred. */
function percent(share: number): string {
  return `${(Math.floor(share * 1e5) / 1e3).toFixed(3)} %`;
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  const pad = (value: number) => String(Math.floor(value)).padStart(2, "0");
  return `${pad(seconds / 3_600)}:${pad((seconds / 60) % 60)}:${pad(seconds % 60)}`;
}

/** Throws USAGE. */
function dayOf(date: string): number {
  const day = dayIn(date);
  if (Number.isNaN(day)) {
    throw new TickhubError("USAGE", { problem: `--date ${date} is not a day such as 2026-11-23` });
  }
  return day;
}
