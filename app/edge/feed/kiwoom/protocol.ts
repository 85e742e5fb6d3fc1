// Kiwoom's language apart from its records: which item and types a registration has, what we send,
// what its codes mean, and how long everything may take. Data and pure functions.
// Sources: the official Python client and the measurements collected around it.
import type { Registration } from "../feed.ts";
import type { Waits } from "../keeper.ts";
import type { SocketLimits } from "../socket.ts";

/** One socket of an account. The US one is a server path of its own with the same login. */
export type KiwoomLine = "domestic" | "us";

/** What a REG names: a code with its venue's suffix, "" for the market as a whole, or a US code. */
export type KiwoomItem = string | { jmcode: string; stex_tp: string };

/** Suffix of the item's code: none for KRX, SOR for both together. */
const SUFFIXES: Record<string, string> = { KRX: "", NXT: "_NX", UN: "_AL" };
const US_EXCHANGES: Record<string, string> = { NAS: "ND", NYS: "NY", AMS: "NA" };
const TYPES = { domestic: { trade: "0B", book: "0D" }, us: { trade: "FE", book: "FT" } } as const;

/** Market clock and VI come for the whole market, once a socket; their item is empty. */
export const MARKET_ITEM = { item: "", types: ["0s", "1h"] } as const;

export function lineOf({ venue }: Registration): KiwoomLine {
  return venue in US_EXCHANGES ? "us" : "domestic";
}

/** Item and type of a registration. Undefined where Kiwoom has none; status comes by MARKET_ITEM. */
export function kiwoomKeyOf(
  registration: Registration,
): { item: KiwoomItem; type: string } | undefined {
  const { venue, symbol, channel } = registration;
  if (channel === "status") return undefined;
  const exchange = US_EXCHANGES[venue];
  if (exchange) return { item: { jmcode: symbol, stex_tp: exchange }, type: TYPES.us[channel] };
  const suffix = SUFFIXES[venue];
  return suffix === undefined
    ? undefined
    : { item: symbol + suffix, type: TYPES.domestic[channel] };
}

/** The login; the token stands bare. */
export function loginRequest(token: string): string {
  return JSON.stringify({ trnm: "LOGIN", token });
}

/** Registers or removes every type for every item. Both have to be arrays, or 105111 comes back. */
export function groupRequest(
  trnm: "REG" | "REMOVE",
  items: readonly KiwoomItem[],
  types: readonly string[],
): string {
  const data = [{ item: items, type: types }];
  // refresh 1 keeps what is registered already.
  const head = trnm === "REG" ? { trnm, grp_no: "1", refresh: "1" } : { trnm, grp_no: "1" };
  return JSON.stringify({ ...head, data });
}

/**
 * What a code asks of us.
 * token: drop the cached token, get another, once · address: this host is not on the allow-list · auth:
 * the key pair is wrong · slow: too many requests · cap: no room for these items.
 */
export type KiwoomAction = "ok" | "token" | "address" | "auth" | "slow" | "cap" | "unknown";

export const KIWOOM_POLICY: Readonly<Record<number, KiwoomAction>> = {
  0: "ok",
  3: "token", // authentication, where the text names nothing nearer
  5: "slow",
  1700: "slow", // per API id
  1701: "slow", // all APIs together
  1702: "slow", // per group of APIs
  8001: "auth", // app key or secret wrong
  8002: "auth",
  8005: "token", // invalid
  8006: "auth", // could not be issued
  8009: "auth",
  8010: "address", // token was issued to another address
  8011: "auth",
  8012: "auth",
  8020: "auth", // key or secret missing
  8030: "auth", // real and mock mixed
  8031: "token",
  8040: "auth",
  8050: "address", // address not registered
  8103: "token",
  805004: "token",
  105110: "slow", // REG too frequent
  105115: "cap",
  105118: "cap",
};

/**
 * The action for an answer. `return_code` is often only a class (3 = authentication) while the code
 * itself stands in the text: `[8005:…]`, `[CODE=8005, …]`. A symbol in the text
 * (001700) is no code.
 */
export function kiwoomActionOf(returnCode: number, message: string): KiwoomAction {
  if (returnCode === 0) return "ok";
  for (const [digits] of message.matchAll(/\b[1-9]\d{3,5}\b/g)) {
    const action = KIWOOM_POLICY[Number(digits)];
    if (action) return action;
  }
  return KIWOOM_POLICY[returnCode] ?? "unknown";
}

export interface KiwoomTimings extends Pick<SocketLimits, "handshakeMs" | "silenceMs" | "closeMs"> {
  /** From LOGIN to its reply; the server itself gives up with R10004. */
  loginTimeoutMs: number;
  /** Between two requests. */
  paceMs: number;
  ackTimeoutMs: number;
  /** After "too frequent": doubled each time in a row, up to the maximum. */
  slowMs: number;
  slowMaxMs: number;
  /** How long removing everything may take at a stop. */
  leaveMs: number;
  requestTimeoutMs: number;
  /** A token is renewed this long before it expires. */
  tokenMarginMs: number;
  /** A connection that lived this long was not evicted "in a row" with the one before. */
  evictionForgetMs: number;
  stableMs: number;
  waits: Waits;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;

export const KIWOOM_TIMINGS: KiwoomTimings = {
  handshakeMs: 10 * SECOND_MS,
  loginTimeoutMs: 10 * SECOND_MS,
  paceMs: 350,
  ackTimeoutMs: 10 * SECOND_MS,
  slowMs: SECOND_MS,
  slowMaxMs: 30 * SECOND_MS,
  // PING comes every 10 s.
  silenceMs: 45 * SECOND_MS,
  leaveMs: 5 * SECOND_MS,
  closeMs: 3 * SECOND_MS,
  requestTimeoutMs: 10 * SECOND_MS,
  tokenMarginMs: 10 * MINUTE_MS,
  evictionForgetMs: 30 * MINUTE_MS,
  stableMs: 5 * MINUTE_MS,
  waits: {
    // On quick reconnects the server closes without any answer to LOGIN.
    clean: { floorMs: 3 * SECOND_MS, baseMs: 4 * SECOND_MS, ceilingMs: 2 * MINUTE_MS },
    unclean: { floorMs: 5 * SECOND_MS, baseMs: 5 * SECOND_MS, ceilingMs: 5 * MINUTE_MS },
    taken: { floorMs: MINUTE_MS, baseMs: 2 * MINUTE_MS, ceilingMs: 20 * MINUTE_MS },
    refused: { floorMs: 5 * MINUTE_MS, baseMs: 5 * MINUTE_MS, ceilingMs: 60 * MINUTE_MS },
  },
};

export interface KiwoomLimits extends Pick<SocketLimits, "frameBytesMax" | "unsentBytesMax"> {
  replyBytesMax: number;
  /** Items the broker allows on one socket, as far as we know; types do not count. */
  itemsMax: number;
  /** Items in one REG. */
  chunkMax: number;
  /** Sends of one request before an answer that never comes ends the session. */
  sendsMax: number;
  /** Evictions in a row before the feed stops fighting. */
  evictionsMax: number;
}

export const KIWOOM_LIMITS: KiwoomLimits = {
  frameBytesMax: 4 * 1024 * 1024,
  unsentBytesMax: 64 * 1024,
  replyBytesMax: 1024 * 1024,
  itemsMax: 200,
  chunkMax: 50,
  sendsMax: 2,
  evictionsMax: 3,
};
