// What stands between a command and the first row: both tables are read from their catalogues, their columns
// matched, the key chosen. What does not fit is said here, before anything moves.
import { createHash } from "node:crypto";
import { TickhubError } from "../shared/errors.ts";
import { readBrokers } from "../store/brokers.ts";
import { readTable } from "./catalog.ts";
import type { TableFacts } from "./catalog.ts";
import { marksOf, matchColumns } from "./columns.ts";
import type { Matched, Moved } from "./columns.ts";
import { jobId } from "./jobs.ts";
import type { ColumnMap } from "./map-file.ts";
import { chooseKey } from "./plan.ts";
import { inTransaction, setLocal } from "./sides.ts";
import type { Side } from "./sides.ts";
import * as sql from "./statements.ts";
import type { Shape } from "./statements.ts";

export interface Prepared {
  shape: Shape;
  settings: Record<string, string>;
  job: string;
  /** What is moved and how, as one number: another plan compares everything anew. */
  plan: string;
  /** For people. */
  notices: string[];
}

export interface Wish {
  sourceTable: string;
  targetTable: string;
  map: ColumnMap | null;
  /** Target column to cut chunks by. */
  by: string | undefined;
  /** Make the target table like the source when it is missing. */
  create: boolean;
}

const RECORD_HASH_VERSION = 140_000;

/** @throws TickhubError TRANSFER_TABLE, TRANSFER_COLUMNS, TRANSFER_MAP, DATABASE_BROKERS. */
export async function prepare(source: Side, target: Side, wish: Wish): Promise<Prepared> {
  const { map } = wish;
  const from = await readTable(source, wish.sourceTable);
  const to = await targetTable(target, from, wish);
  await refuseItself(source, target, from, to);
  await refuseSimulated(source, target);
  const matched = matchColumns(from, to, map);
  if (matched.problems.length > 0) refuse(to, matched.problems);
  const by = wish.by ?? map?.by;
  const key = chooseKey(from, to, matched.moved, by);
  if (by !== undefined && !key) refuse(to, [`${by}: chunks cannot be cut by it`]);
  const names = new Set(matched.moved.map(({ name }) => name));
  const isSame = Math.min(source.version, target.version) >= RECORD_HASH_VERSION;
  const shape: Shape = {
    ...{ source: from, target: to, moved: matched.moved, marks: marksOf(to), key },
    uniqueKey: to.uniqueKey?.every((name) => names.has(name)) ? to.uniqueKey : null,
    hash: isSame ? "record" : "text",
    where: map?.where ?? null,
  };
  await tryExpressions(source, shape, matched.settings);
  await refuseNulls(source, shape, matched);
  const identity = { source, target, sourceTable: from.qualified, targetTable: to.qualified };
  return {
    ...{ shape, settings: matched.settings, job: jobId(identity) },
    plan: planOf(shape, matched),
    notices: noticesOf(shape, matched),
  };
}

function refuse({ title }: TableFacts, problems: readonly string[]): never {
  throw new TickhubError("TRANSFER_COLUMNS", { table: title, problem: problems.join("; ") });
}

async function targetTable(target: Side, source: TableFacts, wish: Wish): Promise<TableFacts> {
  try {
    return await readTable(target, wish.targetTable);
  } catch (error) {
    const isMissing = error instanceof TickhubError && error.context["problem"] === "no such table";
    if (!isMissing || !wish.create || wish.map) throw error;
  }
  const [schema, name] = splitTitle(wish.targetTable);
  await target.pool.query(sql.createLike(source, schema, name));
  return await readTable(target, wish.targetTable);
}

function splitTitle(title: string): [string, string] {
  const dot = title.indexOf(".");
  return dot < 0 ? ["public", title] : [title.slice(0, dot), title.slice(dot + 1)];
}

async function refuseItself(source: Side, target: Side, from: TableFacts, to: TableFacts) {
  if (source.identity !== target.identity || from.qualified !== to.qualified) return;
  const problem = "both sides are the same table of the same database";
  await Promise.reject(
    new TickhubError("TRANSFER_TABLE", { side: "target", table: to.title, problem }),
  );
}

/** Simulated rows never come to lie among real ones. */
async function refuseSimulated(source: Side, target: Side) {
  const [from, to] = await Promise.all([readBrokers(source.pool), readBrokers(target.pool)]);
  if (from !== "simulated" || to !== "real") return;
  throw new TickhubError("DATABASE_BROKERS", { source: from, target: to });
}

/** The server reads the expressions before the first row does. */
async function tryExpressions(source: Side, shape: Shape, settings: Record<string, string>) {
  try {
    await inTransaction(source, async (client) => {
      await setLocal(client, settings);
      await client.query(`${sql.sourceRows(shape, EVERYTHING)} limit 0`);
    });
  } catch (error) {
    if (!(error instanceof Error) || !/^(42|22|0A)/.test(String("code" in error && error.code)))
      throw error;
    throw new TickhubError("TRANSFER_MAP", { table: shape.source.title, problem: error.message });
  }
}

const EVERYTHING = { fromKey: null, toKey: null, isNull: false };

/** A source column may allow nulls and have none. */
async function refuseNulls(source: Side, shape: Shape, { doubtful }: Matched) {
  if (doubtful.length === 0) return;
  const { rows } = await source.pool.query<Record<string, number>>(sql.nullCounts(shape, doubtful));
  const problems = doubtful.flatMap(({ name }: Moved) => {
    const count = rows[0]?.[name] ?? 0;
    return count > 0
      ? [`${name}: null in ${count} rows of the source, the target allows none`]
      : [];
  });
  if (problems.length > 0) refuse(shape.target, problems);
}

function planOf({ moved, key, where, hash, marks }: Shape, { settings }: Matched): string {
  const columns = moved.map(({ name, type, expression }) => [name, type, expression]);
  const what = JSON.stringify([columns, key?.column ?? null, where, hash, marks, settings]);
  return createHash("sha256").update(what).digest("hex");
}

function noticesOf(shape: Shape, { defaulted, unmoved }: Matched): string[] {
  const { key, uniqueKey, source, target } = shape;
  const notices: string[] = [];
  if (defaulted.length > 0) notices.push(`left to the target's defaults: ${defaulted.join(", ")}`);
  if (unmoved.length > 0) notices.push(`not moved: ${unmoved.join(", ")}`);
  if (!key) notices.push("no column to cut by: the whole table is one chunk");
  else if (!key.isIndexed)
    notices.push(`not both sides have an index on ${key.column}: chunks are few and large`);
  if (!uniqueKey)
    notices.push(`${target.title} has no unique key: rows are told apart by all their columns`);
  if (source.isView) notices.push(`${source.title} is a view: its size is not known`);
  return notices;
}
