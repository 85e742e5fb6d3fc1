// What the two simulated brokers have in common: the doors the simulator reaches them by, what every
// open session can suffer, and unreadable frames.
import type { RawData } from "ws";
import type { Clock } from "../shared/clock.ts";
import type { Tally } from "./counts.ts";
import { newTally } from "./counts.ts";
import type { Fault } from "./faults.ts";
import type { SimOptions } from "./options.ts";
import type { Instrument, MarketEvent, MarketTrade, RecordedFrame } from "./market/event.ts";
import type { Wire } from "./wire.ts";

export interface Broker {
  readonly port: number;
  /** Says `event` to whom it concerns. */
  publish(event: MarketEvent): void;
  /** Sends a recorded frame again, as it is, to those who have registered something in it. */
  resend(frame: RecordedFrame): void;
  /** Until the next flush frames wait for each other. */
  hold(): void;
  /** Sends what was kept back to share a frame, and what was held. */
  flush(): void;
  /** Is every one of these registered for trades by someone? */
  hasRegistered(instruments: readonly Instrument[]): boolean;
  /** Has someone registered `key` (item) for `type` (TR)? */
  has(type: string, key: string): boolean;
  /** Bytes the sockets have not taken yet. */
  bufferedBytes(): number;
  openSockets(): number;
  /** Makes something go wrong; how many sessions or settings it touched. */
  fault(fault: Fault): number;
  close(): Promise<void>;
}

export interface BrokerContext {
  clock: Clock;
  options: SimOptions;
  /** A symbol's trades as this broker's REST shows them, oldest first. */
  tradesOf(code: string): readonly MarketTrade[];
  instruments: readonly Instrument[];
  /** Market time, for REST; the wall's before a tape begins. */
  marketMs(): number;
}

/** Accounts a broker knows; a client cannot make up more than this. */
const ACCOUNTS_MAX = 64;

/** What a broker has sent and seen, by account. */
export class Accounts {
  readonly tallies = new Map<string, Tally>();
  doubleSockets = 0;
  evictions = 0;

  /** The account's sums, made at its first appearance; undefined when there are too many accounts. */
  tally(account: string): Tally | undefined {
    const known = this.tallies.get(account);
    if (known || this.tallies.size >= ACCOUNTS_MAX) return known;
    const tally = newTally();
    this.tallies.set(account, tally);
    return tally;
  }
}

/** A session as far as both brokers' faults need it. */
export interface FaultySession {
  readonly wire: Wire;
  /** Null until the client has said whose socket it is. */
  readonly account: string | null;
  /** Throws the client out the way this broker does. */
  evict(): void;
}

/** Applies a fault to the sessions of its account that are open now; returns how many. */
export function strike(
  fault: Fault,
  sessions: Iterable<FaultySession>,
  junk: readonly Buffer[],
): number {
  const { kind, account, ms = Infinity, count = 1 } = fault;
  let struck = 0;
  for (const session of sessions) {
    if (account !== undefined && session.account !== account) continue;
    struck += 1;
    if (kind === "drop") session.wire.socket.terminate();
    else if (kind === "stall") session.wire.stall(ms);
    else if (kind === "silent") session.wire.silence(ms);
    else if (kind === "evict") session.evict();
    else if (kind === "close1000") session.wire.socket.close(1000, "Bye");
    else if (kind === "garbage") {
      for (let i = 0; i < count; i++) session.wire.data(junk[i % junk.length]!, ["garbage"]);
    }
  }
  return struck;
}

/** A session as far as a recorded frame needs it. */
interface RegisteredSession {
  readonly wire: Wire;
  readonly hasAny: boolean;
  has(type: string, key: string): boolean;
}

/** A frame that nobody can read goes to everyone who would be sent one. */
export function resend(
  { bytes, registrations, records }: RecordedFrame,
  sessions: Iterable<RegisteredSession>,
): void {
  for (const session of sessions) {
    const isFor =
      registrations.length === 0
        ? session.hasAny
        : registrations.some(({ type, key }) => session.has(type, key));
    if (isFor) session.wire.data(bytes, records);
  }
}

/** A received message as a JSON object; undefined when it is none. */
export function readMessage(data: RawData): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.isBuffer(data) ? data.toString() : "");
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
