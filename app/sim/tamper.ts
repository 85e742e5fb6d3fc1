// Single trades that one broker does not say, says otherwise, twice, or too late, while the market's
// cumulative volume goes on. What became of them is kept, as the answer key of tests. REST tells a trade as
// the socket did, since both read one book of the broker's: so a refill beside a merged or altered print
// does not bring in the market's own. What was not said at all REST shows, or lacks as well.
import { altered, merged, readChange, readTampering } from "./change.ts";
import type { Alteration, Change } from "./change.ts";
import type { Fault } from "./faults.ts";
import type { BrokerName, MarketTrade } from "./market/event.ts";
import type { History } from "./market/history.ts";
import { seeded } from "./market/random.ts";
import type { Random } from "./market/random.ts";

/** A trade that was not said, or not as it was; of a merge all of its trades. */
export interface Tampered {
  broker: BrokerName;
  symbol: string;
  what: Change["what"];
  /** Exchange time, epoch ms; of a merge the last one's. */
  marketMs: number;
  size: number;
  /** The market's, after the trade. */
  cumVolume: number;
  /** What the broker's REST shows: the trade, nothing, or what was said. */
  rest: "has" | "lacks" | "said";
}

/** A fault in force: how often it still strikes, and how many fitting trades it lets pass before. */
interface Rule {
  fault: Fault;
  /** Undefined for what is said as it is, only not once or not in its place. */
  change: Change | undefined;
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

const KINDS = new Set(["lose", "repeat", "swap", "alter", "forget"]);

export function isOfTrades({ kind }: Fault): boolean {
  return KINDS.has(kind);
}

/** A merge under way: how many trades it takes, and those that are waiting for the last of them. */
interface Merge {
  prints: number;
  parts: MarketTrade[];
}

export class Tamper {
  readonly tampered: Tampered[] = [];
  /** The trades to come are the last of their day. */
  isClosing = false;
  readonly #broker: BrokerName;
  readonly #history: History;
  readonly #named: ReadonlyMap<string, Change>;
  #rules: Rule[] = [];
  readonly #last = new Map<string, { index: number; second: number }>();
  /** By symbol: said after its next trade. */
  readonly #late = new Map<string, MarketTrade>();
  /** By symbol. */
  readonly #merges = new Map<string, Merge>();
  /** What REST shows of a trade, where it is not the trade; null: nothing. */
  readonly #onRest = new Map<MarketTrade, MarketTrade | null>();

  constructor(broker: BrokerName, history: History, tamper: readonly string[]) {
    this.#broker = broker;
    this.#history = history;
    const ours = tamper.map((text) => readTampering(text)!).filter((one) => one.broker === broker);
    this.#named = new Map(ours.map((one) => [`${one.symbol} ${one.cumVolume}`, one.change]));
  }

  set(fault: Fault): number {
    if (fault.kind === "forget") return this.#forget(fault);
    const random = fault.seed === undefined ? undefined : seeded(fault.seed);
    const rule = {
      ...{ fault, random, change: changeOf(fault) },
      ...{ left: fault.count ?? 1, skip: 0, run: { code: "", left: 0 } },
    };
    this.#rules.push({ ...rule, skip: skipOf(rule) });
    return 1;
  }

  clear(): void {
    this.#rules = [];
  }

  /** What the broker says instead of `trade`, in its order. */
  pass(trade: MarketTrade): MarketTrade[] {
    const { code } = trade.instrument;
    const late = this.#late.get(code);
    this.#late.delete(code);
    const said = this.#said(trade);
    return late ? [...said, late] : said;
  }

  /** What has been kept back for a next trade that will not come. */
  rest(): MarketTrade[] {
    const kept = [...this.#merges.values()].flatMap(({ parts }) => this.#merged(parts));
    kept.push(...this.#late.values());
    this.#merges.clear();
    this.#late.clear();
    return kept;
  }

  /** What REST shows of `trades`. */
  shown(trades: readonly MarketTrade[]): readonly MarketTrade[] {
    if (this.#onRest.size === 0) return trades;
    return trades.flatMap((trade) => {
      const shown = this.#onRest.get(trade);
      return shown === undefined ? trade : (shown ?? []);
    });
  }

  #said(trade: MarketTrade): MarketTrade[] {
    const { instrument, cumVolume } = trade;
    const place = this.#place(trade);
    const merge = this.#merges.get(instrument.code);
    if (merge) return this.#join(merge, trade);
    const named = this.#named.get(`${instrument.code} ${cumVolume}`);
    const rule = named ? undefined : this.#striking(trade, place);
    const change = named ?? rule?.change;
    if (change) return this.#changed(trade, change);
    if (rule?.fault.kind === "repeat") return [trade, trade];
    if (rule?.fault.kind !== "swap") return [trade];
    this.#late.set(instrument.code, trade);
    return [];
  }

  #changed(trade: MarketTrade, change: Change): MarketTrade[] {
    switch (change.what) {
      case "lose":
        this.#note(trade, change.what, change.rest);
        if (change.rest === "lacks") this.#onRest.set(trade, null);
        return [];
      case "merge": {
        const merge = { prints: change.prints, parts: [] };
        this.#merges.set(trade.instrument.code, merge);
        return this.#join(merge, trade);
      }
      default:
        return this.#altered(trade, change);
    }
  }

  #altered(trade: MarketTrade, change: Alteration): MarketTrade[] {
    const said = altered(trade, change);
    if (!said) return [trade];
    this.#note(trade, change.what, "said");
    this.#onRest.set(trade, said);
    return [said];
  }

  /** Until it is said, REST does not show it either. */
  #join({ prints, parts }: Merge, trade: MarketTrade): MarketTrade[] {
    parts.push(trade);
    this.#onRest.set(trade, null);
    if (parts.length < prints) return [];
    this.#merges.delete(trade.instrument.code);
    return this.#merged(parts);
  }

  #merged(parts: readonly MarketTrade[]): MarketTrade[] {
    const said = merged(parts);
    this.#onRest.set(parts.at(-1)!, said);
    // The day ended before there was a second one.
    if (parts.length > 1) this.#note(said, "merge", "said");
    return [said];
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
    const { fault, change, run } = rule;
    // An auction's print has no count of its own: without REST nothing could ever tell it from block volume.
    if (change?.what === "lose" && change.rest === "lacks" && side === 0) return false;
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

  #note(trade: MarketTrade, what: Tampered["what"], rest: Tampered["rest"]): void {
    const { instrument, marketMs, size, cumVolume } = trade;
    const symbol = instrument.code;
    this.tampered.push({ broker: this.#broker, symbol, what, marketMs, size, cumVolume, rest });
  }

  #forget({ symbol }: Fault): number {
    const trades = symbol === undefined ? this.#history.all() : this.#history.of(symbol);
    for (const trade of trades) this.#onRest.set(trade, null);
    return trades.length;
  }
}

function changeOf({ kind, rest = "has", change }: Fault): Change | undefined {
  return kind === "lose" ? { what: kind, rest } : readChange(change ?? "");
}

/** Fitting trades to let pass before the next strike. */
function skipOf({ fault: { every = 1 }, random }: Pick<Rule, "fault" | "random">): number {
  return random ? Math.floor(random() * (2 * every - 1)) : every - 1;
}
