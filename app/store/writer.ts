// The way into the tables, for the hub's gateway, an edge's direct uplink and replay alike. Promises:
// batches of a stream are stored in order and once; `write` resolves only after the commit; a batch that
// could not be stored leaves nothing behind; what waits is bounded. Streams are stored side by side; those of
// news and log lines have one connection between them, so that the market's never wait for one of theirs.
import PQueue from "p-queue";
import type pg from "pg";
import { type Batch, type BatchHeader, decodeBatch, readHeader } from "../shared/batch.ts";
import type { Clock } from "../shared/clock.ts";
import { codeOf, TickhubError } from "../shared/errors.ts";
import type { Emit } from "../shared/events.ts";
import type { Verdict } from "../shared/tick.ts";
import { asStoreError } from "./database.ts";
import {
  encodeAhead,
  type Incoming,
  incoming,
  isPlain,
  type Sender,
  storeCarefully,
  storePlain,
  type StreamPosition,
} from "./transaction.ts";

export type { Sender } from "./transaction.ts";

export interface WriterLimits {
  /** Of one batch. */
  rowsMax: number;
  rawBytesMax: number;
  /** Of all batches that wait. */
  pendingBytesMax: number;
  /**
   * A batch that has waited longer is given back: with the statement's own limit on top, its answer would come
   * after its sender has given up (TRANSPORT_TIMINGS.verdictMs).
   */
  waitMaxMs: number;
  /** Streams remembered; the longest unused are forgotten first, at the price of a slower next batch. */
  streamsMax: number;
}

export interface BatchWriterOptions {
  /** From `openPool`, whose time limits end a half-open link. */
  pool: pg.Pool;
  clock: Clock;
  /** Transactions side by side, and one more for news and log lines. */
  connectionsMax: number;
  /** How much of one stream goes into one transaction. */
  groupMax?: { batches: number; rows: number };
  limits?: Partial<WriterLimits>;
  /** Stores batches of epoch 0 although their account has a lease: for replaying a tape, as the schema's owner. */
  unleased?: boolean;
  onEvent?: Emit;
  /** A batch was committed, as it was decoded; for whoever shows it. */
  onStored?: (batch: Batch) => void;
}

const LIMITS: WriterLimits = {
  rowsMax: 20_000,
  rawBytesMax: 64 * 2 ** 20,
  pendingBytesMax: 128 * 2 ** 20,
  waitMaxMs: 20_000,
  streamsMax: 4_096,
};
const GROUP_MAX = { batches: 64, rows: 10_000 };

/** A batch that waits. */
interface Job {
  header: BatchHeader;
  bytes: Uint8Array;
  from: Sender;
  sinceMs: number;
  /** Decoded; null until its turn is near. */
  item: Incoming | null;
  /** Prepared before its turn. */
  isAhead: boolean;
  resolve: (verdict: Verdict) => void;
  reject: (error: unknown) => void;
}

/** One stream: its batches are stored one group at a time. */
interface Lane {
  queue: PQueue;
  pending: Job[];
  isBusy: boolean;
  /** Null: unknown, so the next batch asks the database. */
  position: StreamPosition | null;
}

export class BatchWriter {
  readonly #options: BatchWriterOptions;
  readonly #limits: WriterLimits;
  readonly #groupMax: { batches: number; rows: number };
  readonly #queue: PQueue;
  readonly #ownQueue = new PQueue({ concurrency: 1 });
  readonly #lanes = new Map<string, Lane>();
  #pendingBytes = 0;

  constructor(options: BatchWriterOptions) {
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#groupMax = options.groupMax ?? GROUP_MAX;
    this.#queue = new PQueue({ concurrency: options.connectionsMax });
  }

  /**
   * Stores one batch. Batches of one stream are taken in the order of the calls.
   * @throws TickhubError BATCH_CORRUPT, BATCH_VERSION, BATCH_TOO_LARGE, BATCH_ID_REUSED; and, to be sent
   * again, STREAM_HOLE, DATABASE_UNREACHABLE, DATABASE_FULL, DATABASE_SLOW, DATABASE_BUSY, DATABASE_REFUSED.
   */
  async write(bytes: Uint8Array, from: Sender): Promise<Verdict> {
    const header = readHeader(bytes);
    this.#admit(header, bytes.length);
    const lane = this.#laneOf(header);
    this.#pendingBytes += bytes.length;
    const sinceMs = this.#options.clock.monoMs();
    return new Promise<Verdict>((resolve, reject) => {
      const fresh = { item: null, isAhead: false, resolve, reject };
      lane.pending.push({ header, bytes, from, sinceMs, ...fresh });
      this.#schedule(lane);
    }).finally(() => {
      this.#pendingBytes -= bytes.length;
    });
  }

  /** Resolves once nothing waits any more. */
  async idle(): Promise<void> {
    await Promise.all([this.#queue.onIdle(), this.#ownQueue.onIdle()]);
  }

  #admit(header: BatchHeader, bytes: number): void {
    const { table, number, rows, rawBytes } = header;
    const { rowsMax, rawBytesMax, pendingBytesMax } = this.#limits;
    if (table === "frame" || number < 1) throw new TickhubError("BATCH_CORRUPT", { table, number });
    if (rows > rowsMax || rawBytes > rawBytesMax) {
      throw new TickhubError("BATCH_TOO_LARGE", { rows, rawBytes, rowsMax, rawBytesMax });
    }
    if (this.#pendingBytes + bytes > pendingBytesMax) {
      throw new TickhubError("DATABASE_BUSY", {
        pendingBytes: this.#pendingBytes,
        pendingBytesMax,
      });
    }
  }

  #laneOf({ stream, table }: BatchHeader): Lane {
    const known = this.#lanes.get(stream);
    const queue = table === "news" || table === "log" ? this.#ownQueue : this.#queue;
    const lane = known ?? { queue, pending: [], isBusy: false, position: null };
    if (known) this.#lanes.delete(stream); // Back in at the end: the map is ordered by last use.
    this.#lanes.set(stream, lane);
    for (const [name, oldest] of this.#lanes) {
      if (this.#lanes.size <= this.#limits.streamsMax) break;
      if (!oldest.isBusy && oldest.pending.length === 0 && oldest !== lane)
        this.#lanes.delete(name);
    }
    return lane;
  }

  #schedule(lane: Lane): void {
    if (lane.isBusy || lane.pending.length === 0) return;
    lane.isBusy = true;
    void lane.queue.add(async () => {
      await this.#storeNext(lane);
      lane.isBusy = false;
      this.#schedule(lane);
    });
  }

  /** One group of the lane, through one connection. Settles its jobs; never rejects. */
  async #storeNext(lane: Lane): Promise<void> {
    const group = takeGroup(lane.pending, this.#groupMax, (job) => this.#decode(job));
    if (group.length === 0) return;
    let client: pg.PoolClient | undefined;
    try {
      this.#checkWait(group[0]!);
      client = await this.#options.pool.connect();
      await this.#storeGroup(client, lane, group);
      client.release();
    } catch (error) {
      // Whether the server committed is unknown; the next batch of this stream asks it.
      lane.position = null;
      client?.release(true);
      const failure = asStoreError(error);
      // Those already settled stay as they are; those that wait behind could only be told of a hole.
      for (const job of [...group, ...lane.pending.splice(0)]) job.reject(failure);
    }
  }

  #checkWait({ sinceMs }: Job): void {
    const waitedMs = this.#options.clock.monoMs() - sinceMs;
    const { waitMaxMs } = this.#limits;
    if (waitedMs > waitMaxMs) throw new TickhubError("DATABASE_BUSY", { waitedMs, waitMaxMs });
  }

  async #storeGroup(client: pg.PoolClient, lane: Lane, group: readonly Ready[]): Promise<void> {
    const { position } = lane;
    if (position && group[0]!.header.number === position.last + 1 && group.every(isPlainJob)) {
      try {
        const items = group.map((job) => job.item);
        const ahead = () => this.#encodeAhead(lane, position.no);
        const verdicts = await storePlain(client, items, position.no, ahead);
        lane.position = { no: position.no, last: position.last + group.length };
        group.forEach((job, i) => this.#stored(job, verdicts[i]!));
        return;
      } catch (error) {
        if (!isSpecial(error)) throw error;
      }
    }
    for (const job of group) await this.#storeOne(client, lane, job);
  }

  async #storeOne(client: pg.PoolClient, lane: Lane, job: Ready): Promise<void> {
    try {
      const unleased = this.#options.unleased ?? false;
      const result = await storeCarefully(client, job.item, { unleased });
      lane.position = result.position;
      for (const refused of result.refused) {
        const source = job.header.account;
        this.#options.onEvent?.({ event: "record_quarantined", source, ...refused });
      }
      const { lost: count } = result.verdict;
      if (count > 0 && job.item.batch.kind !== "tombstone") {
        this.#options.onEvent?.({
          event: "quarantine_overflowed",
          source: job.header.account,
          count,
        });
      }
      this.#stored(job, result.verdict);
    } catch (error) {
      if (!(error instanceof TickhubError)) throw error;
      lane.position = null;
      job.reject(error);
    }
  }

  /** Its sender first; and whoever watches is no reason for it to be told anything else. */
  #stored(job: Ready, verdict: Verdict): void {
    job.resolve(verdict);
    try {
      this.#options.onStored?.(job.item.batch);
    } catch {
      // It is stored, whatever came of showing it.
    }
  }

  /**
   * Spends the database's time on the rows of the next group: batch by batch, because while we encode, the
   * socket does not get the rest of what the database is to read now.
   */
  #encodeAhead(lane: Lane, streamNo: number, rowsAhead = 0): void {
    this.#options.clock.after(0, () => {
      const job = lane.pending.find(({ isAhead }) => !isAhead);
      if (!job || !lane.isBusy || rowsAhead + job.header.rows > this.#groupMax.rows) return;
      job.isAhead = true;
      if (!this.#decode(job)) return;
      if (isPlainJob(job)) encodeAhead(job.item, streamNo);
      this.#encodeAhead(lane, streamNo, rowsAhead + job.header.rows);
    });
  }

  /** False when the batch cannot be read; then its sender has been told. */
  #decode(job: Job): job is Ready {
    try {
      if (job.item) return true;
      const batch = decodeBatch(job.bytes, this.#limits);
      if (batch.kind === "frame") throw new TickhubError("BATCH_CORRUPT", { table: "frame" });
      job.item = incoming(batch, job.bytes.length, job.from);
      return true;
    } catch (error) {
      job.reject(error);
      return false;
    }
  }
}

type Ready = Job & { item: Incoming };

/** Said by `ingest_begin`, or of a row: the careful way can tell. Of anything else it would fail as well. */
function isSpecial(error: unknown): boolean {
  return /^(TH001$|2[23])/.test(codeOf(error));
}

function isPlainJob(job: Job): job is Ready {
  return job.item !== null && isPlain(job.item);
}

/**
 * Takes from the front of `pending` what may share a transaction: numbers without a hole, one lease
 * epoch, one sender. Drops batches that `decode` refuses.
 */
function takeGroup(
  pending: Job[],
  max: { batches: number; rows: number },
  decode: (job: Job) => job is Ready,
): Ready[] {
  const group: Ready[] = [];
  let rows = 0;
  while (pending.length > 0 && group.length < max.batches) {
    const job = pending[0]!;
    const before = group.at(-1);
    if (before && (rows + job.header.rows > max.rows || !follows(job, before))) break;
    pending.shift();
    if (!decode(job)) break;
    group.push(job);
    rows += job.header.rows;
  }
  return group;
}

function follows(job: Job, before: Job): boolean {
  const [a, b] = [before.header, job.header];
  const sameLane = a.table === b.table && a.account === b.account && a.epoch === b.epoch;
  return sameLane && b.number === a.number + 1 && job.from.holder === before.from.holder;
}
