// How a table is cut: the column its chunks are spans of, and where they begin. Pure.
import pg from "pg";
import type { TableFacts } from "./catalog.ts";
import type { Moved } from "./columns.ts";

/** The column chunks are cut by. */
export interface Key {
  /** Of the target. */
  column: string;
  /** Of the target, without limits. */
  type: string;
  /** Over a source row `s`, in the target's type. */
  expression: string;
  /** A wider condition that an index of the source can serve, where the key itself cannot. */
  coarse: { column: string; zone: string } | null;
  /** A span is found without reading the whole table. */
  isIndexed: boolean;
}

const TIMES = ["timestamp with time zone", "timestamp without time zone", "date"];
const ORDERED = [...TIMES, "bigint", "integer", "smallint", "numeric", "uuid", "text"];

/**
 * The key: what the user says; else the time dimension of a hypertable; else a time that indexes begin
 * with, on both sides rather than one; else any time; else the first column of the primary key. Null: the
 * table is one chunk.
 */
export function chooseKey(
  source: TableFacts,
  target: TableFacts,
  moved: readonly Moved[],
  by: string | undefined,
): Key | null {
  const ranked = moved
    .filter(({ name, base }) => (by ? name === by : ORDERED.includes(base)))
    .map((column) => ({ column, rank: rankOf(column, source, target) }))
    .filter(({ rank }) => by !== undefined || rank > 0)
    .toSorted((a, b) => b.rank - a.rank);
  const best = ranked[0]?.column;
  if (!best) return null;
  // Two databases may sort texts differently; bytes are the same everywhere.
  const collate = best.base === "text" ? ' collate "C"' : "";
  return {
    column: best.name,
    type: best.base,
    expression: `(${best.expression})${collate}`,
    coarse: best.zoned,
    isIndexed: isOn(source, best) && isOn(target, best),
  };
}

function rankOf(column: Moved, source: TableFacts, target: TableFacts): number {
  const from = column.plain ?? column.zoned?.column;
  if (target.hypertable?.column === column.name) return 100;
  if (source.hypertable && source.hypertable.column === from) return 90;
  if (TIMES.includes(column.base)) {
    return 10 + (isOn(source, column) ? 4 : 0) + (isOn(target, column) ? 2 : 0);
  }
  const first = (facts: TableFacts) => facts.primaryKey?.[0] ?? facts.uniqueKey?.[0];
  if (from && first(source) === from) return 5;
  return first(target) === column.name ? 4 : 0;
}

function isOn(facts: TableFacts, { name, plain, zoned }: Moved): boolean {
  // The source's own column, under whatever name.
  const here = facts.columns.some((column) => column.name === (plain ?? zoned?.column ?? name));
  const names = here ? [name, plain, zoned?.column] : [name];
  return names.some((one) => one && (facts.leading.has(one) || facts.hypertable?.column === one));
}

/** Where a whole table has to be read for each chunk, there are no more than so many. */
const UNINDEXED_CHUNKS_MAX = 32;

/** How many chunks `rows` rows become. */
export function chunkCount(rows: number, chunkRows: number, isIndexed: boolean): number {
  const count = Math.max(1, Math.round(rows / chunkRows));
  return isIndexed ? count : Math.min(count, UNINDEXED_CHUNKS_MAX);
}

/** A span of the key; null ends are open. */
export interface Span {
  fromKey: string | null;
  toKey: string | null;
  isNull: boolean;
}

/** Spans between `bounds` (ascending, no value twice), open at both ends; and the rows without a key. */
export function spansOf(bounds: readonly string[], mayBeNull: boolean): Span[] {
  const ends = [null, ...bounds, null];
  const spans = ends.slice(1).map((toKey, i) => ({ fromKey: ends[i]!, toKey, isNull: false }));
  return mayBeNull ? [...spans, { fromKey: null, toKey: null, isNull: true }] : spans;
}

/** Into how many parts each chunk of a hypertable is cut, when it holds more than two of ours. */
export function partsOf(rows: number, hyperChunks: number, chunkRows: number): number {
  const each = rows / Math.max(1, hyperChunks);
  return each > 2 * chunkRows ? Math.ceil(each / chunkRows) : 1;
}

/** Quoted, over the target row `t`. */
export function keyOfTarget(key: Key): string {
  const collate = key.type === "text" ? ' collate "C"' : "";
  return `(t.${pg.escapeIdentifier(key.column)})${collate}`;
}
