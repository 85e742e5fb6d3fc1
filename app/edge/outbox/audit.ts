// Whether an outbox's books are true: each lane's sum, and what it says it holds against the rows that lie
// in its streams, counted anew. Pure. The ledger is moved at each step of a record's way, the rows are
// where they are: a step that moves one without the other shows here.
import { isBalanced } from "../../shared/tick.ts";
import type { Ledger } from "../../shared/tick.ts";
import type { Lane } from "./lane.ts";
import type { LaneName } from "./row-bytes.ts";
import type { Entry } from "./stream.ts";

/** Books that are wrong. */
export interface Imbalance {
  account: string;
  table: LaneName;
  /** sum: received is not the sum of the rest. held: what lies there is not what is said to. */
  check: "sum" | "held";
  /** Records too many in the books; below zero: too few. */
  records: number;
}

/** What is wrong with one lane's books; null when nothing is. */
export function auditLane(lane: Pick<Lane, "account" | "name" | "ledger" | "streams">) {
  const { account, name: table, ledger, streams } = lane;
  const wrong = (check: Imbalance["check"], records: number): Imbalance => {
    return { account, table, check, records };
  };
  if (!isBalanced(ledger)) return wrong("sum", surplusOf(ledger));
  let held = 0;
  for (const { sent, waiting } of streams) {
    for (const { entry } of sent) held += rowsIn(entry);
    for (const entry of waiting) held += rowsIn(entry);
  }
  return held === ledger.held ? null : wrong("held", ledger.held - held);
}

function surplusOf({ received, committed, duplicate, held, quarantined, lost }: Ledger): number {
  return committed + duplicate + held + quarantined + lost - received;
}

function rowsIn({ content, count }: Entry): number {
  if (content.kind === "lost") return 0;
  return content.kind === "rows" ? content.rows.length : count;
}
