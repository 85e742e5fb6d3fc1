// The database as ingest and leases see it: READ COMMITTED, statement by statement, with the locks of the
// real one. The functions are those of migrations/0003, line by line; tests/simulation/schedules.test.ts
// compares both on random schedules. Statements are generators: they stop where the real ones can wait.
import { countStatuses, readBooks, readTrades, type TradeRow } from "./copied.ts";
import { Locks } from "./locks.ts";
import { type Asking, LeaseFunctions } from "./leases.ts";
import { type BatchRow, type Stream, Tables, Transaction } from "./tables.ts";

/** Where a statement stops: until a lock is its own, or for a moment in which others run. */
export type Stop = "blocked" | "pause";
export type Running<T> = Generator<Stop, T, void>;

/** A value as PostgreSQL sends it. */
export type Answer = Record<string, string | null>;

/** Bugs that a test can plant here: each must be found out by a law. */
export interface DatabasePlant {
  /** ingest_begin reads the epoch without the account's lock. */
  unlockedEpoch?: boolean;
  /** A book is what it shows: one that repeats an earlier one is left out. */
  contentKey?: boolean;
}

export class SqlError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Arguments of ingest_begin, read. */
export interface Booking {
  stream: string;
  table: number;
  account: string;
  edge: string;
  holder: string;
  epoch: number;
  first: number;
  crcs: number[];
  rows: number[];
  lastMs: number[];
  lost: number[];
  isPlain: boolean;
}

/** A row for quarantine. */
export interface Refused {
  code: string;
  capture: number;
}

const TRADE_TABLE = 1;
const QUARANTINE_TABLE = 4;

export class ModelDatabase {
  readonly tables = new Tables();
  readonly #leases: LeaseFunctions;
  readonly #locks = new Locks();
  readonly #plant: DatabasePlant;
  #transactions = 0;
  #streams = 0;
  readonly #pendingTrades = new Map<string, Transaction>();
  readonly #pendingStreams = new Map<string, Transaction>();
  /** Of the server: silence from before proves nothing. */
  startedMs = -Infinity;
  /** Before a transaction's rows become everybody's. */
  onCommit: (tx: Transaction) => void = () => undefined;

  /** `nowMs` is the server's wall clock. */
  constructor(nowMs: () => number, plant: DatabasePlant = {}) {
    this.#leases = new LeaseFunctions({
      tables: this.tables,
      lock: (tx, name, mode) => this.#lock(tx, name, mode),
      nowMs,
      startedMs: () => this.startedMs,
    });
    this.#plant = plant;
  }

  /** Times that one statement set several free at once. */
  get crowds(): number {
    return this.#locks.crowds;
  }

  begin(): Transaction {
    const tx = new Transaction(++this.#transactions);
    this.#locks.request(`xid ${tx.id}`, tx, "exclusive");
    return tx;
  }

  commit(tx: Transaction): void {
    this.onCommit(tx);
    this.tables.apply(tx);
    this.#end(tx);
  }

  abort(tx: Transaction): void {
    this.#end(tx);
  }

  #end(tx: Transaction): void {
    for (const [id, owner] of this.#pendingStreams) {
      if (owner === tx) this.#pendingStreams.delete(id);
    }
    for (const [key, owner] of this.#pendingTrades) {
      if (owner === tx) this.#pendingTrades.delete(key);
    }
    this.#locks.releaseAll(tx);
  }

  *#lock(tx: Transaction, name: string, mode: "shared" | "exclusive"): Running<void> {
    if (!this.#locks.request(name, tx, mode)) yield "blocked";
  }

  /** Until `other` has committed or not. */
  *#waitFor(tx: Transaction, other: Transaction): Running<void> {
    yield* this.#lock(tx, `xid ${other.id}`, "shared");
    this.#locks.release(`xid ${other.id}`, tx);
  }

  *ingestBegin(tx: Transaction, batch: Booking): Running<Answer> {
    const { account, first, isPlain } = batch;
    if (!this.#plant.unlockedEpoch) yield* this.#lock(tx, `account ${account}`, "shared");
    const untilMs = this.#untilMs(batch);
    yield "pause";
    const s = yield* this.#openStream(tx, batch);
    const last = s?.last ?? 0;
    const state = this.#stateOf(batch, s);
    if (isPlain) {
      const isOutside = batch.rows.some((rows, i) => rows > 0 && batch.lastMs[i]! > untilMs);
      if (state !== "store" || isOutside)
        throw new SqlError("TH001", `not a plain batch (${state})`);
    }
    const was = state === "duplicate" ? this.#batch(s!.no, first) : undefined;
    if (state === "store") {
      this.#book(tx, s!, batch);
      if (!isPlain && batch.table === TRADE_TABLE) tx.incoming = [];
    }
    return {
      state,
      stream_no: s ? String(s.no) : null,
      last_number: String(last),
      store_until_ms: untilMs === Infinity ? null : String(untilMs),
      was_committed: was ? String(was.committed) : null,
      was_duplicate: was ? String(was.duplicate) : null,
      was_quarantined: was ? String(was.quarantined) : null,
      was_lost: was ? String(was.lost) : null,
    };
  }

  /** Rows captured later are not the sender's to store. */
  #untilMs({ account, epoch, holder }: Booking): number {
    if (epoch > 0) {
      const found = this.tables.epochs
        .get(account)
        ?.find((one) => one.epoch === epoch && one.holder === holder);
      return found ? (found.endedMs ?? Infinity) : -Infinity;
    }
    return this.tables.leases.has(account) ? -Infinity : Infinity;
  }

  /** `select … for update`, and the insert before it where this is the stream's first batch. */
  *#openStream(tx: Transaction, batch: Booking): Running<Stream | undefined> {
    const { stream: id, account, table, edge, holder } = batch;
    const found = yield* this.#streamForUpdate(tx, id);
    if (found || batch.first !== 1) return found;
    const no = ++this.#streams;
    for (;;) {
      const other = this.#pendingStreams.get(id);
      if (this.tables.streams.has(id) || !other) break;
      yield* this.#waitFor(tx, other);
    }
    if (!this.tables.streams.has(id)) {
      this.#pendingStreams.set(id, tx);
      const empty = { last: 0, lastCrc: null, received: 0, committed: 0, duplicate: 0, lost: 0 };
      tx.streams.set(id, { ...empty, id, no, account, table, edge, holder, quarantined: 0 });
    }
    return yield* this.#streamForUpdate(tx, id);
  }

  *#streamForUpdate(tx: Transaction, id: string): Running<Stream | undefined> {
    if (tx.streams.has(id)) return tx.streams.get(id);
    if (!this.tables.streams.has(id)) return undefined;
    yield* this.#lock(tx, `stream ${id}`, "exclusive");
    return this.tables.streams.get(id);
  }

  #stateOf({ account, table, first, crcs }: Booking, s: Stream | undefined): string {
    const last = s?.last ?? 0;
    if (first > last + 1) return "hole";
    if (s && (s.account !== account || s.table !== table)) return "reused";
    if (first === last + 1) return "store";
    const isOther = crcs.some((crc, i) => {
      const number = first + i;
      const stored = this.#batch(s!.no, number)?.crc ?? (last === number ? s!.lastCrc : null);
      return stored !== null && stored !== crc;
    });
    if (isOther) return "reused";
    return first + crcs.length - 1 <= last ? "duplicate" : "mixed";
  }

  #batch(streamNo: number, number: number): BatchRow | undefined {
    const batches = this.tables.batches.get(streamNo);
    // Numbers have no hole, unless a law is about to say so.
    const likely = batches?.[number - 1];
    return likely?.number === number ? likely : batches?.find((one) => one.number === number);
  }

  #book(tx: Transaction, s: Stream, { first, crcs, rows, lost, table }: Booking): void {
    const isQuarantine = table === QUARANTINE_TABLE;
    crcs.forEach((crc, i) => {
      const count = rows[i]!;
      tx.batches.push({
        ...{ stream: s.no, number: first + i, crc, rows: count, duplicate: 0, lost: lost[i]! },
        committed: isQuarantine ? 0 : count,
        quarantined: isQuarantine ? count : 0,
      });
    });
    const [rowSum, lostSum] = [sum(rows), sum(lost)];
    tx.streams.set(s.id, {
      ...s,
      last: first + crcs.length - 1,
      lastCrc: crcs.at(-1)!,
      received: s.received + rowSum + lostSum,
      committed: s.committed + (isQuarantine ? 0 : rowSum),
      quarantined: s.quarantined + (isQuarantine ? rowSum : 0),
      lost: s.lost + lostSum,
    });
  }

  *copyTrades(tx: Transaction, chunks: readonly Uint8Array[]): Running<void> {
    const rows = readTrades(chunks);
    for (const [i, row] of rows.entries()) {
      if (i === rows.length >> 1) yield "pause";
      if (!(yield* this.#claimKey(tx, row.key))) {
        throw new SqlError("23505", 'duplicate key value violates unique constraint "trade_key"');
      }
      tx.trades.set(row.key, row);
    }
  }

  copyIncoming(tx: Transaction, chunks: readonly Uint8Array[]): void {
    if (!tx.incoming)
      throw new SqlError("42P01", 'relation "pg_temp.incoming_trade" does not exist');
    tx.incoming.push(...readTrades(chunks));
  }

  *copyBooks(tx: Transaction, chunks: readonly Uint8Array[]): Running<void> {
    const rows = readBooks(chunks);
    for (const [i, row] of rows.entries()) {
      if (i === rows.length >> 1) yield "pause";
      if (this.#plant.contentKey) {
        const repeats = (other: { content: string }) => other.content === row.content;
        if (this.tables.books.some(repeats) || tx.books.some(repeats)) continue;
      }
      tx.books.push(row);
    }
  }

  copyStatuses(tx: Transaction, chunks: readonly Uint8Array[]): void {
    tx.statuses += countStatuses(chunks);
  }

  /** True when the key is free and now this transaction's. */
  *#claimKey(tx: Transaction, key: string): Running<boolean> {
    for (;;) {
      if (tx.trades.has(key) || this.tables.trades.has(key)) return false;
      const other = this.#pendingTrades.get(key);
      if (!other || other === tx) break;
      yield* this.#waitFor(tx, other);
    }
    this.#pendingTrades.set(key, tx);
    return true;
  }

  /** Rows that go to quarantine are those of `refused`; their day's budget is never spent here. */
  *ingestMerge(tx: Transaction, streamNo: number, refused: readonly Refused[]): Running<Answer> {
    const s = this.#streamByNo(tx, streamNo)!;
    yield* this.#quarantine(tx, s, refused);
    let [inserted, conflict, rows] = [0, 0, 0];
    if (s.table === TRADE_TABLE) {
      const incoming = tx.incoming ?? [];
      rows = incoming.length;
      inserted = yield* this.#insertDistinct(tx, incoming);
      if (inserted < rows) {
        const conflicts = this.#conflictsOf(tx, incoming);
        conflict = conflicts.length;
        yield* this.#quarantine(tx, s, conflicts);
      }
    }
    const duplicate = rows - inserted - conflict;
    const isQuarantine = s.table === QUARANTINE_TABLE;
    const quarantined = isQuarantine ? 0 : conflict + refused.length;
    const uncommitted = isQuarantine ? 0 : duplicate + conflict + refused.length;
    const mend = <Booked extends BatchRow | Stream>(row: Booked): Booked => ({
      ...row,
      committed: row.committed - uncommitted,
      duplicate: row.duplicate + duplicate,
      quarantined: row.quarantined + quarantined,
    });
    tx.streams.set(s.id, mend(s));
    const at = tx.batches.findIndex(({ stream, number }) => stream === s.no && number === s.last);
    if (at >= 0) tx.batches[at] = mend(tx.batches[at]!);
    return { duplicate: String(duplicate), conflict: String(conflict), lost: "0" };
  }

  /** quarantine_put: one at a time for each source. */
  *#quarantine(tx: Transaction, s: Stream, rows: readonly Refused[]): Running<void> {
    if (rows.length === 0) return;
    yield* this.#lock(tx, `quarantine ${s.account}`, "exclusive");
    for (const row of rows) tx.quarantine.push({ ...row, source: s.account, stream: s.no });
  }

  #streamByNo(tx: Transaction, no: number): Stream | undefined {
    for (const stream of tx.streams.values()) if (stream.no === no) return stream;
    return this.tables.streamOf.get(no);
  }

  *#insertDistinct(tx: Transaction, incoming: readonly TradeRow[]): Running<number> {
    const distinct = new Map<string, TradeRow>();
    for (const row of incoming) if (!distinct.has(row.key)) distinct.set(row.key, row);
    let inserted = 0;
    for (const row of [...distinct.values()].sort(byKey)) {
      if (!(yield* this.#claimKey(tx, row.key))) continue;
      tx.trades.set(row.key, row);
      inserted++;
    }
    return inserted;
  }

  #conflictsOf(tx: Transaction, incoming: readonly TradeRow[]): Refused[] {
    return incoming.flatMap(({ key, price, size, capture }) => {
      const stored = tx.trades.get(key) ?? this.tables.trades.get(key);
      const isSame = !stored || (stored.price === price && stored.size === size);
      return isSame ? [] : [{ code: "KEY_CONFLICT", capture }];
    });
  }

  /** The lease's question: migrations/0003 and 0007, without what the hub keeps of sockets and refills. */
  whereAmI(tx: Transaction, asking: Asking): Running<object> {
    return this.#leases.whereAmI(tx, asking);
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

/** The order of `trade_key`. */
function byKey(a: TradeRow, b: TradeRow): number {
  if (a.tsMs !== b.tsMs) return a.tsMs - b.tsMs;
  if (a.symbol !== b.symbol) return a.symbol < b.symbol ? -1 : 1;
  if (a.source !== b.source) return a.source < b.source ? -1 : 1;
  return a.day - b.day || a.chain - b.chain || a.seq - b.seq;
}
