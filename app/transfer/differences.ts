// Which rows differ in a chunk: the buckets of hashes whose sums differ, the hashes in them, the rows. A chunk
// is read three times on each side and never held.
import type { Passage } from "./chunk.ts";
import type { Chunk } from "./jobs.ts";
import { arrayLiteral, inTransaction, setLocal } from "./sides.ts";
import type { Side } from "./sides.ts";
import * as sql from "./statements.ts";

/** A row that one side has and the other has not; an altered row shows once on each. */
export interface DifferingRow {
  table: string;
  side: Side["name"];
  /** As PostgreSQL prints it, columns as they are moved. */
  row: string;
}

/** Where more buckets differ, the chunk as a whole is wrong. */
const BUCKETS_READ_MAX = 64;

/** At most `rowsMax` a side. What changes meanwhile may show as well. */
export async function differingRows(
  passage: Passage,
  chunk: Chunk,
  rowsMax: number,
): Promise<DifferingRow[]> {
  const both = async <Result>(read: (side: Side) => Promise<Result>) =>
    await Promise.all([read(passage.source), read(passage.target)]);
  const ask = async <Row extends object>(
    side: Side,
    text: string,
    values: Record<string, string> = {},
  ) =>
    await inTransaction(side, async (client) => {
      const own = side.name === "source" ? passage.settings : { job: passage.job };
      await setLocal(client, { ...own, ...sql.spanSettings(chunk), ...values });
      return (await client.query<Row>(text)).rows;
    });
  const { shape } = passage;
  const [left, right] = (
    await both((side) =>
      ask<{ bucket: number; sum: string }>(side, sql.bucketSums(shape, side.name, chunk)),
    )
  ).map((rows) => new Map(rows.map(({ bucket, sum }) => [bucket, sum])));
  const buckets = arrayLiteral(
    [...new Set([...left!.keys(), ...right!.keys()])]
      .filter((bucket) => left!.get(bucket) !== right!.get(bucket))
      .slice(0, BUCKETS_READ_MAX),
  );
  const [lefts, rights] = (
    await both((side) =>
      ask<{ hash: string; count: number }>(side, sql.hashCounts(shape, side.name, chunk), {
        buckets,
      }),
    )
  ).map((rows) => new Map(rows.map(({ hash, count }) => [hash, count])));
  const rowsOf = async (side: Side, hashes: string[]) =>
    (
      await ask<{ text: string }>(side, sql.hashedRows(shape, side.name, chunk), {
        hashes: arrayLiteral(hashes),
      })
    ).map(({ text }) => ({ table: shape.target.title, side: side.name, row: text }));
  const [ours, theirs] = await Promise.all([
    rowsOf(passage.source, lacking(lefts!, rights!, rowsMax)),
    rowsOf(passage.target, lacking(rights!, lefts!, rowsMax)),
  ]);
  return [...ours, ...theirs];
}

/** Hashes that `from` has more often than `other`. */
function lacking(from: Map<string, number>, other: Map<string, number>, max: number): string[] {
  return [...from]
    .filter(([hash, count]) => (other.get(hash) ?? 0) < count)
    .map(([hash]) => hash)
    .slice(0, max);
}
