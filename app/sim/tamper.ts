// Single trades that one broker does not say, says twice, or says too late, while the market's cumulative
// volume goes on: a real hole at its clients. What was left out is kept, as the answer key of tests, and
// REST may lack it as well.
import type { Fault } from "./faults.ts";
import type { BrokerName, MarketTrade } from "./market/event.ts";
import type { History } from "./market/history.ts";
import { seeded } from "./market/random.ts";
import type { Random } from "./market/random.ts";
import { readOmission } from "./options.ts";

/** A trade that was not said. */
export interface Omitted {
  broker: BrokerName;
  symbol: string;
  /** Exchange time, epoch ms. */
  marketMs: number;
  size: number;
  /** The market's, after the trade. */
  cumVolume: number;
  /** Does the broker's REST show it? */
  rest: "has" | "lacks";
}

/** A fault in force: how often it still strikes, and how many fitting trades it lets pass before. */
interface Rule {
  fault: Fault;
  left: number;
  skip: number;
  random: Random | undefined;
  /** Under way: the rest of a run of neighbours. */
  run: { code: string; left: number };
}

/** Where a trade stands on the market. */
interface Place {
  /** Among its symbol's trades, from 0. */
  index: number;
  isSameSecond: boolean;
}

const KINDS = new Set(["lose", "repeat", "swap", "forget"]);

export function isOfTrades({ kind }: Fault): boolean {
  return KINDS.has(kind);
}

export class Tamper {
  readonly omitted: Omitted[] = [];
  /** The trades to come are the last of their day. */
  isClosing = false;
  readonly #broker: BrokerName;
  readonly #history: History;
  readonly #omissions: ReadonlyMap<string, Omitted["rest"]>;
  #rules: Rule[] = [];
  readonly #last = new Map<string, { index: number; second: number }>();
  /** By symbol: said after its next trade. */
  readonly #late = new Map<string, MarketTrade>();
  readonly #unknownToRest = new Set<MarketTrade>();

  constructor(broker: BrokerName, history: History, omit: readonly string[]) {
    this.#broker = broker;
    this.#history = history;
    const ours = omit.map(readOmission).filter((one) => one.broker === broker);
    this.#omissions = new Map(ours.map((one) => [`${one.symbol} ${one.cumVolume}`, one.rest]));
  }

  set(fault: Fault): number {
    if (fault.kind === "forget") return this.#forget(fault);
    const random = fault.seed === undefined ? undefined : seeded(fault.seed);
    const rule = { fault, random, left: fault.count ?? 1, skip: 0, run: { code: "", left: 0 } };
    this.#rules.push({ ...rule, skip: skipOf(rule) });
    return 1;
  }

  clear(): void {
    this.#rules = [];
  }

  /** What the broker says instead of `trade`, in its order. */
  pass(trade: MarketTrade): MarketTrade[] {
    const { code } = trade.instrument;
    const place = this.#place(trade);
    const rest = this.#omissions.get(`${code} ${trade.cumVolume}`);
    const rule = rest === undefined ? this.#striking(trade, place) : undefined;
    const late = this.#late.get(code);
    this.#late.delete(code);
    const said: MarketTrade[] = [];
    if (rest !== undefined) this.#omit(trade, rest);
    else if (rule?.fault.kind === "lose") this.#omit(trade, rule.fault.rest ?? "has");
    else if (rule?.fault.kind === "swap") this.#late.set(code, trade);
    else said.push(trade);
    if (rule?.fault.kind === "repeat") said.push(trade);
    if (late) said.push(late);
    return said;
  }

  /** What has been kept back for a next trade that will not come. */
  rest(): MarketTrade[] {
    const late = [...this.#late.values()];
    this.#late.clear();
    return late;
  }

  /** What REST shows of `trades`. */
  shown(trades: readonly MarketTrade[]): readonly MarketTrade[] {
    const hidden = this.#unknownToRest;
    return hidden.size === 0 ? trades : trades.filter((trade) => !hidden.has(trade));
  }

  #place({ instrument: { code }, marketMs }: MarketTrade): Place {
    const second = Math.floor(marketMs / 1000);
    const last = this.#last.get(code);
    const index = (last?.index ?? -1) + 1;
    this.#last.set(code, { index, second });
    return { index, isSameSecond: last?.second === second };
  }

  #striking(trade: MarketTrade, place: Place): Rule | undefined {
    return this.#rules.find((rule) => this.#strikes(rule, trade, place));
  }

  #strikes(rule: Rule, { instrument: { code }, side }: MarketTrade, place: Place): boolean {
    const { fault, run } = rule;
    // An auction's print has no count of its own: without REST nothing could ever tell it from block volume.
    if (fault.rest === "lacks" && side === 0) return false;
    if (run.left > 0) {
      // One run at a time, or none would be as long as it was told to be.
      if (run.code !== code) return false;
      run.left -= 1;
      return true;
    }
    if (rule.left === 0 || !this.#fits(fault, code, place)) return false;
    if (rule.skip > 0) {
      rule.skip -= 1;
      return false;
    }
    rule.left -= 1;
    rule.skip = skipOf(rule);
    rule.run = { code, left: (fault.run ?? 1) - 1 };
    return true;
  }

  #fits({ symbol, which, at }: Fault, code: string, { index, isSameSecond }: Place): boolean {
    if (symbol !== undefined && symbol !== code) return false;
    if (at && !at.includes(index)) return false;
    if (which === "first") return index === 0;
    if (which === "last") return this.isClosing;
    return which === "second" ? isSameSecond : true;
  }

  #omit(trade: MarketTrade, rest: Omitted["rest"]): void {
    const { instrument, marketMs, size, cumVolume } = trade;
    const symbol = instrument.code;
    this.omitted.push({ broker: this.#broker, symbol, marketMs, size, cumVolume, rest });
    if (rest === "lacks") this.#unknownToRest.add(trade);
  }

  #forget({ symbol }: Fault): number {
    const trades = symbol === undefined ? this.#history.all() : this.#history.of(symbol);
    for (const trade of trades) this.#unknownToRest.add(trade);
    return trades.length;
  }
}

/** Fitting trades to let pass before the next strike. */
function skipOf({ fault: { every = 1 }, random }: Pick<Rule, "fault" | "random">): number {
  return random ? Math.floor(random() * (2 * every - 1)) : every - 1;
}
