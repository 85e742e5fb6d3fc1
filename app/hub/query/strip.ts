// The heat strip: a day of every source's symbols as one letter a step, the worst of what is in it, out of the
// table `coverage` and what the day's gaps became. `paintStrip` is pure.
import type { Place, Strip, StripCell } from "../../shared/web-api.ts";
import { expectedSpans, spanOfDay } from "./coverage/expected.ts";
import type { Span } from "./coverage/spans.ts";
import type { CoverageState } from "./coverage/timeline.ts";
import type { Queryable } from "./reader.ts";

/** One stretch of one symbol's day: a state of coverage, or a gap that the broker filled. */
export interface StripSpan extends Place, Span {
  state: CoverageState | "refilled";
}

const LETTERS = {
  gap: "g",
  suspected: "s",
  "not recorded": "n",
  alive: "a",
  refilled: "r",
  "volume-verified": "w",
  verified: "v",
  "not expected": ".",
} as const satisfies Record<StripSpan["state"], StripCell>;
/** Worst first. */
const RANKS = new Map(Object.keys(LETTERS).map((state, rank) => [state, rank]));
const CALM = RANKS.size - 1;

export interface StripQuestion {
  day: number;
  stepMs: number;
  /** Market time: what comes after it is still to come. */
  nowMs: number;
}

export async function readStrip(db: Queryable, question: StripQuestion): Promise<Strip> {
  const { rows } = await db.query<StripSpan>(
    `select source, venue, symbol, state, extract(epoch from from_at)::float8 * 1000 as "fromMs",
       extract(epoch from to_at)::float8 * 1000 as "toMs"
     from public.coverage where day = to_date($1::text, 'YYYYMMDD') and channel = 'trade'
     union all
     select source, venue, symbol, 'refilled', extract(epoch from from_at)::float8 * 1000,
       extract(epoch from coalesce(to_at, from_at))::float8 * 1000
     from public.gap where day = to_date($1::text, 'YYYYMMDD') and channel = 'trade' and state = 'refilled'`,
    [question.day],
  );
  return paintStrip(rows, question);
}

/** `spans` in any order; those of coverage partition each place's day. */
export function paintStrip(spans: readonly StripSpan[], question: StripQuestion): Strip {
  const { day, stepMs } = question;
  const places = Map.groupBy(spans, ({ source, venue, symbol }) =>
    [source, venue, symbol].join("\0"),
  );
  const venues = [...new Set(spans.map(({ venue }) => venue))];
  const { fromMs, toMs } = frameOf(venues, day, stepMs);
  const rows = [...places.values()].map((own) => {
    const { source, venue, symbol } = own[0]!;
    const cells = cellsOf(own, { ...question, fromMs, toMs });
    return { source, venue, symbol, cells, verifiedShare: verifiedShareOf(own, question) };
  });
  rows.sort(
    (one, other) =>
      one.venue.localeCompare(other.venue) ||
      one.symbol.localeCompare(other.symbol) ||
      one.source.localeCompare(other.source),
  );
  return { day, fromMs, toMs, stepMs, rows };
}

/** From the first session of these venues to the last, in whole steps; the whole day where there is none. */
function frameOf(venues: readonly string[], day: number, stepMs: number): Span {
  const due = venues.flatMap((venue) => expectedSpans(venue, day));
  const whole = (venues.length > 0 ? venues : ["KRX"]).map((venue) => spanOfDay(venue, day));
  const shown = due.length > 0 ? due : whole;
  const fromMs = Math.min(...shown.map((span) => span.fromMs));
  const toMs = Math.max(...shown.map((span) => span.toMs));
  return { fromMs: Math.floor(fromMs / stepMs) * stepMs, toMs: Math.ceil(toMs / stepMs) * stepMs };
}

function cellsOf(
  spans: readonly StripSpan[],
  { fromMs, toMs, stepMs, nowMs }: StripQuestion & Span,
): string {
  const count = (toMs - fromMs) / stepMs;
  const ranks = new Uint8Array(count).fill(CALM);
  const isIdle = new Uint8Array(count);
  for (const { state, ...span } of spans) {
    const rank = RANKS.get(state)!;
    // What is not over is written as far as the day goes.
    const endMs = rank === CALM ? span.toMs : Math.min(span.toMs, nowMs);
    if (endMs <= span.fromMs) continue;
    const first = Math.max(0, Math.floor((span.fromMs - fromMs) / stepMs));
    const last = Math.min(count, Math.ceil((endMs - fromMs) / stepMs));
    for (let step = first; step < last; step++) {
      ranks[step] = Math.min(ranks[step]!, rank);
      if (rank === CALM) isIdle[step] = 1;
    }
  }
  const letters = Object.values(LETTERS);
  return Array.from(ranks, (rank, step): StripCell => {
    const isToCome = fromMs + step * stepMs >= nowMs && isIdle[step] === 0;
    return isToCome ? " " : letters[rank]!;
  }).join("");
}

/** Of the time in which somebody collected and trades were due, so far. */
function verifiedShareOf(spans: readonly StripSpan[], { nowMs }: StripQuestion): number | null {
  let due = 0;
  let proven = 0;
  for (const { state, fromMs, toMs } of spans) {
    if (state === "not expected" || state === "not recorded" || state === "refilled") continue;
    const lengthMs = Math.max(0, Math.min(toMs, nowMs) - fromMs);
    due += lengthMs;
    if (state === "verified" || state === "volume-verified") proven += lengthMs;
  }
  return due === 0 ? null : proven / due;
}
