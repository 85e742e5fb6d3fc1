// The simulator: one market, played to two brokers' clients over their own protocols. It stands where
// KIS and Kiwoom stand in production; its counts say what a lossless system must end up with.
import type { Clock } from "../shared/clock.ts";
import { systemClock } from "../shared/clock.ts";
import { Accounts } from "./broker.ts";
import type { Broker, BrokerContext } from "./broker.ts";
import { openControl } from "./control.ts";
import type { Counts } from "./counts.ts";
import type { Fault } from "./faults.ts";
import { openKis } from "./kis/server.ts";
import { KIWOOM_PATH, KIWOOM_US_PATH, openKiwoom } from "./kiwoom/server.ts";
import { generateMarket } from "./market/generator.ts";
import { History } from "./market/history.ts";
import { Pump } from "./market/pump.ts";
import { openTape } from "./market/tape.ts";
import { readOptions } from "./options.ts";
import type { SimInput, SimOptions } from "./options.ts";

/** What full speed lets wait in the sockets before it pauses. */
const BUFFERED_BYTES_AT_FULL_SPEED = 256 * 1024;

export interface SimUrls {
  kisRest: string;
  /** Any path; clients use /tryitout. */
  kisWs: string;
  kiwoomRest: string;
  kiwoomWs: string;
  kiwoomUsWs: string;
  control: string;
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
  /** Market time (epoch ms; null before a tape begins), and whether nothing will be sent any more. */
  market(): { marketMs: number | null; done: boolean };
  /** Opens the market without waiting for those it expects. */
  open(): void;
  /** Ends the market, with its closing auction if `close`. Heartbeats go on; counts are final. */
  stop(options?: { close?: boolean }): void;
  /** Makes something go wrong; how many sessions or settings it touched. */
  fault(fault: Fault): number;
  close(): Promise<void>;
}

/**
 * Starts both brokers and the control door on loopback. Throws CONFIG_INVALID or TAPE_UNREADABLE.
 * A tape waits for both brokers' clients unless `expect` says otherwise; the generated market does not.
 */
export async function startSim(input: SimInput = {}, clock: Clock = systemClock): Promise<Sim> {
  const options = readOptions(input);
  const isTape = options.tape.length > 0;
  const market = isTape ? openTape(options.tape) : generateMarket(generatorOptions(options));
  const history = new History(isTape ? Infinity : options.historyMax);
  const { instruments } = market;
  const marketMs = () => pump.marketMs() ?? clock.nowMs();
  const context: BrokerContext = { clock, options, history, instruments, marketMs };
  const accounts = { kis: new Accounts(), kiwoom: new Accounts() };
  const brokers = {
    kis: await openKis(context, accounts.kis),
    kiwoom: await openKiwoom(context, accounts.kiwoom),
  };
  const both = Object.values(brokers);
  const expected = options.expect ?? (isTape ? (["kis", "kiwoom"] as const) : []);
  const pump = new Pump({
    clock,
    market,
    speed: options.speed,
    ready: () => expected.every((name) => brokers[name].hasRegistered(instruments)),
    drained: () => both.every((broker) => broker.bufferedBytes() < BUFFERED_BYTES_AT_FULL_SPEED),
    emit: (event) => {
      if (event.kind === "trade") history.add(event);
      for (const broker of both) broker.publish(event);
    },
    flush: () => both.forEach((broker) => broker.flush()),
  });
  const sim = {
    symbols: instruments.map((instrument) => instrument.code),
    watchlist: instruments.map(({ market, code }) => (market === "US" ? `NAS:${code}` : code)),
    marketClock: market.endMs === null ? "wall" : `fixed:${new Date(market.endMs).toISOString()}`,
    counts: () => count(accounts, brokers),
    market: () => ({ marketMs: pump.marketMs(), done: pump.done }),
    open: () => pump.open(),
    stop: ({ close = false }: { close?: boolean } = {}) => pump.stop(close),
    fault: (fault: Fault) => brokers[fault.broker].fault(fault),
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

function generatorOptions({ seed, rate, symbols, us, openingMs }: SimOptions) {
  return { seed, ratePerSecond: rate, symbols, us, openingMs };
}

type Pair<T> = Record<"kis" | "kiwoom", T>;

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
