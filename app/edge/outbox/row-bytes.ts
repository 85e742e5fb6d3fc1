// What a row takes while it is still an object: about its share of the heap, and never less than it can
// take in a batch before compression. So a limit on these estimates also bounds the batch's raw size.
import type { Table } from "../../shared/table.ts";
import type { Row } from "./stream.ts";

export type OutboxTable = Exclude<Table, "frame">;
/** A lane for each table, and one for trades that a broker's REST told later. */
export type LaneName = OutboxTable | "backfill";

/** Objects of 17 to 20 fields, numbers boxed; a book's 40 levels. Texts come on top. */
const FIXED_BYTES = { trade: 320, book: 768, status: 320, quarantine: 200 };
/** UTF-8 of one UTF-16 unit. */
const UNIT_BYTES_MAX = 3;

export function tableOf(row: Row): OutboxTable {
  return row.kind === "reject" ? "quarantine" : row.kind;
}

export function rowBytes(row: Row): number {
  const fixed = FIXED_BYTES[tableOf(row)];
  if (row.kind === "reject") return fixed + row.bytes.length + UNIT_BYTES_MAX * row.reason.length;
  let units = row.symbol.length + row.venue.length + (row.extra?.length ?? 0);
  if (row.kind === "status") units += row.code.length + row.detail.length;
  if (row.kind === "book") units += row.phase.length;
  return fixed + UNIT_BYTES_MAX * units;
}
