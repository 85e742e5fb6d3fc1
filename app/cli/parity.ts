// `tickhub parity`: how far two brokers agree on a day, from the tables. Exits with 0 when each market reaches
// 99.9 % at 95 % joint coverage, with 1 when not, and says which of the two it was (docs/parity.md). Stores the
// figures, where the gate to the cloud finds them. With --frames two recordings of one feed instead.
import { createReadStream, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";
import type { BookParity } from "../hub/query/parity/books.ts";
import { booksOfDay } from "../hub/query/parity/books.ts";
import type { DayParity } from "../hub/query/parity/day.ts";
import { parityOfDay } from "../hub/query/parity/day.ts";
import type { FrameParity, HeardFrame } from "../hub/query/parity/frames.ts";
import { compareFrames, readFrames } from "../hub/query/parity/frames.ts";
import type { Print } from "../hub/query/parity/print.ts";
import { countsOf, storeParity } from "../hub/query/parity/store.ts";
import type { PlacedDifference } from "../hub/query/parity/symbol.ts";
import { percent, shareOf, volumesOf } from "../hub/query/parity/tally.ts";
import type { MarketVerdict } from "../hub/query/parity/verdict.ts";
import { verdictsOf } from "../hub/query/parity/verdict.ts";
import { marketDay } from "../shared/calendar.ts";
import { systemClock } from "../shared/clock.ts";
import { readSettings } from "../shared/config.ts";
import { TickhubError } from "../shared/errors.ts";
import { marketNow, parseMarketClock } from "../shared/market-clock.ts";
import { dayIn, isoAtVenue } from "../shared/market-time.ts";
import { asDatabaseError, openPool } from "../store/database.ts";
import { migrate } from "../store/migrate.ts";
import { grouped, printJson, say } from "./output.ts";
import { reportOf } from "./parity-report.ts";
import { openServer } from "./server.ts";

export interface ParityCommand {
  date?: string;
  left: string;
  right: string;
  differences?: boolean;
  report?: string;
  frames?: string[];
  json?: boolean;
}

/** Everything that was found; what --json prints, less the differences without --differences. */
export interface ParityResult {
  ok: boolean;
  date: string;
  left: string;
  right: string;
  rows: number;
  tookMs: number;
  markets: MarketVerdict[];
  parity: DayParity;
  books: BookParity[];
}

const STATEMENT_MS = 600_000;
const WORKERS = 3;
const DIFFERENCES_SHOWN_MAX = 1_000;
/** A command that takes longer says how far it is. */
const QUIET_MS = 2_000;

export async function parity(options: ParityCommand): Promise<number> {
  if (options.frames) return await frames(options.frames, options.json ?? false);
  const day = dayOf(options.date);
  const settings = readSettings(process.env);
  const server = await openServer(settings.TICKHUB_STATE_DIR, settings.TICKHUB_DATABASE_URL);
  const pool = openPool(server.url, {
    connectionsMax: WORKERS,
    name: "tickhub-parity",
    statementTimeoutMs: STATEMENT_MS,
  });
  try {
    await migrate(pool, { clock: systemClock });
    const market = parseMarketClock(settings.TICKHUB_MARKET_CLOCK);
    const startedMs = systemClock.monoMs();
    const { left, right } = options;
    const asked = { day, left, right, market, nowMs: marketNow(market, systemClock) };
    const onProgress = progress(startedMs, options.json ?? false);
    const found = await parityOfDay(pool, { ...asked, workers: WORKERS, onProgress });
    const books = await booksOfDay(pool, asked);
    await storeParity(pool, found, books, systemClock.nowMs());
    const markets = verdictsOf(found);
    const result: ParityResult = {
      ok: markets.length > 0 && markets.every(({ refusals }) => refusals.length === 0),
      ...{ date: options.date!, left, right, rows: found.rows, markets, parity: found, books },
      tookMs: Math.round(systemClock.monoMs() - startedMs),
    };
    if (options.report !== undefined) writeFileSync(options.report, reportOf(result));
    if (options.json) printJson(jsonOf(result, options.differences ?? false));
    else print(result, options);
    return result.ok ? 0 : 1;
  } catch (error) {
    throw asDatabaseError(error);
  } finally {
    await pool.end();
    await server.stop();
  }
}

function progress(startedMs: number, quiet: boolean): (done: number, of: number) => void {
  return (done, of) => {
    if (quiet || !process.stderr.isTTY || systemClock.monoMs() - startedMs < QUIET_MS) return;
    process.stderr.write(
      `\r\x1b[2Ktickhub: ${done} of ${of} parts compared${done === of ? "\n" : ""}`,
    );
  };
}

function jsonOf({ parity: found, ...result }: ParityResult, isAll: boolean): object {
  const { symbols, differences, oneSided } = found;
  return {
    ...result,
    markets: result.markets.map(({ tally, ...market }) => ({
      ...market,
      outcomes: countsOf(tally),
    })),
    symbols: symbols.map(({ tally, hours, ...symbol }) => ({
      ...symbol,
      ...volumesOf(tally),
      outcomes: countsOf(tally),
      hours: Object.fromEntries([...hours].map(([hour, one]) => [hour, countsOf(one)])),
    })),
    oneSided,
    ...(isAll ? { differences } : {}),
  };
}

function print(
  result: ParityResult,
  { differences: isListed = false, report }: ParityCommand,
): void {
  const { ok, date, left, right, rows, tookMs, markets, parity: found, books } = result;
  const write = (line: string) => process.stdout.write(`${line}\n`);
  if (markets.length === 0) {
    const { isTrading, reason } = marketDay("KRX", found.day);
    say(`tickhub: nothing to compare of ${date}${isTrading ? "" : ` (${reason})`}`);
  }
  for (const verdict of markets) for (const line of linesOf(verdict)) write(line);
  for (const { venue, symbol, tally } of found.symbols) {
    const { matched, answered, joint, total } = volumesOf(tally);
    if (matched === answered && joint === total) continue;
    const share = `${percent(shareOf(matched, answered))} matched`;
    write(`  ${venue}:${symbol} ${share}, joint coverage ${percent(shareOf(joint, total))}`);
  }
  for (const one of found.oneSided.slice(0, 20)) {
    const name = one.side === "left" ? left : right;
    write(`  ${one.venue}:${one.symbol} only at ${name}: not compared`);
  }
  if (books.length > 0) write(booksLine(books));
  if (isListed) {
    for (const one of found.differences.slice(0, DIFFERENCES_SHOWN_MAX)) write(`  ${lineOf(one)}`);
    const more = found.differences.length - DIFFERENCES_SHOWN_MAX;
    if (more > 0) say(`tickhub: ${grouped(more)} more differences: see --json`);
  }
  if (report !== undefined) say(`tickhub: report in ${report}`);
  const refused = markets.flatMap(({ market, refusals }) =>
    refusals.map((reason) => `${market}: ${reason}`),
  );
  const verdict = ok ? "agree" : `refuses: ${refused.join("; ") || "nothing to compare"}`;
  const seconds = (tookMs / 1_000).toFixed(1);
  say(`tickhub: ${date} ${left}/${right} ${verdict} · ${grouped(rows)} trades in ${seconds} s`);
}

function linesOf({ market, share, coverage, symbols, volumes, tally }: MarketVerdict): string[] {
  const { matched, merged, joint, answered, total } = volumes;
  const outcomes = Object.entries(countsOf(tally))
    .filter(([outcome]) => outcome !== "same")
    .map(([outcome, { count, volume }]) =>
      outcome === "unverified-both"
        ? `${outcome} (${grouped(volume)} shares)`
        : `${outcome} ${grouped(count)} (${grouped(volume)} shares)`,
    );
  return [
    `${market} ${symbols} symbols · ${percent(share)} matched (${grouped(matched)} of ${grouped(answered)} shares` +
      `${merged > 0 ? `, ${grouped(merged)} of them merged` : ""})` +
      ` · joint coverage ${percent(coverage)} (${grouped(joint)} of ${grouped(total)})`,
    ...(outcomes.length > 0 ? [`${market} differences: ${outcomes.join(", ")}`] : []),
  ];
}

function booksLine(books: readonly BookParity[]): string {
  const of = (what: "seconds" | "equal" | "near") => books.reduce((sum, one) => sum + one[what], 0);
  const seconds = of("seconds");
  return (
    `best quotes (not part of the figure): equal in ${percent(shareOf(of("equal"), seconds))} of ` +
    `${grouped(seconds)} seconds, within one change in ${percent(shareOf(of("near"), seconds))}`
  );
}

function lineOf({
  kind,
  venue,
  symbol,
  chain,
  ms,
  volume,
  isRefilled,
  ...sides
}: PlacedDifference): string {
  const at = isoAtVenue("KRX", ms).replace("T", " ").slice(0, 19);
  const { left, right } = sides;
  const refilled = isRefilled ? " · refilled" : "";
  const both = `${printsOf(left)} | ${printsOf(right)}`;
  const of = chain === 0 ? "" : ` chain ${chain}`;
  return `${at} KST ${venue}:${symbol}${of} ${kind} · ${grouped(volume)} shares · ${both}${refilled}`;
}

function printsOf(prints: readonly Print[]): string {
  const shown = prints.slice(0, 3).map(({ seq, size, price, side, ms }) => {
    const sign = side === 0 ? "" : side > 0 ? "+" : "-";
    return `@${seq} ${sign}${size} at ${price} ${isoAtVenue("KRX", ms).slice(11, 19)}`;
  });
  if (prints.length > 3) shown.push(`and ${prints.length - 3} more`);
  return shown.length > 0 ? shown.join(", ") : "nothing";
}

/** Two recordings of one feed. Exits with 0 when they hold the same frames. */
async function frames(files: readonly string[], json: boolean): Promise<number> {
  const [left, right] = files;
  if (left === undefined || right === undefined || files.length !== 2) {
    throw new TickhubError("USAGE", { problem: "--frames needs two recordings of one feed" });
  }
  const [lefts, rights] = [await framesOf(left), await framesOf(right)];
  const found = compareFrames(lefts, rights);
  const ok = found.matched > 0 && found.differences.length === 0;
  if (json) printJson({ ok, files, ...found });
  else printFrames(found, ok);
  return ok ? 0 : 1;
}

async function framesOf(file: string): Promise<HeardFrame[]> {
  const lines: string[] = [];
  const stream = createReadStream(file);
  const text = file.endsWith(".gz") ? stream.pipe(createGunzip()) : stream;
  const failed = new Promise<never>((_, reject) => {
    stream.once("error", reject);
    text.once("error", reject);
  });
  const read = async () => {
    for await (const line of createInterface({ input: text, crlfDelay: Infinity }))
      lines.push(line);
  };
  try {
    await Promise.race([read(), failed]);
  } catch (error) {
    throw new TickhubError("USAGE", { problem: `${file} cannot be read` }, { cause: error });
  }
  const { frames: heard, unreadable } = readFrames(lines);
  if (heard.length === 0 || unreadable > 0) {
    const problem = `${file} is no recording of frames: ${unreadable} lines are not "<unix.s>: <frame>"`;
    throw new TickhubError("USAGE", { problem });
  }
  return heard;
}

function printFrames(
  { left, right, matched, acks, atEdges, differences, ...span }: FrameParity,
  ok: boolean,
): void {
  for (const { ms, side, text } of differences.slice(0, DIFFERENCES_SHOWN_MAX)) {
    const at = isoAtVenue("KRX", Math.round(ms)).slice(11, 23);
    process.stdout.write(`  ${at} KST only ${side}: ${text.slice(0, 120)}\n`);
  }
  const seconds = ((span.toMs - span.fromMs) / 1_000).toFixed(1);
  say(
    `tickhub: ${ok ? "the same frames" : `NOT THE SAME: ${grouped(differences.length)} frames differ`} · ` +
      `${grouped(left)} left, ${grouped(right)} right, ${grouped(matched)} in both over ${seconds} s · ` +
      `${atEdges} at the ends, ${acks.left + acks.right} answers to requests aside`,
  );
}

/** Throws USAGE. */
function dayOf(date: string | undefined): number {
  const day = dayIn(date ?? "");
  if (Number.isNaN(day)) {
    const said = date === undefined ? "is missing" : `${date} is not a day`;
    throw new TickhubError("USAGE", { problem: `--date ${said}: give one such as 2026-11-23` });
  }
  return day;
}
