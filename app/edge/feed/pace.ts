// How often something comes, learned second by second. Pure. A second in which it came counts once, however
// often it came: markets come in bursts, and a burst says nothing about the next second.

/** Older seconds count less: after so many, a third. */
const MEMORY_S = 120;
/** Before that, nothing is said. */
const LEARN_S = 60;
/** Fewer seconds in which it came, as far as they count, are not enough to know its pace by. */
const ACTIVE_MIN = 24;
/** However dense it looks: no second is surer to bring something than this. */
const CHANCE_MAX = 0.8;

export class Pace {
  /** Seconds watched, and those of them in which it came; both fade. */
  #watched = 0;
  #active = 0;
  #learnedS = 0;
  /** Seconds since it came last. */
  #silentS = 0;

  /** One more second; `came`: something did in it. */
  second(came: boolean): void {
    if (!came) {
      this.#silentS += 1;
      return;
    }
    // A silence counts once it is over: while it lasts, it must not pass for the usual pace.
    const seconds = this.#silentS + 1;
    const kept = Math.exp(-seconds / MEMORY_S);
    this.#watched = this.#watched * kept + MEMORY_S * (1 - kept);
    this.#active = this.#active * kept + 1;
    this.#learnedS += seconds;
    this.#silentS = 0;
  }

  get silentS(): number {
    return this.#silentS;
  }

  /**
   * How much each further second of silence weighs: -ln of the chance of such a second, by what came lately.
   * Ten seconds that weigh 2 each happen once in e^20. 0 while it is not known well enough.
   */
  get weight(): number {
    if (this.#learnedS < LEARN_S || this.#active < ACTIVE_MIN) return 0;
    return -Math.log(1 - Math.min(CHANCE_MAX, this.#active / (this.#watched + 1)));
  }
}
