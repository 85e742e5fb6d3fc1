// A table from one database to another: chunk after chunk, several at once, then looks at both sides until a
// look finds nothing new. State lies in the target, so a run that was killed goes on where it stood.
//
//   fill     chunks that are open
//   look     sums of all chunks on both sides, for most chunks the first; what differs is filled again
//   ...      until nothing was found, or what was found took less than `behindMaxMs` to bring over
import { sleep } from "../shared/clock.ts";
import { retried, visitChunk } from "./chunk.ts";
import type { Passage } from "./chunk.ts";
import { compareGroup, groupsOf } from "./compare.ts";
import type { Finding } from "./compare.ts";
import { firstBounds, shortenTail } from "./cut.ts";
import { differingRows } from "./differences.ts";
import type { DifferingRow } from "./differences.ts";
import { beginJob, JobLock, markDiffering, markEqual, readJob } from "./jobs.ts";
import type { Chunk } from "./jobs.ts";
import type { Prepared } from "./passage.ts";
import { spansOf } from "./plan.ts";
import * as sql from "./statements.ts";

export interface TransferOptions {
  /** Rows of a chunk. */
  chunkRows: number;
  /** Chunks at once. */
  parallel: number;
  /** copy: until caught up. follow: until `end`, and the round that is under way then. verify: only compare. */
  mode: "copy" | "follow" | "verify";
  end: AbortSignal;
  /** A look that finds something, but is done with it so soon, is near enough to the source's present. */
  behindMaxMs: number;
  differencesMax: number;
  /** Waits between chunks while the target's hub is behind with its edges. */
  polite: boolean;
  onEvent: (event: TransferEvent) => void;
}

export type TransferEvent =
  | {
      event: "transfer_planned";
      table: string;
      job: string;
      chunks: number;
      left: number;
      rows: number;
    }
  | {
      event: "chunk_visited";
      table: string;
      chunk: number;
      state: string;
      rows: number;
      inserted: number;
      bytes: number;
    }
  | {
      event: "transfer_looked";
      table: string;
      look: number;
      chunks: number;
      moved: number;
      altered: number;
    }
  | { event: "transfer_compared"; table: string; look: number; chunks: number; of: number }
  | { event: "transfer_waited"; table: string; heldMs: number };

export interface TransferReport {
  ok: boolean;
  table: string;
  job: string;
  /** Rows of the source that are equal on the target. */
  rows: number;
  chunks: number;
  /** Put into the target by this run. */
  inserted: number;
  bytes: number;
  looks: number;
  /** All that the source had committed so long before the end is on the target. */
  behindMs: number;
  /** Rows of the span that are on the target and not from this source, or were there before. */
  others: number;
  /** Chunks in which the sides differ. */
  differing: number;
  differences: DifferingRow[];
  tookMs: number;
}

/** What the run finds out by itself is not given. */
export type RunPassage = Omit<Passage, "isEmpty">;

/**
 * @throws TickhubError TRANSFER_BUSY, TRANSFER_ROWS, DATABASE_*; the signal's reason when it was aborted, with
 * everything that was committed in place.
 */
export async function transfer(
  passage: RunPassage,
  prepared: Prepared,
  options: TransferOptions,
): Promise<TransferReport> {
  const lock = new JobLock(passage.target, passage.job, passage.clock);
  try {
    await lock.hold();
    const isEmpty = await isTableEmpty(passage);
    return await new Run({ ...passage, isEmpty }, prepared, options, lock).run();
  } finally {
    lock.release();
  }
}

async function isTableEmpty({ target, shape }: RunPassage): Promise<boolean> {
  const { rows } = await target.pool.query<{ empty: boolean }>(sql.targetEmpty(shape));
  return rows[0]!.empty;
}

/** Less in the open end than this share of a chunk is looked at again as a whole. */
const TAIL_SHARE = 0.25;
const FOLLOW_PAUSE_MS = 1_000;
const FOLLOW_PAUSE_MAX_MS = 60_000;
const HELD_MS_MAX = 5_000;
const POLITE_PAUSE_MS = 1_000;

class Run {
  readonly #passage: Passage;
  readonly #prepared: Prepared;
  readonly #options: TransferOptions;
  readonly #lock: JobLock;
  readonly #table: string;
  readonly #startedMs: number;
  #inserted = 0;
  #bytes = 0;
  #looks = 0;

  constructor(passage: Passage, prepared: Prepared, options: TransferOptions, lock: JobLock) {
    this.#lock = lock;
    this.#passage = passage;
    this.#prepared = prepared;
    this.#options = options;
    this.#table = prepared.shape.target.title;
    this.#startedMs = passage.clock.monoMs();
  }

  async run(): Promise<TransferReport> {
    const { job, shape } = this.#passage;
    const chunks = await this.#begin();
    const { mode, onEvent } = this.#options;
    const open = chunks.filter(({ state }) => state === "open");
    onEvent({
      ...{ event: "transfer_planned", table: this.#table, job },
      ...{ chunks: chunks.length, left: open.length, rows: shape.source.rowsEstimate },
    });
    if (mode === "verify") return await this.#verify();
    await this.#visit(open);
    return await this.#catchUp();
  }

  async #begin(): Promise<Chunk[]> {
    const { target, job, shape } = this.#passage;
    const { plan } = this.#prepared;
    const known = await readJob(target, job, plan);
    if (known) {
      if (this.#options.mode !== "verify") await this.#shorten(known.chunks, 2);
      return await this.#chunks();
    }
    const { key, source, target: to } = shape;
    const bounds = await firstBounds(this.#passage, this.#options.chunkRows);
    const column = shape.moved.find(({ name }) => name === key?.column);
    const from = source.columns.find(
      ({ name }) => name === (column?.plain ?? column?.zoned?.column),
    );
    const tables = { sourceTable: source.title, targetTable: to.title };
    await beginJob(
      target,
      { id: job, plan, key: key?.column ?? null, source: this.#passage.source.label, ...tables },
      // Of an expression nobody knows whether it may be null.
      spansOf(bounds, key !== null && (from?.isNullable ?? true)),
    );
    return await this.#chunks();
  }

  async #chunks(): Promise<Chunk[]> {
    const { target, job } = this.#passage;
    return (await readJob(target, job, this.#prepared.plan))!.chunks;
  }

  /** Cuts off what the open end has gathered, when it is more than `share` of a chunk. */
  async #shorten(chunks: readonly Chunk[], share: number): Promise<void> {
    const tail = chunks.find(({ toKey, isNull }) => toKey === null && !isNull);
    if (!tail || !this.#passage.shape.key || tail.state !== "done") return;
    const { chunkRows } = this.#options;
    await shortenTail(this.#passage, tail, { chunkRows, rowsMin: share * chunkRows });
  }

  async #visit(chunks: readonly Chunk[]): Promise<void> {
    await this.#inParallel(chunks, async (passage, chunk) => {
      await this.#waitPolitely(passage);
      const { state, rows, inserted, bytes } = await visitChunk(passage, chunk);
      this.#inserted += inserted;
      this.#bytes += bytes;
      this.#options.onEvent({
        ...{ event: "chunk_visited", table: this.#table, chunk: chunk.no },
        ...{ state, rows, inserted, bytes },
      });
    });
  }

  async #look(): Promise<Finding[]> {
    const chunks = await this.#chunks();
    const findings: Finding[] = [];
    const [table, look] = [this.#table, ++this.#looks];
    const isIndexed = this.#passage.shape.key?.isIndexed ?? false;
    const tell = () => {
      const done = { chunks: findings.length, of: chunks.length };
      this.#options.onEvent({ event: "transfer_compared", table, look, ...done });
    };
    tell();
    await this.#inParallel(groupsOf(chunks, isIndexed), async (passage, group) => {
      await this.#waitPolitely(passage);
      findings.push(...(await retried(passage, () => compareGroup(passage, group))));
      tell();
    });
    const count = (is: Finding["is"]) => findings.filter((finding) => finding.is === is).length;
    this.#options.onEvent({
      ...{ event: "transfer_looked", table, look },
      ...{ chunks: chunks.length, moved: count("moved"), altered: count("altered") },
    });
    return findings;
  }

  async #catchUp(): Promise<TransferReport> {
    const { clock, repair, target, job } = this.#passage;
    const { mode, end } = this.#options;
    for (let beforeMs = Infinity; ;) {
      const sinceMs = clock.monoMs();
      await retried(this.#passage, () => this.#lock.hold());
      const findings = await this.#look();
      const news = findings.filter(({ is }) => is === "moved" || (is === "altered" && repair));
      await this.#visit(news.map(({ chunk }) => chunk));
      await markDiffering(target, job, altered(findings, repair));
      const behindMs = news.length === 0 ? 0 : clock.monoMs() - sinceMs;
      if (mode === "follow" ? end.aborted : this.#isNear(news.length, behindMs, beforeMs))
        return await this.#report(behindMs);
      const isTail = news.some(({ chunk }) => chunk.toKey === null && !chunk.isNull);
      if (isTail) await this.#shorten(await this.#chunks(), TAIL_SHARE);
      if (news.length === 0) await this.#pause(clock.monoMs() - sinceMs);
      beforeMs = behindMs;
    }
  }

  #isNear(news: number, behindMs: number, beforeMs: number): boolean {
    // A round that takes as long as the one before it will not get nearer.
    return news === 0 || behindMs <= this.#options.behindMaxMs || behindMs > 0.8 * beforeMs;
  }

  /** As long as the look took: a source that stands still is read for half of the time at most. */
  async #pause(lookMs: number): Promise<void> {
    const { clock } = this.#passage;
    const untilMs = clock.monoMs() + Math.min(lookMs, FOLLOW_PAUSE_MAX_MS);
    do await sleep(clock, FOLLOW_PAUSE_MS);
    while (clock.monoMs() < untilMs && !this.#options.end.aborted);
  }

  async #verify(): Promise<TransferReport> {
    const findings = await this.#look();
    const { target, job } = this.#passage;
    await markDiffering(
      target,
      job,
      findings.filter(({ is }) => is !== "equal"),
    );
    return await this.#report(0);
  }

  async #report(behindMs: number): Promise<TransferReport> {
    const { target, job, clock } = this.#passage;
    const chunks = await this.#chunks();
    const wrong = chunks.filter(({ state }) => state !== "done");
    const differences: DifferingRow[] = [];
    for (const chunk of wrong) {
      const left = this.#options.differencesMax - differences.length;
      if (left <= 0) break;
      differences.push(...(await differingRows(this.#passage, chunk, left)));
    }
    if (wrong.length === 0) await markEqual(target, job);
    return {
      ...{ ok: wrong.length === 0, table: this.#table, job },
      rows: chunks.reduce((sum, { state, rows }) => sum + (state === "done" ? (rows ?? 0) : 0), 0),
      ...{
        chunks: chunks.length,
        inserted: this.#inserted,
        bytes: this.#bytes,
        looks: this.#looks,
      },
      behindMs: Math.round(behindMs),
      others: chunks.reduce((sum, { others }) => sum + others, 0),
      ...{ differing: wrong.length, differences },
      tookMs: Math.round(clock.monoMs() - this.#startedMs),
    };
  }

  /** The first failure stops all, and is thrown when none of them works any more. */
  async #inParallel<Item>(
    items: readonly Item[],
    work: (passage: Passage, item: Item) => Promise<void>,
  ): Promise<void> {
    const failing = new AbortController();
    const signal = AbortSignal.any([this.#passage.signal, failing.signal]);
    const passage = { ...this.#passage, signal };
    const queue = items[Symbol.iterator]();
    const worker = async () => {
      for (const item of queue) {
        signal.throwIfAborted();
        await work(passage, item);
      }
    };
    const { parallel } = this.#options;
    const workers = Array.from({ length: Math.min(parallel, items.length) }, () =>
      worker().catch((error: unknown) => {
        failing.abort(error);
      }),
    );
    await Promise.all(workers);
    this.#passage.signal.throwIfAborted();
    if (failing.signal.aborted) throw failing.signal.reason;
  }

  /** While an edge of the target's hub holds records for longer than a batch needs. */
  async #waitPolitely({ target, signal, clock }: Passage): Promise<void> {
    while (this.#options.polite) {
      const { rows } = await target.pool.query<{ heldMs: number | null }>(
        `select max((status -> 'outbox' ->> 'oldestMs')::float8) as "heldMs" from public.edge_status
         where seen_at > now() - interval '60 s'`,
      );
      const heldMs = rows[0]?.heldMs ?? 0;
      if (heldMs <= HELD_MS_MAX) return;
      this.#options.onEvent({ event: "transfer_waited", table: this.#table, heldMs });
      await sleep(clock, POLITE_PAUSE_MS);
      signal.throwIfAborted();
    }
  }
}

function altered(findings: readonly Finding[], repaired: boolean): Finding[] {
  return repaired ? [] : findings.filter(({ is }) => is === "altered");
}
