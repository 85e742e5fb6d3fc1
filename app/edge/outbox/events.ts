// What the outbox says happened: per batch or per decision, never per tick.
import type { LaneName } from "./row-bytes.ts";

interface InLane {
  account: string;
  table: LaneName;
  stream: string;
}

export type OutboxEvent =
  | ({ event: "batch_packed"; rows: number; bytes: number } & InLane)
  /** An unsent backlog got its own stream, or joined the one it has. */
  | ({ event: "backlog_set_apart"; entries: number } & InLane)
  /** The first row of a tombstone was given up; its count follows in `loss_declared`. */
  | ({ event: "loss_began"; reason: string } & InLane)
  | ({
      event: "loss_declared";
      reason: string;
      count: number;
      firstMs: number;
      lastMs: number;
    } & InLane)
  /** Someone has to look: the hub will not take this batch, and it stays here. */
  | ({ event: "batch_refused"; number: number; rows: number; code: string } & InLane)
  /** The hub's verdict does not add up to the batch's rows; the batch stays held. */
  | ({ event: "verdict_mismatched"; number: number; rows: number; counted: number } & InLane);
