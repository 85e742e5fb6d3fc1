// Kiwoom's REST side as far as the feed needs it: the one token of an app key. A new token may kill
// the old one in other hands, so there is one issuer per account and everybody shares what it holds.
import type { Clock } from "../../../shared/clock.ts";
import { TickhubError } from "../../../shared/errors.ts";
import { kstMs } from "../../../shared/market-time.ts";
import { postJson } from "../http.ts";
import type { JsonReply } from "../http.ts";
import { kiwoomActionOf } from "./protocol.ts";

export interface KiwoomRestOptions {
  restUrl: string;
  appKey: string;
  secret: string;
  clock: Clock;
  requestTimeoutMs: number;
  replyBytesMax: number;
  tokenMarginMs: number;
}

/** For a token whose `expires_dt` cannot be read. */
const UNKNOWN_LIFE_MS = 3_600_000;

export class KiwoomRest {
  readonly #options: KiwoomRestOptions;
  #held: { token: string; untilMs: number } | undefined;
  #asked: Promise<string> | undefined;

  constructor(options: KiwoomRestOptions) {
    this.#options = options;
  }

  /**
   * The token: kept until shortly before it expires, asked for once however many wait for it.
   * Throws FEED_AUTH, FEED_ADDRESS_REFUSED, FEED_RATE_LIMITED, FEED_UNREACHABLE. Source: au10001.
   */
  token(): Promise<string> {
    if (this.#held && this.#options.clock.nowMs() < this.#held.untilMs) {
      return Promise.resolve(this.#held.token);
    }
    this.#asked ??= this.#issue().finally(() => (this.#asked = undefined));
    return this.#asked;
  }

  /** The broker does not take this token any more: the next `token` asks for a new one. */
  drop(token: string): void {
    if (this.#held?.token === token) this.#held = undefined;
  }

  async #issue(): Promise<string> {
    const { restUrl, appKey, secret, clock, requestTimeoutMs, replyBytesMax } = this.#options;
    const reply = await postJson({
      url: `${restUrl}/oauth2/token`,
      body: { grant_type: "client_credentials", appkey: appKey, secretkey: secret },
      clock,
      timeoutMs: requestTimeoutMs,
      replyBytesMax,
    });
    const { token, expires_dt: expiresDt } = reply.body;
    // Refusals arrive with HTTP 200: the code in the body decides.
    if (Number(reply.body["return_code"]) !== 0 || typeof token !== "string" || token === "") {
      throw refusalOf(reply);
    }
    const expiresMs = kstStampMs(expiresDt) - this.#options.tokenMarginMs;
    const untilMs = Number.isNaN(expiresMs) ? clock.nowMs() + UNKNOWN_LIFE_MS : expiresMs;
    this.#held = { token, untilMs };
    return token;
  }
}

/** `20241107083713`, Korean time, as epoch ms; NaN when it is no such stamp. */
function kstStampMs(stamp: unknown): number {
  if (typeof stamp !== "string" || !/^\d{14}$/.test(stamp)) return Number.NaN;
  return kstMs(Number(stamp.slice(0, 8)), Number(stamp.slice(8)));
}

function refusalOf({ status, body }: JsonReply): TickhubError {
  const returnCode = Number(body["return_code"] ?? Number.NaN);
  const message = typeof body["return_msg"] === "string" ? body["return_msg"] : "";
  const context = { status, returnCode, message: message.slice(0, 120) };
  const action = kiwoomActionOf(returnCode, message);
  if (action === "address") return new TickhubError("FEED_ADDRESS_REFUSED", context);
  if (action === "slow" || status === 429) return new TickhubError("FEED_RATE_LIMITED", context);
  return new TickhubError(status >= 500 ? "FEED_UNREACHABLE" : "FEED_AUTH", context);
}
