// For watchers of places whose edge writes into the database itself: nothing of it passes through this process, so
// what arrived is read once a second, through the indexes that know arrival, and only while somebody watches.
import type { Clock } from "../../shared/clock.ts";
import { originOf } from "../../shared/origin.ts";
import type { Place } from "../../shared/web-api.ts";
import type { LiveView } from "./live.ts";
import type { Queryable, Reader } from "./reader.ts";
import { TRADE_COLUMNS } from "./trades.ts";
import type { TradeRow } from "./trades.ts";
import type { LastBook, PlacedTrade } from "./watcher.ts";

export interface ArrivalsOptions {
  reader: Pick<Reader, "ask">;
  live: Pick<LiveView, "watched" | "arrived">;
  clock: Clock;
  /** True where the source's edge has no connection here. */
  isDirect: (source: string) => boolean;
}

const PERIOD_MS = 1_000;

export class Arrivals {
  readonly #options: ArrivalsOptions;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | null = null;

  constructor(options: ArrivalsOptions) {
    this.#options = options;
  }

  /** Looks if it is time to; never throws, and nobody has to wait for it. */
  look(): void {
    const { clock, live, isDirect } = this.#options;
    if (this.#looking || clock.monoMs() - this.#lookedMs < PERIOD_MS) return;
    this.#lookedMs = clock.monoMs();
    const places = live.watched().filter(({ source }) => isDirect(source));
    if (places.length === 0) return;
    this.#looking = this.#fetch(places).finally(() => (this.#looking = null));
  }

  async #fetch(places: readonly Place[]): Promise<void> {
    const { reader, live } = this.#options;
    for (const place of places) {
      const found = await reader
        .ask(["arrived", place], (db) => readArrived(db, place))
        .catch(() => null);
      if (found) live.arrived(place, found.trades, found.book);
    }
  }
}

/** With some overlap between two looks: a watcher shows nothing twice. */
async function readArrived(
  db: Queryable,
  place: Place,
): Promise<{ trades: PlacedTrade[]; book: LastBook | null }> {
  const values = [place.source, place.venue, place.symbol];
  const trades = await db.query<TradeRow & { day: number; chain: number }>(
    `select ${TRADE_COLUMNS}, to_char(day, 'YYYYMMDD')::int as day, chain from public.trade t
     where hub_recv >= now() - interval '5 s' and source = $1 and venue = $2 and symbol = $3
     order by t.day desc, chain desc, seq desc limit 200`,
    values,
  );
  const books = await db.query<BookRow>(
    `select extract(epoch from ts)::float8 * 1000 as "exchangeMs",
       extract(epoch from edge_recv)::float8 * 1000 as "edgeRecvMs",
       array[ask_price, ask_size::float8[], bid_price, bid_size::float8[]] as sides,
       coalesce(expected_price, 0) as "expectedPrice"
     from public.book
     where hub_recv >= now() - interval '5 s' and source = $1 and venue = $2 and symbol = $3
     order by edge_recv desc, capture desc limit 1`,
    values,
  );
  const book = books.rows[0];
  return {
    trades: trades.rows
      .reverse()
      .map((row) => ({ ...row, origin: originOf(row.origin) ?? "live" })),
    book: book ? { ...book, levels: Float64Array.from(book.sides.flat()) } : null,
  };
}

interface BookRow extends Omit<LastBook, "levels"> {
  /** Prices and sizes, asks first: the order of `levels`. */
  sides: number[][];
}
