// Which books go when an edge is over its egress budget: of each symbol and stretch of time the last one
// stays, because it is what the book was until the next. Pure.
import type { Row } from "./stream.ts";

/** `rows` in their order, without those that a later one of the same symbol and stretch replaces. */
export function thinned(rows: readonly Row[], everyMs: number): { kept: Row[]; gone: Row[] } {
  const later = new Set<string>();
  const kept: Row[] = [];
  const gone: Row[] = [];
  for (const row of rows.toReversed()) {
    if (row.kind !== "book") {
      kept.push(row);
      continue;
    }
    const key = `${row.venue}/${row.symbol}/${Math.floor(row.edgeRecvMs / everyMs)}`;
    (later.has(key) ? gone : kept).push(row);
    later.add(key);
  }
  return { kept: kept.reverse(), gone: gone.reverse() };
}
