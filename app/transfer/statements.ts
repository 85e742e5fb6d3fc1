// The SQL of a transfer, as text. Names come from the catalogue and are quoted; values (ends of spans, streams,
// constants of a map) are read from settings of the transaction, because COPY takes no parameters.
import pg from "pg";
import type { TableFacts } from "./catalog.ts";
import { isHashed } from "./columns.ts";
import type { Marks, Moved } from "./columns.ts";
import { keyOfTarget } from "./plan.ts";
import type { Key, Span } from "./plan.ts";

/** What is moved, and how both sides are read. */
export interface Shape {
  source: TableFacts;
  target: TableFacts;
  moved: readonly Moved[];
  marks: Marks;
  key: Key | null;
  /** A unique key of the target whose columns are all moved; null: rows are told apart by all they hold. */
  uniqueKey: readonly string[] | null;
  /** Both servers hash whole records (14 and later); older ones their text. */
  hash: "record" | "text";
  /** SQL over `s`. */
  where: string | null;
}

/** `origin` of moved rows (ORIGINS.transfer). */
const ORIGIN = 2;
/** Where a row of the hub is on the target already, these have to agree; receive stamps and the like need not. */
const AGREED = ["price", "size"];
const id = (name: string) => pg.escapeIdentifier(name);
const setting = (name: string, type: string) => `current_setting('tickhub.${name}')::${type}`;
/** Read once a statement, not once a row. */
const once = (name: string, type: string) => `(select ${setting(name, type)})`;

/** The staging table of a chunk; of the transaction. */
const INCOMING = "pg_temp.transfer_incoming";
const SAMPLE = "pg_temp.transfer_sample";

const OURS = `t.origin = ${ORIGIN} and t.stream in (select no from public.stream where holder = ${setting("job", "uuid")})`;

/** Settings that statements about a span read. */
export function spanSettings({ fromKey, toKey }: Span): Record<string, string> {
  return {
    ...(fromKey === null ? {} : { from: fromKey }),
    ...(toKey === null ? {} : { to: toKey }),
  };
}

/** Hash of a row of `alias`, over all that is moved: the same number on both sides for the same values. */
export function hashOf(shape: Shape, alias: string): string {
  const fields = shape.moved.map(({ name, base }) => {
    const column = `${alias}.${id(name)}`;
    return isHashed(base) ? column : `${column}::text`;
  });
  const row = `row(${fields.join(", ")})`;
  return shape.hash === "record"
    ? `hash_record_extended(${row}, 0)`
    : `hashtextextended(${row}::text, 0)`;
}

/** Rows of the source in a span, as the target will have them; with `lane` where rows belong to streams. */
export function sourceRows(shape: Shape, span: Span): string {
  const { source, moved, key, where, marks } = shape;
  const columns = moved.map(({ name, expression }) => `${expression} as ${id(name)}`);
  if (marks.stream) columns.push(`${laneOf(shape)} as "tickhub lane"`);
  const conditions = key ? within(key, key.expression, span) : [];
  if (key?.coarse && !span.isNull) conditions.push(...coarsely(key, span));
  if (where !== null) conditions.push(`(${where})`);
  return `select ${columns.join(", ")} from ${source.qualified} s${wheres(conditions)}`;
}

/** Account, and the source's own stream where it has streams: what one stream of the target holds. */
function laneOf({ source, moved }: Shape): string {
  const account = moved.find(({ name }) => name === "source")?.expression ?? "''";
  const hasStreams = source.columns.some(
    ({ name, base }) => name === "stream" && base === "integer",
  );
  return hasStreams ? `(${account})::text || ' ' || s.stream` : `(${account})::text || ' '`;
}

function within(key: Key, expression: string, { fromKey, toKey, isNull }: Span): string[] {
  if (isNull) return [`${expression} is null`];
  // Open at both ends it would take in the rows without a key, which are a chunk of their own.
  if (fromKey === null && toKey === null) return [`${expression} is not null`];
  return [
    ...(fromKey === null ? [] : [`${expression} >= ${endOf(key, "from")}`]),
    ...(toKey === null ? [] : [`${expression} < ${endOf(key, "to")}`]),
  ];
}

/**
 * An end of the span. The planner has to know it to choose an index; where it has none to choose, the text
 * would be read again for each row of the table, at twenty times the price of the reading itself.
 */
function endOf({ type, isIndexed }: Key, name: "from" | "to"): string {
  return isIndexed ? setting(name, type) : once(name, type);
}

/** An index over times without zone: a day wider, because clocks that are set back repeat an hour. */
function coarsely(key: Key, { fromKey, toKey }: Span): string[] {
  const { column: name, zone } = key.coarse!;
  const column = `s.${id(name)}`;
  const at = (end: "from" | "to") => `(${endOf(key, end)} at time zone ${pg.escapeLiteral(zone)})`;
  return [
    ...(fromKey === null ? [] : [`${column} >= ${at("from")} - interval '1 day'`]),
    ...(toKey === null ? [] : [`${column} < ${at("to")} + interval '1 day'`]),
  ];
}

function wheres(conditions: readonly string[]): string {
  return conditions.length > 0 ? ` where ${conditions.join(" and ")}` : "";
}

/** Conditions on `t`: the span, and rows of this job where rows say whose they are. */
function ofTarget({ key, marks }: Shape, span: Span, whose: "all" | "ours"): string[] {
  const conditions = key ? within(key, keyOfTarget(key), span) : [];
  if (marks.stream && whose === "ours") conditions.push(OURS);
  return conditions;
}

/** Rows of the target in a span. */
export function targetRows(shape: Shape, span: Span): string {
  return `select t.* from ${shape.target.qualified} t${wheres(ofTarget(shape, span, "ours"))}`;
}

/** Whether anything is in the span that a plain COPY could collide with, or double. */
export function targetHolds(shape: Shape, span: Span): string {
  const whose = shape.uniqueKey ? "all" : "ours";
  return `select exists (select from ${shape.target.qualified} t${wheres(ofTarget(shape, span, whose))}) as holds`;
}

export function targetEmpty({ target }: Shape): string {
  return `select not exists (select from ${target.qualified}) as empty`;
}

/** Rows and sum by lane; one row with the lane '' where there are no streams. */
export function sourceSum(shape: Shape, span: Span): string {
  return `select ${shape.marks.stream ? `i."tickhub lane"` : "''"} as lane, ${SUMS(hashOf(shape, "i"))}
    from (${sourceRows(shape, span)}) i group by 1`;
}

export function targetSum(shape: Shape, span: Span): string {
  return `select ${SUMS(hashOf(shape, "t"))} from (${targetRows(shape, span)}) t`;
}

// sum(bigint) adds in 128 bits and cannot overflow; twice as fast as the sum of numerics.
export const SUMS = (hash: string) =>
  `count(*)::float8 as rows, coalesce(sum(${hash}), 0)::text as sum`;

/** Sums of several neighbouring spans in one reading: `i` counts the bounds at or below a row's key. */
export function spanSums(shape: Shape, side: "source" | "target", span: Span): string {
  const { type, column } = shape.key!;
  const rows = side === "source" ? sourceRows(shape, span) : targetRows(shape, span);
  const collate = type === "text" ? ' collate "C"' : "";
  return `select width_bucket((r.${id(column)})${collate}, ${once("bounds", `${type}[]`)}) as i, ${SUMS(hashOf(shape, "r"))}
    from (${rows}) r group by 1`;
}

/** Columns a COPY fills, in its order; hub_recv is the target's default. */
function filled({ moved, marks }: Shape): string[] {
  return [
    ...moved.map(({ name }) => name),
    ...(marks.origin ? ["origin"] : []),
    ...(marks.stream ? ["stream"] : []),
  ];
}

export function copyOut(shape: Shape, span: Span): string {
  const values = filled(shape).map((name) => {
    if (shape.marks.origin && name === "origin") return `${ORIGIN}::smallint`;
    if (shape.marks.stream && name === "stream")
      return `(${once("streams", "int[]")})[array_position(${once("lanes", "text[]")}, i."tickhub lane")]`;
    return `i.${id(name)}`;
  });
  return `copy (select ${values.join(", ")} from (${sourceRows(shape, span)}) i) to stdout (format binary)`;
}

export function copyIn(shape: Shape, to: "target" | "incoming" | "sample"): string {
  const table = { target: shape.target.qualified, incoming: INCOMING, sample: SAMPLE }[to];
  return `copy ${table} (${columnsOf(shape)}) from stdin (format binary)`;
}

function columnsOf(shape: Shape, alias?: string): string {
  return filled(shape)
    .map((name) => (alias ? `${alias}.${id(name)}` : id(name)))
    .join(", ");
}

/** For the transaction: what a COPY brings is compressed before it is stored. */
export const DIRECT_COMPRESS = "set local timescaledb.enable_direct_compress_copy = on";

/** An empty table of the same columns, without indexes; gone with the transaction. */
export function makeIncoming(shape: Shape): string {
  return `create temporary table transfer_incoming on commit drop as
    select ${columnsOf(shape)} from ${shape.target.qualified} limit 0`;
}

/** What was copied in. */
export function incomingSum(shape: Shape): string {
  return `select ${SUMS(hashOf(shape, "i"))} from ${INCOMING} i`;
}

const byKey = (uniqueKey: readonly string[]) =>
  uniqueKey.map((name) => `t.${id(name)} = i.${id(name)}`).join(" and ");

/** Puts in what is not there yet. Returns rows by stream (null without streams). */
export function insertMissing(shape: Shape, span: Span): string {
  const { target, uniqueKey, marks } = shape;
  const columns = columnsOf(shape);
  const into = `insert into ${target.qualified} (${columns}) overriding system value`;
  const spanned = ofTarget(shape, span, uniqueKey ? "all" : "ours");
  const missing = uniqueKey
    ? `select ${columnsOf(shape, "i")} from ${INCOMING} i where not exists (
        select from ${target.qualified} t${wheres([byKey(uniqueKey), ...spanned])})
       on conflict do nothing`
    : `select ${columnsOf(shape, "i")} from (
         select i.*, ${hashOf(shape, "i")} as "tickhub hash",
           row_number() over (partition by ${hashOf(shape, "i")}) as "tickhub nth" from ${INCOMING} i) i
       left join (${timesOf(hashOf(shape, "t"), `${target.qualified} t${wheres(spanned)}`)}) t on t.hash = i."tickhub hash"
       where i."tickhub nth" > coalesce(t.times, 0)`;
  return counted(`${into} ${missing}`, marks.stream);
}

function counted(change: string, hasStreams: boolean): string {
  return `with changed as (${change} returning ${hasStreams ? "stream" : "null::int"} as stream)
    select stream, count(*)::float8 as rows from changed group by 1`;
}

/** Takes out rows of ours whose key came with other values. Only of tables with a key. */
export function deleteAltered(shape: Shape, span: Span): string {
  const { target, uniqueKey, marks } = shape;
  const conditions = [
    byKey(uniqueKey!),
    ...ofTarget(shape, span, "ours"),
    `${hashOf(shape, "t")} <> ${hashOf(shape, "i")}`,
  ];
  const change = `delete from ${target.qualified} t using ${INCOMING} i${wheres(conditions)}`;
  return `with changed as (${change} returning ${marks.stream ? "t.stream" : "null::int as stream"})
    select stream, count(*)::float8 as rows from changed group by 1`;
}

/** Takes out rows of ours in the span that did not come. */
export function deleteExtra(shape: Shape, span: Span): string {
  const { target, uniqueKey, marks } = shape;
  const change = uniqueKey
    ? `delete from ${target.qualified} t${wheres([...ofTarget(shape, span, "ours"), didNotCome(uniqueKey)])}`
    : `delete from ${target.qualified} t using (${extraCopies(shape, span)}) x
       where t.ctid = x."tickhub ctid" and t.tableoid = x."tickhub table"`;
  return `with changed as (${change} returning ${marks.stream ? "t.stream" : "null::int as stream"})
    select stream, count(*)::float8 as rows from changed group by 1`;
}

const didNotCome = (uniqueKey: readonly string[]) =>
  `not exists (select from ${INCOMING} i where ${byKey(uniqueKey)})`;

/** Without a key only their places tell rows apart that hold the same. Not in TimescaleDB's columnstore. */
function extraCopies(shape: Shape, span: Span): string {
  return `select t."tickhub ctid", t."tickhub table" from (
      select t.ctid as "tickhub ctid", t.tableoid as "tickhub table", ${hashOf(shape, "t")} as hash,
        row_number() over (partition by ${hashOf(shape, "t")} order by t.ctid) as nth
      from ${shape.target.qualified} t${wheres(ofTarget(shape, span, "ours"))}) t
    left join (${timesOf(hashOf(shape, "i"), `${INCOMING} i`)}) i on i.hash = t.hash
    where t.nth > coalesce(i.times, 0)`;
}

/** How many rows of ours did not come. */
function extraCount(shape: Shape, span: Span): string {
  const { target, uniqueKey } = shape;
  const ours = ofTarget(shape, span, "ours");
  if (uniqueKey)
    return `select count(*)::float8 from ${target.qualified} t${wheres([...ours, didNotCome(uniqueKey)])}`;
  return `select coalesce(sum(greatest(t.times - coalesce(i.times, 0), 0)), 0)::float8
    from (${timesOf(hashOf(shape, "t"), `${target.qualified} t${wheres(ours)}`)}) t
    left join (${timesOf(hashOf(shape, "i"), `${INCOMING} i`)}) i on i.hash = t.hash`;
}

const timesOf = (hash: string, from: string) =>
  `select ${hash} as hash, count(*) as times from ${from} group by 1`;

/**
 * What is not as it should be after the merge: rows that came and are not there (`missing`), that are there
 * with other values (`altered`), and rows of ours that did not come (`extra`).
 */
export function mergeCheck(shape: Shape, span: Span): string {
  const extra = `(${extraCount(shape, span)})`;
  const { target, uniqueKey, marks } = shape;
  if (!uniqueKey) return `select 0::float8 as missing, 0::float8 as altered, ${extra} as extra`;
  const differs = `${hashOf(shape, "t")} <> ${hashOf(shape, "i")}`;
  // A row that the hub received itself has stamps of its own.
  const agreed = AGREED.filter((name) => shape.moved.some((moved) => moved.name === name));
  const disagrees = agreed.map((name) => `t.${id(name)} is distinct from i.${id(name)}`);
  const altered = marks.stream
    ? `case when ${OURS} then ${differs} else ${disagrees.join(" or ") || "false"} end`
    : differs;
  const spanned = ofTarget(shape, span, "all");
  // Rows in TimescaleDB's columnstore have no ctid.
  return `select count(*) filter (where t.tableoid is null)::float8 as missing,
      count(*) filter (where t.tableoid is not null and (${altered}))::float8 as altered, ${extra} as extra
    from ${INCOMING} i left join ${target.qualified} t on ${[byKey(uniqueKey), ...spanned].join(" and ")}`;
}

/** Sums of the span by bucket of the rows' hashes: equal rows fall into the same one on both sides. */
export function bucketSums(shape: Shape, side: "source" | "target", span: Span): string {
  return `select (hash & ${BUCKETS - 1})::int as bucket, count(*) || ' ' || sum(hash) as sum
    from (${hashed(shape, side, span)}) h group by 1`;
}

/** How often each hash occurs in some buckets. */
export function hashCounts(shape: Shape, side: "source" | "target", span: Span): string {
  return `select hash::text as hash, count(*)::float8 as count from (${hashed(shape, side, span)}) h
    where (hash & ${BUCKETS - 1})::int = any (${once("buckets", "int[]")}::int[]) group by 1 order by 1`;
}

/** Rows with some hashes, as PostgreSQL prints them. */
export function hashedRows(shape: Shape, side: "source" | "target", span: Span): string {
  return `select hash::text as hash, text from (${hashed(shape, side, span)}) h
    where hash = any (${once("hashes", "bigint[]")}::bigint[]) order by 2`;
}

const BUCKETS = 4096;

function hashed(shape: Shape, side: "source" | "target", span: Span): string {
  const rows = side === "source" ? sourceRows(shape, span) : targetRows(shape, span);
  const values = shape.moved.map(({ name }) => `r.${id(name)}`).join(", ");
  return `select ${hashOf(shape, "r")} as hash, row(${values})::text as text from (${rows}) r`;
}

/** $1 shares; $2, where a sample is read, its percentage of the table's pages. */
export function quantiles(shape: Shape, span: Span, percent: number | null): string {
  const { source, key, where } = shape;
  const conditions = [...within(key!, key!.expression, span), `${key!.expression} is not null`];
  if (where !== null) conditions.push(`(${where})`);
  const sample = percent === null ? "" : " tablesample system ($2)";
  return `select (percentile_disc($1::float8[]) within group (order by ${key!.expression}))::text[] as bounds
    from ${source.qualified} s${sample}${wheres(conditions)}`;
}

/** How many rows a span has, and the last key. */
export function spanEnd(shape: Shape, span: Span): string {
  const { column, type } = shape.key!;
  const collate = type === "text" ? ' collate "C"' : "";
  return `select count(*)::float8 as rows, max((i.${id(column)})${collate})::text as last
    from (${sourceRows(shape, span)}) i`;
}

/** How many rows have a null where the target allows none. */
export function nullCounts({ source, where }: Shape, columns: readonly Moved[]): string {
  const counts = columns.map(
    ({ name, expression }) =>
      `count(*) filter (where ${expression} is null)::float8 as ${id(name)}`,
  );
  return `select ${counts.join(", ")} from ${source.qualified} s${wheres(where === null ? [] : [`(${where})`])}`;
}

/** A table of the source's columns and primary key, without its defaults and other indexes. */
export function createLike(source: TableFacts, schema: string, name: string): string {
  const columns = source.columns.map(
    (column) => `${id(column.name)} ${column.type}${column.isNullable ? "" : " not null"}`,
  );
  const key = source.primaryKey ? [`primary key (${source.primaryKey.map(id).join(", ")})`] : [];
  return `create table ${id(schema)}.${id(name)} (${[...columns, ...key].join(", ")})`;
}

/** As the target, with its indexes. */
export function makeSample({ target }: Shape): string {
  return `create temporary table transfer_sample (like ${target.qualified} including defaults including indexes)`;
}

export function sampleSum(shape: Shape): string {
  return `select ${SUMS(hashOf(shape, "t"))} from pg_temp.transfer_sample t`;
}

export const SAMPLE_SIZE =
  "select pg_total_relation_size('pg_temp.transfer_sample')::float8 as bytes";
export const DROP_SAMPLE = "drop table pg_temp.transfer_sample";
