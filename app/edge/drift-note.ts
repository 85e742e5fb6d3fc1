// Keeps which layouts of a broker this process did not know, for the edge's status: the event is told once and the
// Sentinel looks from outside. Beside the tick's path; bounded.
import type { Emit } from "../shared/events.ts";

const DRIFTS_MAX = 16;

export class DriftNote {
  readonly #drifts = new Set<string>();

  /** `emit`, with an ear for drifts. */
  listening(emit: Emit): Emit {
    return (event) => {
      if (event.event === "feed_drifted" && this.#drifts.size < DRIFTS_MAX) {
        const { source, record, width, known } = event;
        this.#drifts.add(`${source} ${record}: ${width}, known ${known}`.slice(0, 200));
      }
      emit(event);
    };
  }

  /** As part of a status; nothing while all is known. */
  status(): { drifts?: string[] } {
    return this.#drifts.size === 0 ? {} : { drifts: [...this.#drifts] };
  }
}
