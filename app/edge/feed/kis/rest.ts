// KIS's REST side: the approval key that opens a WebSocket session, the token of everything else, and one
// question of a quotation. One of it per account: keys and request limits are the account's.
import type { Clock } from "../../../shared/clock.ts";
import { TickhubError } from "../../../shared/errors.ts";
import type { Route } from "../../../shared/dial/route.ts";
import type { SocketBytes } from "../../../shared/socket-bytes.ts";
import { Credential } from "../credential.ts";
import type { Issued } from "../credential.ts";
import { requestJson } from "../http.ts";
import type { JsonReply } from "../http.ts";

export interface KisRestOptions {
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
  keyLifeMs: number;
  /** tokenP may be asked for once a minute, and each time the owner's phone rings. */
  tokenSpacingMs: number;
  /** A token is renewed this long before it expires. */
  tokenMarginMs: number;
}

/** One call of a quotation. */
export interface KisQuestion {
  path: string;
  trId: string;
  query: Record<string, string>;
  /** N asks for the next page of the question before. */
  trCont?: "" | "N";
}

/** `EGW00103`, `OPSQ0002`, or none. */
const CODE = /^[A-Z]{2,6}\d{3,8}$|^$/;
/** The request limit is told with HTTP 500 and one of these. */
const RATE_CODES = new Set(["EGW00201", "EGW00133"]);
/** Token unknown, or expired. */
const TOKEN_CODES = new Set(["EGW00121", "EGW00123"]);
const GRANT = "client_credentials";
const SECOND_MS = 1_000;

export class KisRest {
  readonly #options: KisRestOptions;
  readonly #approval: Credential;
  readonly #token: Credential;

  constructor(options: KisRestOptions) {
    const { clock, tokenSpacingMs } = options;
    this.#options = options;
    this.#approval = new Credential({ clock, issue: () => this.#issueApproval() });
    const issue = () => this.#issueToken();
    this.#token = new Credential({ clock, issue, spacingMs: tokenSpacingMs });
  }

  /**
   * The approval key of a WebSocket session, kept for `keyLifeMs`.
   * Throws FEED_AUTH, FEED_RATE_LIMITED, FEED_UNREACHABLE. Source: POST /oauth2/Approval.
   */
  approvalKey(): Promise<string> {
    return this.#approval.get();
  }

  /** The broker does not know this approval key any more: the next `approvalKey` asks for a new one. */
  drop(key: string): void {
    this.#approval.drop(key);
  }

  /**
   * The answer to one question. A token that the broker does not know is replaced once.
   * Throws FEED_AUTH, FEED_RATE_LIMITED, FEED_UNREACHABLE.
   */
  async ask(question: KisQuestion): Promise<JsonReply> {
    const token = await this.#token.get();
    const reply = await this.#send(question, token);
    if (!TOKEN_CODES.has(codeIn(reply))) return checked(reply);
    this.#token.drop(token);
    return checked(await this.#send(question, await this.#token.get()));
  }

  #send({ path, trId, query, trCont = "" }: KisQuestion, token: string): Promise<JsonReply> {
    const { appKey, secret } = this.#options;
    return this.#request(`${path}?${new URLSearchParams(query).toString()}`, {
      headers: {
        authorization: `Bearer ${token}`,
        appkey: appKey,
        appsecret: secret,
        tr_id: trId,
        tr_cont: trCont,
        custtype: "P",
      },
    });
  }

  async #issueApproval(): Promise<Issued> {
    const { appKey, secret, clock, keyLifeMs } = this.#options;
    const body = { grant_type: GRANT, appkey: appKey, secretkey: secret };
    const reply = await this.#request("/oauth2/Approval", { body });
    const text = reply.body["approval_key"];
    if (typeof text !== "string" || text === "") throw refusalOf(reply);
    return { text, untilMs: clock.nowMs() + keyLifeMs };
  }

  /** Source: POST /oauth2/tokenP; the secret's name differs from the approval's. */
  async #issueToken(): Promise<Issued> {
    const { appKey, secret, clock, keyLifeMs, tokenMarginMs } = this.#options;
    const body = { grant_type: GRANT, appkey: appKey, appsecret: secret };
    const reply = await this.#request("/oauth2/tokenP", { body });
    const { access_token: text, expires_in: lifeS } = reply.body;
    if (typeof text !== "string" || text === "") throw refusalOf(reply);
    const lifeMs = Number(lifeS) > 0 ? Number(lifeS) * SECOND_MS : keyLifeMs;
    return { text, untilMs: clock.nowMs() + lifeMs - tokenMarginMs };
  }

  #request(
    path: string,
    how: { headers?: Record<string, string>; body?: Record<string, string> },
  ): Promise<JsonReply> {
    const {
      restUrl,
      requestTimeoutMs: timeoutMs,
      clock,
      replyBytesMax,
      route,
      bytes,
    } = this.#options;
    const url = restUrl + path;
    return requestJson({ url, ...how, clock, timeoutMs, replyBytesMax, route, bytes });
  }
}

function checked(reply: JsonReply): JsonReply {
  if (reply.status !== 200 || reply.body["rt_cd"] !== "0") throw refusalOf(reply);
  return reply;
}

function codeIn({ body }: JsonReply): string {
  return [body["error_code"], body["msg_cd"]].find((value) => typeof value === "string") ?? "";
}

function refusalOf(reply: JsonReply): TickhubError {
  const { status } = reply;
  const code = codeIn(reply);
  // Whatever is no code of theirs may be a word of ours that came back.
  const context = { status, code: CODE.test(code) ? code : "unreadable" };
  if (RATE_CODES.has(code) || status === 429) return new TickhubError("FEED_RATE_LIMITED", context);
  // A maintenance page or a wrong path is no refusal.
  const isRefusal = status === 401 || status === 403 || (status < 500 && code !== "");
  return new TickhubError(isRefusal ? "FEED_AUTH" : "FEED_UNREACHABLE", context);
}
