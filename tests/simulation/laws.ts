// The laws of a run: what has to hold at every step, told by what the outside can see. Each breach ends the
// run with a sentence. Truth is kept here beside the code under test: what was captured when and under
// which epoch, what was sent with which bytes, what was committed in which transaction.
import { readHeader } from "../../app/shared/batch.ts";
import { isBalanced, sumOf, type Reject, type Tick, type Verdict } from "../../app/shared/tick.ts";
import type { TradeRow } from "./database/copied.ts";
import type { LeaseEpoch, Stream, Transaction } from "./database/tables.ts";
import type { EdgeProcess } from "./edge.ts";
import type { Gap } from "./refill.ts";
import type { World } from "./world.ts";

/** A record an edge took. */
export interface Captured {
  kind: "trade" | "book" | "status" | "reject";
  epoch: number;
  stampMs: number;
  trueMs: number;
  symbol: string;
  seq: number;
  /** In its table: its own row, or the same print's from elsewhere. */
  isStored: boolean;
  /** In quarantine, and why. */
  refusedAs: string | null;
}

interface SentBatch {
  by: EdgeProcess;
  bytes: Uint8Array;
  rows: number;
}

/** Wishes of others that make a grant a race. */
const RIVAL_MS = 3_000;
const LANES = ["trade", "book", "status", "quarantine", "backfill"] as const;

export class Laws {
  readonly #world: World;
  readonly #sent = new Map<string, SentBatch>();
  readonly #owners = new Map<string, { by: EdgeProcess; last: number }>();
  readonly #lastNumber = new Map<number, number>();
  /** Committed prints of a source, by symbol and seq. */
  readonly #prints = new Map<string, Map<number, TradeRow>>();
  readonly #wishes = new Map<string, Map<EdgeProcess, number>>();
  readonly #grants = new Map<string, number>();
  twice = 0;
  races = 0;
  grants = 0;
  refused = 0;

  constructor(world: World) {
    this.#world = world;
  }

  captured(by: EdgeProcess, account: string, epoch: number, row: Tick | Reject): void {
    const captures = by.captured.get(account)!;
    const isTrade = row.kind === "trade";
    captures.push({
      ...{ kind: row.kind, epoch, stampMs: row.edgeRecvMs, trueMs: this.#world.timeline.nowMs },
      symbol: isTrade ? row.symbol : "",
      seq: isTrade ? row.seq : 0,
      ...{ isStored: false, refusedAs: null },
    });
    if (row.capture !== captures.length) {
      this.#breach(`${by.process.name} took record ${captures.length} as number ${row.capture}`);
    }
  }

  /** While the account is held a frame is taken whole: each record into its table or to quarantine. */
  tookFrame(by: EdgeProcess, account: string, bytes: Uint8Array, take: () => void): void {
    const collector = by.collectors.find((one) => one.account === account)!;
    const isHeld = !collector.isStandingBy();
    const before = by.outbox.ledger().received;
    take();
    const took = by.outbox.ledger().received - before;
    const head = Buffer.from(bytes.buffer, bytes.byteOffset, 16).toString("latin1");
    const records = isHeld ? Number(head.split("|")[2]) : 0;
    if (took !== records) {
      this.#breach(`${by.process.name} took ${took} of the ${records} records of a frame`);
    }
  }

  sending(by: EdgeProcess, bytes: Uint8Array): void {
    const { stream, number, rows } = readHeader(bytes);
    const name = `${stream}/${number}`;
    const before = this.#sent.get(name);
    this.#world.timeline.note(`${by.process.name} sends ${name} ${rows}`);
    if (before) {
      if (Buffer.compare(before.bytes, bytes) !== 0)
        this.#breach(`${name} was sent with other bytes`);
      return;
    }
    const owner = this.#owners.get(stream) ?? { by, last: 0 };
    this.#owners.set(stream, owner);
    if (owner.by !== by) this.#breach(`${name} is a number of a process before`);
    if (number !== owner.last + 1) this.#breach(`${name} comes after number ${owner.last}`);
    owner.last = number;
    this.#sent.set(name, { by, bytes, rows });
  }

  /** An ack is heard: the batch is committed, with these counts. */
  acked(by: EdgeProcess, verdict: Omit<Verdict, "lost">): void {
    const { stream, number, committed, duplicate, quarantined } = verdict;
    const name = `${stream}/${number}`;
    this.#world.timeline.note(`${by.process.name} hears ${name} ${committed}`);
    const { tables } = this.#world.database;
    const no = tables.streams.get(stream)?.no ?? -1;
    const stored = tables.batches.get(no)?.[number - 1];
    if (!stored) {
      this.#breach(`${name} was acked and is not in the database`);
      return;
    }
    const isSame =
      stored.committed === committed &&
      stored.duplicate === duplicate &&
      stored.quarantined === quarantined;
    if (!isSame) this.#breach(`${name} was acked with other counts than the database has`);
    this.#sent.delete(name);
  }

  wished(by: EdgeProcess, account: string, wish: string): void {
    if (wish !== "claim" && wish !== "hold") return;
    const wishes = this.#wishes.get(account) ?? new Map<EdgeProcess, number>();
    this.#wishes.set(account, wishes.set(by, this.#world.timeline.nowMs));
  }

  committing(tx: Transaction): void {
    const streamOf = (no: number) =>
      [...tx.streams.values()].find((one) => one.no === no) ??
      this.#world.database.tables.streamOf.get(no)!;
    for (const { stream, number, rows } of tx.batches) {
      const last = this.#lastNumber.get(stream) ?? 0;
      if (number !== last + 1) this.#breach(`stream ${stream}: ${number} stored after ${last}`);
      this.#lastNumber.set(stream, number);
      this.#world.timeline.note(`commit ${stream}/${number} ${rows}`);
    }
    for (const row of tx.trades.values()) this.#storeTrade(row, streamOf(row.stream), tx);
    for (const { stream, capture, edgeRecvMs } of tx.books) {
      const of = streamOf(stream);
      const record = this.#recordOf(of, capture);
      if (record?.isStored) this.#storedTwice(`book ${of.holder} ${capture}`);
      this.#store(record, of, tx, edgeRecvMs);
    }
    for (const { stream, capture, code } of tx.quarantine) {
      const record = this.#recordOf(streamOf(stream), capture);
      if (!record) continue;
      if (record.refusedAs !== null) this.#storedTwice(`quarantined ${stream} ${capture}`);
      record.refusedAs = code;
      if (code === "OUTSIDE_LEASE" && record.kind === "reject") this.refused++;
    }
    for (const [account, epochs] of tx.epochs) this.#granted(account, epochs.at(-1));
  }

  /** Cheap enough for every few events. */
  check(): void {
    const unanswered = new Map<EdgeProcess, number>();
    for (const { by, rows } of this.#sent.values()) {
      unanswered.set(by, (unanswered.get(by) ?? 0) + rows);
    }
    for (const edge of this.#world.edges) {
      if (edge.isOver) continue;
      const ledger = edge.outbox.ledger();
      const { name } = edge.process;
      if (!isBalanced(ledger)) this.#breach(`${name}: ${JSON.stringify(ledger)} does not add up`);
      if (ledger.held < (unanswered.get(edge) ?? 0)) {
        this.#breach(`${name} holds less than it has sent and not heard of`);
      }
    }
  }

  /** Holes in the volume of an account's stored prints, from the first one on. */
  gaps(account: string): Gap[] {
    const gaps: Gap[] = [];
    for (const [name, prints] of this.#prints) {
      const [source, symbol] = name.split("|") as [string, string];
      if (source !== account) continue;
      const rows = [...prints.values()].sort((a, b) => a.seq - b.seq);
      for (let i = 1; i < rows.length; i++) {
        const seqFrom = rows[i - 1]!.seq;
        const seqTo = rows[i]!.seq - rows[i]!.size;
        const [fromMs, toMs] = [rows[i - 1]!.tsMs, rows[i]!.tsMs];
        if (seqTo > seqFrom) gaps.push({ account, symbol, seqFrom, seqTo, fromMs, toMs });
      }
    }
    return gaps;
  }

  /** At the end of a run whose faults are over and whose outboxes are empty. */
  end(): void {
    this.check();
    for (const edge of this.#world.edges) {
      for (const [account, records] of edge.captured) this.#judge(edge, account, records);
      if (edge.heldAtEnd === null || edge.heldAtEnd === 0) this.#compareBooks(edge);
    }
    for (const account of this.#world.accounts) {
      const [gap] = this.#world.openGaps(account);
      if (gap) this.#breach(`a gap nobody filled: ${JSON.stringify(gap)}`);
    }
  }

  #judge(edge: EdgeProcess, account: string, records: readonly Captured[]): void {
    const holder = edge.holders.get(account)!;
    const epochs = this.#world.database.tables.epochs.get(account) ?? [];
    const { name } = edge.process;
    let missing = 0;
    records.forEach((record, i) => {
      const passedMs = passedOn(epochs, record.epoch, holder) - this.#world.beginMs;
      const isOutside = record.trueMs > passedMs;
      if (record.isStored) {
        if (isOutside)
          this.#breach(`${name} ${account} ${i + 1} was captured outside and is stored`);
      } else if (record.refusedAs === null) {
        const isThere = this.#prints.get(`${account}|${record.symbol}`)?.has(record.seq) ?? false;
        // Statuses are counted in the ledger only.
        if (!isThere && record.kind !== "status") missing++;
      } else if (record.kind !== "reject") {
        this.refused++;
        if (!isOutside && this.#world.isQuietLong) {
          this.#breach(`${name} ${account} ${i + 1} was captured inside: ${record.refusedAs}`);
        }
      }
    });
    const ledger = sumOf(LANES.map((table) => edge.outbox.ledgerOf(account, table)));
    const allowed = ledger.lost + (edge.heldAtEnd === null ? 0 : ledger.held);
    if (missing > allowed) {
      this.#breach(`${name} ${account}: ${missing} records are missing, ${allowed} were given up`);
    }
    const rows = records.filter(({ kind }) => kind === "book" || kind === "reject").length;
    if (edge.heldAtEnd !== null || rows === 0) return;
    if (ledger.held > 0) this.#breach(`${name} ${account} still holds ${ledger.held}`);
  }

  /** An edge that ended with nothing in hand, and the database, have the same counts. */
  #compareBooks(edge: EdgeProcess): void {
    for (const [account, holder] of edge.holders) {
      const ours = sumOf(LANES.map((table) => edge.outbox.ledgerOf(account, table)));
      const theirs = { committed: 0, duplicate: 0, quarantined: 0, lost: 0 };
      for (const stream of this.#world.database.tables.streams.values()) {
        if (stream.holder !== holder) continue;
        theirs.committed += stream.committed;
        theirs.duplicate += stream.duplicate;
        theirs.quarantined += stream.quarantined;
        theirs.lost += stream.lost;
      }
      const isSame = (Object.keys(theirs) as (keyof typeof theirs)[]).every(
        (part) => theirs[part] === ours[part],
      );
      if (isSame) continue;
      const said = `${JSON.stringify(ours)} and the database ${JSON.stringify(theirs)}`;
      this.#breach(`${edge.process.name} ${account} says ${said}`);
    }
  }

  #storeTrade(row: TradeRow, of: Stream, tx: Transaction): void {
    const name = `${row.source}|${row.symbol}`;
    const prints = this.#prints.get(name) ?? new Map<number, TradeRow>();
    this.#prints.set(name, prints);
    if (prints.has(row.seq)) this.#storedTwice(`${name} ${row.seq}`);
    prints.set(row.seq, row);
    const print = this.#world.printOf(row.source, row.symbol, row.seq);
    if (print?.price !== row.price || print.size !== row.size) {
      this.#breach(`${name} ${row.seq} is stored as ${row.price} x ${row.size}`);
    }
    this.#store(this.#recordOf(of, row.capture), of, tx, row.edgeRecvMs);
  }

  /** The epoch is looked up as the transaction leaves it: what ended meanwhile has ended. */
  #store(record: Captured | undefined, of: Stream, tx: Transaction, stampMs: number): void {
    if (!record) {
      this.#breach(`a row of ${of.holder} that nobody captured`);
      return;
    }
    record.isStored = true;
    // The wire's times are whole microseconds.
    if (Math.abs(record.stampMs - stampMs) > 0.002) this.#breach(`a stamp of ${of.holder} changed`);
    const { tables } = this.#world.database;
    const epochs = tx.epochs.get(of.account) ?? tables.epochs.get(of.account) ?? [];
    const epoch = epochs.find((one) => one.epoch === record.epoch && one.holder === of.holder);
    if (!epoch) this.#breach(`stored under epoch ${record.epoch}, which ${of.holder} never had`);
    else if (epoch.endedMs !== null && stampMs > epoch.endedMs + 0.002) {
      this.#breach(`stored under epoch ${record.epoch}, which had ended before its stamp`);
    }
  }

  #recordOf(of: Stream, capture: number): Captured | undefined {
    const by = this.#world.edges.find((edge) => edge.holders.get(of.account) === of.holder);
    return by?.captured.get(of.account)?.[capture - 1];
  }

  #granted(account: string, last: LeaseEpoch | undefined): void {
    if (!last || last.endedMs !== null || this.#grants.get(account) === last.epoch) return;
    const before = this.#grants.get(account) ?? 0;
    if (last.epoch <= before) this.#breach(`epoch ${last.epoch} of ${account} was used before`);
    this.#grants.set(account, last.epoch);
    this.grants++;
    this.#world.timeline.note(`${account} is granted to ${last.holder} as ${last.epoch}`);
    const { nowMs } = this.#world.timeline;
    const rivals = [...(this.#wishes.get(account) ?? [])].filter(
      ([by, wishedMs]) =>
        by.holders.get(account) !== last.holder && !by.isOver && nowMs - wishedMs < RIVAL_MS,
    );
    const stalled = this.#world.edges.filter(
      (by) =>
        !by.isOver && !by.process.isRunning && by.collectors.some((one) => !one.isStandingBy()),
    );
    if (rivals.length + stalled.length > 0) this.races++;
  }

  #storedTwice(what: string): void {
    this.twice++;
    this.#breach(`stored twice: ${what}`);
  }

  #breach(sentence: string): void {
    this.#world.timeline.fail(new Error(sentence));
  }
}

/** Database time at which the account went to another holder after `epoch`; Infinity if it never did. */
function passedOn(epochs: readonly LeaseEpoch[], epoch: number, holder: string): number {
  const next = epochs.find((one) => one.epoch > epoch && one.holder !== holder);
  return next?.grantedMs ?? Infinity;
}
