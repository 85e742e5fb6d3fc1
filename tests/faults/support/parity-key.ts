// What has to be found when trades of a recorded day are tampered with at one of two brokers: worked out from
// the recording and from what was done to it, by the sentences of docs/parity.md. Shares no code with
// app/hub/query/parity/.
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { Broker } from "../../../app/cli/stack.ts";
import { kstMs } from "../../../app/shared/market-time.ts";
import type { Tampered } from "../../../app/sim/tamper.ts";
import { generator } from "../../support/records.ts";

export interface Recorded {
  symbol: string;
  ms: number;
  size: number;
  seq: number;
}

/** Each symbol's trades in their order. */
export type Day = readonly (readonly Recorded[])[];

/** Trades of one symbol side by side that one broker tampers with: several of them only in a merge. */
export interface Plant {
  broker: Broker;
  /** In the simulator's words: `size:+3`. */
  change: string;
  trades: readonly Recorded[];
}

/** A difference that has to be found. */
export interface Finding {
  kind: string;
  symbol: string;
  seq: number;
  volume: number;
  isRefilled: boolean;
}

/** Market times, both included, in which a broker's feed does not answer for anything. */
export interface Away {
  broker: Broker;
  fromMs: number;
  toMs: number;
}

/** Removed, merged, altered, delayed: as many of each. */
const WHATS = [["lose", "lose:lacks"], ["merge"], ["price", "side", "size"], ["delay"]] as const;
const MERGED_MAX = 4;
const STEPS_MAX = 3;
/** Beyond one second it is a difference; beyond two minutes the edge takes it for another day's. */
const DELAYS_S = { from: 2, to: 95 } as const;
/** Of each symbol's ends nothing is tampered with: what they are the broker's REST is asked for. */
const MARGIN = 5;
/** KIS shows no more of one second. */
const KIS_PAGE_ROWS = 30;

export function recordedDay(path: string): Day {
  const lines = gunzipSync(readFileSync(path)).toString().trimEnd().split("\n").slice(1);
  const trades = lines.map((line): Recorded => {
    const [symbol = "", stamp = "", , , , , , , , size, seq] = line.split(",");
    const ms = kstMs(Number(stamp.slice(0, 8)), Number(stamp.slice(8)));
    return { symbol, ms, size: Number(size), seq: Number(seq) };
  });
  return [...Map.groupBy(trades, ({ symbol }) => symbol).values()];
}

/**
 * `count` changes of every kind at both brokers, and one in ten more that is none: a second's delay, which two
 * brokers' clocks may have. Between two of them there is at least one trade that nobody touches: what a merge
 * and a loss beside it make together, the data does not tell.
 */
export function planted(day: Day, count: number, seed: number): Plant[] {
  const random = generator(seed);
  const field = new Field(day, random);
  const plants: Plant[] = [];
  const wanted = count + Math.ceil(count / 10);
  while (plants.length < wanted) {
    const kinds = WHATS[random(WHATS.length)]!;
    const what = plants.length < count ? kinds[random(kinds.length)]! : "decoy";
    const broker = random(2) === 0 ? "kis" : "kiwoom";
    const place = field.place(what === "merge" ? 2 + random(MERGED_MAX - 1) : 1);
    const change = place && changeOf(what, broker, place, random);
    if (!change) continue;
    field.take(place);
    plants.push({ broker, change, trades: place.trades });
  }
  return plants;
}

/** Runs of `length` neighbours that `broker` does not say and its REST shows, with `shares` in all or more. */
export function lostRuns(
  day: Day,
  broker: Broker,
  { length, shares }: { length: number; shares: number },
  seed: number,
): Plant[] {
  const field = new Field(day, generator(seed));
  const lost: Recorded[] = [];
  while (volumeOf(lost) < shares) {
    const place = field.place(length);
    if (!place) continue;
    field.take(place);
    lost.push(...place.trades);
  }
  return lost.map((trade) => ({ broker, change: "lose", trades: [trade] }));
}

/** In the simulator's words; null where it cannot be done, or not so that it can be told. */
function changeOf(
  what: (typeof WHATS)[number][number] | "decoy",
  broker: Broker,
  { trades, before, inSecond }: Place,
  random: (bound: number) => number,
): string | null {
  const sign = random(2) === 0 ? "+" : "-";
  switch (what) {
    case "decoy":
      return "delay:1";
    case "lose":
      return broker === "kis" && inSecond > KIS_PAGE_ROWS ? null : what;
    case "merge":
      return `merge:${trades.length}`;
    case "price":
      return `price:${sign}${1 + random(STEPS_MAX)}`;
    case "size": {
      // It may claim of the volume of the untouched trade before it, and of no other; one share has to stay.
      const most = Math.min(sign === "+" ? before.size : trades[0]!.size - 1, 999);
      return most < 1 ? null : `size:${sign}${1 + random(most)}`;
    }
    case "delay":
      return `delay:${DELAYS_S.from + random(DELAYS_S.to - DELAYS_S.from + 1)}`;
    default:
      return what;
  }
}

interface Place {
  trades: readonly Recorded[];
  before: Recorded;
  /** Trades of the symbol in the second of the first of them. */
  inSecond: number;
}

/** A day, and what of it is taken. */
class Field {
  readonly #trades: readonly Recorded[];
  readonly #random: (bound: number) => number;
  readonly #taken = new Set<Recorded>();

  constructor(day: Day, random: (bound: number) => number) {
    this.#trades = day.flat();
    this.#random = random;
  }

  /** So many neighbours somewhere; null where one of them, or one beside them, is taken. */
  place(length: number): Place | null {
    const at = MARGIN + this.#random(this.#trades.length - length - 2 * MARGIN);
    const around = this.#trades.slice(at - MARGIN, at + length + MARGIN);
    const [{ symbol, ms }, before] = [this.#trades[at]!, this.#trades[at - 1]!];
    const near = this.#trades.slice(at - 1, at + length + 1);
    if (around.some((one) => one.symbol !== symbol)) return null;
    if (near.some((one) => this.#taken.has(one))) return null;
    const inSecond = this.#trades.filter((one) => one.symbol === symbol && one.ms === ms).length;
    return { trades: near.slice(1, -1), before, inSecond };
  }

  take({ trades }: Place): void {
    for (const trade of trades) this.#taken.add(trade);
  }
}

/** As the simulator takes it: `kis:005930:1216812:size:+3`. */
export function textOf({ broker, change, trades: [first] }: Plant): string {
  return `${broker}:${first!.symbol}:${first!.seq}:${change}`;
}

/** What the simulator's own record has to say of it. */
export function recordOf({ broker, change, trades }: Plant): Tampered {
  const { symbol, ms: marketMs, seq: cumVolume } = trades.at(-1)!;
  const what = whatOf(change);
  const rest = what !== "lose" ? "said" : change === "lose" ? "has" : "lacks";
  return { broker, symbol, what, marketMs, size: volumeOf(trades), cumVolume, rest };
}

function whatOf(change: string): Tampered["what"] {
  return change.split(":")[0] as Tampered["what"];
}

function byOf(change: string): number {
  return Number(change.split(":")[1]);
}

function volumeOf(trades: readonly Recorded[]): number {
  return trades.reduce((sum, { size }) => sum + size, 0);
}

/** KIS stands on the left; null where there is nothing to be found. */
export function findingOf(plant: Plant, away?: Away): Finding | null {
  const { broker, change, trades } = plant;
  const { symbol, seq, ms } = trades.at(-1)!;
  const [own, other] = broker === "kis" ? ["left", "right"] : ["right", "left"];
  const awaySide = away?.broker === "kis" ? "left" : "right";
  const isAway = (side: string) =>
    away !== undefined && side === awaySide && away.fromMs <= ms && ms <= away.toMs;
  const finding = (kind: string, volume = volumeOf(trades)): Finding => {
    return { kind, symbol, seq, volume, isRefilled: change === "lose" };
  };
  switch (whatOf(change)) {
    case "lose":
      return finding(`${isAway(own) ? "unverified" : "missing"}-${own}`);
    case "merge":
      return finding(`merged-${own}`);
    case "price":
    case "side":
      return finding("value");
    case "size": {
      // The larger counts; of the smaller nobody knows what it would have been with a living feed.
      const by = byOf(change);
      const smaller = by > 0 ? other : own;
      const kind = isAway(smaller) ? `unverified-${smaller}` : "value";
      return finding(kind, volumeOf(trades) + Math.max(0, by));
    }
    case "delay":
      return byOf(change) > 1 ? finding("time") : null;
  }
}

export interface Figures {
  share: number;
  coverage: number;
  volumes: Record<
    "matched" | "merged" | "joint" | "missingLeft" | "missingRight" | "answered" | "total",
    number
  >;
  ok: boolean;
}

/** The day's figures: every share is matched but for what was tampered with. */
export function figuresOf(day: Day, plants: readonly Plant[], away?: Away): Figures {
  const found = plants.flatMap((plant) => {
    const finding = findingOf(plant, away);
    return finding ? [{ plant, ...finding }] : [];
  });
  const of = (...kinds: string[]) =>
    found.reduce((sum, { kind, volume }) => sum + (kinds.includes(kind) ? volume : 0), 0);
  const untouched =
    day.reduce((sum, own) => sum + volumeOf(own), 0) -
    found.reduce((sum, { plant }) => sum + volumeOf(plant.trades), 0);
  const merged = of("merged-left", "merged-right");
  const matched = untouched + merged;
  const joint = matched + of("value", "time");
  const [missingLeft, missingRight] = [of("missing-left"), of("missing-right")];
  const answered = joint + missingLeft + missingRight;
  const total = answered + of("unverified-left", "unverified-right");
  return {
    volumes: { matched, merged, joint, missingLeft, missingRight, answered, total },
    share: Math.floor((matched * 1e6) / answered) / 1e6,
    coverage: Math.floor((joint * 1e6) / total) / 1e6,
    ok: matched * 1_000 >= answered * 999 && joint * 100 >= total * 95,
  };
}

/** Rows that are stored on both sides at the end, refilled ones among them. */
export function rowsOf(day: Day, plants: readonly Plant[]): number {
  const all = day.reduce((sum, { length }) => sum + length, 0);
  const gone = plants.map(({ change, trades: { length } }) =>
    change === "lose:lacks" ? 1 : length - 1,
  );
  return 2 * all - gone.reduce((sum, rows) => sum + rows, 0);
}

/** How a classification stands to the key, kind by kind. */
export interface Score {
  kind: string;
  planted: number;
  found: number;
  precision: number;
  recall: number;
}

/** A difference is the planted one where kind, symbol, volume and refill are. */
export function scoresOf(planted: readonly Finding[], found: readonly Finding[]): Score[] {
  const name = ({ kind, symbol, seq, volume, isRefilled }: Finding) =>
    [kind, symbol, seq, volume, isRefilled].join(" ");
  const [wanted, had] = [new Set(planted.map(name)), new Set(found.map(name))];
  const kinds = new Set([...planted, ...found].map(({ kind }) => kind));
  return [...kinds].sort().map((kind) => {
    const [ours, theirs] = [planted, found].map((all) => all.filter((one) => one.kind === kind));
    const share = (part: readonly Finding[], of: ReadonlySet<string>) =>
      part.length === 0 ? 1 : part.filter((one) => of.has(name(one))).length / part.length;
    return {
      ...{ kind, planted: ours!.length, found: theirs!.length },
      ...{ precision: share(theirs!, wanted), recall: share(ours!, had) },
    };
  });
}
