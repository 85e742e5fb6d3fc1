// A random schedule of statements over several connections, with what the model database says to each.
// Transactions are those of app/store, plain and careful, cut into their statements, and the lease's
// questions beside them; keys, numbers and epochs are few, so that they get into each other's way.
import { encodeBatch, decodeBatch } from "../../app/shared/batch.ts";
import type { Book, Trade } from "../../app/shared/tick.ts";
import { index, seeded, type Random } from "../../app/sim/market/random.ts";
import type { Step } from "../../app/store/exchange.ts";
import { COPY, encodeRows, type RowBatch } from "../../app/store/rows.ts";
import { COPY_HEADER, COPY_TRAILER } from "../../app/store/tuples.ts";
import { book, trade } from "../store/batches.ts";
import { Backend, statementOf } from "./database/backend.ts";
import { ModelDatabase, type Answer } from "./database/model.ts";
import { modelRows, type AllRows } from "./schedule-rows.ts";

export const CONNECTIONS = 4;
const TURNS = 32;
const ACCOUNT = "kis:1";
const HOUR_MS = 3_600_000;
/** Above every second since 1970: then an epoch is the one before and one. */
const FIRST_EPOCH = 10_000_000_000;
const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
const HOLDERS = [uuid(1), uuid(2), uuid(3)];
const EDGES = ["a", "b"];
/** Trades twice, so that two streams bring the same print; then books, then rejects. */
const STREAMS = [
  { id: uuid(11), table: 1 },
  { id: uuid(12), table: 1 },
  { id: uuid(13), table: 2 },
  { id: uuid(14), table: 4 },
];

/** What a statement answered, as far as both databases can agree on it. */
export type Outcome = { error: string } | { rows: Record<string, unknown>[] };

export interface Turn {
  /** The connection; CONNECTIONS = the operator's own. */
  at: number;
  step: Step;
  /** Null: it waits for a lock. */
  expected: Outcome | null;
  /** Those that waited and go on because of it. */
  freed: { at: number; outcome: Outcome }[];
}

export interface Schedule {
  setUp: string;
  turns: Turn[];
  rows: AllRows;
}

const PATIENT = `update lease set quiet_ms = ${HOUR_MS}`;
const IMPATIENT = "update lease set quiet_ms = 0, kill_grace_ms = 0, ttl_ms = 0";

/**
 * PostgreSQL ends a deadlock after a second and picks its own victim, and where one commit sets several free
 * nobody knows who is first: schedules with either are drawn anew.
 */
export function drawSchedule(seed: number): Schedule {
  for (let attempt = 0; ; attempt++) {
    const schedule = new Drawing(1_000 * seed + attempt).draw();
    if (schedule) return schedule;
  }
}

interface Script {
  steps: Step[];
  /** The batch it stores, once ingest_begin has said so. */
  batch: DrawnBatch | null;
}

interface DrawnBatch {
  stream: number;
  number: number;
  epoch: number;
  isPlain: boolean;
  rows: Trade[] | Book[];
  rejects: number;
  lost: number;
}

class Drawing {
  readonly #random: Random;
  readonly #model: ModelDatabase;
  readonly #backends: Backend[];
  readonly #scripts: (Script | null)[] = Array.from({ length: CONNECTIONS }, () => null);
  readonly #turns: Turn[] = [];
  readonly #waiting = new Set<number>();
  #nowMs = Date.now();
  #captures = 0;
  #isDeadlocked = false;

  constructor(seed: number) {
    this.#random = seeded(seed);
    this.#model = new ModelDatabase(() => (this.#nowMs += 0.1));
    this.#backends = this.#scripts.map(() => new Backend(this.#model, (_why, run) => run()));
    const sites = this.#random() < 0.5 ? EDGES : EDGES.slice(0, 1);
    this.#model.tables.placements.set(ACCOUNT, { sites, ttlMs: HOUR_MS });
    this.#model.tables.leases.set(ACCOUNT, {
      ...{ account: ACCOUNT, mode: "exclusive", epoch: FIRST_EPOCH, holder: null, edge: null },
      ...{ grantedMs: null, seenMs: null, releasedMs: null, quietMs: 0, killGraceMs: 0 },
      ...{ ttlMs: HOUR_MS, planEpoch: 0, assignedEpoch: 0 },
    });
  }

  /** Null when PostgreSQL is free to do otherwise. */
  draw(): Schedule | null {
    const { sites } = this.#model.tables.placements.get(ACCOUNT)!;
    for (let i = 0; i < TURNS && !this.#isDeadlocked; i++) this.#turn();
    // Every transaction comes to its end.
    for (;;) {
      if (this.#isDeadlocked || this.#model.crowds > 0) return null;
      const at = this.#scripts.findIndex((script, i) => script !== null && !this.#waiting.has(i));
      if (at < 0) break;
      this.#advance(at);
    }
    return { setUp: setUp(sites), turns: this.#turns, rows: modelRows(this.#model.tables) };
  }

  #turn(): void {
    const free = this.#scripts.map((_, at) => at).filter((at) => !this.#waiting.has(at));
    if (free.length === 0) return;
    if (this.#random() < 0.08) this.#operate(this.#random() < 0.6 ? IMPATIENT : PATIENT);
    else this.#advance(this.#pick(free));
  }

  /** The operator's word, in a connection of its own; no statement here keeps the lease's row locked. */
  #operate(text: string): void {
    const lease = this.#model.tables.leases.get(ACCOUNT)!;
    const patience =
      text === PATIENT ? { quietMs: HOUR_MS } : { quietMs: 0, killGraceMs: 0, ttlMs: 0 };
    this.#model.tables.leases.set(ACCOUNT, { ...lease, ...patience });
    this.#turns.push({ at: CONNECTIONS, step: { text }, expected: null, freed: [] });
  }

  #advance(at: number): void {
    const script = (this.#scripts[at] ??= this.#newScript());
    const step = script.steps.shift()!;
    const turn: Turn = { at, step, expected: null, freed: [] };
    this.#turns.push(turn);
    this.#waiting.add(at);
    this.#backends[at]!.execute(statementOf(step), (error, answer) => {
      const outcome = outcomeOf(error, answer);
      if ("error" in outcome && outcome.error === "40P01") this.#isDeadlocked = true;
      // Called later, it is another connection's statement that sets this one free.
      const cause = this.#turns.at(-1)!;
      if (cause === turn) turn.expected = outcome;
      else cause.freed.push({ at, outcome });
      this.#waiting.delete(at);
      this.#follow(at, script, outcome, answer[0]);
    });
  }

  /** What its transaction does after an answer. */
  #follow(at: number, script: Script, outcome: Outcome, answer: Answer | undefined): void {
    const { batch } = script;
    if ("error" in outcome) script.steps = batch ? [{ text: "rollback" }] : [];
    else if (batch && answer?.["state"]) script.steps = this.#stepsAfter(batch, answer);
    else if (batch && script.steps.length > 1 && this.#random() < 0.04) {
      script.steps = [{ text: "rollback" }];
    }
    if (!batch) this.#backends[at]!.sync();
    if (script.steps.length === 0) this.#scripts[at] = null;
  }

  #stepsAfter(batch: DrawnBatch, answer: Answer): Step[] {
    if (answer["state"] !== "store") return [{ text: "rollback" }];
    const streamNo = Number(answer["stream_no"]);
    const { isPlain, rows } = batch;
    if (isPlain || batch.lost > 0) {
      const copy = rows.length > 0 ? [this.#copy(batch, streamNo, rows, true)] : [];
      return [...copy, { text: "commit" }];
    }
    const untilMs = Number(answer["store_until_ms"] ?? Infinity);
    const isOut = (row: Trade | Book) => row.edgeRecvMs > untilMs;
    const good = rows.filter((row) => !isOut(row)) as Trade[] | Book[];
    const outside = rows.filter(isOut).map(({ capture }) => ["OUTSIDE_LEASE", capture] as const);
    const rejects = Array.from({ length: batch.rejects }, () => {
      return ["RECORD_WIDTH", ++this.#captures] as const;
    });
    return [
      { text: "savepoint rows" },
      ...(good.length > 0 ? [this.#copy(batch, streamNo, good, false)] : []),
      mergeStep(streamNo, [...outside, ...rejects]),
      { text: "commit" },
    ];
  }

  #copy(batch: DrawnBatch, streamNo: number, rows: Trade[] | Book[], isPlain: boolean): Step {
    const { stream, number, epoch } = batch;
    const table = rows[0]!.kind;
    const head = { table, stream: STREAMS[stream]!.id, number, epoch, account: ACCOUNT };
    const bytes = encodeBatch({ ...head, origin: "live" }, rows);
    const decoded = decodeBatch(bytes, { rowsMax: 100, rawBytesMax: 1e6 }) as RowBatch;
    const text = table === "book" ? COPY.book : isPlain ? COPY.trade : COPY.incomingTrade;
    return { text, copy: [COPY_HEADER, encodeRows(decoded, streamNo), COPY_TRAILER] };
  }

  #newScript(): Script {
    if (this.#random() < 0.4) return { steps: [this.#question()], batch: null };
    const stream = index(this.#random, STREAMS.length);
    const { id, table } = STREAMS[stream]!;
    const isReject = table === 4;
    const last = this.#model.tables.streams.get(id)?.last ?? 0;
    const number = Math.max(1, last + this.#pick([1, 1, 1, 1, 0, 2]));
    const isTombstone = this.#random() < 0.1;
    const batch: DrawnBatch = {
      ...{ stream, number, epoch: this.#epoch(), isPlain: !isReject && this.#random() < 0.5 },
      rows: isReject || isTombstone ? [] : this.#rows(table),
      rejects: isReject && !isTombstone ? 1 + index(this.#random, 3) : 0,
      lost: isTombstone ? 5 : 0,
    };
    return { steps: [{ text: "begin" }, this.#beginStep(batch)], batch };
  }

  #question(): Step {
    const wish = this.#pick(["claim", "claim", "hold", "release", "report"]);
    return {
      text: "select public.where_am_i($1, $2, $3, $4, $5) as standing",
      values: [ACCOUNT, this.#pick(HOLDERS), this.#pick(EDGES), wish, "{}"],
    };
  }

  /** Mostly one that was granted. */
  #epoch(): number {
    const granted = this.#model.tables.epochs.get(ACCOUNT) ?? [];
    const known = granted.map(({ epoch }) => epoch);
    return this.#pick([...known.slice(-2), ...known.slice(-2), 0, FIRST_EPOCH + 1]);
  }

  #rows(table: number): Trade[] | Book[] {
    const count = 1 + index(this.#random, 4);
    const stamps = Array.from({ length: count }, () => {
      const edgeRecvMs = this.#nowMs + (this.#random() < 0.7 ? -2 : 2) * HOUR_MS;
      return { edgeRecvMs, capture: ++this.#captures };
    });
    if (table === 2) return stamps.map((stamp, i) => book(i, stamp));
    return stamps.map((stamp) => {
      const print = index(this.#random, 10);
      return trade(print, { ...stamp, ...(this.#random() < 0.15 ? { price: 1 } : {}) });
    });
  }

  #beginStep({ stream, number, epoch, isPlain, rows, rejects, lost }: DrawnBatch): Step {
    const { id, table } = STREAMS[stream]!;
    const crc = 1_000 * stream + number + (this.#random() < 0.05 ? 500 : 0);
    const stamps = rows.map(({ edgeRecvMs }) => edgeRecvMs);
    const [firstMs, lastMs] = [Math.min(...stamps, this.#nowMs), Math.max(...stamps, 0)];
    const granted = this.#model.tables.epochs.get(ACCOUNT)?.find((one) => one.epoch === epoch);
    const holder = granted && this.#random() < 0.9 ? granted.holder : this.#pick(HOLDERS);
    return {
      text: `select * from public.ingest_begin(
        $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
      values: [
        ...[id, table, ACCOUNT, "a", holder, epoch, number, [crc], [rows.length + rejects], [100]],
        ...[[firstMs], [lastMs], [lost], [lost > 0 ? "outbox_full" : null], isPlain, false],
      ],
    };
  }

  #pick<T>(from: readonly T[]): T {
    return from[index(this.#random, from.length)]!;
  }
}

function mergeStep(streamNo: number, refused: readonly (readonly [string, number])[]): Step {
  return {
    text: `select duplicate, conflict, lost
      from public.ingest_merge($1, $2, $3, $4, $5::float8[], $6)`,
    values: [
      streamNo,
      refused.map(([code]) => code),
      refused.map(() => "drawn"),
      refused.map(() => "\\x00"),
      refused.map(() => null),
      refused.map(([, capture]) => capture),
    ],
  };
}

/** Numbers that depend on the clock become what they mean. */
export function outcomeOf(error: Error | null, answer: readonly Answer[]): Outcome {
  if (error) {
    if (!("code" in error)) throw error;
    return { error: String(error.code) };
  }
  return {
    rows: answer.map((row) => {
      if (row["standing"]) return leaseOf(row["standing"]);
      if (!("store_until_ms" in row)) return row;
      const { store_until_ms: until, ...rest } = row;
      const isFinite = until !== null && Number.isFinite(Number(until));
      return { ...rest, until: isFinite ? "a time" : until };
    }),
  };
}

function leaseOf(standing: string): Record<string, unknown> {
  const { lease } = JSON.parse(standing) as { lease: Record<string, unknown> };
  const waits = Number(lease["waitMs"] ?? 0) > 0;
  return { ...lease, waitMs: lease["waitMs"] === null ? null : waits };
}

/** Deleted, not truncated: with a handful of rows that is ten times as fast. */
function setUp(sites: readonly string[]): string {
  const tables = [
    "ingest_batch",
    "loss",
    "trade",
    "book",
    "quarantine",
    "quarantine_day",
    "stream",
  ];
  const leases = ["lease", "lease_epoch", "placement", "edge_status"];
  return [
    ...[...tables, ...leases].map((table) => `delete from ${table}`),
    "alter table stream alter column no restart",
    `insert into placement (account, sites, ttl_ms)
       values ('${ACCOUNT}', '{${sites.join(",")}}', ${HOUR_MS})`,
    `insert into lease (account, epoch, quiet_ms, kill_grace_ms, ttl_ms)
       values ('${ACCOUNT}', ${FIRST_EPOCH}, 0, 0, ${HOUR_MS})`,
  ].join("; ");
}
