// A day of rows, written as the hub writes them: through the writer behind the gateway.
import type pg from "pg";
import { systemClock } from "../../../app/shared/clock.ts";
import { BatchWriter } from "../../../app/store/writer.ts";
import { book, OPEN_MS, reject, status, TestStream, trade } from "../../store/batches.ts";

const BATCH_ROWS = 1_000;
const DAY_MS = 86_400_000;

/** `rows` trades and as many books, a status and a reject. `day` is 20261123 or one of the next. */
export async function fillDay(
  pool: pg.Pool,
  { day, rows }: { day: number; rows: number },
): Promise<void> {
  const writer = new BatchWriter({
    pool,
    clock: systemClock,
    connectionsMax: 1,
    onEvent: () => undefined,
  });
  const shiftMs = (day - 20261123) * DAY_MS;
  const own = <T extends { exchangeMs: number; edgeRecvMs: number }>(row: T): T => ({
    ...row,
    day,
    exchangeMs: row.exchangeMs + shiftMs,
    edgeRecvMs: OPEN_MS + shiftMs,
  });
  const streams = { trade: new TestStream(), book: new TestStream(), other: new TestStream() };
  for (let from = 0; from < rows; from += BATCH_ROWS) {
    const indexes = Array.from({ length: Math.min(BATCH_ROWS, rows - from) }, (_, i) => from + i);
    const trades = indexes.map((i) => own(trade(i)));
    const books = indexes.map((i) => own(book(i)));
    await writer.write(streams.trade.next(trades), streams.trade.from);
    await writer.write(streams.book.next(books), streams.book.from);
  }
  await writer.write(streams.other.next([own(status(1))]), streams.other.from);
  const rejects = new TestStream();
  await writer.write(rejects.next([reject(1)]), rejects.from);
}
