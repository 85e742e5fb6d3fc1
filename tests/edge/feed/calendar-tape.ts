// Whole trading days in seconds, made up for the tests of silence: who trades how densely in which session,
// with auctions, VI and halts. The hours are written down here by hand, apart from the calendar's tables.
import type { Book, Status, Tick, Trade } from "../../../app/shared/tick.ts";
import type { Registration } from "../../../app/edge/feed/feed.ts";
import { book, status, trade } from "../../support/records.ts";

/** `HH:MM` of the venue's day, from and to. */
type Hours = readonly [string, string];

export interface TapeDay {
  title: string;
  venue: string;
  /** Local midnight with its offset: `2026-11-23T00:00:00+09:00`. */
  midnight: string;
  continuous: readonly Hours[];
  auctions?: readonly Hours[];
  /** Sessions in which hardly anything happens. */
  thin?: readonly Hours[];
}

/** Trades a second in the middle of the day; books come three times as often. */
export const PACES: Readonly<Record<string, number>> = {
  A: 2,
  B: 1,
  C: 0.4,
  D: 0.1,
  E: 0.02,
  F: 0.003,
};
/** The symbol that has a VI of two minutes each hour, and the one that is halted for half an hour. */
const VI_SYMBOL = "B";
const HALT_SYMBOL = "A";

export function planOf(venue: string): Registration[] {
  return Object.keys(PACES).flatMap((symbol) => [
    { venue, symbol, channel: "trade" as const },
    { venue, symbol, channel: "book" as const },
  ]);
}

/** One second of the market. */
export interface Second {
  marketMs: number;
  ticks: Tick[];
  /** Records a second that this registration has just now; 0 where none are due. */
  rateOf: (symbol: string, channel: string) => number;
}

export type Random = () => number;

/** Uniform in [0, 1), the same for the same seed. */
export function randomOf(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How a VI is told: KIS says it in every book, Kiwoom once. */
export type Dialect = "phase" | "status";

export function* playDay(day: TapeDay, dialect: Dialect, random: Random): Generator<Second> {
  const midnightMs = Date.parse(day.midnight);
  const inside = (hours: readonly Hours[] | undefined, s: number) =>
    (hours ?? []).some(([from, to]) => secondsOf(from) <= s && s < secondsOf(to));
  const all = [...day.continuous, ...(day.auctions ?? []), ...(day.thin ?? [])];
  const firstS = Math.min(8 * 3_600, ...all.map(([from]) => secondsOf(from))) - 600;
  const lastS = Math.max(18 * 3_600, ...all.map(([, to]) => secondsOf(to))) + 600;
  const moods = new Map(Object.keys(PACES).map((symbol) => [symbol, 1]));
  const blocked = new Set<string>();
  for (let s = firstS; s < lastS; s++) {
    const marketMs = midnightMs + s * 1_000;
    const isOpen = inside(day.continuous, s);
    const isThin = inside(day.thin, s);
    const isAuction = inside(day.auctions, s);
    const ticks: Tick[] = [];
    if (s % 60 === 0) for (const symbol of moods.keys()) moods.set(symbol, moodOf(random));
    const wasBlocked = new Set(blocked);
    blocked.clear();
    if (isOpen && s % 3_600 >= 1_800 && s % 3_600 < 1_920) blocked.add(VI_SYMBOL);
    if (isOpen && inside([["13:00", "13:30"]], s)) blocked.add(HALT_SYMBOL);
    const rateOf = (symbol: string, channel: string) => {
      if (blocked.has(symbol) || !(isOpen || isThin)) return 0;
      const pace = PACES[symbol]! * moods.get(symbol)! * (isThin ? 0.02 : shapeOf(s));
      return channel === "book" ? 3 * pace : pace;
    };
    for (const symbol of Object.keys(PACES)) {
      const of = { venue: day.venue, symbol };
      const isBlocked = blocked.has(symbol);
      if (isBlocked && !wasBlocked.has(symbol)) ticks.push(blockOf(symbol, of, dialect));
      // What ends a VI or a halt is a single price for all, and a word of it.
      if (!isBlocked && wasBlocked.has(symbol)) {
        if (dialect === "status") ticks.push(says(of, symbol === VI_SYMBOL ? "vi" : "halt"));
        ticks.push(traded(of));
      }
      const inAuction = isAuction || (isBlocked && dialect === "phase" && symbol === VI_SYMBOL);
      const auctionRate = inAuction ? 1.5 * PACES[symbol]! : 0;
      for (let n = poisson(auctionRate, random); n > 0; n--)
        ticks.push(booked(of, isAuction ? "B" : "C"));
      for (let n = poisson(rateOf(symbol, "trade"), random); n > 0; n--) ticks.push(traded(of));
      for (let n = poisson(rateOf(symbol, "book"), random); n > 0; n--) ticks.push(booked(of, "0"));
    }
    yield { marketMs, ticks, rateOf };
  }
}

type Of = Pick<Tick, "venue" | "symbol">;
const traded = (of: Of): Trade => trade(of);
const booked = (of: Of, phase: string): Book => book({ ...of, phase });
const says = (of: Of, what: Status["what"]): Status => status({ ...of, what });

function blockOf(symbol: string, of: Of, dialect: Dialect): Tick {
  if (symbol === HALT_SYMBOL) return says(of, "halt");
  return dialect === "status" ? says(of, "vi") : booked(of, "C");
}

/** Dense at the open and towards the close, calm over lunch. */
function shapeOf(s: number): number {
  const noonHours = Math.abs(s / 3_600 - 12.3);
  return 0.5 + 0.25 * noonHours;
}

/** A symbol's own ups and downs from minute to minute: mostly between a half and the double. */
function moodOf(random: Random): number {
  return Math.exp(0.6 * (random() + random() + random() - 1.5));
}

function poisson(rate: number, random: Random): number {
  if (rate <= 0) return 0;
  let count = 0;
  for (let left = Math.exp(-rate), product = random(); product > left; product *= random()) count++;
  return count;
}

function secondsOf(time: string): number {
  const [hours, minutes, seconds = "0"] = time.split(":");
  return Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds);
}

const KRX_OPENING: Hours = ["08:30", "09:00"];
const KRX_CLOSING: Hours = ["15:20", "15:30"];

export const DAYS: readonly TapeDay[] = [
  {
    ...{ title: "KRX, a day with an after-market", venue: "KRX" },
    midnight: "2026-11-23T00:00:00+09:00",
    continuous: [["09:00", "15:20"]],
    auctions: [KRX_OPENING, KRX_CLOSING],
    thin: [["16:00", "20:00"]],
  },
  {
    ...{ title: "KRX, before there was an after-market", venue: "KRX" },
    midnight: "2026-09-11T00:00:00+09:00",
    continuous: [["09:00", "15:20"]],
    auctions: [KRX_OPENING, KRX_CLOSING],
  },
  {
    ...{ title: "KRX, the day of the university entrance exam", venue: "KRX" },
    midnight: "2026-11-19T00:00:00+09:00",
    continuous: [["10:00", "16:20"]],
    auctions: [
      ["09:30", "10:00"],
      ["16:20", "16:30"],
    ],
    thin: [["17:00", "20:00"]],
  },
  {
    ...{ title: "KRX, Christmas", venue: "KRX" },
    midnight: "2026-12-25T00:00:00+09:00",
    continuous: [],
  },
  {
    ...{ title: "KRX, the year's last weekday, closed", venue: "KRX" },
    midnight: "2026-12-31T00:00:00+09:00",
    continuous: [],
  },
  {
    ...{ title: "NXT, three sessions", venue: "NXT" },
    midnight: "2026-11-24T00:00:00+09:00",
    continuous: [
      ["08:00", "08:50"],
      ["09:00:30", "15:20"],
    ],
    thin: [["15:40", "20:00"]],
  },
  {
    ...{ title: "both Korean markets as one", venue: "UN" },
    midnight: "2026-11-25T00:00:00+09:00",
    continuous: [
      ["08:00", "08:50"],
      ["09:00", "15:20"],
    ],
    auctions: [
      ["08:50", "09:00"],
      ["15:20", "15:30"],
    ],
    thin: [["15:40", "20:00"]],
  },
  {
    ...{ title: "New York, a day", venue: "NAS" },
    midnight: "2026-11-23T00:00:00-05:00",
    continuous: [["09:30", "16:00"]],
    thin: [
      ["04:00", "09:30"],
      ["16:00", "20:00"],
    ],
  },
  {
    ...{ title: "New York, the first day of summer time", venue: "NYS" },
    midnight: "2026-03-09T00:00:00-04:00",
    continuous: [["09:30", "16:00"]],
    thin: [["07:00", "09:30"]],
  },
  {
    ...{ title: "New York, the first day of winter time", venue: "NYS" },
    midnight: "2026-11-02T00:00:00-05:00",
    continuous: [["09:30", "16:00"]],
    thin: [["16:00", "20:00"]],
  },
  {
    ...{ title: "New York, an early close", venue: "NAS" },
    midnight: "2026-11-27T00:00:00-05:00",
    continuous: [["09:30", "13:00"]],
  },
  {
    ...{ title: "New York, Thanksgiving", venue: "NAS" },
    midnight: "2026-11-26T00:00:00-05:00",
    continuous: [],
  },
];
