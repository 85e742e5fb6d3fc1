// How KIS's list of a day's trades is walked: each question names a time of day and is answered with the
// newest trades at or before it, newest first (FHPST01060000). Time has whole seconds, so the next
// question repeats the last second of the page before; a second that fills a page by itself cannot be
// walked through, and what it holds beyond is marked as cut. Pure.
import type { Listing, Row } from "../history.ts";

/** Commonly seen, nowhere promised; learned when a shorter page turns out not to be the last. */
const PAGE_ROWS = 30;
const LAST_TIME = 235_959;

export class HourWalk {
  readonly #listing: Listing;
  /** HHMMSS of the next question; null when there is none. */
  #time: number | null;
  #pageRows = PAGE_ROWS;
  /** The page before lay in one second: its rows. Whether that second holds more shows the next page. */
  #stuckRows: number | null = null;
  #isWhole = false;

  /** Starts at `time` (HHMMSS), or at the newest. */
  constructor(listing: Listing, time: number | null) {
    this.#listing = listing;
    this.#time = time ?? LAST_TIME;
  }

  get time(): number | null {
    return this.#time;
  }

  /** It has come down to the day's first trade. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Takes the answer to the question for `time`; `timeOf` is a row's HHMMSS, NaN where it has none. */
  take(page: readonly Row[], timeOf: (row: Row) => number): void {
    const asked = this.#time;
    if (asked === null) return;
    if (page.length === 0) {
      // Nothing before a second that filled a page: perhaps the rest of it is not shown.
      if (this.#stuckRows !== null && this.#stuckRows >= this.#pageRows) this.#listing.cut();
      else this.#isWhole = true;
      this.#time = null;
      return;
    }
    if (this.#stuckRows !== null) {
      // Older trades exist, so the stuck page was a full one.
      this.#pageRows = Math.min(this.#pageRows, this.#stuckRows);
      this.#listing.cut();
      this.#stuckRows = null;
    }
    this.#listing.add(page);
    const oldest = Math.min(...page.map(timeOf).filter((time) => !Number.isNaN(time)), asked);
    if (oldest < asked) this.#time = oldest;
    else {
      this.#stuckRows = page.length;
      this.#time = secondBefore(asked);
    }
  }
}

/** HHMMSS one second earlier; null before midnight. */
function secondBefore(time: number): number | null {
  if (time === 0) return null;
  if (time % 100 > 0) return time - 1;
  return time % 10_000 > 0 ? time - 100 + 59 : time - 10_000 + 5_959;
}
