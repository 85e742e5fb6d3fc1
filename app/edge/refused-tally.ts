// What an account's feed refused since the last heartbeat, by code: events are told per heartbeat, not per
// record.
import type { Emit } from "../shared/events.ts";
import type { Reject, RejectCode } from "../shared/tick.ts";

export class RefusedTally {
  readonly #source: string;
  readonly #emit: Emit;
  readonly #noted = new Map<RejectCode, { count: number; reason: string }>();

  constructor(source: string, emit: Emit) {
    this.#source = source;
    this.#emit = emit;
  }

  note({ code, reason }: Reject): void {
    const noted = this.#noted.get(code);
    if (noted) noted.count += 1;
    else this.#noted.set(code, { count: 1, reason });
  }

  tell(): void {
    for (const [code, { count, reason }] of this.#noted) {
      this.#emit({ event: "record_quarantined", source: this.#source, code, count, reason });
    }
    this.#noted.clear();
  }
}
