// Between feed and uplink: holds every record until the hub has said what became of it. Pure: no socket,
// no timer, `nowMs` is the monotonic clock as an argument. One for all accounts of an edge.
// Promises: received = committed + duplicate + held + quarantined + lost at every moment; memory within
// `bytesMax`; what was sent once is never trimmed; fresh rows never wait for an old backlog.
import { isEncodable } from "../../shared/batch.ts";
import { sumOf } from "../../shared/tick.ts";
import type { Ledger, Trade } from "../../shared/tick.ts";
import { auditLane } from "./audit.ts";
import type { Imbalance } from "./audit.ts";
import { ByteRate } from "./byte-rate.ts";
import type { OutboxEvent } from "./events.ts";
import { Lane, type Settlement, type Usage } from "./lane.ts";
import { QuarantineBudget } from "./quarantine-budget.ts";
import { type LaneName, type OutboxTable, rowBytes, tableOf } from "./row-bytes.ts";
import { type OutStream, type Row, rowsOf, type SentEntry } from "./stream.ts";

export interface OutboxOptions {
  /** Of packed batches and, by estimate, of rows not packed yet. */
  bytesMax: number;
  rowsPerBatch: Record<OutboxTable, number>;
  /** How long rows wait for company while the link is free. */
  sealAfterMs: Record<OutboxTable, number>;
  /** Rows a batch while the link is not free. */
  rowsPerBacklogBatch: number;
  /** Of a batch before compression; at most what the hub reads. */
  batchBytesMax: number;
  /** An unsent row older than this makes its lane's backlog a stream of its own. */
  backlogAfterMs: number;
  /** Share of `bytesMax` for what could not be read. */
  quarantineShare: number;
  quarantineBytesPerDay: number;
  /** Rows per reason and day that travel beyond that budget. */
  quarantineRowsAlwaysKept: number;
  /** Beyond `bytesMax`, so that a full outbox can still say what it gave up. */
  tombstoneBytesReserved: number;
  /** A fresh UUID. */
  mintStream: () => string;
  onEvent?: (event: OutboxEvent) => void;
}

export const OUTBOX_DEFAULTS = {
  rowsPerBatch: { trade: 1000, book: 1000, status: 1000, quarantine: 1000 },
  sealAfterMs: { trade: 100, book: 1000, status: 100, quarantine: 1000 },
  rowsPerBacklogBatch: 10_000,
  batchBytesMax: 8 * 2 ** 20,
  backlogAfterMs: 5000,
  quarantineShare: 0.1,
  quarantineBytesPerDay: 64 * 2 ** 20,
  quarantineRowsAlwaysKept: 1000,
  tombstoneBytesReserved: 256 * 1024,
} as const satisfies Omit<OutboxOptions, "bytesMax" | "mintStream">;

/** A batch to send. The same stream and number always come with the same bytes. */
export interface Parcel {
  stream: string;
  number: number;
  bytes: Uint8Array;
  table: LaneName;
  account: string;
  /** 0 for a tombstone. */
  rows: number;
  /** `edgeRecvMs` of the oldest row. */
  firstMs: number;
}

export interface OutboxStats {
  bytes: number;
  rows: number;
  /** Packed ones, sent or not. */
  batches: number;
  /** Age of the oldest row held. */
  oldestMs: number;
  /** Until the limit, if the link is gone and rows go on coming as lately; at most a day. */
  secondsLeft: number;
}

export interface HeldSpan {
  account: string;
  table: LaneName;
  count: number;
  /** `edgeRecvMs` of the first. */
  firstMs: number;
  lastMs: number;
}

/**
 * Under overload what stands first goes first; a row only displaces rows of its own rank or less. Refilled
 * trades go before all: the broker can be asked for them again, for everything else it cannot.
 */
const TRIM_ORDER: readonly LaneName[] = ["backfill", "book", "status", "quarantine", "trade"];
/** Fewer rows than this gain too little by being packed early. */
const COMPACT_ROWS_MIN = 100;
/** Fresh batches in a row while a backlog waits: it gets at least a quarter of the link. */
const LIVE_RUN_MAX = 3;
/** Refilled batches under way at once: what is live never finds the link full of them. */
const BACKFILL_WINDOW = 1;
const RATE_MEMORY_MS = 30_000;
const SECONDS_LEFT_MAX = 86_400;

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #usage: Usage = {
    bytes: { trade: 0, book: 0, status: 0, quarantine: 0, backfill: 0 },
    tombstoneBytes: 0,
  };
  readonly #lanes: Lane[] = [];
  readonly #byAccount = new Map<string, Partial<Record<LaneName, Lane>>>();
  readonly #rate = new ByteRate(RATE_MEMORY_MS);
  readonly #budget: QuarantineBudget;
  #liveTurn = 0;
  #drainingTurn = 0;
  #backfillTurn = 0;
  #liveRun = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#budget = new QuarantineBudget({
      bytesMax: options.quarantineShare * options.bytesMax,
      bytesPerDay: options.quarantineBytesPerDay,
      rowsAlwaysKept: options.quarantineRowsAlwaysKept,
    });
  }

  /** Takes a record, captured under `epoch`. It is held from now on, or declared lost at once. */
  push(account: string, epoch: number, row: Row, nowMs: number): void {
    const lane = this.#lane(account, tableOf(row));
    this.#rate.add(lane.bytesPerRow, nowMs);
    this.#take(lane, epoch, row, nowMs);
  }

  /** Takes a trade that the broker's REST told later. It travels when nothing live has to. */
  pushBackfill(account: string, epoch: number, trade: Trade, nowMs: number): void {
    this.#take(this.#lane(account, "backfill"), epoch, trade, nowMs);
  }

  /**
   * The next batch to send, or null when none is due or each stream has `windowPerStream` unanswered.
   * Call it only while the link is up: that rows have waited too long is decided here.
   */
  next(nowMs: number, windowPerStream: number): Parcel | null {
    for (const lane of this.#lanes) lane.setBacklogApart(nowMs);
    const backlogsTurn = this.#liveRun >= LIVE_RUN_MAX;
    const draining = backlogsTurn ? this.#nextDraining(windowPerStream) : null;
    return (
      draining ??
      this.#nextLive(nowMs, windowPerStream) ??
      (backlogsTurn ? null : this.#nextDraining(windowPerStream)) ??
      this.#nextBackfill(nowMs, windowPerStream)
    );
  }

  /**
   * The hub's verdict. A batch that is not held is "unknown" (answered twice); a verdict that does not
   * add up to the batch's rows is a "mismatch" and changes nothing but tells `onEvent`.
   */
  settle(verdict: Settlement): "settled" | "unknown" | "mismatch" {
    const found = this.#find(verdict.stream, verdict.number);
    if (found === null) return "unknown";
    const outcome = found.lane.settle(found.stream, found.sent, verdict);
    found.lane.dropEmpty();
    return outcome;
  }

  /** The hub will never take this batch. It is kept; its stream stops; the lane goes on in a fresh one. */
  refuse(stream: string, number: number, code: string): void {
    const found = this.#find(stream, number);
    found?.lane.refuse(found.stream, found.sent, code);
    found?.lane.dropEmpty();
  }

  /** The link is lost: all that was sent and not answered goes again, before anything new. */
  rewind(): void {
    for (const { streams } of this.#lanes) for (const stream of streams) stream.rewind();
  }

  /** Ms until something that is not due yet becomes due; Infinity when only a verdict can change that. */
  nextWake(nowMs: number): number {
    let wakeMs = Infinity;
    for (const lane of this.#lanes) {
      const head = lane.live.waiting[0];
      const dueMs = head === undefined ? 0 : lane.dueInMs(head, nowMs);
      if (dueMs > 0 && dueMs < wakeMs) wakeMs = dueMs;
    }
    return wakeMs;
  }

  /** Makes everything due now. At the end of a process. */
  flush(nowMs: number): void {
    for (const lane of this.#lanes) lane.flush(nowMs);
  }

  /** True when nothing is left that could still be sent; refused batches (`heldSpans`) aside. */
  drainEmpty(): boolean {
    return this.#lanes.every(({ live, draining }) => live.isEmpty && draining.length === 0);
  }

  ledger(): Ledger {
    return sumOf(this.#lanes.map(({ ledger }) => ledger));
  }

  /** Of what came from the brokers' sockets: without what was asked for later. */
  liveLedger(): Ledger {
    const live = this.#lanes.filter(({ name }) => name !== "backfill");
    return sumOf(live.map(({ ledger }) => ledger));
  }

  ledgerOf(account: string, table: LaneName): Ledger {
    return sumOf([this.#byAccount.get(account)?.[table]?.ledger ?? []].flat());
  }

  /** Lanes whose books are wrong: none, unless we have a bug. */
  audit(): Imbalance[] {
    return this.#lanes.flatMap((lane) => auditLane(lane) ?? []);
  }

  /** What is still held, per lane; what an edge prints when it has to go. */
  heldSpans(): HeldSpan[] {
    const spans = this.#lanes.map((lane): HeldSpan => {
      const held = [...entriesOf(lane)].filter(({ content }) => content.kind !== "lost");
      return {
        account: lane.account,
        table: lane.name,
        count: held.reduce((count, entry) => count + entry.count, 0),
        firstMs: held.reduce((first, entry) => Math.min(first, entry.firstMs), Infinity),
        lastMs: held.reduce((last, entry) => Math.max(last, entry.lastMs), -Infinity),
      };
    });
    return spans.filter(({ count }) => count > 0);
  }

  stats(nowMs: number): OutboxStats {
    const bytes = this.#bytes;
    let batches = 0;
    let oldestMs = 0;
    for (const lane of this.#lanes) {
      for (const { content, sinceMs } of entriesOf(lane)) {
        if (content.kind === "packed") batches++;
        if (content.kind !== "lost") oldestMs = Math.max(oldestMs, nowMs - sinceMs);
      }
    }
    const freeSeconds = (this.#options.bytesMax - bytes) / this.#rate.perSecond(nowMs);
    const secondsLeft = Math.max(0, Math.min(freeSeconds, SECONDS_LEFT_MAX));
    return { bytes, rows: this.ledger().held, batches, oldestMs, secondsLeft };
  }

  get #bytes(): number {
    const { trade, book, status, quarantine, backfill } = this.#usage.bytes;
    return trade + book + status + quarantine + backfill;
  }

  #take(lane: Lane, epoch: number, row: Row, nowMs: number): void {
    lane.ledger.received++;
    const bytes = rowBytes(row);
    const refusal = this.#refusal(lane.name, row, bytes, nowMs);
    if (refusal === null) lane.hold(row, epoch, bytes, nowMs);
    else lane.lose(row, epoch, refusal, nowMs);
  }

  /** Why a row cannot be held, or null once there is room for it. */
  #refusal(name: LaneName, row: Row, bytes: number, nowMs: number): string | null {
    if (!isEncodable(row)) return "row_unfit";
    if (row.kind === "reject") {
      const { quarantine } = this.#usage.bytes;
      if (!this.#budget.admit(row.code, bytes, quarantine, nowMs)) return "quarantine_full";
    }
    return this.#makeRoom(name, bytes) ? null : "outbox_full";
  }

  #makeRoom(name: LaneName, bytes: number): boolean {
    const { bytesMax } = this.#options;
    if (bytes > bytesMax) return false;
    while (this.#bytes + bytes > bytesMax) {
      if (this.#compact()) continue;
      const victim = this.#victimOf(name);
      if (victim === null) return false;
      victim.lane.trim(victim.stream, victim.at, "outbox_full");
    }
    return true;
  }

  /** Packs the lane with the most rows that are not packed yet: the one way to room that costs nothing. */
  #compact(): boolean {
    let most = COMPACT_ROWS_MIN - 1;
    let fullest: Lane | null = null;
    for (const lane of this.#lanes) {
      const rows = lane.open?.count ?? 0;
      if (rows > most) [most, fullest] = [rows, lane];
    }
    fullest?.pack();
    return fullest !== null;
  }

  /** The oldest unsent rows among those that matter least. */
  #victimOf(name: LaneName) {
    // What could not be read never displaces what could.
    const names =
      name === "quarantine" ? [name] : TRIM_ORDER.slice(0, TRIM_ORDER.indexOf(name) + 1);
    for (const candidate of names) {
      let oldest: ({ lane: Lane } & NonNullable<ReturnType<Lane["oldestUnsent"]>>) | null = null;
      for (const lane of this.#lanes) {
        const unsent = lane.name === candidate ? lane.oldestUnsent() : null;
        if (unsent === null || (oldest && oldest.entry.sinceMs <= unsent.entry.sinceMs)) continue;
        oldest = { lane, ...unsent };
      }
      if (oldest !== null) return oldest;
    }
    return null;
  }

  #nextLive(nowMs: number, window: number): Parcel | null {
    const found = this.#inTurn(this.#liveTurn, (lane) =>
      lane.name === "backfill" ? null : lane.nextLive(nowMs, window),
    );
    if (found === null) return null;
    this.#liveTurn = found.turn;
    this.#liveRun++;
    return found.parcel;
  }

  #nextDraining(window: number): Parcel | null {
    const found = this.#inTurn(this.#drainingTurn, (lane) => lane.nextDraining(window));
    this.#liveRun = 0;
    if (found === null) return null;
    this.#drainingTurn = found.turn;
    return found.parcel;
  }

  #nextBackfill(nowMs: number, window: number): Parcel | null {
    const few = Math.min(window, BACKFILL_WINDOW);
    const found = this.#inTurn(this.#backfillTurn, (lane) =>
      lane.name === "backfill" ? lane.nextLive(nowMs, few) : null,
    );
    if (found !== null) this.#backfillTurn = found.turn;
    return found?.parcel ?? null;
  }

  /** Asks each lane once, beginning with number `turn`; returns the first answer and whose turn is next. */
  #inTurn(turn: number, ask: (lane: Lane) => { stream: OutStream; sent: SentEntry } | null) {
    for (let i = 0; i < this.#lanes.length; i++) {
      const lane = this.#lanes[(turn + i) % this.#lanes.length]!;
      const answer = ask(lane);
      if (answer !== null) return { turn: turn + i + 1, parcel: parcelOf(lane, answer) };
    }
    return null;
  }

  #find(id: string, number: number): { lane: Lane; stream: OutStream; sent: SentEntry } | null {
    for (const lane of this.#lanes) {
      const stream = lane.streams.find((candidate) => candidate.id === id);
      const sent = stream?.find(number);
      if (stream !== undefined && sent !== undefined) return { lane, stream, sent };
    }
    return null;
  }

  #lane(account: string, name: LaneName): Lane {
    let lanes = this.#byAccount.get(account);
    if (lanes === undefined) this.#byAccount.set(account, (lanes = {}));
    return (lanes[name] ??= this.#addLane(account, name));
  }

  #addLane(account: string, name: LaneName): Lane {
    const { rowsPerBatch, sealAfterMs, backlogAfterMs, onEvent, ...rest } = this.#options;
    const table = name === "backfill" ? "trade" : name;
    const options = {
      ...rest,
      // Waiting is all that refilled trades have to do; set apart, they would have a share of the link.
      backlogAfterMs: name === "backfill" ? Infinity : backlogAfterMs,
      rowsPerBatch: rowsPerBatch[table],
      sealAfterMs: sealAfterMs[table],
      onEvent: onEvent ?? (() => undefined),
    };
    const lane = new Lane(account, name, options, this.#usage);
    this.#lanes.push(lane);
    return lane;
  }
}

function parcelOf(lane: Lane, { stream, sent }: { stream: OutStream; sent: SentEntry }): Parcel {
  const { number, packed: bytes, entry } = sent;
  const { account, name: table } = lane;
  const { firstMs } = entry;
  return { stream: stream.id, number, bytes, table, account, rows: rowsOf(entry), firstMs };
}

function* entriesOf({ streams }: Lane) {
  for (const { sent, waiting } of streams) {
    for (const { entry } of sent) yield entry;
    yield* waiting;
  }
}
