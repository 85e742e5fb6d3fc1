// Kiwoom's REST side: the one token of an app key, and one question of an API. A new token may kill the
// old one in other hands, so there is one issuer per account and everybody shares what it holds.
import type { Clock } from "../../../shared/clock.ts";
import { TickhubError } from "../../../shared/errors.ts";
import type { Route } from "../../../shared/dial/route.ts";
import type { SocketBytes } from "../../../shared/socket-bytes.ts";
import { Credential } from "../credential.ts";
import type { Issued } from "../credential.ts";
import { requestJson } from "../http.ts";
import type { JsonReply } from "../http.ts";
import { kstStampMs } from "../stamp.ts";
import { masked } from "../words.ts";
import { kiwoomActionOf } from "./protocol.ts";
import type { KiwoomAction } from "./protocol.ts";

export interface KiwoomRestOptions {
  restUrl: string;
  appKey: string;
  secret: string;
  clock: Clock;
  requestTimeoutMs: number;
  replyBytesMax: number;
  /** Through proxies. */
  route?: Route | undefined;
  /** Counts what is written. */
  bytes?: SocketBytes | undefined;
  tokenMarginMs: number;
}

/** One call of an API. */
export interface KiwoomQuestion {
  path: string;
  apiId: string;
  body: Record<string, string>;
  /** Of the page before. */
  nextKey?: string;
}

/** For a token whose `expires_dt` cannot be read. */
const UNKNOWN_LIFE_MS = 3_600_000;
/** return_code of an empty answer. */
const NO_DATA = 20;

export class KiwoomRest {
  readonly #options: KiwoomRestOptions;
  readonly #token: Credential;

  constructor(options: KiwoomRestOptions) {
    this.#options = options;
    this.#token = new Credential({ clock: options.clock, issue: () => this.#issue() });
  }

  /**
   * The token, kept until shortly before it expires.
   * Throws FEED_AUTH, FEED_ADDRESS_REFUSED, FEED_RATE_LIMITED, FEED_UNREACHABLE. Source: au10001.
   */
  token(): Promise<string> {
    return this.#token.get();
  }

  /** The broker does not take this token any more: the next `token` asks for a new one. */
  drop(token: string): void {
    this.#token.drop(token);
  }

  /**
   * The answer to one question. A token that the broker does not take is replaced once.
   * Throws FEED_AUTH, FEED_ADDRESS_REFUSED, FEED_RATE_LIMITED, FEED_UNREACHABLE.
   */
  async ask(question: KiwoomQuestion): Promise<JsonReply> {
    const token = await this.#token.get();
    const reply = await this.#send(question, token);
    if (actionOf(reply) !== "token") return this.#checked(reply, token);
    this.#token.drop(token);
    const fresh = await this.#token.get();
    return this.#checked(await this.#send(question, fresh), fresh);
  }

  #send({ path, apiId, body, nextKey }: KiwoomQuestion, token: string): Promise<JsonReply> {
    const page: Record<string, string> =
      nextKey === undefined ? {} : { "cont-yn": "Y", "next-key": nextKey };
    return this.#request(path, body, {
      "api-id": apiId,
      authorization: `Bearer ${token}`,
      ...page,
    });
  }

  #checked(reply: JsonReply, token: string): JsonReply {
    const { appKey, secret } = this.#options;
    const code = codeOf(reply);
    if (reply.status === 200 && (code === 0 || code === NO_DATA)) return reply;
    throw refusalOf(reply, [appKey, secret, token]);
  }

  async #issue(): Promise<Issued> {
    const { appKey, secret, clock } = this.#options;
    const body = { grant_type: "client_credentials", appkey: appKey, secretkey: secret };
    const reply = await this.#request("/oauth2/token", body, {});
    const { token, expires_dt: expiresDt } = reply.body;
    // Refusals arrive with HTTP 200: the code in the body decides.
    if (codeOf(reply) !== 0 || typeof token !== "string" || token === "") {
      throw refusalOf(reply, [appKey, secret]);
    }
    const expiresMs = typeof expiresDt === "string" ? kstStampMs(expiresDt) : null;
    const untilMs =
      expiresMs === null
        ? clock.nowMs() + UNKNOWN_LIFE_MS
        : expiresMs - this.#options.tokenMarginMs;
    return { text: token, untilMs };
  }

  #request(
    path: string,
    body: Record<string, string>,
    headers: Record<string, string>,
  ): Promise<JsonReply> {
    const {
      restUrl,
      requestTimeoutMs: timeoutMs,
      clock,
      replyBytesMax,
      route,
      bytes,
    } = this.#options;
    return requestJson({
      url: restUrl + path,
      headers,
      body,
      clock,
      timeoutMs,
      replyBytesMax,
      route,
      bytes,
    });
  }
}

/** Some answers write the name in another case. */
function codeOf({ body }: JsonReply): number {
  return Number(body["return_code"] ?? body["returnCode"] ?? Number.NaN);
}

function messageOf({ body }: JsonReply): string {
  const message = body["return_msg"] ?? body["returnMsg"];
  return typeof message === "string" ? message : "";
}

function actionOf(reply: JsonReply): KiwoomAction {
  return kiwoomActionOf(codeOf(reply), messageOf(reply));
}

/** `secrets`: what was sent, and may come back in the broker's words. */
function refusalOf(reply: JsonReply, secrets: readonly string[]): TickhubError {
  const { status } = reply;
  const message = masked(messageOf(reply), secrets);
  const context = { status, returnCode: codeOf(reply), message };
  const action = actionOf(reply);
  if (action === "address") return new TickhubError("FEED_ADDRESS_REFUSED", context);
  if (action === "slow" || status === 429) return new TickhubError("FEED_RATE_LIMITED", context);
  return new TickhubError(status >= 500 ? "FEED_UNREACHABLE" : "FEED_AUTH", context);
}
