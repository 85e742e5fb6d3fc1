// KIS's REST side as far as the feed needs it: the approval key that opens a WebSocket session.
import type { Clock } from "../../../shared/clock.ts";
import { TickhubError } from "../../../shared/errors.ts";
import { postJson } from "../http.ts";
import type { JsonReply } from "../http.ts";

export interface KisRestOptions {
  restUrl: string;
  appKey: string;
  secret: string;
  clock: Clock;
  requestTimeoutMs: number;
  replyBytesMax: number;
  keyLifeMs: number;
}

/** The request limit is told with HTTP 500 and one of these. */
const RATE_CODES = new Set(["EGW00201", "EGW00133"]);

export class KisRest {
  readonly #options: KisRestOptions;
  #key: { text: string; untilMs: number } | undefined;
  #asked: Promise<string> | undefined;

  constructor(options: KisRestOptions) {
    this.#options = options;
  }

  /**
   * The approval key: kept for `keyLifeMs`, asked for once however many wait for it.
   * Throws FEED_AUTH, FEED_RATE_LIMITED, FEED_UNREACHABLE. Source: POST /oauth2/Approval.
   */
  approvalKey(): Promise<string> {
    if (this.#key && this.#options.clock.monoMs() < this.#key.untilMs) {
      return Promise.resolve(this.#key.text);
    }
    this.#asked ??= this.#issue().finally(() => (this.#asked = undefined));
    return this.#asked;
  }

  /** The broker does not know this key any more: the next `approvalKey` asks for a new one. */
  drop(key: string): void {
    if (this.#key?.text === key) this.#key = undefined;
  }

  async #issue(): Promise<string> {
    const { restUrl, appKey, secret, clock, requestTimeoutMs, replyBytesMax } = this.#options;
    const reply = await postJson({
      url: `${restUrl}/oauth2/Approval`,
      body: { grant_type: "client_credentials", appkey: appKey, secretkey: secret },
      clock,
      timeoutMs: requestTimeoutMs,
      replyBytesMax,
    });
    const text = reply.body["approval_key"];
    if (typeof text !== "string" || text === "") throw refusalOf(reply);
    this.#key = { text, untilMs: clock.monoMs() + this.#options.keyLifeMs };
    return text;
  }
}

function refusalOf({ status, body }: JsonReply): TickhubError {
  const code =
    [body["error_code"], body["msg_cd"]].find((value) => typeof value === "string") ?? "";
  const context = { status, code: code.slice(0, 20) };
  if (RATE_CODES.has(code) || status === 429) return new TickhubError("FEED_RATE_LIMITED", context);
  // A maintenance page or a wrong path is no refusal.
  const isRefusal = status === 401 || status === 403 || (status < 500 && code !== "");
  return new TickhubError(isRefusal ? "FEED_AUTH" : "FEED_UNREACHABLE", context);
}
