// What the catalogue of one side says of a table: columns, keys, size, and the chunks of a hypertable.
import pg from "pg";
import { TickhubError } from "../shared/errors.ts";
import type { Side } from "./sides.ts";

export interface Column {
  name: string;
  /** As PostgreSQL writes it, with its limits: `numeric(12,4)`. */
  type: string;
  /** Without them: `numeric`. */
  base: string;
  isNullable: boolean;
  /** Filled by the database when nothing is given. */
  hasDefault: boolean;
  /** Computed by the database always. */
  isGenerated: boolean;
}

export interface TableFacts {
  schema: string;
  name: string;
  /** For people: without `public`. */
  title: string;
  /** Quoted, with its schema. */
  qualified: string;
  columns: Column[];
  /** Columns of the primary key, else of a unique index without nulls; null when there is none. */
  uniqueKey: string[] | null;
  primaryKey: string[] | null;
  /** Columns that an index begins with. */
  leading: Set<string>;
  isView: boolean;
  rowsEstimate: number;
  /** With indexes. */
  bytes: number;
  hypertable: Hypertable | null;
}

export interface Hypertable {
  column: string;
  /** Where its chunks begin and end, ascending, as text. */
  bounds: string[];
}

/** Exact counts are taken of tables whose size nobody has estimated, up to this size. */
const COUNTED_BYTES_MAX = 2 ** 30;
const ROW_BYTES_GUESS = 100;

/** @throws TickhubError TRANSFER_TABLE when it is not there or may not be read. */
export async function readTable(side: Side, title: string): Promise<TableFacts> {
  const { pool } = side;
  const refuse = (problem: string) =>
    new TickhubError("TRANSFER_TABLE", { side: side.name, table: title, problem });
  const parts = /^(?:([^.]+)\.)?([^.]+)$/.exec(title)?.slice(1).filter(Boolean);
  if (!parts) throw refuse("not a table's name");
  const { rows } = await pool.query<TableRow>(TABLE, [
    parts.map((part) => pg.escapeIdentifier(part)).join("."),
  ]);
  const [table] = rows;
  if (!table) throw refuse("no such table");
  if (!table.isReadable) throw refuse("this user may not select from it");
  const isView = table.kind === "v" || table.kind === "f";
  if (isView && side.name === "target") throw refuse("a view cannot be copied into");
  const [columns, indexes, hypertable] = [
    (await pool.query<Column>(COLUMNS, [table.oid])).rows,
    (await pool.query<IndexRow>(INDEXES, [table.oid])).rows,
    await readHypertable(pool, table),
  ];
  const nullable = new Set(columns.filter((one) => one.isNullable).map(({ name }) => name));
  const unique = indexes.filter((index) => index.isUnique && !index.columns.some(isIn(nullable)));
  const { schema, name } = table;
  const qualified = `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(name)}`;
  const { rowsEstimate, bytes } = await readSize(pool, table, qualified, hypertable !== null);
  return {
    ...{ schema, name, qualified, columns, isView, hypertable, rowsEstimate, bytes },
    title: schema === "public" ? name : `${schema}.${name}`,
    uniqueKey: unique[0]?.columns ?? null,
    primaryKey: indexes.find(({ isPrimary }) => isPrimary)?.columns ?? null,
    leading: new Set(indexes.flatMap(({ columns: [first] }) => first ?? [])),
  };
}

function isIn(set: ReadonlySet<string>): (name: string) => boolean {
  return (name) => set.has(name);
}

interface TableRow {
  oid: number;
  schema: string;
  name: string;
  kind: string;
  isReadable: boolean;
  estimate: number;
  bytes: number;
}

/** Partitions and children count with their table; a hypertable's chunks are children. */
const TABLE = `with recursive family as (
    select to_regclass($1)::oid as oid
    union all select i.inhrelid from family f join pg_inherits i on i.inhparent = f.oid
  )
  select c.oid::int8::float8 as oid, n.nspname as schema, c.relname as name, c.relkind::text as kind,
    has_table_privilege(c.oid, 'select') as "isReadable",
    (select sum(greatest(m.reltuples, 0))::float8 from family f join pg_class m using (oid)) as estimate,
    (select sum(pg_total_relation_size(f.oid))::float8 from family f) as bytes
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.oid = to_regclass($1) and c.relkind in ('r', 'p', 'm', 'v', 'f')`;

const COLUMNS = `select a.attname as name, format_type(a.atttypid, a.atttypmod) as type,
    format_type(a.atttypid, null) as base, not a.attnotnull as "isNullable",
    (a.atthasdef or a.attidentity <> '') and a.attgenerated = '' as "hasDefault",
    a.attgenerated <> '' as "isGenerated"
  from pg_attribute a where a.attrelid = $1::oid and a.attnum > 0 and not a.attisdropped
  order by a.attnum`;

interface IndexRow {
  columns: string[];
  isUnique: boolean;
  isPrimary: boolean;
}

/** Plain ones over columns: no part of the table, no expression. */
const INDEXES = `select array(
      select a.attname::text from unnest(i.indkey::int2[]) with ordinality as k (no, place)
      join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.no
      where k.place <= i.indnkeyatts order by k.place) as columns,
    i.indisunique as "isUnique", i.indisprimary as "isPrimary"
  from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam
  where i.indrelid = $1::oid and m.amname = 'btree' and i.indisvalid
    and i.indpred is null and i.indexprs is null
  order by i.indisprimary desc, i.indisunique desc, c.relname`;

async function readHypertable(pool: pg.Pool, table: TableRow): Promise<Hypertable | null> {
  const { rows: known } = await pool.query<{ known: boolean }>(
    "select to_regclass('timescaledb_information.chunks') is not null as known",
  );
  if (known[0]?.known !== true) return null;
  const { rows } = await pool.query<{ column: string }>(
    `select column_name as column from timescaledb_information.dimensions
     where hypertable_schema = $1 and hypertable_name = $2 and dimension_number = 1`,
    [table.schema, table.name],
  );
  if (!rows[0]) return null;
  const { rows: chunks } = await pool.query<{ bound: string }>(
    `select distinct coalesce(b.at::text, b.number::text) as bound, b.at, b.number
     from timescaledb_information.chunks c
     cross join lateral (values (c.range_start, c.range_start_integer), (c.range_end, c.range_end_integer))
       as b (at, number)
     where c.hypertable_schema = $1 and c.hypertable_name = $2 order by b.at, b.number`,
    [table.schema, table.name],
  );
  return { column: rows[0].column, bounds: chunks.map(({ bound }) => bound) };
}

async function readSize(
  pool: pg.Pool,
  { estimate, bytes, kind, oid }: TableRow,
  qualified: string,
  isHypertable: boolean,
): Promise<Pick<TableFacts, "rowsEstimate" | "bytes">> {
  if (isHypertable) {
    const { rows } = await pool.query<{ rows: number; bytes: number }>(
      `select approximate_row_count($1::oid::regclass)::float8 as rows,
         hypertable_size($1::oid::regclass)::float8 as bytes`,
      [oid],
    );
    return { rowsEstimate: rows[0]?.rows ?? estimate, bytes: rows[0]?.bytes ?? bytes };
  }
  if (estimate > 0) return { rowsEstimate: estimate, bytes };
  if (kind !== "v" && bytes > COUNTED_BYTES_MAX) {
    return { rowsEstimate: bytes / ROW_BYTES_GUESS, bytes };
  }
  const { rows } = await pool.query<{ rows: number }>(
    `select count(*)::float8 as rows from ${qualified}`,
  );
  return { rowsEstimate: rows[0]!.rows, bytes };
}
