// Finds trades that came since the last look: streams whose last number has risen, their batches, and the
// rows that share a batch's moment of commit (docs/adr/0013-completeness.md). Reads a bounded amount at a
// time; what it read counts as read only when the caller has stored the cursors.
import * as evidence from "./evidence.ts";
import type { BatchNews, Queryable, SourceTrades, StreamNews } from "./evidence.ts";
import type { Span } from "./spans.ts";

export interface News {
  trades: SourceTrades[];
  /** How far each stream is read, by its number; since the last `reset`. */
  cursors: ReadonlyMap<number, number>;
  /** There is more than was read. */
  isMore: boolean;
}

const STREAMS_MAX = 500;
const BATCHES_MAX = 2_000;
const ROWS_MAX = 20_000;
/** Most trades are of these days: with chunks by time, the others need not be looked into. */
const RECENT = { beforeMs: 2 * 86_400_000, afterMs: 86_400_000 };

export class NewsReader {
  readonly #db: Queryable;
  /** Read, and not yet stored as read. */
  #ahead = new Map<number, number>();

  constructor(db: Queryable) {
    this.#db = db;
  }

  /** The cursors are stored, or what was read is lost: either way the table says where to go on. */
  reset(): void {
    this.#ahead = new Map();
  }

  /** `nowMs`: market time. */
  async read(nowMs: number): Promise<News> {
    const all = await evidence.readStreamNews(this.#db, STREAMS_MAX);
    const streams = all
      .map((one) => ({ ...one, from: Math.max(one.from, this.#ahead.get(one.stream) ?? 0) }))
      .filter(({ from, to }) => from < to);
    if (streams.length === 0) return { trades: [], cursors: this.#ahead, isMore: false };
    const known = await evidence.readBatchNews(this.#db, streams, BATCHES_MAX);
    const batches = bounded(known);
    const isWhole = batches.length === known.length && known.length < BATCHES_MAX;
    const trades = await this.#tradesOf(batches, nowMs);
    const read = isWhole ? endsOf(streams) : cursorsOf(batches);
    for (const [stream, number] of read) this.#ahead.set(stream, number);
    return { trades, cursors: this.#ahead, isMore: !isWhole };
  }

  async #tradesOf(batches: readonly BatchNews[], nowMs: number): Promise<SourceTrades[]> {
    const committed = batches.reduce((sum, batch) => sum + batch.committed, 0);
    if (committed === 0) return [];
    const recent: Span = { fromMs: nowMs - RECENT.beforeMs, toMs: nowMs + RECENT.afterMs };
    const trades = await evidence.readNewTrades(this.#db, batches, recent);
    // A tape of another day, or a refill of one: then everywhere.
    const found = trades.reduce((sum, group) => sum + group.trades.length, 0);
    if (found >= committed) return trades;
    return await evidence.readNewTrades(this.#db, batches, null);
  }
}

/** The oldest batches that together have no more rows than is good for one look; at least one. */
function bounded(batches: readonly BatchNews[]): BatchNews[] {
  const taken: BatchNews[] = [];
  let rows = 0;
  for (const batch of batches) {
    rows += batch.committed;
    if (rows > ROWS_MAX && taken.length > 0) break;
    taken.push(batch);
  }
  return taken;
}

/** All that is known of was read; batches whose statistics are gone cannot be. */
function endsOf(streams: readonly StreamNews[]): Map<number, number> {
  return new Map(streams.map(({ stream, to }) => [stream, to]));
}

function cursorsOf(batches: readonly BatchNews[]): Map<number, number> {
  return new Map(batches.map(({ stream, number }) => [stream, number]));
}
