// What a row takes while it is still an object: about its share of the heap, and never less than it can
// take in a batch before compression. So a limit on these estimates also bounds the batch's raw size.
import type { Table } from "../../shared/table.ts";
import type { Row } from "./stream.ts";

export type OutboxTable = Exclude<Table, "frame">;
/** A lane for each table, and one for trades that a broker's REST told later. */
export type LaneName = OutboxTable | "backfill";

/** Packed bytes a row, until a lane has seen its first batch. */
export const BYTES_PER_ROW: Record<LaneName, number> = {
  trade: 12,
  book: 24,
  status: 40,
  quarantine: 200,
  backfill: 12,
  news: 400,
  log: 60,
};

export function emptyBytes(): Record<LaneName, number> {
  return { trade: 0, book: 0, status: 0, quarantine: 0, backfill: 0, news: 0, log: 0 };
}

/** Objects of 17 to 20 fields, numbers boxed; a book's 40 levels. Texts come on top. */
const FIXED_BYTES = { trade: 320, book: 768, status: 320, quarantine: 200, news: 320, log: 200 };
/** A text in a list of its own. */
const LISTED_BYTES = 24;
/** UTF-8 of one UTF-16 unit. */
const UNIT_BYTES_MAX = 3;

export function tableOf(row: Row): OutboxTable {
  return row.kind === "reject" ? "quarantine" : row.kind;
}

export function rowBytes(row: Row): number {
  const fixed = FIXED_BYTES[tableOf(row)];
  if (row.kind === "reject") return fixed + row.bytes.length + UNIT_BYTES_MAX * row.reason.length;
  if (row.kind === "log") return fixed + UNIT_BYTES_MAX * (row.event.length + row.fields.length);
  if (row.kind === "news") {
    const { feed, title, url, summary, symbols } = row;
    const texts = feed.length + title.length + url.length + summary.length;
    const named = symbols.reduce(
      (bytes, one) => bytes + LISTED_BYTES + UNIT_BYTES_MAX * one.length,
      0,
    );
    return fixed + row.digest.length + UNIT_BYTES_MAX * texts + named;
  }
  let units = row.symbol.length + row.venue.length + (row.extra?.length ?? 0);
  if (row.kind === "status") units += row.code.length + row.detail.length;
  if (row.kind === "book") units += row.phase.length;
  return fixed + UNIT_BYTES_MAX * units;
}
