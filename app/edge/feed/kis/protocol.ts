// KIS's language apart from its data frames: which TR and key a registration has, what we send, what
// its answers mean, and how long everything may take. Data and pure functions.
// Sources: official samples and portal workbook, as collected in the broker's own code lists.
import type { SocketLimits } from "../socket.ts";
import type { Waits } from "../keeper.ts";
import type { Channel, Registration } from "../feed.ts";

/** TR codes by venue. The overseas TRs serve all US venues, which stand in the key. */
const TRS: Record<string, Partial<Record<Channel, string>>> = {
  KRX: { trade: "H0STCNT0", book: "H0STASP0", status: "H0STMKO0" },
  NXT: { trade: "H0NXCNT0", book: "H0NXASP0", status: "H0NXMKO0" },
  UN: { trade: "H0UNCNT0", book: "H0UNASP0", status: "H0UNMKO0" },
  NAS: { trade: "HDFSCNT0", book: "HDFSASP0" },
  NYS: { trade: "HDFSCNT0", book: "HDFSASP0" },
  AMS: { trade: "HDFSCNT0", book: "HDFSASP0" },
};
const US_VENUES = new Set(["NAS", "NYS", "AMS"]);

/** What KIS registers; its acks are told apart by exactly these two. */
export interface KisKey {
  trId: string;
  trKey: string;
}

/** TR and key of a registration: `005930`, `DNASAAPL`. Undefined where KIS has no such channel. */
export function kisKeyOf({ venue, symbol, channel }: Registration): KisKey | undefined {
  const trId = TRS[venue]?.[channel];
  if (trId === undefined) return undefined;
  return { trId, trKey: US_VENUES.has(venue) ? `D${venue}${symbol}` : symbol };
}

/** The message that registers (`join`) or deregisters one key. Carries the approval key. */
export function kisRequest(approvalKey: string, join: boolean, key: KisKey): string {
  return JSON.stringify({
    header: {
      approval_key: approvalKey,
      custtype: "P",
      tr_type: join ? "1" : "2",
      "content-type": "utf-8",
    },
    body: { input: { tr_id: key.trId, tr_key: key.trKey } },
  });
}

/**
 * What an answer asks of us.
 * ok: it stands as we wanted · drop: this registration will never work · retry: ask again later ·
 * reissue: the approval key is unknown · taken: another session has the account · cap: no room for
 * more · config: the app key itself is wrong.
 */
export type KisAction = "ok" | "drop" | "retry" | "reissue" | "taken" | "cap" | "config";

/** By msg_cd; the portal's list of September 2026. */
export const KIS_POLICY: Readonly<Record<string, KisAction>> = {
  OPSP0000: "ok", // SUBSCRIBE SUCCESS
  OPSP0001: "ok", // UNSUBSCRIBE SUCCESS
  OPSP0002: "ok", // ALREADY IN SUBSCRIBE, with rt_cd 1
  OPSP0003: "ok", // UNSUBSCRIBE ERROR(not found!)
  OPSP0007: "retry", // SUBSCRIBE INTERNAL ERROR
  OPSP0008: "cap", // MAX SUBSCRIBE OVER
  OPSP0009: "retry", // SUBSCRIBE ERROR : mci send failed
  OPSP0010: "config", // SUBSCRIBE WARNING : invalid appkey
  OPSP0011: "reissue", // invalid approval : <key> (NOT FOUND)
  OPSP8991: "drop", // invalid tr_id
  OPSP8992: "drop", // invalid tr_key
  OPSP8993: "drop", // invalid JSON value
  OPSP8994: "retry", // JSON and header errors of the server's own making
  OPSP8995: "retry",
  OPSP8996: "taken", // ALREADY IN USE appkey, rt_cd 9, without tr_id
  OPSP8997: "config", // invalid tr_type
  OPSP8998: "config", // invalid custtype
  OPSP8999: "retry",
};

/** Codes nobody has listed (OPSP9990–9999 are server resources): success by rt_cd, else ask again. */
export function kisActionOf(msgCd: string, rtCd: string): KisAction {
  return KIS_POLICY[msgCd] ?? (rtCd === "0" ? "ok" : "retry");
}

/** Answers to a deregistration; every other answer is to a registration. */
export function isLeaveCode(msgCd: string): boolean {
  return msgCd === "OPSP0001" || msgCd === "OPSP0003";
}

export interface KisTimings extends Pick<SocketLimits, "handshakeMs" | "silenceMs" | "closeMs"> {
  /** Between two requests. KIS recommends 100–150 ms. */
  paceMs: number;
  ackTimeoutMs: number;
  /** Before a registration refused with "retry" is asked for again, times the tries so far. */
  retryMs: number;
  /** How long deregistering may take at a stop. */
  leaveMs: number;
  requestTimeoutMs: number;
  /** The approval key is good for 24 h. */
  keyLifeMs: number;
  /** Between two askings for a REST token. */
  tokenSpacingMs: number;
  /** A REST token is renewed this long before it expires. */
  tokenMarginMs: number;
  stableMs: number;
  waits: Waits;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;

export const KIS_TIMINGS: KisTimings = {
  handshakeMs: 10 * SECOND_MS,
  paceMs: 150,
  ackTimeoutMs: 5 * SECOND_MS,
  retryMs: 5 * SECOND_MS,
  // PINGPONG goes on after the close of the market; its cadence is not published.
  silenceMs: 2 * MINUTE_MS,
  leaveMs: 8 * SECOND_MS,
  closeMs: 3 * SECOND_MS,
  requestTimeoutMs: 10 * SECOND_MS,
  keyLifeMs: 23 * 60 * MINUTE_MS,
  tokenSpacingMs: MINUTE_MS,
  tokenMarginMs: 10 * MINUTE_MS,
  stableMs: 5 * MINUTE_MS,
  waits: {
    clean: { floorMs: SECOND_MS, baseMs: 4 * SECOND_MS, ceilingMs: 5 * MINUTE_MS },
    // After an unclean drop the slot stays held; one retry after 18 s got in, eight at 1 s locked it for hours.
    unclean: { floorMs: 15 * SECOND_MS, baseMs: 5 * SECOND_MS, ceilingMs: 10 * MINUTE_MS },
    taken: { floorMs: 3 * MINUTE_MS, baseMs: 2 * MINUTE_MS, ceilingMs: 20 * MINUTE_MS },
    refused: { floorMs: 10 * MINUTE_MS, baseMs: 5 * MINUTE_MS, ceilingMs: 60 * MINUTE_MS },
  },
};

export interface KisLimits extends Pick<SocketLimits, "frameBytesMax" | "unsentBytesMax"> {
  replyBytesMax: number;
  /** Registrations the broker allows in one session, as far as we know. */
  registrationsMax: number;
  /** Sends of one request before an ack that never comes ends the session. */
  sendsMax: number;
  /** "retry" answers to one registration before it is dropped. */
  retriesMax: number;
}

export const KIS_LIMITS: KisLimits = {
  frameBytesMax: 1024 * 1024,
  unsentBytesMax: 64 * 1024,
  replyBytesMax: 1024 * 1024,
  registrationsMax: 41,
  sendsMax: 2,
  retriesMax: 5,
};
