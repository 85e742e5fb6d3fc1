// Where chunks begin: at the source's own chunks where it is a hypertable, else at equal shares of its rows, as
// a sample tells them. Bounds need not be exact: any cut moves every row.
import type pg from "pg";
import type { Passage } from "./chunk.ts";
import { cutTail } from "./jobs.ts";
import type { Chunk } from "./jobs.ts";
import { chunkCount, partsOf } from "./plan.ts";
import type { Key, Span } from "./plan.ts";
import { inTransaction, setLocal } from "./sides.ts";
import * as sql from "./statements.ts";
import type { Shape } from "./statements.ts";

/** Rows of the sample for each bound: a share is then off by a twentieth or so. */
const SAMPLE_ROWS = 400;

type Cutting = Pick<Passage, "source" | "shape" | "settings">;

/** Bounds of a whole table, ascending, no value twice. */
export async function firstBounds(cutting: Cutting, chunkRows: number): Promise<string[]> {
  const { shape } = cutting;
  const { source, key } = shape;
  if (!key) return [];
  const own = ownBounds(shape, key);
  if (own) return await subdivided(cutting, key, own, chunkRows);
  const count = chunkCount(source.rowsEstimate, chunkRows, key.isIndexed);
  const share = (100 * SAMPLE_ROWS * count) / Math.max(1, source.rowsEstimate);
  const canSample = !source.isView && !source.hypertable && share < 50;
  return await quantiles(cutting, ALL, count, canSample ? share : null);
}

const ALL: Span = { fromKey: null, toKey: null, isNull: false };

/** The source's hypertable chunks, where the key is their dimension as it stands. */
function ownBounds({ source, moved }: Shape, key: Key): string[] | null {
  const column = moved.find(({ name }) => name === key.column);
  const isDimension = source.hypertable !== null && column?.plain === source.hypertable.column;
  return isDimension ? source.hypertable!.bounds : null;
}

async function subdivided(
  { source: side, shape }: Cutting,
  key: Key,
  bounds: readonly string[],
  chunkRows: number,
): Promise<string[]> {
  const hyperChunks = bounds.length - 1;
  const parts = partsOf(shape.source.rowsEstimate, hyperChunks, chunkRows);
  if (parts === 1 || !key.type.startsWith("timestamp")) return bounds.slice(1, -1);
  const { rows } = await side.pool.query<{ bound: string }>(
    `select (f.at + (u.at - f.at) * (i::float8 / $2))::text as bound
     from unnest($1::${key.type}[]) with ordinality as f (at, n)
     join unnest($1::${key.type}[]) with ordinality as u (at, n) on u.n = f.n + 1
     cross join generate_series(0, $2 - 1) i
     order by f.n, i`,
    [bounds, parts],
  );
  return rows.slice(1).map(({ bound }) => bound);
}

/** `count - 1` bounds of equal shares of the rows in a span; `percent` reads a sample of the table's pages. */
async function quantiles(
  { source, shape, settings }: Cutting,
  span: Span,
  count: number,
  percent: number | null,
): Promise<string[]> {
  if (count <= 1) return [];
  const shares = Array.from({ length: count - 1 }, (_, i) => (i + 1) / count);
  return await inTransaction(source, async (client) => {
    await setLocal(client, { ...settings, ...sql.spanSettings(span) });
    const { rows } = await client.query<{ bounds: string[] | null }>(
      sql.quantiles(shape, span, percent),
      percent === null ? [shares] : [shares, percent],
    );
    const bounds = rows[0]?.bounds ?? [];
    return bounds.filter((bound, i) => bound !== bounds[i - 1]);
  });
}

/**
 * Cuts off what the open end has gathered, so that the next look at new rows is a look at few. `rowsMin`: with
 * fewer it stays whole.
 */
export async function shortenTail(
  passage: Passage,
  tail: Chunk,
  { rowsMin, chunkRows }: { rowsMin: number; chunkRows: number },
): Promise<void> {
  const { source, target, shape, settings, job } = passage;
  const { rows, last } = await inTransaction(source, async (client) => {
    await setLocal(client, { ...settings, ...sql.spanSettings(tail) });
    return (await client.query<{ rows: number; last: string | null }>(sql.spanEnd(shape, tail)))
      .rows[0]!;
  });
  if (rows < rowsMin || last === null || last === tail.fromKey) return;
  const count = Math.max(1, Math.round(rows / chunkRows));
  const inner = await quantiles(passage, tail, count, null);
  const bounds = [...inner.filter((bound) => bound !== tail.fromKey && bound !== last), last];
  await inTransaction(target, (client: pg.ClientBase) => cutTail(client, job, tail, bounds));
}
