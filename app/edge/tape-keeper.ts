// Keeps every raw frame with records on a tape, so that the same input can be decoded again
// (`tickhub replay`). Beside the path of the tick: collecting never waits for the tape.
import { encodeBatch } from "../shared/batch.ts";
import type { RawFrame } from "../shared/batch.ts";
import { every } from "../shared/clock.ts";
import type { Clock } from "../shared/clock.ts";
import { TapeWriter } from "../shared/tape-file.ts";
import type { FeedSink } from "./feed/feed.ts";

/** Frames are written together: after this long, or this many bytes. */
const KEEP_MS = 1_000;
const KEEP_BYTES = 256 * 1024;

export interface TapeKeeper {
  /** The sink's `frame` for one account. */
  keep: (account: string) => NonNullable<FeedSink["frame"]>;
  close(): Promise<void>;
}

export async function createTapeKeeper(options: {
  path: string;
  broker: string;
  /** The market clock's setting, as text. */
  market: string;
  clock: Clock;
}): Promise<TapeKeeper> {
  const { path, broker, market, clock } = options;
  const tape = await TapeWriter.create(path, {
    broker,
    market,
    startedMs: Math.round(clock.nowMs()),
  });
  const pending = new Map<string, { frames: RawFrame[]; bytes: number; number: number }>();
  let writing = Promise.resolve();

  function write(account: string): void {
    const waiting = pending.get(account);
    if (!waiting || waiting.frames.length === 0) return;
    const head = {
      table: "frame",
      stream: NO_STREAM,
      number: ++waiting.number,
      account,
      epoch: 0,
    } as const;
    const batch = encodeBatch(head, waiting.frames);
    waiting.frames = [];
    waiting.bytes = 0;
    writing = writing.then(() => tape.append(batch));
  }

  const timer = every(clock, KEEP_MS, () => {
    for (const account of pending.keys()) write(account);
  });
  return {
    keep: (account) => {
      const waiting = { frames: [] as RawFrame[], bytes: 0, number: 0 };
      pending.set(account, waiting);
      return (bytes, edgeRecvMs, marketMs) => {
        waiting.frames.push({ kind: "frame", edgeRecvMs, marketMs, bytes: Uint8Array.from(bytes) });
        waiting.bytes += bytes.length;
        if (waiting.bytes >= KEEP_BYTES) write(account);
      };
    },
    async close() {
      timer.cancel();
      for (const account of pending.keys()) write(account);
      await writing;
      await tape.close();
    },
  };
}

/** Frames of a tape belong to no stream: a replay mints one from the tape's own digest. */
const NO_STREAM = "00000000-0000-0000-0000-000000000000";
