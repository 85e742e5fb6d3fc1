// A lane: one account's rows of one table on their way to the hub, refilled trades apart. It has one live stream, which takes
// what comes; at most a few draining ones with an older backlog; and stuck ones, of which the hub refused
// a batch. Rows in a draining stream are always older than those waiting in the live one.
import { Buffer } from "node:buffer";
import {
  type BatchHead,
  encodeBatch,
  encodeTombstone,
  type Rows,
  withAddress,
} from "../../shared/batch.ts";
import type { Ledger, Verdict } from "../../shared/tick.ts";
import type { OutboxEvent } from "./events.ts";
import { BYTES_PER_ROW, type LaneName, type OutboxTable, rowBytes } from "./row-bytes.ts";
import {
  type Entry,
  OutStream,
  type Row,
  rowsOf,
  type SentEntry,
  spanOf,
  widen,
} from "./stream.ts";
import { thinned } from "./thinning.ts";
import { bury } from "./tombstones.ts";

export interface LaneOptions {
  rowsPerBatch: number;
  sealAfterMs: number;
  rowsPerBacklogBatch: number;
  /** Of rows before compression, by estimate; no more than the hub reads. */
  batchBytesMax: number;
  backlogAfterMs: number;
  tombstoneBytesReserved: number;
  mintStream: () => string;
  onEvent: (event: OutboxEvent) => void;
}

/** How a lane of books goes about it. */
export interface Pace {
  rowsPerBatch: number;
  sealAfterMs: number;
  /** Of each symbol and so many ms the last row stays; 0 keeps all. */
  lastOfMs: number;
}

/** What all lanes together hold. */
export interface Usage {
  /** Rows, packed and not, of each kind of lane. */
  bytes: Record<LaneName, number>;
  tombstoneBytes: number;
}

/** A verdict; without `lost` nothing of the batch's rows was. A tombstone's is counted when it is buried. */
export type Settlement = Omit<Verdict, "lost"> & { lost?: number };

/** A tombstone's header, payload and place, without its account. */
const TOMBSTONE_BYTES = 160;
/** How much the newest packed batch counts for the lane's bytes per row. */
const NEWEST_SHARE = 0.2;

export class Lane {
  readonly account: string;
  readonly name: LaneName;
  readonly ledger: Ledger = {
    received: 0,
    committed: 0,
    duplicate: 0,
    held: 0,
    quarantined: 0,
    lost: 0,
  };
  live: OutStream;
  readonly draining: OutStream[] = [];
  readonly stuck: OutStream[] = [];
  /** Sends nothing before. */
  restUntilMs = 0;
  /** Packed bytes a row, as seen lately; a guess until the first batch. */
  bytesPerRow: number;
  #pace: Pace;
  readonly #options: LaneOptions;
  readonly #usage: Usage;
  readonly #tombstoneBytes: number;

  constructor(account: string, name: LaneName, options: LaneOptions, usage: Usage) {
    this.account = account;
    this.name = name;
    this.#options = options;
    this.#pace = { ...options, lastOfMs: 0 };
    this.#usage = usage;
    this.#tombstoneBytes = TOMBSTONE_BYTES + Buffer.byteLength(account);
    this.bytesPerRow = BYTES_PER_ROW[name];
    this.live = new OutStream(options.mintStream());
  }

  /** Where its rows belong. */
  get table(): OutboxTable {
    return this.name === "backfill" ? "trade" : this.name;
  }

  get streams(): OutStream[] {
    return [...this.draining, this.live, ...this.stuck];
  }

  /** The rows that can still grow, if there are any. All others are packed. */
  get open(): Entry | undefined {
    const last = this.live.waiting.at(-1);
    return last?.content.kind === "rows" ? last : undefined;
  }

  /** From now on, for rows that are not packed yet; null: as it was made. */
  setPace(pace: Pace | null): void {
    this.#pace = pace ?? { ...this.#options, lastOfMs: 0 };
  }

  hold(row: Row, epoch: number, bytes: number, nowMs: number): void {
    const { rowsPerBacklogBatch, batchBytesMax } = this.#options;
    let entry = this.open;
    const canGrow =
      entry !== undefined &&
      entry.epoch === epoch &&
      entry.count < rowsPerBacklogBatch &&
      entry.bytes + bytes <= batchBytesMax;
    if (entry === undefined || !canGrow) {
      this.pack();
      entry = {
        ...spanOf(row),
        epoch,
        sinceMs: nowMs,
        count: 0,
        bytes: 0,
        content: { kind: "rows", rows: [] },
      };
      this.live.waiting.push(entry);
    }
    if (entry.content.kind === "rows") entry.content.rows.push(row);
    entry.count++;
    entry.bytes += bytes;
    widen(entry, spanOf(row));
    this.#usage.bytes[this.name] += bytes;
    this.ledger.held++;
  }

  /** Gives up a row that never got a place. */
  lose(row: Row, epoch: number, reason: string, nowMs: number): void {
    const loss: Entry = {
      ...spanOf(row),
      epoch,
      sinceMs: nowMs,
      count: 1,
      bytes: 0,
      content: { kind: "lost", reason },
    };
    const { waiting } = this.live;
    // In front of rows that may still grow: losses in between would cut them into small batches.
    this.#bury(this.live, waiting.length - (this.open === undefined ? 0 : 1), loss);
    this.ledger.lost++;
  }

  /** The oldest rows that were never sent, when there are any. */
  oldestUnsent(): { stream: OutStream; at: number; entry: Entry } | null {
    for (const stream of [...this.draining, this.live]) {
      const at = stream.waiting.findIndex((entry) => entry.content.kind !== "lost");
      if (at >= 0) return { stream, at, entry: stream.waiting[at]! };
    }
    return null;
  }

  /** Gives up rows that were never sent; a tombstone takes their place. */
  trim(stream: OutStream, at: number, reason: string): void {
    const [entry] = stream.waiting.splice(at, 1);
    if (entry === undefined) return;
    this.#usage.bytes[this.name] -= entry.bytes;
    this.ledger.held -= entry.count;
    this.ledger.lost += entry.count;
    this.#bury(stream, at, { ...entry, bytes: 0, content: { kind: "lost", reason } });
  }

  /** Encodes the rows that could still grow. */
  pack(): void {
    const entry = this.open;
    if (entry?.content.kind !== "rows") return;
    this.#thin(entry, entry.content);
    const packed = encodeBatch(this.#head(this.live, 0, entry), entry.content.rows as Rows);
    this.#usage.bytes[this.name] += packed.length - entry.bytes;
    entry.bytes = packed.length;
    entry.content = { kind: "packed", packed };
    this.bytesPerRow += NEWEST_SHARE * (packed.length / entry.count - this.bytesPerRow);
    this.#emit(this.live, { event: "batch_packed", rows: entry.count, bytes: packed.length });
  }

  /** At the end: nothing grows any more, and everything is due. */
  flush(nowMs: number): void {
    this.pack();
    const dueMs = nowMs - this.#pace.sealAfterMs;
    for (const entry of this.live.waiting) entry.sinceMs = Math.min(entry.sinceMs, dueMs);
  }

  /** Sets a backlog apart once its oldest unsent row is too old, so that it no longer delays the new. */
  setBacklogApart(nowMs: number): void {
    const { waiting } = this.live;
    if (waiting.length === 0 || nowMs - waiting[0]!.sinceMs <= this.#options.backlogAfterMs) return;
    this.pack();
    this.#emit(this.live, { event: "backlog_set_apart", entries: waiting.length });
    const last = this.draining.at(-1);
    if (last === undefined) {
      this.draining.push(this.live);
      this.live = new OutStream(this.#options.mintStream());
    } else {
      moveAll(waiting, last.waiting);
    }
  }

  /** The live stream's next batch, when one is due and the window has room. */
  nextLive(nowMs: number, window: number): { stream: OutStream; sent: SentEntry } | null {
    const stream = this.live;
    if (stream.inFlight >= window || nowMs < this.restUntilMs) return null;
    if (stream.mustResend) return { stream, sent: stream.resend() };
    const head = stream.waiting[0];
    if (head === undefined || this.dueInMs(head, nowMs) > 0) return null;
    return { stream, sent: this.#sendFirst(stream) };
  }

  nextDraining(window: number): { stream: OutStream; sent: SentEntry } | null {
    for (const stream of this.draining) {
      if (stream.inFlight >= window) continue;
      if (stream.mustResend) return { stream, sent: stream.resend() };
      if (stream.waiting.length > 0) return { stream, sent: this.#sendFirst(stream) };
    }
    return null;
  }

  /** 0 or less when the live stream's entry may be sent. */
  dueInMs(entry: Entry, nowMs: number): number {
    const { rowsPerBatch, sealAfterMs } = this.#pace;
    if (entry.content.kind === "packed") return 0;
    if (entry.content.kind === "rows" && entry.count >= rowsPerBatch) return 0;
    return entry.sinceMs + sealAfterMs - nowMs;
  }

  settle(stream: OutStream, sent: SentEntry, verdict: Settlement): "settled" | "mismatch" {
    const { entry, number } = sent;
    const { committed, duplicate, quarantined } = verdict;
    const rows = rowsOf(entry);
    const lost = entry.content.kind === "lost" ? 0 : (verdict.lost ?? 0);
    const counted = committed + duplicate + quarantined + lost;
    if (counted !== rows || ![committed, duplicate, quarantined, lost].every(isCount)) {
      this.#emit(stream, { event: "verdict_mismatched", number, rows, counted });
      return "mismatch";
    }
    this.ledger.committed += committed;
    this.ledger.duplicate += duplicate;
    this.ledger.quarantined += quarantined;
    this.ledger.lost += lost;
    this.ledger.held -= rows;
    if (entry.content.kind === "lost") this.#usage.tombstoneBytes -= this.#tombstoneBytes;
    this.#usage.bytes[this.name] -= entry.bytes;
    stream.remove(sent);
    return "settled";
  }

  /** Takes a stream out of the way with all it has sent; what it has not sent goes on in a fresh one. */
  refuse(stream: OutStream, sent: SentEntry, code: string): void {
    const rows = rowsOf(sent.entry);
    this.#emit(stream, { event: "batch_refused", number: sent.number, rows, code });
    if (this.stuck.includes(stream)) return;
    this.stuck.push(stream);
    const fresh = new OutStream(this.#options.mintStream());
    moveAll(stream.waiting, fresh.waiting);
    if (stream === this.live) this.live = fresh;
    else this.draining.splice(this.draining.indexOf(stream), 1, fresh);
  }

  /** Forgets streams that have nothing left; the live one stays. Returns their ids. */
  dropEmpty(): string[] {
    const dropped: string[] = [];
    for (const streams of [this.draining, this.stuck]) {
      for (let i = streams.length - 1; i >= 0; i--) {
        if (streams[i]!.isEmpty) dropped.push(...streams.splice(i, 1).map(({ id }) => id));
      }
    }
    return dropped;
  }

  /** Gives up the rows that later ones replace; a tombstone goes in front of the rest. */
  #thin(entry: Entry, content: { rows: Row[] }): void {
    const { lastOfMs } = this.#pace;
    if (lastOfMs === 0) return;
    const { kept, gone } = thinned(content.rows, lastOfMs);
    if (gone.length === 0) return;
    const bytes = gone.reduce((sum, row) => sum + rowBytes(row), 0);
    const loss: Entry = {
      ...spanOf(gone[0]!),
      epoch: entry.epoch,
      sinceMs: entry.sinceMs,
      count: gone.length,
      bytes: 0,
      content: { kind: "lost", reason: "egress_budget" },
    };
    for (const row of gone) widen(loss, spanOf(row));
    content.rows = kept;
    entry.count = kept.length;
    entry.bytes -= bytes;
    this.#usage.bytes[this.name] -= bytes;
    this.ledger.held -= gone.length;
    this.ledger.lost += gone.length;
    this.#bury(this.live, this.live.waiting.length - 1, loss);
  }

  #sendFirst(stream: OutStream): SentEntry {
    if (stream === this.live && stream.waiting.length === 1) this.pack();
    return stream.sendFirst((entry, number) => {
      if (entry.content.kind === "packed") {
        entry.content.packed = withAddress(entry.content.packed, stream.id, number);
        return entry.content.packed;
      }
      const { count, firstMs, lastMs } = entry;
      const reason = entry.content.kind === "lost" ? entry.content.reason : "";
      this.#emit(stream, { event: "loss_declared", reason, count, firstMs, lastMs });
      return encodeTombstone(this.#head(stream, number, entry), { count, firstMs, lastMs, reason });
    });
  }

  #bury(stream: OutStream, at: number, loss: Entry): void {
    const bytesAfter = this.#usage.tombstoneBytes + this.#tombstoneBytes;
    const spare = bytesAfter <= this.#options.tombstoneBytesReserved;
    const added = bury(stream.waiting, at, loss, spare);
    this.#usage.tombstoneBytes += added * this.#tombstoneBytes;
    const reason = loss.content.kind === "lost" ? loss.content.reason : "";
    if (added === 1) this.#emit(stream, { event: "loss_began", reason });
  }

  #head(stream: OutStream, number: number, entry: Entry): BatchHead {
    return {
      table: this.table,
      stream: stream.id,
      number,
      account: this.account,
      epoch: entry.epoch,
      origin: this.name === "backfill" ? "backfill" : "live",
    };
  }

  #emit(
    stream: OutStream,
    event: DistributiveOmit<OutboxEvent, "account" | "table" | "stream">,
  ): void {
    this.#options.onEvent({
      ...event,
      account: this.account,
      table: this.name,
      stream: stream.id,
    });
  }
}

type DistributiveOmit<Union, Keys extends PropertyKey> = Union extends unknown
  ? Omit<Union, Keys>
  : never;

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function moveAll(from: Entry[], to: Entry[]): void {
  for (const entry of from) to.push(entry);
  from.length = 0;
}
