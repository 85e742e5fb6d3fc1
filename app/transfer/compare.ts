// A look at all chunks at once: sums of both sides, several neighbouring chunks in one reading, so that a table
// without an index on its key is not read once for each of them.
import type pg from "pg";
import type { Passage } from "./chunk.ts";
import { bookChunk } from "./jobs.ts";
import type { Chunk } from "./jobs.ts";
import { arrayLiteral, inTransaction, setLocal } from "./sides.ts";
import type { Side } from "./sides.ts";
import * as sql from "./statements.ts";
import { isEqual, isMoved, plus, totalOf } from "./sum.ts";
import type { Sum } from "./sum.ts";

/** What a look found of one chunk. */
export interface Finding {
  chunk: Chunk;
  source: Sum;
  target: Sum;
  /**
   * equal: as it should be. moved: the source was written to since the last time. altered: it was not, and the
   * target is not what was copied; or the two were never equal.
   */
  is: "equal" | "moved" | "altered";
}

/** Chunks read in one statement. Without an index each is a reading of the whole table. */
const GROUP_MAX = { indexed: 16, unindexed: 64 };

/** Neighbours in the key's order; the chunk without a key stands alone. */
export function groupsOf(chunks: readonly Chunk[], isIndexed: boolean): Chunk[][] {
  const groupMax = isIndexed ? GROUP_MAX.indexed : GROUP_MAX.unindexed;
  const groups: Chunk[][] = [];
  for (const chunk of chunks) {
    const last = groups.at(-1);
    const isNext =
      last !== undefined &&
      last.length < groupMax &&
      !chunk.isNull &&
      !last[0]!.isNull &&
      last.at(-1)!.toKey === chunk.fromKey;
    if (isNext) last.push(chunk);
    else groups.push([chunk]);
  }
  return groups;
}

/** Compares one group, both sides at the same time, and books what is equal. */
export async function compareGroup(passage: Passage, group: readonly Chunk[]): Promise<Finding[]> {
  const [sources, targets] = await Promise.all([
    sumsOf(passage, passage.source, group),
    sumsOf(passage, passage.target, group),
  ]);
  const findings = group.map((chunk, i) => judge(chunk, sources[i]!, targets[i]!));
  const news = findings.filter(({ is, chunk }) => is === "equal" && chunk.state !== "done");
  if (news.length > 0) await inTransaction(passage.target, (client) => book(client, passage, news));
  return findings;
}

function judge(chunk: Chunk, source: Sum, target: Sum): Finding {
  const found = { chunk, source, target };
  if (isEqual(target, plus(source, chunk))) return { ...found, is: "equal" };
  const isNew = chunk.sum === null || isMoved(chunk, source);
  return { ...found, is: isNew ? "moved" : "altered" };
}

async function book(
  client: pg.ClientBase,
  { job }: Passage,
  news: readonly Finding[],
): Promise<void> {
  for (const { chunk, source } of news) {
    const { moreRows, moreSum, others } = chunk;
    const outcome = { state: "done", ...source, moreRows, moreSum, others, bytes: 0 } as const;
    await bookChunk(client, job, chunk.no, outcome);
  }
}

async function sumsOf(passage: Passage, side: Side, group: readonly Chunk[]): Promise<Sum[]> {
  const { shape, job } = passage;
  const span = {
    ...{ fromKey: group[0]!.fromKey, toKey: group.at(-1)!.toKey, isNull: group[0]!.isNull },
  };
  return await inTransaction(side, async (client) => {
    const values = side.name === "source" ? passage.settings : { job };
    await setLocal(client, { ...values, ...sql.spanSettings(span) });
    if (group.length === 1) {
      const text = side.name === "source" ? sql.sourceSum(shape, span) : sql.targetSum(shape, span);
      return [totalOf((await client.query<Sum>(text)).rows)];
    }
    const bounds = group.slice(1).map(({ fromKey }) => fromKey!);
    await setLocal(client, { bounds: arrayLiteral(bounds) });
    const { rows } = await client.query<Sum & { i: number }>(sql.spanSums(shape, side.name, span));
    return group.map((_, i) => totalOf(rows.filter((row) => row.i === i)));
  });
}
