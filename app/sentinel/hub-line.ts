// Tells the hub that the Sentinel lives, and what it raised and ended: at each change and once a minute. What the hub
// did not take is told again. Promises: never throws; holds back nothing, as nobody waits for the hub to know.
import type { Alert, SentinelAnswer, SentinelReport } from "../shared/alerts.ts";
import { ALERTS_MAX, SENTINEL_PATH, sentinelAnswerSchema } from "../shared/alerts.ts";
import type { Clock } from "../shared/clock.ts";
import type { Route } from "../shared/dial/route.ts";
import { codeOf } from "../shared/errors.ts";
import type { Evidence } from "../shared/evidence.ts";
import { exchange } from "../shared/http-request.ts";
import type { SocketBytes } from "../shared/socket-bytes.ts";
import type { Failing } from "./observation.ts";

const PERIOD_MS = 60_000;
const ANSWER_MS = 10_000;
const ANSWER_BYTES_MAX = 128 * 1024;

export interface HubLineOptions {
  hubUrl: string;
  /** Null: the hub is told nothing. */
  token: string | null;
  version: string;
  route: Route | undefined;
  clock: Clock;
  bytes?: SocketBytes;
}

export class HubLine {
  readonly #options: HubLineOptions;
  #isFresh = true;
  #evidence: Evidence | null = null;
  #toldMs = Number.NEGATIVE_INFINITY;
  #failing: { sinceMs: number; code: string } | null = null;

  constructor(options: HubLineOptions) {
    this.#options = options;
  }

  failing(): Failing | null {
    if (this.#failing === null) return null;
    const { sinceMs, code } = this.#failing;
    return { forMs: this.#options.clock.monoMs() - sinceMs, code };
  }

  /** Kept until the hub has it. */
  prove(evidence: Evidence): void {
    this.#evidence = evidence;
  }

  /**
   * Tells what changed, where something did or a minute is over. Returns what the hub did not take, and the alerts
   * that it says still stand, once, at the first answer.
   */
  async tell(changed: Alert[]): Promise<{ left: Alert[]; open: Alert[] }> {
    const { token, clock } = this.#options;
    if (token === null) return { left: [], open: [] };
    const monoMs = clock.monoMs();
    const isDue =
      changed.length > 0 || this.#evidence !== null || monoMs - this.#toldMs >= PERIOD_MS;
    if (!isDue) return { left: [], open: [] };
    const evidence = this.#evidence;
    const told = changed.slice(0, ALERTS_MAX);
    const answer = await this.#post(token, told);
    if (typeof answer === "string") {
      this.#failing ??= { sinceMs: monoMs, code: answer };
      this.#failing.code = answer;
      return { left: changed, open: [] };
    }
    this.#failing = null;
    this.#isFresh = false;
    this.#toldMs = monoMs;
    if (this.#evidence === evidence) this.#evidence = null;
    return { left: changed.slice(ALERTS_MAX), open: answer.open };
  }

  /** The answer, or why there is none. */
  async #post(token: string, alerts: Alert[]): Promise<SentinelAnswer | string> {
    const { hubUrl, version, route, clock, bytes } = this.#options;
    const report: SentinelReport = {
      version,
      atMs: clock.nowMs(),
      isFresh: this.#isFresh,
      alerts,
      evidence: this.#evidence as SentinelReport["evidence"],
    };
    try {
      const { status, text } = await exchange({
        url: new URL(SENTINEL_PATH, hubUrl).href,
        headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        body: JSON.stringify(report),
        ...{ clock, route, bytes, timeoutMs: ANSWER_MS, replyBytesMax: ANSWER_BYTES_MAX },
      });
      const answer = sentinelAnswerSchema.safeParse(JSON.parse(text)).data;
      if (status === 200 && answer) return answer;
      const { code } = JSON.parse(text) as { code?: unknown };
      return typeof code === "string" ? code : `HTTP ${status}`;
    } catch (error) {
      return codeOf(error);
    }
  }
}
