// Which columns are moved, and how each is made of a source row. Pure. Both sides have to agree before the
// first row moves: a type that differs a little would only show as a wrong checksum hours later.
import pg from "pg";
import type { Column, TableFacts } from "./catalog.ts";
import type { ColumnMap, ColumnSource } from "./map-file.ts";

/** A column of the target that is filled from the source. */
export interface Moved {
  name: string;
  type: string;
  base: string;
  /** SQL over a source row `s`, of this type. */
  expression: string;
  /** The source column it is, where nothing but that. */
  plain: string | null;
  /** The source column without a zone that it is, read in this zone. */
  zoned: { column: string; zone: string } | null;
}

export interface Matched {
  moved: Moved[];
  /** Target columns left to their defaults. */
  defaulted: string[];
  /** Source columns that nothing is made of. */
  unmoved: string[];
  /** Target columns that allow no null, made of a source column that does. */
  doubtful: Moved[];
  /** What has to be mended first; each names its column. */
  problems: string[];
  /** Values that expressions read as settings `tickhub.<name>`. */
  settings: Record<string, string>;
}

/** Columns of the target that say how a row came, and are ours to set (docs/transfer.md). */
export interface Marks {
  origin: boolean;
  /** The table is one of the hub's, and its rows belong to streams. */
  stream: boolean;
}

const STREAMED = ["trade", "book", "status"];

export function marksOf({ schema, name, columns }: TableFacts): Marks {
  const has = (column: string, base: string) =>
    columns.some((one) => one.name === column && one.base === base);
  const isHubs = schema === "public" && STREAMED.includes(name);
  return {
    origin: has("origin", "smallint"),
    stream: isHubs && has("stream", "integer") && has("source", "text"),
  };
}

/** Matches the columns of both sides, by name or by the map. */
export function matchColumns(
  source: TableFacts,
  target: TableFacts,
  map: ColumnMap | null,
): Matched {
  const marks = marksOf(target);
  const ours = new Set([
    ...(marks.origin ? ["origin"] : []),
    ...(marks.stream ? ["stream", "hub_recv"] : []),
  ]);
  const matched: Matched = {
    ...{ moved: [], defaulted: [], unmoved: [], doubtful: [], problems: [], settings: {} },
  };
  const columns = new Map(source.columns.map((column) => [column.name, column]));
  const used = new Set<string>();
  for (const column of target.columns) {
    if (ours.has(column.name)) continue;
    if (column.isGenerated) {
      if (map && column.name in map.columns)
        matched.problems.push(`${column.name}: the target computes it itself`);
      used.add(column.name);
      continue;
    }
    const from = map ? map.columns[column.name] : byName(columns, column.name);
    if (from === undefined) {
      if (column.hasDefault || column.isNullable) matched.defaulted.push(column.name);
      else
        matched.problems.push(`${column.name}: nothing is said to fill it, and it allows no null`);
      continue;
    }
    match(matched, column, from, columns, map?.zone, used);
  }
  const isUnknown = (name: string) => !target.columns.some((column) => column.name === name);
  for (const name of Object.keys(map?.columns ?? {})) {
    if (isUnknown(name)) matched.problems.push(`${name}: the target has no such column`);
    else if (ours.has(name)) matched.problems.push(`${name}: transfer sets it itself`);
  }
  for (const { name } of source.columns) {
    if (used.has(name) || ours.has(name)) continue;
    matched.unmoved.push(name);
    if (!map) matched.problems.push(`${name}: only the source has it; a map may leave it out`);
  }
  if (matched.moved.length + matched.problems.length === 0)
    matched.problems.push("no column would be moved");
  return matched;
}

function byName(columns: ReadonlyMap<string, Column>, name: string): string | undefined {
  return columns.has(name) ? name : undefined;
}

function match(
  matched: Matched,
  target: Column,
  from: ColumnSource,
  columns: ReadonlyMap<string, Column>,
  zone: string | undefined,
  used: Set<string>,
): void {
  const { name, type, base } = target;
  const add = (expression: string, rest: Partial<Moved> = {}): Moved => {
    const moved = { name, type, base, expression, plain: null, zoned: null, ...rest };
    matched.moved.push(moved);
    return moved;
  };
  if (typeof from === "object") {
    if ("sql" in from) add(`(${from.sql})::${type}`);
    else if (from.value === null) add(`null::${type}`);
    else {
      // Read once a statement, as it stands outside of the row.
      const setting = `value_${matched.moved.length}`;
      matched.settings[setting] = String(from.value);
      add(`(select current_setting('tickhub.${setting}'))::${type}`);
    }
    return;
  }
  const column = columns.get(from);
  if (!column) {
    matched.problems.push(`${name}: the source has no column ${from}`);
    return;
  }
  used.add(from);
  const quoted = `s.${pg.escapeIdentifier(from)}`;
  const isNaive = column.base === "timestamp without time zone";
  if (isNaive && base === "timestamp with time zone") {
    if (zone === undefined) {
      matched.problems.push(`${name}: ${from} has no time zone; say "zone" in a map`);
      return;
    }
    const expression = `(${quoted} at time zone ${pg.escapeLiteral(zone)})::${type}`;
    const moved = add(expression, { zoned: { column: from, zone } });
    if (!target.isNullable && column.isNullable) matched.doubtful.push(moved);
    return;
  }
  if (!holds(column, target)) {
    const here = name === from ? "the source" : from;
    matched.problems.push(`${name}: ${here} is ${column.type}, the target ${type}`);
    return;
  }
  const moved = add(column.type === type ? quoted : `${quoted}::${type}`, { plain: from });
  if (!target.isNullable && column.isNullable) matched.doubtful.push(moved);
}

const INTEGERS = ["smallint", "integer", "bigint"];
const TEXTS = ["text", "character varying"];

/** Whether every value of `from` is the same value in `to`. */
function holds(from: Column, to: Column): boolean {
  if (from.type === to.type) return true;
  if (INTEGERS.includes(from.base) && INTEGERS.includes(to.base))
    return INTEGERS.indexOf(from.base) <= INTEGERS.indexOf(to.base);
  if (TEXTS.includes(from.base) && TEXTS.includes(to.base)) {
    const [width, room] = [limitOf(from.type), limitOf(to.type)];
    return room === null || (width !== null && width <= room);
  }
  // The same kind with limits: only into one without.
  return from.base === to.base && to.type === to.base;
}

/** 20 of `character varying(20)`. */
function limitOf(type: string): number | null {
  const limit = /\((\d+)\)/.exec(type)?.[1];
  return limit === undefined ? null : Number(limit);
}

const RECORD_HASHED = new Set([
  ...["boolean", "smallint", "integer", "bigint", "real", "double precision", "numeric", "text"],
  ...["character varying", "date", "time without time zone", "timestamp without time zone"],
  ...["timestamp with time zone", "interval", "uuid", "bytea", "jsonb"],
]);

/**
 * Whether PostgreSQL hashes the type by its value, the same on every server. Others (json has no hash, an
 * enum's is of a number that each database gives out itself) are hashed as text.
 */
export function isHashed(base: string): boolean {
  return RECORD_HASHED.has(base.replace(/\[\]$/, ""));
}
