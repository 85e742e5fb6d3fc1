// Whether each stream's books are the sum of its batches. Pure: the readings are arguments. A stream that
// moved is checked from where it was checked last; one after the other is checked again from further back,
// so that what is changed behind our back is found as well. Statistics of batches are dropped by age, and
// there are many: a stream whose first ones are gone or too far back is taken as it stands at first sight.
import type { Ledger } from "../../shared/tick.ts";

/** What the hub has of a stream or a batch; `held` is the edges' to say. */
export type Counts = Omit<Ledger, "held">;

/** One stream as one snapshot shows it: its books, and the sums over its batches after number `since`. */
export interface StreamReading {
  no: number;
  account: string;
  table: string;
  lastNumber: number;
  /** Since its first batch. */
  ageMs: number;
  books: Counts;
  since: number;
  /** Batches found after `since`. */
  batches: number;
  sums: Counts;
}

/** Books that are wrong. */
export interface Imbalance {
  account: string;
  table: string;
  /**
   * sum: received is not the sum of the rest. batches: a stream is not the sum of its batches. settled: an
   * edge was told of more than is stored. received: more is stored than its edge has received.
   */
  check: "sum" | "batches" | "settled" | "received";
  /** Records too many in the hub's books; below zero: too few. 0: as many, but other ones. */
  records: number;
  /** Where to look. */
  detail: string;
}

const NOTHING: Counts = { received: 0, committed: 0, duplicate: 0, quarantined: 0, lost: 0 };
const PARTS = ["received", "committed", "duplicate", "quarantined", "lost"] as const;
/** No statistics are dropped sooner. */
const KEPT_MS = 86_400_000;

/** A number of a stream, and what its books said after that batch. */
interface Mark {
  number: number;
  books: Counts;
}

export interface AuditLimits {
  /** Batches of a stream that one reading adds up, and back to which it is checked again. */
  batchesMax: number;
  /** Every so many checks, one stream is checked again from its base on. */
  againEvery: number;
}

export class StreamAudit {
  readonly #limits: AuditLimits;
  /** Up to where a stream is known to be right, and from where it can be proved again. */
  readonly #known = new Map<number, { base: Mark; last: Mark }>();
  readonly #wrong = new Map<number, { since: number; imbalance: Imbalance }>();
  #round: Iterator<number> = [][Symbol.iterator]();
  #checks = 0;

  constructor(limits: AuditLimits) {
    this.#limits = limits;
  }

  /** What to read: of each stream named, the batches after a number; of all others, the last ones. */
  question(): { nos: number[]; sinces: number[] } {
    const sinces = new Map([...this.#known].map(([no, { last }]) => [no, last.number]));
    const again = this.#again();
    if (again !== undefined) sinces.set(again, this.#known.get(again)!.base.number);
    for (const [no, { since }] of this.#wrong) sinces.set(no, since);
    return { nos: [...sinces.keys()], sinces: [...sinces.values()] };
  }

  /** Takes what one snapshot showed. Returns all that is wrong now. */
  hear(readings: readonly StreamReading[]): Imbalance[] {
    for (const reading of readings) {
      const { no, lastNumber: number, books } = reading;
      const base = this.#known.get(no)?.base ?? this.#baseOf(reading);
      const imbalance = this.#judge(reading, base);
      if (imbalance === null) {
        const last = { number, books };
        const isLong = number - base.number > this.#limits.batchesMax;
        this.#wrong.delete(no);
        this.#known.set(no, { base: isLong ? last : base, last });
      } else this.#wrong.set(no, { since: base.number, imbalance });
    }
    return [...this.#wrong.values()].map(({ imbalance }) => imbalance);
  }

  /** Whose turn it is to be checked again; each stream's comes, so that what did not move is not left out. */
  #again(): number | undefined {
    this.#checks += 1;
    if (this.#checks % this.#limits.againEvery !== 0) return undefined;
    let next = this.#round.next();
    if (next.done === true) {
      this.#round = this.#known.keys();
      next = this.#round.next();
    }
    return next.done === true ? undefined : next.value;
  }

  /** Where proof begins for a stream that is new here: at its start, or where its statistics go back to. */
  #baseOf({ lastNumber, ageMs, books, since, batches, sums }: StreamReading): Mark {
    const isWhole = batches === lastNumber - since;
    if (since === 0 && (isWhole || ageMs <= KEPT_MS)) return { number: 0, books: NOTHING };
    if (!isWhole) return { number: lastNumber, books };
    return { number: since, books: combined(books, sums, -1) };
  }

  #judge(reading: StreamReading, base: Mark): Imbalance | null {
    const { no, account, table, lastNumber, books, since, batches, sums } = reading;
    const wrong = (check: Imbalance["check"], records: number, detail: string): Imbalance => {
      return { account, table, check, records, detail: `stream ${no}: ${detail}` };
    };
    const surplus = surplusOf(books);
    if (surplus !== 0) return wrong("sum", surplus, `up to batch ${lastNumber}`);
    if (base.number === lastNumber && since < lastNumber) return null;
    const from = since === base.number ? base : this.#known.get(no)!.last;
    const expected = combined(from.books, sums, 1);
    const isEqual = PARTS.every((part) => books[part] === expected[part]);
    if (isEqual && batches === lastNumber - since) return null;
    const records = books.received - expected.received;
    return wrong("batches", records, `${batches} batches from ${since + 1} to ${lastNumber}`);
  }
}

function combined(one: Counts, other: Counts, sign: 1 | -1): Counts {
  const { received, committed, duplicate, quarantined, lost } = other;
  return {
    received: one.received + sign * received,
    committed: one.committed + sign * committed,
    duplicate: one.duplicate + sign * duplicate,
    quarantined: one.quarantined + sign * quarantined,
    lost: one.lost + sign * lost,
  };
}

function surplusOf({ received, committed, duplicate, quarantined, lost }: Counts): number {
  return committed + duplicate + quarantined + lost - received;
}
