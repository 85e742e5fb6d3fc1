// Do both sides show the same best quotes? Reads the best levels hour by hour and compares them second by
// second. No number ties one broker's book to another's, so this stands beside the figure and is never a part
// of it. Reads only; an hour of quotes is in memory at once.
import type pg from "pg";
import type { MarketClock } from "../../../shared/market-clock.ts";
import type { Venue } from "../../../shared/tick.ts";
import { keyOf } from "../coverage/day-ledger.ts";
import { readSources, widestDay } from "../coverage/evidence.ts";
import type { Sides, Slice } from "./blocks.ts";
import { dateOf } from "./blocks.ts";
import { accountsOf, DayFacts } from "./facts.ts";
import type { Side } from "./print.ts";
import type { Quote, QuoteCounts } from "./quotes.ts";
import { changesOf, compareQuotes } from "./quotes.ts";

type Queryable = Pick<pg.Pool, "query">;

export interface BookParity extends QuoteCounts {
  venue: Venue;
  symbol: string;
}

const SLICE_MS = 3_600_000;
const MS = (column: string) => `date_part('epoch', ${column}) * 1000`;
const PACKED = `string_agg(float8send(${MS("ts")}) || float8send(${MS("edge_recv")}) || float8send(capture)
  || float8send(ask_price[1]) || float8send(bid_price[1]), ''::bytea)`;
const PACKED_BYTES = 5 * 8;

interface Group {
  venue: Venue;
  symbol: string;
  isLeft: boolean;
  packed: Buffer;
}

/** Compares all books of the day. Throws DATABASE_*. */
export async function booksOfDay(
  pool: pg.Pool,
  {
    day,
    left,
    right,
    nowMs,
    market,
  }: { day: number; left: string; right: string; nowMs: number; market: MarketClock },
): Promise<BookParity[]> {
  const sources = await readSources(pool, day);
  const sides = { left: accountsOf(left, sources), right: accountsOf(right, sources) };
  const facts = await DayFacts.read(pool, sides, day, market, nowMs);
  const found = new Map<string, BookParity>();
  const last = new Map<string, Quote>();
  for (const slice of await slicesOf(pool, day, sides)) {
    const groups = await readQuotes(pool, sides, day, slice);
    for (const [key, own] of Map.groupBy(groups, (one) => keyOf(one.venue, one.symbol))) {
      const { venue, symbol } = own[0]!;
      const quotes = { left: of(own, "left"), right: of(own, "right") };
      const earlier = { left: last.get(`left/${key}`), right: last.get(`right/${key}`) };
      const vouch = facts.voucher(venue, symbol);
      const counts = compareQuotes(
        [...(earlier.left ? [earlier.left] : []), ...quotes.left],
        [...(earlier.right ? [earlier.right] : []), ...quotes.right],
        // What was carried over has been compared.
        (ms) => ms >= slice.fromMs && vouch("left", ms) && vouch("right", ms),
      );
      for (const side of ["left", "right"] as const) {
        const quote = changesOf(quotes[side]).at(-1);
        if (quote) last.set(`${side}/${key}`, quote);
      }
      const before = found.get(key) ?? { seconds: 0, equal: 0, near: 0 };
      const [seconds, equal] = [before.seconds + counts.seconds, before.equal + counts.equal];
      found.set(key, { venue, symbol, seconds, equal, near: before.near + counts.near });
    }
  }
  return [...found.values()].filter(({ seconds }) => seconds > 0);
}

function of(groups: readonly Group[], side: Side): Quote[] {
  return groups
    .filter(({ isLeft }) => isLeft === (side === "left"))
    .flatMap(({ packed }) => {
      const quotes: Quote[] = [];
      for (let at = 0; at < packed.length; at += PACKED_BYTES) {
        const value = (index: number) => packed.readDoubleBE(at + 8 * index);
        quotes.push({
          ...{ ms: value(0), recvMs: value(1), capture: value(2), ask: value(3), bid: value(4) },
        });
      }
      return quotes;
    });
}

/** Hours with books; `book` has no index on time where there is no extension, so it is read once for this. */
async function slicesOf(db: Queryable, day: number, sides: Sides): Promise<Slice[]> {
  const { fromMs, toMs } = widestDay(day);
  const { rows } = await db.query<{ fromMs: number }>(
    `select distinct ${MS("date_bin('1 hour', ts, timestamptz '2000-01-01 00:00:00+00')")} as "fromMs"
       from public.book
      where day = $1::date and source = any($2) and ts >= to_timestamp($3::float8 / 1000)
        and ts < to_timestamp($4::float8 / 1000) order by 1`,
    [dateOf(day), [...sides.left, ...sides.right], fromMs, toMs],
  );
  return rows.map((row) => ({ fromMs: row.fromMs, toMs: row.fromMs + SLICE_MS }));
}

async function readQuotes(
  db: Queryable,
  sides: Sides,
  day: number,
  { fromMs, toMs }: Slice,
): Promise<Group[]> {
  const { rows } = await db.query<Group>(
    `select venue, symbol, source = any($3) as "isLeft", ${PACKED} as packed
       from public.book
      where day = $1::date and source = any($2) and ts >= to_timestamp($4::float8 / 1000)
        and ts < to_timestamp($5::float8 / 1000) and ask_price[1] is not null and bid_price[1] is not null
      group by 1, 2, 3`,
    [dateOf(day), [...sides.left, ...sides.right], sides.left, fromMs, toMs],
  );
  return rows;
}
