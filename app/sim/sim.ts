// The simulator: one market, played to two brokers' clients over their own protocols. It stands where
// KIS and Kiwoom stand in production; its counts say what a lossless system must end up with.
import type { Clock } from "../shared/clock.ts";
import { systemClock } from "../shared/clock.ts";
import { TickhubError } from "../shared/errors.ts";
import { Accounts } from "./broker.ts";
import type { Broker, BrokerContext } from "./broker.ts";
import { openControl } from "./control.ts";
import type { Counts } from "./counts.ts";
import type { Fault } from "./faults.ts";
import { openKis } from "./kis/server.ts";
import { KIWOOM_PATH, KIWOOM_US_PATH, openKiwoom } from "./kiwoom/server.ts";
import type { BrokerName, Instrument, Market, MarketTrade } from "./market/event.ts";
import { isFrameTape, openFrameTapes } from "./market/frame-tape.ts";
import type { FrameMarket } from "./market/frame-tape.ts";
import { generateMarket } from "./market/generator.ts";
import { History } from "./market/history.ts";
import { profileMarket, readProfile } from "./market/profile.ts";
import { Pump } from "./market/pump.ts";
import type { Lateness } from "./market/pump.ts";
import { openTape } from "./market/tape.ts";
import { readOptions } from "./options.ts";
import type { SimInput, SimOptions } from "./options.ts";
import { isOfTrades, Tamper } from "./tamper.ts";
import type { Tampered } from "./tamper.ts";

const NAMES = ["kis", "kiwoom"] as const;
/** What full speed lets wait in the sockets before it pauses. */
const BUFFERED_BYTES_AT_FULL_SPEED = 256 * 1024;
/** A tape's statuses are registered last, and not where a broker has no room for them. */
const STATUS_WAIT_MS = 3_000;

export interface SimUrls {
  kisRest: string;
  /** Any path; clients use /tryitout. */
  kisWs: string;
  kiwoomRest: string;
  kiwoomWs: string;
  kiwoomUsWs: string;
  control: string;
}

export interface MarketState {
  /** Market time, epoch ms; null before a tape begins. */
  marketMs: number | null;
  /** Nothing will be sent any more. */
  done: boolean;
  /** Who has something to say: both, unless only one broker's tape is played. */
  brokers: BrokerName[];
  /** Of a tape: market time of its first event and of the last one played; null on the wall clock. */
  played: { fromMs: number; toMs: number } | null;
  /** How much later than due events were handed to the sockets; null at full speed. */
  lateness: Lateness | null;
  /** What the sockets have not taken. */
  bufferedBytes: number;
}

/** A trade as the market has it. */
export interface Printed {
  symbol: string;
  marketMs: number;
  size: number;
  cumVolume: number;
}

export interface Sim {
  readonly urls: SimUrls;
  /** Codes on this market. */
  readonly symbols: readonly string[];
  /** The same in the form of TICKHUB_SYMBOLS: US symbols with their venue. */
  readonly watchlist: readonly string[];
  /** What TICKHUB_MARKET_CLOCK has to be for this market. */
  readonly marketClock: string;
  /** What was sent so far. */
  counts(): Counts;
  market(): MarketState;
  /** Opens the market without waiting for those it expects. */
  open(): void;
  /** Ends the market, with its closing auction if `close`. Heartbeats go on; counts are final. */
  stop(options?: { close?: boolean }): void;
  /** Makes something go wrong; how many sessions, settings or remembered trades it touched. */
  fault(fault: Fault): number;
  /** What was left out or said otherwise, by a fault on single trades or by `tamper`. */
  tampered(): Tampered[];
  /** What was printed on the market, whoever was told; of each symbol in its order. */
  trades(): Printed[];
  close(): Promise<void>;
}

/**
 * Starts both brokers and the control door on loopback. Throws CONFIG_INVALID, TAPE_UNREADABLE or PROFILE_UNREADABLE.
 * A tape waits for both brokers' clients unless `expect` says otherwise; the generated market does not.
 */
export async function startSim(input: SimInput = {}, clock: Clock = systemClock): Promise<Sim> {
  const options = readOptions(input);
  const isTape = options.tape.length > 0;
  const market = await openMarket(options);
  const history = new History(isTape ? Infinity : options.historyMax);
  const { instruments } = market;
  const marketMs = () => pump.marketMs() ?? clock.nowMs();
  const tampers = {
    kis: new Tamper("kis", history, options.tamper),
    kiwoom: new Tamper("kiwoom", history, options.tamper),
  };
  const contextOf = (name: BrokerName): BrokerContext => {
    const tradesOf = (code: string) => tampers[name].shown(history.of(code));
    return { clock, options, tradesOf, instruments, marketMs };
  };
  const accounts = { kis: new Accounts(), kiwoom: new Accounts() };
  const brokers = {
    kis: await openKis(contextOf("kis"), accounts.kis),
    kiwoom: await openKiwoom(contextOf("kiwoom"), accounts.kiwoom),
  };
  const both = Object.values(brokers);
  const expected = options.expect ?? (isTape ? (["kis", "kiwoom"] as const) : []);
  const pump = new Pump({
    clock,
    market,
    speed: options.speed,
    ready: readiness(market, brokers, expected, clock),
    drained: () => both.every((broker) => broker.bufferedBytes() < BUFFERED_BYTES_AT_FULL_SPEED),
    emit: (event) => {
      if (event.kind === "frame") return brokers[event.broker].resend(event);
      if (event.kind === "trade") history.add(event);
      for (const name of NAMES) {
        const said = event.kind === "trade" ? tampers[name].pass(event) : [event];
        for (const one of said) brokers[name].publish(one);
      }
    },
    hold: () => both.forEach((broker) => broker.hold()),
    flush: () => both.forEach((broker) => broker.flush()),
  });
  const watchlist = isOfFrames(market) ? market.watchlist : instruments.map(nameOf);
  const sim = {
    symbols: watchlist.map((name) => name.slice(name.indexOf(":") + 1)),
    watchlist,
    marketClock: market.endMs === null ? "wall" : `fixed:${new Date(market.endMs).toISOString()}`,
    counts: () => count(accounts, brokers),
    market: () => ({
      marketMs: pump.marketMs(),
      done: pump.done,
      brokers: heardOn(market),
      played: pump.played(),
      lateness: pump.lateness(),
      bufferedBytes: both.reduce((sum, broker) => sum + broker.bufferedBytes(), 0),
    }),
    open: () => pump.open(),
    stop: ({ close = false }: { close?: boolean } = {}) => {
      for (const name of NAMES) tampers[name].isClosing = close;
      pump.stop(close);
      for (const name of NAMES) {
        for (const trade of tampers[name].rest()) brokers[name].publish(trade);
        brokers[name].flush();
      }
    },
    fault: (fault: Fault) => {
      if (fault.kind === "clear") tampers[fault.broker].clear();
      const { broker } = fault;
      return isOfTrades(fault) ? tampers[broker].set(fault) : brokers[broker].fault(fault);
    },
    tampered: () => NAMES.flatMap((name) => tampers[name].tampered),
    trades: () => history.all().map(printOf),
  };
  const control = await openControl(sim, options.controlPort);
  return {
    ...sim,
    urls: urlsOf(brokers, control.port),
    close: async () => {
      pump.stop(false);
      await Promise.all([...both, control].map((door) => door.close()));
    },
  };
}

type AnyMarket = Market | FrameMarket;

async function openMarket(options: SimOptions): Promise<AnyMarket> {
  const { tape, profile, times, seed, codes } = options;
  if (profile !== undefined) return profileMarket(readProfile(profile), times, seed, codes);
  if (tape.length === 0) return generateMarket(generatorOptions(options));
  const areFrames = await Promise.all(tape.map(isFrameTape));
  if (areFrames.every(Boolean)) return openFrameTapes(tape);
  const path = tape[areFrames.indexOf(true)];
  if (path === undefined) return openTape(tape);
  throw new TickhubError("TAPE_UNREADABLE", { path, what: "a tape does not play with recordings" });
}

function isOfFrames(market: AnyMarket): market is FrameMarket {
  return "registrations" in market;
}

function heardOn(market: AnyMarket): BrokerName[] {
  return NAMES.filter((name) => !isOfFrames(market) || market.registrations[name].length > 0);
}

function printOf({ instrument, marketMs, size, cumVolume }: MarketTrade): Printed {
  return { symbol: instrument.code, marketMs, size, cumVolume };
}

function nameOf({ market, code }: Instrument): string {
  return market === "US" ? `NAS:${code}` : code;
}

/** May the market open: has everyone who is expected registered for what is on it? */
function readiness(
  market: AnyMarket,
  brokers: Pair<Broker>,
  expected: readonly BrokerName[],
  clock: Clock,
): () => boolean {
  if (!isOfFrames(market)) {
    return () => expected.every((name) => brokers[name].hasRegistered(market.instruments));
  }
  let statusesSinceMs: number | undefined;
  return () => {
    const missing = expected.flatMap((name) =>
      market.registrations[name].filter(({ type, key }) => !brokers[name].has(type, key)),
    );
    if (missing.some(({ kind }) => kind !== "status")) return false;
    statusesSinceMs ??= clock.monoMs();
    return missing.length === 0 || clock.monoMs() - statusesSinceMs >= STATUS_WAIT_MS;
  };
}

function generatorOptions({ seed, rate, symbols, us, openingMs }: SimOptions) {
  return { seed, ratePerSecond: rate, symbols, us, openingMs };
}

type Pair<T> = Record<BrokerName, T>;

function count(accounts: Pair<Accounts>, brokers: Pair<Broker>): Counts {
  const tallies = [accounts.kis, accounts.kiwoom].flatMap((one) => [...one.tallies.values()]);
  return {
    kis: copy(accounts.kis),
    kiwoom: copy(accounts.kiwoom),
    records: tallies.reduce((sum, tally) => sum + tally.records, 0),
    openSockets: { kis: brokers.kis.openSockets(), kiwoom: brokers.kiwoom.openSockets() },
    doubleSockets: accounts.kis.doubleSockets + accounts.kiwoom.doubleSockets,
    evictions: accounts.kiwoom.evictions,
  };
}

function copy({ tallies }: Accounts): Counts["kis"] {
  return Object.fromEntries([...tallies].map(([account, tally]) => [account, { ...tally }]));
}

function urlsOf({ kis, kiwoom }: Pair<Broker>, controlPort: number): SimUrls {
  const at = (port: number) => `127.0.0.1:${port}`;
  return {
    kisRest: `http://${at(kis.port)}`,
    kisWs: `ws://${at(kis.port)}`,
    kiwoomRest: `http://${at(kiwoom.port)}`,
    kiwoomWs: `ws://${at(kiwoom.port)}${KIWOOM_PATH}`,
    kiwoomUsWs: `ws://${at(kiwoom.port)}${KIWOOM_US_PATH}`,
    control: `http://${at(controlPort)}`,
  };
}
