// One chunk: read in one snapshot of the source, written in one transaction of the target. Killed anywhere, it is
// there as a whole, and said to be, or was not begun.
//
//   straight   nothing of it is there: COPY into the table; the next look compares it, with many others
//   compared   the same for rows that belong to streams: count and sum of both sides before it commits
//   beside     something is there: COPY beside it, then only what is missing goes in, compared as well
//
// Nothing is taken out of the target but rows of this job that the source has changed since; with `repair`
// also rows that the source does not have.
import type pg from "pg";
import { sleep } from "../shared/clock.ts";
import type { Clock } from "../shared/clock.ts";
import { codeOf, TickhubError } from "../shared/errors.ts";
import { asDatabaseError } from "../store/database.ts";
import { bookChunk, lockChunk } from "./jobs.ts";
import type { Chunk, ChunkState, Outcome } from "./jobs.ts";
import { bookBatches, openStreams } from "./lanes.ts";
import type { Lane, LaneCount } from "./lanes.ts";
import { copyThrough } from "./pipe.ts";
import type { Throttle } from "./pipe.ts";
import { arrayLiteral, inTransaction, setLocal } from "./sides.ts";
import type { Side } from "./sides.ts";
import * as sql from "./statements.ts";
import type { Shape } from "./statements.ts";
import { isEqual, isMoved, plus, totalOf } from "./sum.ts";
import type { Sum } from "./sum.ts";

/** A table on its way, with what all its chunks share. */
export interface Passage {
  source: Side;
  target: Side;
  job: string;
  shape: Shape;
  /** Values that the source's expressions read. */
  settings: Readonly<Record<string, string>>;
  clock: Clock;
  throttle: Throttle;
  signal: AbortSignal;
  repair: boolean;
  /** The target was empty when this run began. */
  isEmpty: boolean;
  /** Bulk compression of TimescaleDB, where the target has no unique index. */
  directCompress: boolean;
  onBytes: (bytes: number) => void;
}

export interface Visited {
  state: ChunkState;
  /** Of the source, in the snapshot that was read. */
  rows: number;
  /** Put into the target now. */
  inserted: number;
  bytes: number;
}

const TRIES_MAX = 5;
const UNIQUE_VIOLATION = "23505";

/**
 * Makes the target's part equal to the source's.
 * @throws TickhubError TRANSFER_ROWS, DATABASE_*.
 */
export async function visitChunk(passage: Passage, chunk: Chunk): Promise<Visited> {
  let way = firstWay(passage, chunk);
  try {
    return await retried(passage, async () => {
      try {
        return await visitOnce(passage, chunk, way);
      } catch (error) {
        // Somebody else put the same key there, or the source has it twice: the other way finds out.
        const isTaken = error instanceof Disturbed || codeOf(error) === UNIQUE_VIOLATION;
        if (way === "beside" || !isTaken) throw error;
        passage.signal.throwIfAborted();
        way = "beside";
        return await visitOnce(passage, chunk, way);
      }
    });
  } catch (error) {
    passage.signal.throwIfAborted();
    throw rowsError(passage, error);
  }
}

/** A link that breaks is tried again. */
export async function retried<Result>(
  { clock, signal }: Pick<Passage, "clock" | "signal">,
  work: () => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      const known = asDatabaseError(error);
      const mayPass = known instanceof TickhubError && known.retry;
      if (!mayPass || attempt === TRIES_MAX) throw known;
      await sleep(clock, 500 * 2 ** attempt);
    }
  }
}

type Way = "straight" | "compared" | "beside";

/** A stream's books need the rows of each of its parts, so these are counted first. */
function firstWay({ shape }: Passage, { state, filled }: Chunk): Way {
  return state === "open" && !filled && !shape.marks.stream ? "straight" : "compared";
}

/** The span holds rows, or was written to by somebody else between two looks. */
class Disturbed extends Error {}

/** Class 22 and 23: a value or row that the target does not take. */
function rowsError({ shape }: Passage, error: unknown): unknown {
  if (!/^2[23]/.test(codeOf(error)) || !(error instanceof Error)) return error;
  const { column } = error as Error & { column?: string };
  const context = { table: shape.target.title, sqlstate: codeOf(error), reason: error.message };
  return new TickhubError("TRANSFER_ROWS", column ? { ...context, column } : context);
}

async function visitOnce(passage: Passage, chunk: Chunk, way: Way): Promise<Visited> {
  return way === "straight"
    ? await copyStraight(passage, chunk)
    : await copyCompared(passage, chunk, way === "beside");
}

async function copyStraight(passage: Passage, chunk: Chunk): Promise<Visited> {
  const { source, target, shape, job, isEmpty } = passage;
  return await inTransaction(source, async (from) => {
    await setLocal(from, { ...passage.settings, ...sql.spanSettings(chunk) });
    return await inTransaction(target, async (to) => {
      await setLocal(to, { job, ...sql.spanSettings(chunk) });
      const kept = await lockChunk(to, job, chunk.no);
      // Without an index the question is another reading of all that came so far.
      const isAsked = !isEmpty || (shape.key?.isIndexed ?? false);
      // Whoever was killed over it may have committed at last.
      const isTaken = kept.state !== "open" || (isAsked && (await isHeld(to, shape, chunk)));
      if (isTaken) throw new Disturbed();
      const { bytes, rows } = await copy({ passage, from, to, chunk }, "target");
      const state = "copied";
      await bookChunk(to, job, chunk.no, { ...keptOf(kept), state, bytes });
      return { state, bytes, rows, inserted: rows };
    });
  });
}

async function copyCompared(passage: Passage, chunk: Chunk, isBeside: boolean): Promise<Visited> {
  const { source, target, shape, job } = passage;
  return await inTransaction(source, async (from) => {
    await setLocal(from, { ...passage.settings, ...sql.spanSettings(chunk) });
    const lanes = await laneSums(from, shape, chunk);
    const total = totalOf(lanes);
    const streams = await streamsOf(passage, lanes);
    if (streams) {
      const literals = { lanes: [...streams.keys()], streams: [...streams.values()] };
      await setLocal(from, {
        lanes: arrayLiteral(literals.lanes),
        streams: arrayLiteral(literals.streams),
      });
    }
    return await inTransaction(target, async (to) => {
      await setLocal(to, { job, ...sql.spanSettings(chunk) });
      const kept = await lockChunk(to, job, chunk.no);
      const work = { passage, from, to, chunk: kept, total };
      const isThere = isBeside || (await isHeld(to, shape, chunk));
      const done = isThere ? await merge(work) : await fill(work);
      await bookChunk(to, job, chunk.no, done.outcome);
      if (streams) await bookBatches(to, countsOf(lanes, streams, done), marksOf(done, total));
      const { state, bytes } = done.outcome;
      const inserted = [...done.inserted.values()].reduce((sum, rows) => sum + rows, 0);
      return { state, bytes, inserted, rows: total.rows };
    });
  });
}

interface CopyWork {
  passage: Passage;
  from: pg.ClientBase;
  to: pg.ClientBase;
  chunk: Chunk;
}

interface Work extends CopyWork {
  total: Sum;
}

interface Done {
  outcome: Outcome;
  /** By stream; null is the key where there are none. */
  inserted: Map<number | null, number>;
  deleted: Map<number | null, number>;
  /** Everything the lanes have came in. */
  isWhole: boolean;
}

async function laneSums(from: pg.ClientBase, shape: Shape, chunk: Chunk) {
  const { rows } = await from.query<Sum & { lane: Lane }>(sql.sourceSum(shape, chunk));
  return rows;
}

async function streamsOf(
  { shape, target, job }: Passage,
  lanes: readonly { lane: Lane }[],
): Promise<Map<Lane, number> | null> {
  if (!shape.marks.stream) return null;
  const names = lanes.map(({ lane }) => lane);
  return await openStreams(target.pool, job, shape.target.name, names);
}

async function isHeld(to: pg.ClientBase, shape: Shape, chunk: Chunk): Promise<boolean> {
  const { rows } = await to.query<{ holds: boolean }>(sql.targetHolds(shape, chunk));
  return rows[0]!.holds;
}

async function targetSum(to: pg.ClientBase, shape: Shape, chunk: Chunk): Promise<Sum> {
  return (await to.query<Sum>(sql.targetSum(shape, chunk))).rows[0]!;
}

async function copy({ passage, from, to, chunk }: CopyWork, into: "target" | "incoming") {
  const { clock, throttle, signal, onBytes, shape, directCompress } = passage;
  if (directCompress && into === "target") await to.query(sql.DIRECT_COMPRESS);
  return await copyThrough(from, to, {
    ...{ out: sql.copyOut(shape, chunk), in: sql.copyIn(shape, into) },
    ...{ clock, throttle, signal, onBytes },
  });
}

const NOTHING = { moreRows: 0, moreSum: "0", others: 0, bytes: 0 };

async function fill(work: Work): Promise<Done> {
  const { passage, to, chunk, total } = work;
  const none = { inserted: new Map(), deleted: new Map(), isWhole: true };
  if (total.rows === 0) return { outcome: { state: "done", ...total, ...NOTHING }, ...none };
  const { bytes } = await copy(work, "target");
  if (!isEqual(await targetSum(to, passage.shape, chunk), total)) throw new Disturbed();
  const outcome: Outcome = { state: "done", ...total, ...NOTHING, bytes };
  return { outcome, ...none, inserted: new Map([[null, total.rows]]) };
}

async function merge(work: Work): Promise<Done> {
  const { passage, to, chunk, total } = work;
  const { shape, repair } = passage;
  const before = await targetSum(to, shape, chunk);
  const none = { inserted: new Map(), deleted: new Map(), isWhole: false };
  const isFirst = !chunk.filled;
  if (isEqual(before, plus(total, chunk)))
    return { outcome: { ...keptOf(chunk), state: "done", ...total, bytes: 0 }, ...none };
  await to.query(sql.makeIncoming(shape));
  const { bytes } = await copy(work, "incoming");
  await to.query("analyze pg_temp.transfer_incoming");
  const came = (await to.query<Sum>(sql.incomingSum(shape))).rows[0]!;
  if (!isEqual(came, total)) {
    const reason = "the checksum is another one after the COPY";
    throw new TickhubError("TRANSFER_ROWS", { table: shape.target.title, reason });
  }
  const changes = async (text: string) => {
    const { rows } = await to.query<{ stream: number | null; rows: number }>(text);
    return new Map(rows.map((row) => [row.stream, row.rows]));
  };
  const deleted = new Map<number | null, number>();
  const mayReplace = repair || (!isFirst && isMoved(chunk, total));
  if (shape.uniqueKey && mayReplace) addTo(deleted, await changes(sql.deleteAltered(shape, chunk)));
  // Rows that were there before this job, or that others put there, are not ours to take out.
  if (repair && !isFirst && chunk.others === 0)
    addTo(deleted, await changes(sql.deleteExtra(shape, chunk)));
  const inserted = await changes(sql.insertMissing(shape, chunk));
  const { rows } = await to.query<{ missing: number; altered: number; extra: number }>(
    sql.mergeCheck(shape, chunk),
  );
  const { missing, altered, extra } = rows[0]!;
  const isGood = missing === 0 && altered === 0 && (isFirst || extra === chunk.others);
  const after = await targetSum(to, shape, chunk);
  const outcome: Outcome = isGood
    ? {
        ...{ state: "done", ...total, bytes, others: extra },
        moreRows: after.rows - total.rows,
        moreSum: String(BigInt(after.sum) - BigInt(total.sum)),
      }
    : { ...keptOf(chunk), state: "differs", bytes };
  return { outcome, inserted, deleted, isWhole: isFirst };
}

function keptOf({ moreRows, moreSum, others }: Chunk): Omit<Outcome, "state" | "bytes"> {
  return { rows: null, sum: null, moreRows, moreSum, others };
}

function addTo(sums: Map<number | null, number>, more: ReadonlyMap<number | null, number>): void {
  for (const [stream, rows] of more) sums.set(stream, (sums.get(stream) ?? 0) + rows);
}

/** What each stream got. Rows that were there already are duplicates when the chunk comes for the first time. */
function countsOf(
  lanes: readonly (Sum & { lane: Lane })[],
  streams: ReadonlyMap<Lane, number>,
  { inserted, deleted, isWhole }: Done,
): LaneCount[] {
  if (!isWhole) {
    return [...streams.values()].map((stream) => {
      const committed = Math.max(0, (inserted.get(stream) ?? 0) - (deleted.get(stream) ?? 0));
      return { stream, committed, duplicate: 0 };
    });
  }
  const isPlain = inserted.has(null);
  return lanes.map(({ lane, rows }) => {
    const stream = streams.get(lane)!;
    const committed = isPlain ? rows : (inserted.get(stream) ?? 0);
    return { stream, committed, duplicate: rows - committed };
  });
}

function marksOf({ outcome }: Done, { sum }: Sum): { crc: number; bytes: number } {
  return { crc: Number(BigInt.asUintN(32, BigInt(sum))), bytes: outcome.bytes };
}
