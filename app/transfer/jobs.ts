// What is known of a transfer, in the target's own tables: the same command finds its job again, whoever was
// killed in between. A chunk's row changes in the transaction that changes its rows.
import { createHash } from "node:crypto";
import type pg from "pg";
import { sleep } from "../shared/clock.ts";
import type { Clock } from "../shared/clock.ts";
import { TickhubError } from "../shared/errors.ts";
import type { Span } from "./plan.ts";
import { inTransaction } from "./sides.ts";
import type { Side } from "./sides.ts";

/** copied: its rows came over; both sides have not been compared since. */
export type ChunkState = "open" | "copied" | "done" | "differs";

export interface Chunk extends Span {
  no: number;
  state: ChunkState;
  /** Of the source when both sides were last equal; null before. */
  rows: number | null;
  sum: string | null;
  /** This job has filled it before. */
  filled: boolean;
  /** What the target has more of, without anything being wrong. */
  moreRows: number;
  moreSum: string;
  others: number;
}

export interface Job {
  id: string;
  key: string | null;
  chunks: Chunk[];
}

export interface JobIdentity {
  source: Side;
  target: Side;
  sourceTable: string;
  targetTable: string;
}

/** The same for the same two tables, so that it is found again; a UUID, as streams' holders are. */
export function jobId({ source, target, sourceTable, targetTable }: JobIdentity): string {
  return uuidOf(["transfer", source.identity, sourceTable, target.identity, targetTable]);
}

/** A UUID that follows from `parts`. */
export function uuidOf(parts: readonly string[]): string {
  const hex = createHash("sha256").update(JSON.stringify(parts)).digest("hex");
  const variant = ((parseInt(hex[16]!, 16) & 3) | 8).toString(16);
  const groups = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`];
  return [...groups, `${variant}${hex.slice(17, 20)}`, hex.slice(20, 32)].join("-");
}

/** How long a killed process's connection may still hold its lock. */
const LOCK_WAIT_MS = 15_000;

/** Keeps others from the job for as long as its connection lives. */
export class JobLock {
  readonly #take: () => Promise<pg.PoolClient>;
  #client: pg.PoolClient | null = null;

  constructor(target: Side, id: string, clock: Clock) {
    this.#take = () => lockJob(target, id, clock);
  }

  /**
   * Takes it, or takes it again where the connection was lost in between.
   * @throws TickhubError TRANSFER_BUSY: another has it.
   */
  async hold(): Promise<void> {
    try {
      await this.#client?.query("select");
    } catch {
      this.release();
    }
    this.#client ??= await this.#take();
  }

  release(): void {
    this.#client?.release(true);
    this.#client = null;
  }
}

async function lockJob(target: Side, id: string, clock: Clock): Promise<pg.PoolClient> {
  const client = await target.pool.connect();
  const deadlineMs = clock.monoMs() + LOCK_WAIT_MS;
  do {
    const { rows } = await client.query<{ locked: boolean }>(
      "select pg_try_advisory_lock(hashtextextended($1, 0)) as locked",
      [`tickhub transfer ${id}`],
    );
    if (rows[0]!.locked) return client;
    await sleep(clock, 250);
  } while (clock.monoMs() < deadlineMs);
  client.release();
  throw new TickhubError("TRANSFER_BUSY", { job: id });
}

const CHUNK = `select no, from_key as "fromKey", to_key as "toKey", is_null as "isNull", state,
    rows::float8 as rows, sum::text as sum, filled, more_rows::float8 as "moreRows", more_sum::text as "moreSum",
    others::float8 as others
  from public.transfer_chunk where job = $1`;

/** The job as it stands; null when there is none, or one that moved something else. */
export async function readJob(
  target: Side,
  id: string,
  plan: string,
): Promise<Pick<Job, "key" | "chunks"> | null> {
  const { rows } = await target.pool.query<{ key: string | null; plan: string }>(
    "select key, plan from public.transfer where job = $1",
    [id],
  );
  if (rows[0]?.plan !== plan) return null;
  const { rows: chunks } = await target.pool.query<Chunk>(
    `${CHUNK} order by is_null, from_key is not null, no`,
    [id],
  );
  return { key: rows[0].key, chunks };
}

export interface NewJob {
  id: string;
  plan: string;
  key: string | null;
  source: string;
  sourceTable: string;
  targetTable: string;
}

/** Begins it, or begins it anew: chunks of another plan are forgotten, what they copied is found there. */
export async function beginJob(target: Side, job: NewJob, spans: readonly Span[]): Promise<void> {
  const { id, plan, key, source, sourceTable, targetTable } = job;
  await inTransaction(target, async (client) => {
    await client.query("delete from public.transfer where job = $1", [id]);
    await client.query(
      `insert into public.transfer (job, source, source_table, target_table, key, plan)
       values ($1, $2, $3, $4, $5, $6)`,
      [id, source, sourceTable, targetTable, key, plan],
    );
    await addChunks(client, id, 1, spans);
  });
}

async function addChunks(
  client: pg.ClientBase,
  id: string,
  firstNo: number,
  spans: readonly Span[],
  filled = false,
): Promise<void> {
  await client.query(
    `insert into public.transfer_chunk (job, no, from_key, to_key, is_null, filled)
     select $1, $2 + i - 1, from_key, to_key, is_null, $6
     from unnest($3::text[], $4::text[], $5::boolean[]) with ordinality as s (from_key, to_key, is_null, i)`,
    [
      ...[id, firstNo],
      ...[spans.map((s) => s.fromKey), spans.map((s) => s.toKey), spans.map((s) => s.isNull)],
      filled,
    ],
  );
}

/** Cuts the chunk without an upper end at `bounds`; all parts are to be compared. */
export async function cutTail(
  client: pg.ClientBase,
  id: string,
  tail: Chunk,
  bounds: readonly string[],
): Promise<void> {
  // With rows of others in it, nobody knows in which part they are: they are counted again.
  const isOurs = tail.filled && tail.others === 0;
  const { rows } = await client.query<{ no: number }>(
    "select max(no) + 1 as no from public.transfer_chunk where job = $1",
    [id],
  );
  await client.query(
    `update public.transfer_chunk set to_key = $3, state = 'open', rows = null, sum = null,
       more_rows = 0, more_sum = 0, others = 0, filled = $4, changed_at = clock_timestamp()
     where job = $1 and no = $2`,
    [id, tail.no, bounds[0], isOurs],
  );
  const spans = bounds.map((fromKey, i) => ({
    ...{ fromKey, toKey: bounds[i + 1] ?? null, isNull: false },
  }));
  await addChunks(client, id, rows[0]!.no, spans, isOurs);
}

/** The chunk as it stands, locked: whoever worked on it before has committed, or has left nothing. */
export async function lockChunk(client: pg.ClientBase, id: string, no: number): Promise<Chunk> {
  const { rows } = await client.query<Chunk>(`${CHUNK} and no = $2 for update`, [id, no]);
  return rows[0]!;
}

export interface Outcome {
  state: ChunkState;
  /** Of the source, where both sides are equal; null leaves what is known. */
  rows: number | null;
  sum: string | null;
  moreRows: number;
  moreSum: string;
  others: number;
  /** Copied now. */
  bytes: number;
}

export async function bookChunk(
  client: pg.ClientBase,
  id: string,
  no: number,
  outcome: Outcome,
): Promise<void> {
  const { state, rows, sum, moreRows, moreSum, others, bytes } = outcome;
  await client.query(
    `update public.transfer_chunk set state = $3, rows = coalesce($4, rows), sum = coalesce($5, sum),
       more_rows = $6, more_sum = $7, others = $8, bytes = bytes + $9, changed_at = clock_timestamp(),
       filled = filled or $3 in ('copied', 'done')
     where job = $1 and no = $2`,
    [id, no, state, rows, sum, moreRows, moreSum, others, bytes],
  );
}

export async function markEqual(target: Side, id: string): Promise<void> {
  await target.pool.query(
    "update public.transfer set equal_at = clock_timestamp() where job = $1",
    [id],
  );
}

/** The sides differ there, and transfer does not decide which is right. */
export async function markDiffering(
  target: Side,
  id: string,
  findings: readonly { chunk: Chunk }[],
): Promise<void> {
  if (findings.length === 0) return;
  await target.pool.query(
    `update public.transfer_chunk set state = 'differs', changed_at = clock_timestamp()
     where job = $1 and no = any ($2::int[])`,
    [id, findings.map(({ chunk }) => chunk.no)],
  );
}
