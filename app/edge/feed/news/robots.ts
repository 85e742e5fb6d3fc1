// What each server's robots.txt allows us, asked once a day (RFC 9309): no such file allows everything, a server
// that fails allows nothing until it answers. The grammar is robots-parser's.
import robotsModule from "robots-parser";
import type { Clock } from "../../../shared/clock.ts";
import { TickhubError } from "../../../shared/errors.ts";
import type { Fetcher } from "./fetcher.ts";

/** Its types describe an ES module; what is loaded is the function itself. */
const robotsParser = robotsModule as unknown as typeof robotsModule.default;

/** What a robots.txt calls us. */
export const ROBOTS_NAME = "tickhub";
const KEEP_MS = 86_400_000;
/** A server that fails is asked again sooner. */
const FAILED_KEEP_MS = 600_000;
/** Bytes of a robots.txt that are read; RFC 9309 wants 500 KiB at least. */
const TEXT_MAX = 512 * 1024;
const DELAY_MAX_MS = 60_000;
const ORIGINS_MAX = 500;

interface Rules {
  allows: (url: string) => boolean;
  /** Between two requests. */
  delayMs: number;
  untilMs: number;
}

export class Robots {
  readonly #fetcher: Fetcher;
  readonly #clock: Clock;
  /** Oldest first. */
  readonly #rules = new Map<string, Rules>();

  constructor(fetcher: Fetcher, clock: Clock) {
    this.#fetcher = fetcher;
    this.#clock = clock;
  }

  /** Throws NEWS_ROBOTS where `url` must not be read, or nobody knows whether it may. */
  async permit(url: URL): Promise<void> {
    const rules = await this.#rulesOf(url);
    if (!rules.allows(url.href)) {
      throw new TickhubError("NEWS_ROBOTS", { host: url.host, path: url.pathname });
    }
  }

  /** What the server wants between two requests, as far as it is known by now. */
  delayMs(url: URL): number {
    return this.#rules.get(url.origin)?.delayMs ?? 0;
  }

  async #rulesOf(url: URL): Promise<Rules> {
    const known = this.#rules.get(url.origin);
    if (known && known.untilMs > this.#clock.monoMs()) return known;
    const fresh = await this.#ask(url);
    this.#rules.delete(url.origin);
    this.#rules.set(url.origin, fresh);
    if (this.#rules.size > ORIGINS_MAX) {
      for (const oldest of this.#rules.keys()) {
        this.#rules.delete(oldest);
        break;
      }
    }
    return fresh;
  }

  async #ask({ origin }: URL): Promise<Rules> {
    const nowMs = this.#clock.monoMs();
    const address = `${origin}/robots.txt`;
    try {
      const answer = await this.#fetcher.get({ url: address });
      const bytes = answer.name === "document" ? answer.bytes : new Uint8Array();
      const text = new TextDecoder().decode(bytes.subarray(0, TEXT_MAX));
      const robots = robotsParser(address, text);
      const seconds = robots.getCrawlDelay(ROBOTS_NAME) ?? 0;
      return {
        allows: (url) => robots.isAllowed(url, ROBOTS_NAME) ?? true,
        delayMs: Math.min(DELAY_MAX_MS, Math.max(0, seconds * 1_000)),
        untilMs: nowMs + KEEP_MS,
      };
    } catch (error) {
      if (!(error instanceof TickhubError)) throw error;
      const status = Number(error.context.status ?? 0);
      const hasNone = status >= 400 && status < 500 && status !== 429;
      return {
        allows: () => hasNone,
        delayMs: 0,
        untilMs: nowMs + (hasNone ? KEEP_MS : FAILED_KEEP_MS),
      };
    }
  }
}
