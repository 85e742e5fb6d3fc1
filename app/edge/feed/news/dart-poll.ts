// One look at Open DART's list: as many pages as hold something new, within the key's requests of a day. The
// list of a day only grows, newest first; its total says how much of it is not known yet.
import type { Clock } from "../../../shared/clock.ts";
import { TickhubError } from "../../../shared/errors.ts";
import type { NewsItem, Reject } from "../../../shared/tick.ts";
import { DART_REQUESTS_PER_DAY, dartPath, dayInKorea, readDartReply } from "./dart.ts";
import { rowsOf } from "./read.ts";

/** The first look of a process goes back over a weekend; later ones need the day before alone. */
const FIRST_DAYS_BACK = 3;
const DAYS_BACK = 1;
/** A disclosure that was taken back hides a new one from the count: a whole look now and then finds it. */
const SWEEP_MS = 3_600_000;
/** 10,000 disclosures: five times the busiest day's. */
const PAGES_MAX = 100;

export interface DartPollOptions {
  clock: Clock;
  /** Fetches a path of the API, with the key. Throws NEWS_*. */
  get: (path: string) => Promise<Uint8Array>;
}

export class DartPoll {
  readonly #options: DartPollOptions;
  #window = "";
  #total = 0;
  #sweptMs = -Infinity;
  #isFirst = true;
  #day = "";
  #requests = 0;

  constructor(options: DartPollOptions) {
    this.#options = options;
  }

  /** Hands on each page's rows; `take` says how many were new. Throws NEWS_*. */
  async look(take: (rows: (NewsItem | Reject)[]) => number): Promise<void> {
    const { clock } = this.#options;
    const nowMs = clock.nowMs();
    const from = dayInKorea(nowMs, this.#isFirst ? FIRST_DAYS_BACK : DAYS_BACK);
    const to = dayInKorea(nowMs);
    const isSweep = this.#window !== from + to || clock.monoMs() - this.#sweptMs >= SWEEP_MS;
    let unknown = isSweep ? Infinity : -this.#total;
    let total = 0;
    for (let page = 1; page <= PAGES_MAX; page++) {
      const reply = await this.#page(dartPath(from, to, page));
      if (page === 1) unknown += total = reply.total;
      unknown -= take(reply.rows);
      if (page >= reply.pages || unknown <= 0) break;
    }
    this.#window = from + to;
    this.#total = total;
    this.#isFirst = false;
    if (isSweep) this.#sweptMs = clock.monoMs();
  }

  async #page(path: string) {
    const { clock, get } = this.#options;
    this.#count(clock.nowMs());
    const bytes = await get(path);
    const reply = readDartReply(new TextDecoder().decode(bytes));
    if (reply.name === "refused") {
      const { code, status, message } = reply;
      const isLimit = code === "NEWS_LIMIT";
      const retryAfterMs = isLimit ? untilTomorrowInKorea(clock.nowMs()) : 0;
      const facts = { host: "opendart", status, message: message.slice(0, 100) };
      throw new TickhubError(code, { ...facts, ...(isLimit ? { retryAfterMs } : {}) });
    }
    const origin = {
      ...{ feed: "dart", url: "https://dart.fss.or.kr/", edgeRecvMs: clock.nowMs() },
    };
    return { total: reply.total, pages: reply.pages, rows: rowsOf(reply, origin) };
  }

  #count(nowMs: number): void {
    const day = dayInKorea(nowMs);
    if (day !== this.#day) this.#requests = 0;
    this.#day = day;
    if (this.#requests >= DART_REQUESTS_PER_DAY) {
      const retryAfterMs = untilTomorrowInKorea(nowMs);
      throw new TickhubError("NEWS_LIMIT", {
        host: "opendart",
        requests: this.#requests,
        retryAfterMs,
      });
    }
    this.#requests++;
  }
}

function untilTomorrowInKorea(nowMs: number): number {
  const dayMs = 86_400_000;
  const inKoreaMs = nowMs + 9 * 3_600_000;
  return dayMs - (inKoreaMs % dayMs);
}
