// Between feed and uplink: holds every record until the hub has said what became of it. Pure: no socket,
// no timer, `nowMs` is the monotonic clock as an argument. One for all accounts of an edge.
// Promises: received = committed + duplicate + held + quarantined + lost at every moment; memory within
// `bytesMax`; what was sent once is never trimmed; fresh rows never wait for an old backlog, and nothing of
// the market for news or log lines.
// News and log lines come as every record: `sender.addHolder(newsAccount(edge), holder)` once, then
// `outbox.push(newsAccount(edge), 0, item, nowMs)`; likewise with `logAccount`. Both are of epoch 0.
import { isEncodable } from "../../shared/batch.ts";
import { sumOf } from "../../shared/tick.ts";
import type { Table } from "../../shared/table.ts";
import type { Ledger, Trade } from "../../shared/tick.ts";
import { auditLane } from "./audit.ts";
import type { Imbalance } from "./audit.ts";
import { ByteRate } from "./byte-rate.ts";
import type { OutboxEvent } from "./events.ts";
import { Lane, type Pace, type Settlement, type Usage } from "./lane.ts";
import { QuarantineBudget } from "./quarantine-budget.ts";
import { emptyBytes, type LaneName, type OutboxTable, rowBytes, tableOf } from "./row-bytes.ts";
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
  /** Share of `bytesMax` for log lines: the oldest go when it is used up. */
  logShare: number;
  /** Beyond `bytesMax`, so that a full outbox can still say what it gave up. */
  tombstoneBytesReserved: number;
  /** A fresh UUID. */
  mintStream: () => string;
  onEvent?: (event: OutboxEvent) => void;
}

export const OUTBOX_DEFAULTS = {
  rowsPerBatch: { trade: 1000, book: 1000, status: 1000, quarantine: 1000, news: 1000, log: 1000 },
  sealAfterMs: { trade: 100, book: 1000, status: 100, quarantine: 1000, news: 1000, log: 2000 },
  rowsPerBacklogBatch: 10_000,
  batchBytesMax: 8 * 2 ** 20,
  backlogAfterMs: 5000,
  quarantineShare: 0.1,
  quarantineBytesPerDay: 64 * 2 ** 20,
  quarantineRowsAlwaysKept: 1000,
  logShare: 0.05,
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
 * Under overload what stands first goes first; a row only displaces rows of its own rank or less. Log lines go
 * before all, then refilled trades: the broker can be asked for them again, for everything else it cannot.
 */
const TRIM_ORDER: readonly LaneName[] = [
  "log",
  "backfill",
  "book",
  "status",
  "quarantine",
  "news",
  "trade",
];
/** Lanes that travel when nothing live has to, what stands first first. */
const UNHURRIED = ["news", "backfill", "log"] as const satisfies readonly LaneName[];
type Unhurried = (typeof UNHURRIED)[number];
/** Fewer rows than this gain too little by being packed early. */
const COMPACT_ROWS_MIN = 100;
/** Fresh batches in a row while a backlog waits: it gets at least a quarter of the link. */
const LIVE_RUN_MAX = 3;
/** Batches of an unhurried stream under way at once: what is live never finds the link full of them. */
const UNHURRIED_WINDOW = 1;
/** Of log lines: small, because what is live may come to stand behind one. */
const LOG_BATCH = { rows: 1000, bytes: 256 * 1024 };
const RATE_MEMORY_MS = 30_000;
const SECONDS_LEFT_MAX = 86_400;

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #usage: Usage = {
    bytes: emptyBytes(),
    tombstoneBytes: 0,
  };
  readonly #lanes: Lane[] = [];
  readonly #byAccount = new Map<string, Partial<Record<LaneName, Lane>>>();
  readonly #rate = new ByteRate(RATE_MEMORY_MS);
  readonly #budget: QuarantineBudget;
  #bookPace: Pace | null = null;
  #liveTurn = 0;
  #drainingTurn = 0;
  readonly #unhurriedTurn: Record<Unhurried, number> = { news: 0, backfill: 0, log: 0 };
  /** What the hub takes; null before it has said so: everything. */
  #taken: ReadonlySet<Table> | null = null;
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
    // Log lines have a share of their own: they do not bring the limit nearer.
    if (row.kind !== "log") this.#rate.add(lane.bytesPerRow, nowMs);
    this.#take(lane, epoch, row, nowMs);
  }

  /** How books are packed from now on, null as at the start. Trades are always packed as they were. */
  paceBooks(pace: Pace | null): void {
    this.#bookPace = pace;
    for (const lane of this.#lanes) if (lane.name === "book") lane.setPace(pace);
  }

  /** Takes a trade that the broker's REST told later. It travels when nothing live has to. */
  pushBackfill(account: string, epoch: number, trade: Trade, nowMs: number): void {
    this.#take(this.#lane(account, "backfill"), epoch, trade, nowMs);
  }

  /** Which tables the hub takes from now on: rows of others wait. */
  hubTakes(tables: readonly Table[]): void {
    this.#taken = new Set(tables);
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
      this.#nextUnhurried(nowMs, windowPerStream)
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

  /** Sends a stream again, later: what it has under way was not stored, and its lane alone waits. */
  rest(stream: string, untilMs: number): void {
    for (const lane of this.#lanes) {
      const found = lane.streams.find(({ id }) => id === stream);
      if (found === undefined) continue;
      found.rewind();
      lane.restUntilMs = untilMs;
    }
  }

  /** The link is lost: all that was sent and not answered goes again, before anything new. */
  rewind(): void {
    for (const { streams } of this.#lanes) for (const stream of streams) stream.rewind();
  }

  /** Ms until something that is not due yet becomes due; Infinity when only a verdict can change that. */
  nextWake(nowMs: number): number {
    let wakeMs = Infinity;
    for (const lane of this.#lanes) {
      const head = this.#waits(lane) ? undefined : lane.live.waiting[0];
      const dueMs = head === undefined ? 0 : lane.dueInMs(head, nowMs);
      if (dueMs > 0 && dueMs < wakeMs) wakeMs = dueMs;
    }
    return wakeMs;
  }

  /** Makes everything due now. At the end of a process. */
  flush(nowMs: number): void {
    for (const lane of this.#lanes) lane.flush(nowMs);
  }

  /**
   * True when nothing is left that could still be sent, or nothing but log lines where `logsToo` is false;
   * refused batches (`heldSpans`) and what the hub does not take aside.
   */
  drainEmpty(logsToo = true): boolean {
    return this.#lanes.every((lane) => {
      if (this.#waits(lane) || (lane.name === "log" && !logsToo)) return true;
      return lane.live.isEmpty && lane.draining.length === 0;
    });
  }

  /** Of all lanes. */
  ledger(): Ledger {
    return sumOf(this.#lanes.map(({ ledger }) => ledger));
  }

  /** Of what the edge is there for: all but log lines. */
  recordLedger(): Ledger {
    return this.#ledgerWithout(["log"]);
  }

  /** Of what came from the brokers' sockets: without what was asked for later, and without news. */
  liveLedger(): Ledger {
    return this.#ledgerWithout(UNHURRIED);
  }

  /** Of one kind of lane, whatever the account. */
  laneLedger(name: LaneName): Ledger {
    return sumOf(this.#lanes.filter((lane) => lane.name === name).map(({ ledger }) => ledger));
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
        const isDue = content.kind !== "lost" && !this.#waits(lane);
        if (isDue) oldestMs = Math.max(oldestMs, nowMs - sinceMs);
      }
    }
    const freeSeconds = (this.#options.bytesMax - bytes) / this.#rate.perSecond(nowMs);
    const secondsLeft = Math.max(0, Math.min(freeSeconds, SECONDS_LEFT_MAX));
    return { bytes, rows: this.ledger().held, batches, oldestMs, secondsLeft };
  }

  get #bytes(): number {
    const { trade, book, status, quarantine, backfill, news, log } = this.#usage.bytes;
    return trade + book + status + quarantine + backfill + news + log;
  }

  /** Whether the hub has no table for it. */
  #waits(lane: Lane): boolean {
    return this.#taken !== null && !this.#taken.has(lane.table);
  }

  #ledgerWithout(names: readonly LaneName[]): Ledger {
    const lanes = this.#lanes.filter(({ name }) => !names.includes(name));
    return sumOf(lanes.map(({ ledger }) => ledger));
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
    if (name === "log" && !this.#makeRoomInShare(bytes)) return "log_full";
    return this.#makeRoom(name, bytes) ? null : "outbox_full";
  }

  /** Log lines make room for log lines, long before the outbox is full. */
  #makeRoomInShare(bytes: number): boolean {
    const bytesMax = this.#options.logShare * this.#options.bytesMax;
    while (this.#usage.bytes.log + bytes > bytesMax) {
      const victim = this.#oldestOf("log");
      if (victim === null) return false;
      victim.lane.trim(victim.stream, victim.at, "log_full");
    }
    return true;
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
    const names: readonly LaneName[] =
      name === "quarantine" ? ["log", name] : TRIM_ORDER.slice(0, TRIM_ORDER.indexOf(name) + 1);
    for (const candidate of names) {
      const oldest = this.#oldestOf(candidate);
      if (oldest !== null) return oldest;
    }
    return null;
  }

  /** The oldest unsent rows of one kind of lane. */
  #oldestOf(name: LaneName) {
    let oldest: ({ lane: Lane } & NonNullable<ReturnType<Lane["oldestUnsent"]>>) | null = null;
    for (const lane of this.#lanes) {
      const unsent = lane.name === name ? lane.oldestUnsent() : null;
      if (unsent === null || (oldest && oldest.entry.sinceMs <= unsent.entry.sinceMs)) continue;
      oldest = { lane, ...unsent };
    }
    return oldest;
  }

  #nextLive(nowMs: number, window: number): Parcel | null {
    const found = this.#inTurn(this.#liveTurn, (lane) =>
      isUnhurried(lane.name) ? null : lane.nextLive(nowMs, window),
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

  #nextUnhurried(nowMs: number, window: number): Parcel | null {
    const few = Math.min(window, UNHURRIED_WINDOW);
    for (const name of UNHURRIED) {
      const found = this.#inTurn(this.#unhurriedTurn[name], (lane) =>
        lane.name === name && !this.#waits(lane) ? lane.nextLive(nowMs, few) : null,
      );
      if (found === null) continue;
      this.#unhurriedTurn[name] = found.turn;
      return found.parcel;
    }
    return null;
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
    const { rowsPerBacklogBatch, batchBytesMax } = rest;
    const options = {
      ...rest,
      ...(name === "log" && {
        rowsPerBacklogBatch: Math.min(rowsPerBacklogBatch, LOG_BATCH.rows),
        batchBytesMax: Math.min(batchBytesMax, LOG_BATCH.bytes),
      }),
      // Waiting is all that the unhurried have to do; set apart, they would have a share of the link.
      backlogAfterMs: isUnhurried(name) ? Infinity : backlogAfterMs,
      rowsPerBatch: rowsPerBatch[table],
      sealAfterMs: sealAfterMs[table],
      onEvent: onEvent ?? (() => undefined),
    };
    const lane = new Lane(account, name, options, this.#usage);
    if (name === "book") lane.setPace(this.#bookPace);
    this.#lanes.push(lane);
    return lane;
  }
}

function isUnhurried(name: LaneName): boolean {
  return (UNHURRIED as readonly LaneName[]).includes(name);
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
