// Whether an edge's books and the hub's agree on one holder of an account. Pure: the readings are
// arguments. Both move all the time and neither waits for the other, so that only this holds at every
// moment: what an edge has settled is stored, because an ack comes after the commit; and what was stored a
// while before an edge spoke, it had received when it spoke.
import type { Ledger } from "../../shared/tick.ts";
import type { Counts, Imbalance } from "./stream-audit.ts";

/** What an edge said of its books, and in the same snapshot, what is stored of that holder's streams. */
export interface HolderReading {
  edge: string;
  account: string;
  holder: string;
  /** When the hub heard it; database clock. */
  seenMs: number;
  said: Ledger;
  stored: Counts;
}

/** No question of an edge is under way for so long. */
const UNDER_WAY_MS = 15_000;
/** One late question after a link was replaced is no proof; books that are wrong stay wrong. */
const STRIKES = 3;
const HISTORY_MS = 60_000;

interface Known {
  /** What was stored, oldest first. */
  history: { atMs: number; received: number }[];
  /** Last word that was judged. */
  seenMs: number;
  strikes: number;
}

export class HolderAudit {
  #known = new Map<string, Known>();

  /** Takes one snapshot, made at `nowMs` of the database's clock. Returns what is wrong in it. */
  hear(nowMs: number, readings: readonly HolderReading[]): Imbalance[] {
    const before = this.#known;
    this.#known = new Map();
    return readings.flatMap((reading) => {
      const key = `${reading.account} ${reading.holder}`;
      const known = before.get(key) ?? { history: [], seenMs: 0, strikes: 0 };
      this.#known.set(key, known);
      return unsettled(reading) ?? this.#unreceived(nowMs, reading, known) ?? [];
    });
  }

  #unreceived(nowMs: number, reading: HolderReading, known: Known): Imbalance | null {
    const { seenMs, said, stored } = reading;
    const then = known.history.findLast(({ atMs }) => atMs <= seenMs - UNDER_WAY_MS);
    const surplus = (then?.received ?? 0) - said.received;
    if (surplus <= 0) known.strikes = 0;
    else if (seenMs !== known.seenMs) known.strikes += 1;
    known.seenMs = seenMs;
    known.history = known.history.filter(({ atMs }) => atMs > nowMs - HISTORY_MS);
    known.history.push({ atMs: nowMs, received: stored.received });
    return known.strikes < STRIKES ? null : wrong(reading, "received", surplus);
  }
}

/** Duplicates are in the sum alone: statistics that were dropped turn an old batch that comes again into them. */
function unsettled(reading: HolderReading): Imbalance | null {
  const { said, stored } = reading;
  const settled = (counts: Omit<Counts, "received" | "lost">) =>
    counts.committed + counts.duplicate + counts.quarantined;
  const missing = Math.max(
    said.committed - stored.committed,
    said.quarantined - stored.quarantined,
    settled(said) - settled(stored),
  );
  return missing > 0 ? wrong(reading, "settled", -missing) : null;
}

function wrong(
  { account, edge, holder }: HolderReading,
  check: Imbalance["check"],
  records: number,
): Imbalance {
  return { account, table: "all", check, records, detail: `edge ${edge}, holder ${holder}` };
}
