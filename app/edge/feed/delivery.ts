// The last step of every feed, whatever the broker: a decoded frame goes to the sink. Raw bytes first,
// so that a tape holds what even a crash over the records would have lost, then the records.
import type { Reject, Tick } from "../../shared/tick.ts";
import { rejectOf } from "./decoded.ts";
import type { ReadAt } from "./decoded.ts";
import type { FeedSink } from "./feed.ts";

/** What a decoder made of one frame: its records, or one reject over the whole of it. */
export type Records =
  | { kind: "data"; ticks: readonly Tick[]; rejects: readonly Reject[] }
  | { kind: "reject"; reject: Reject };

/** Hands on `records`, read from `bytes`. */
export function deliver(sink: FeedSink, records: Records, bytes: Uint8Array, at: ReadAt): void {
  sink.frame?.(bytes, at.edgeRecvMs, at.marketMs);
  if (records.kind === "reject") {
    sink.reject(records.reject);
    return;
  }
  if (records.ticks.length > 0) sink.ticks(records.ticks);
  for (const reject of records.rejects) sink.reject(reject);
}

/** The reject for a message that the socket refused to read; its bytes never reached us. */
export function unreadMessage(bytesMax: number, at: ReadAt): Reject {
  const reason = `a message of more than ${bytesMax} bytes; the socket was closed`;
  return rejectOf("FRAME_TOO_LARGE", reason, at, new Uint8Array(0));
}
