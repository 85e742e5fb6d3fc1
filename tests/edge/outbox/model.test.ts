// The outbox against a model that only counts: whatever happens in whatever order, its promises hold.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readHeader } from "../../../app/shared/batch.ts";
import type { OutboxOptions, Parcel } from "../../../app/edge/outbox/outbox.ts";
import { isBalanced } from "../../../app/shared/tick.ts";
import { book, logRecord, newsItem, reject, status, trade } from "../../support/records.ts";
import { capturesOf, lossOf, makeOutbox } from "./support.ts";

const TABLES = ["trade", "book", "status", "quarantine", "backfill", "news", "log"] as const;
type Table = (typeof TABLES)[number];

const weighted = <T>(weight: number, arbitrary: fc.Arbitrary<T>) => ({ weight, arbitrary });
const anyStep = fc.oneof(
  weighted(
    8,
    fc.record({
      does: fc.constant("push" as const),
      table: fc.constantFrom(...TABLES),
      account: fc.constantFrom("kis:1", "kiwoom:1"),
      epoch: fc.constantFrom(1, 1, 1, 2),
      rows: fc.integer({ min: 1, max: 12 }),
    }),
  ),
  weighted(
    6,
    fc.record({
      does: fc.constant("next" as const),
      times: fc.integer({ min: 1, max: 4 }),
      window: fc.integer({ min: 1, max: 4 }),
    }),
  ),
  weighted(
    5,
    fc.record({ does: fc.constant("settle" as const), pick: fc.nat(), split: fc.nat(99) }),
  ),
  weighted(1, fc.record({ does: fc.constant("refuse" as const), pick: fc.nat() })),
  weighted(2, fc.record({ does: fc.constant("rewind" as const) })),
  weighted(1, fc.record({ does: fc.constant("flush" as const) })),
  weighted(5, fc.record({ does: fc.constant("wait" as const), forMs: fc.nat(4000) })),
);
type Step = typeof anyStep extends fc.Arbitrary<infer S> ? S : never;

const anyOptions = fc.record({
  bytesMax: fc.constantFrom(3000, 8000, 20_000, 10 ** 7),
  rowsPerBacklogBatch: fc.constantFrom(6, 40),
  quarantineBytesPerDay: fc.constantFrom(0, 2000, 10 ** 6),
  batchBytesMax: fc.constantFrom(4000, 10 ** 6),
});

/** Plays the hub and the feed, and keeps its own account of both. */
class Model {
  readonly outbox;
  readonly #bytesMax: number;
  #nowMs = 0;
  #pushed = 0;
  /** By lane, captures in the order they were pushed. */
  readonly #laneOf = new Map<number, string>();
  readonly #parcels = new Map<string, Parcel>();
  readonly #lastNumber = new Map<string, number>();
  readonly #lastCapture = new Map<string, number>();
  readonly #seen = new Set<number>();
  readonly #unsettled: Parcel[] = [];
  readonly #stuck = new Set<string>();
  #settled = 0;

  constructor(options: Partial<OutboxOptions> & { bytesMax: number }) {
    this.#bytesMax = options.bytesMax;
    this.outbox = makeOutbox({
      rowsPerBatch: { trade: 5, book: 5, status: 5, quarantine: 5, news: 5, log: 5 },
      quarantineRowsAlwaysKept: 20,
      ...options,
    }).outbox;
  }

  run(step: Step): void {
    if (step.does === "push") for (let i = 0; i < step.rows; i++) this.#push(step);
    if (step.does === "next") for (let i = 0; i < step.times; i++) this.#next(step.window);
    if (step.does === "settle") this.#settle(step.pick, step.split);
    if (step.does === "refuse") this.#refuse(step.pick);
    if (step.does === "rewind") this.outbox.rewind();
    if (step.does === "flush") this.outbox.flush(this.#nowMs);
    if (step.does === "wait") this.#nowMs += step.forMs;
    this.check();
  }

  check(): void {
    const ledger = this.outbox.ledger();
    const settled = ledger.committed + ledger.duplicate + ledger.quarantined;
    for (const account of ["kis:1", "kiwoom:1"]) {
      for (const table of TABLES) {
        if (!isBalanced(this.outbox.ledgerOf(account, table))) throw new Error("unbalanced");
      }
    }
    const sentRows = this.#unsettled.reduce((rows, parcel) => rows + parcel.rows, 0);
    if (!isBalanced(ledger)) throw new Error("unbalanced");
    if (this.outbox.audit().length > 0) throw new Error("what is held is not what lies there");
    if (ledger.received !== this.#pushed) throw new Error("received");
    if (settled !== this.#settled) throw new Error("settled");
    if (ledger.held < sentRows) throw new Error("something sent was given up");
    const { bytes, rows } = this.outbox.stats(this.#nowMs);
    if (bytes > this.#bytesMax || bytes < 0) throw new Error(`${bytes} bytes`);
    if (rows !== ledger.held || (rows === 0) !== (bytes === 0)) throw new Error("stats");
  }

  /** The hub comes back for good: afterwards every row has to be somewhere, exactly once. */
  finish(): void {
    const open = this.#unsettled.filter(({ stream }) => !this.#stuck.has(stream));
    this.outbox.rewind();
    this.outbox.flush(this.#nowMs);
    const sentAgain = new Set<string>();
    // Refilled batches go one at a time, so sending all takes a verdict in between.
    for (let i = 0; i === 0 || (i < 10_000 && !this.outbox.drainEmpty()); i++) {
      for (let parcel = this.#next(Infinity); parcel; parcel = this.#next(Infinity)) {
        sentAgain.add(keyOf(parcel));
      }
      this.#settle(0, 0);
    }
    for (const parcel of open) if (!sentAgain.has(keyOf(parcel))) throw new Error("not sent again");
    this.check();
    if (!this.outbox.drainEmpty()) throw new Error("not drained");
    const { held, lost } = this.outbox.ledger();
    const stuckRows = this.#unsettled.reduce((rows, parcel) => rows + parcel.rows, 0);
    const declared = [...this.#parcels.values()].reduce((sum, parcel) => sum + lossOf(parcel), 0);
    expect(held).toBe(stuckRows);
    expect(declared).toBe(lost);
    expect(this.#seen.size + lost).toBe(this.#pushed);
    const spans = this.outbox.heldSpans();
    expect(spans.reduce((count, span) => count + span.count, 0)).toBe(held);
  }

  #push({ table, account, epoch }: { table: Table; account: string; epoch: number }): void {
    const capture = ++this.#pushed;
    this.#laneOf.set(capture, `${account} ${table} ${epoch}`);
    const fields = { capture, edgeRecvMs: capture };
    if (table === "backfill") {
      this.outbox.pushBackfill(account, epoch, trade({ ...fields, seq: capture }), this.#nowMs);
      return;
    }
    const row = {
      trade: () => trade({ ...fields, seq: capture }),
      book: () => book(fields),
      status: () => status(fields),
      quarantine: () => reject(fields),
      news: () => newsItem(fields),
      log: () => logRecord(fields),
    }[table]();
    this.outbox.push(account, epoch, row, this.#nowMs);
  }

  #next(window: number): Parcel | null {
    const parcel = this.outbox.next(this.#nowMs, window);
    if (parcel === null) return null;
    const { stream, number } = parcel;
    if (this.#stuck.has(stream)) throw new Error("a stuck stream goes on");
    const before = this.#parcels.get(keyOf(parcel));
    if (before === undefined) {
      this.#first(parcel);
    } else if (Buffer.compare(before.bytes, parcel.bytes) !== 0) {
      throw new Error(`${stream} ${number} came with other bytes`);
    }
    return parcel;
  }

  #first(parcel: Parcel): void {
    const { stream, number, account, table } = parcel;
    const last = this.#lastNumber.get(stream) ?? 0;
    if (number !== last + 1) throw new Error(`${stream} jumps from ${last} to ${number}`);
    this.#lastNumber.set(stream, number);
    this.#parcels.set(keyOf(parcel), parcel);
    this.#unsettled.push(parcel);
    const header = readHeader(parcel.bytes);
    if (header.stream !== stream || header.number !== number) throw new Error("address");
    if (header.rows !== parcel.rows) throw new Error("rows");
    const isBackfill = header.origin === "backfill" && header.table === "trade";
    if (isBackfill !== (table === "backfill")) throw new Error("origin");
    for (const capture of capturesOf(parcel)) {
      if (this.#seen.has(capture)) throw new Error(`row ${capture} sent twice`);
      this.#seen.add(capture);
      if (this.#laneOf.get(capture) !== `${account} ${table} ${header.epoch}`) {
        throw new Error("in another lane or epoch");
      }
      if (capture <= (this.#lastCapture.get(stream) ?? 0)) throw new Error("out of order");
      this.#lastCapture.set(stream, capture);
    }
  }

  #settle(pick: number, split: number): void {
    const open = this.#unsettled.filter(({ stream }) => !this.#stuck.has(stream));
    const parcel = open[pick % open.length];
    if (parcel === undefined) return;
    const { stream, number, rows } = parcel;
    const duplicate = Math.floor((rows * split) / 200);
    const quarantined = Math.floor(((rows - duplicate) * split) / 200);
    const committed = rows - duplicate - quarantined;
    const outcome = this.outbox.settle({ stream, number, committed, duplicate, quarantined });
    if (outcome !== "settled") throw new Error(outcome);
    this.#unsettled.splice(this.#unsettled.indexOf(parcel), 1);
    this.#settled += rows;
  }

  #refuse(pick: number): void {
    const open = this.#unsettled.filter(({ stream }) => !this.#stuck.has(stream));
    const parcel = open[pick % open.length];
    if (parcel === undefined) return;
    this.outbox.refuse(parcel.stream, parcel.number, "BATCH_ID_REUSED");
    this.#stuck.add(parcel.stream);
  }
}

function keyOf({ stream, number }: Parcel): string {
  return `${stream} ${number}`;
}

describe("whatever happens in whatever order", () => {
  test("every row is in exactly one place, and what was sent stays as it was sent", () => {
    fc.assert(
      fc.property(
        anyOptions,
        fc.array(anyStep, { minLength: 1, maxLength: 80, size: "max" }),
        (options, steps) => {
          const model = new Model(options);
          for (const step of steps) model.run(step);
          model.finish();
        },
      ),
      { numRuns: 1000 },
    );
  });
});
