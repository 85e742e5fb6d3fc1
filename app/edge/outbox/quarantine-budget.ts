// How much of what could not be read may travel. A broker that changes its format makes every frame
// unreadable: the first of each kind are needed to mend the decoder, the flood is only counted.
import type { RejectCode } from "../../shared/tick.ts";

const DAY_MS = 86_400_000;

export interface QuarantineLimits {
  /** Of rows held at one time. */
  bytesMax: number;
  bytesPerDay: number;
  /** Per reason and day; these travel even beyond the budget. */
  rowsAlwaysKept: number;
}

export class QuarantineBudget {
  readonly #limits: QuarantineLimits;
  #day = -1;
  #bytesToday = 0;
  readonly #rowsToday = new Map<RejectCode, number>();

  constructor(limits: QuarantineLimits) {
    this.#limits = limits;
  }

  /** Whether a row of `bytes` may travel; counts it if so. A day is one of the monotonic clock. */
  admit(code: RejectCode, bytes: number, bytesHeld: number, nowMs: number): boolean {
    const { bytesMax, bytesPerDay, rowsAlwaysKept } = this.#limits;
    const day = Math.floor(nowMs / DAY_MS);
    if (day !== this.#day) {
      this.#day = day;
      this.#bytesToday = 0;
      this.#rowsToday.clear();
    }
    const rows = this.#rowsToday.get(code) ?? 0;
    const fits = this.#bytesToday + bytes <= bytesPerDay && bytesHeld + bytes <= bytesMax;
    if (!fits && rows >= rowsAlwaysKept) return false;
    this.#rowsToday.set(code, rows + 1);
    this.#bytesToday += bytes;
    return true;
  }
}
