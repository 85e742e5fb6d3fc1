// /api/watch: what one place does, four times a second at most and only when it did something. What is sent is what
// the watcher has not seen; a reader that does not keep up is dropped, and its browser comes back for the present.
import type { Clock } from "../../shared/clock.ts";
import type { Watcher } from "../query/watcher.ts";
import { eventOf, EventStream } from "./event-stream.ts";

export interface WatchStreamOptions {
  clock: Clock;
  readersMax: number;
  /** Called each turn: begins to fetch what edges wrote past this process. */
  fetchArrived: () => void;
}

const PERIOD_MS = 250;

export function createWatchStream(options: WatchStreamOptions): EventStream<Watcher> {
  const { clock, readersMax, fetchArrived } = options;
  return new EventStream({
    ...{ clock, readersMax, periodMs: PERIOD_MS },
    slow: "drop",
    prepare: () => Promise.resolve(fetchArrived()),
    frames(watcher) {
      const seen = watcher.take();
      return seen === null ? "" : eventOf(JSON.stringify(seen));
    },
    left: (watcher) => watcher.close(),
  });
}
