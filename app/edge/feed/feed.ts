// What every feed is to the rest of the edge, whatever the broker: it is given a plan, keeps one
// socket registered for it, and hands every record on at the moment it is read. First station of the
// tick's path: feed -> outbox -> uplink.
import type { ErrorCode } from "../../shared/errors.ts";
import type { Reject, Tick, Venue } from "../../shared/tick.ts";

/** What can be registered for a symbol. */
export type Channel = "trade" | "book" | "status";

/** One registration at a broker. */
export interface Registration {
  venue: Venue;
  symbol: string;
  channel: Channel;
}

/** How one of a feed's sockets stands: nothing is planned for it, not all of that is registered, or it is. */
export type LineState = "unplanned" | "away" | "live";

/** Where a feed puts what it reads. Called on the socket's own turn: return quickly, never throw. */
export interface FeedSink {
  /** The records of one frame, in its order, `capture` and `chain` still 0. */
  ticks(ticks: readonly Tick[]): void;
  /** A record, or a whole frame, that could not be read. */
  reject(reject: Reject): void;
  /** About to register: the first record of it may be the broker's last word of an earlier day. */
  registering?(registration: Registration): void;
  /**
   * The bytes of a frame with records (control messages carry keys and stay out), before `ticks`, for
   * tapes. A view of the socket's buffer: copy what is kept.
   */
  frame?(bytes: Uint8Array, edgeRecvMs: number, marketMs: number): void;
  /**
   * The socket named `line` moved; `code` says why it is gone, null where that was meant. A registration that
   * changes is no move.
   */
  moved?(line: string, to: LineState, code: string | null): void;
  /** A message of any kind came over `line`; after its records. */
  heard?(line: string, edgeRecvMs: number): void;
  /** The broker's heartbeat came over `line`; `brokerMs` is its wall clock in whole seconds, where it says so. */
  beat?(line: string, edgeRecvMs: number, brokerMs: number | null): void;
  /** `line` lives and has brought nothing since `sinceMs` of the market's time; it is dropped now. */
  silent?(line: string, sinceMs: number): void;
}

/**
 * Where a feed stands.
 *   idle --plan--> connecting --> subscribing <--> live
 *   connecting | subscribing | live --socket gone--> waiting --> connecting
 *   any --stop(), or a code that no retry can help--> stopped
 * `sinceMs` and `untilMs` are wall clock.
 */
export type FeedState =
  | { name: "idle" }
  | { name: "connecting"; attempt: number }
  | { name: "subscribing"; confirmed: number; wanted: number }
  | { name: "live"; sinceMs: number; registrations: number }
  | { name: "waiting"; untilMs: number; code: ErrorCode }
  | { name: "stopped"; code?: ErrorCode };

/** One account's market data. Holds at most one socket per endpoint, and none without a plan. */
export interface Feed {
  /** The account, such as `kis:1`. */
  readonly source: string;
  /** Connects and registers `plan`. Call it only while the account's lease is held. */
  start(plan: readonly Registration[]): void;
  /** Unregisters what left the plan, registers what came. */
  replan(plan: readonly Registration[]): void;
  /** Unregisters, closes with a handshake (bounded in time); resolves when the socket is gone. */
  stop(): Promise<void>;
  /** The lease is lost: destroys the socket at once; nothing is handed on after this call. */
  destroy(): void;
  state(): FeedState;
  /** Wall clock of the last message of any kind, heartbeats included; 0 before the first. */
  lastFrameMs(): number;
}

/** One identity for a registration, for maps and sets. */
export function registrationKey(registration: Registration): string {
  return `${registration.venue}:${registration.symbol}:${registration.channel}`;
}
