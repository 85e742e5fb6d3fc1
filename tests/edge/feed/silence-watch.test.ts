// Silence: no false alarm over whole days of every kind, and none that is real is missed.
import { describe, expect, it, test } from "vitest";
import { SilenceWatch } from "../../../app/edge/feed/silence-watch.ts";
import type { Silence } from "../../../app/edge/feed/silence-watch.ts";
import type { Registration } from "../../../app/edge/feed/feed.ts";
import type { Instrument, MarketEvent } from "../../../app/sim/market/event.ts";
import { generateMarket } from "../../../app/sim/market/generator.ts";
import type { Tick } from "../../../app/shared/tick.ts";
import {
  book,
  hasData,
  recordedBooks,
  recordedTrades,
  status,
  trade,
} from "../../support/records.ts";
import { DAYS, planOf, playDay, randomOf } from "./calendar-tape.ts";
import type { Dialect, Second, TapeDay } from "./calendar-tape.ts";

const FOUND_S_MAX = 15;
const DIALECTS: readonly Dialect[] = ["phase", "status"];
const cases = DAYS.flatMap((day) => DIALECTS.map((dialect) => ({ ...day, dialect })));
/** Each open day in one of the dialects. */
const openDays = DAYS.map((day, i) => ({ ...day, dialect: DIALECTS[i % 2]! })).filter(
  ({ continuous }) => continuous.length > 0,
);

/** A watch on the market's clock, with records and looks in their places in each second. */
class Watched {
  readonly watch = new SilenceWatch();
  readonly plan: readonly Registration[];
  readonly found: (Silence & { atMs: number })[] = [];

  constructor(plan: readonly Registration[]) {
    this.plan = plan;
    this.watch.plan(plan);
  }

  /** One second, in which `ticks` come; looks at its end. */
  second(marketMs: number, ticks: readonly Tick[]): Silence | null {
    this.watch.take(ticks, marketMs + 500);
    const silence = this.watch.look(marketMs + 1_000, marketMs + 1_000);
    if (silence === null) return null;
    this.found.push({ ...silence, atMs: marketMs + 1_000 });
    // As after a reconnect.
    this.watch.plan(this.plan);
    return silence;
  }
}

describe("a whole day that brings what it should", () => {
  it.each(cases)("raises no alarm: $title, VI told by $dialect", (day) => {
    const watched = new Watched(planOf(day.venue));
    let records = 0;
    for (const { marketMs, ticks } of playDay(day, day.dialect, randomOf(1))) {
      records += ticks.length;
      watched.second(marketMs, ticks);
    }
    expect(watched.found).toEqual([]);
    expect(records > 100_000).toBe(day.continuous.length > 0);
  });
});

/** Silences of a minute at random moments in which some symbol brings a record nearly every second. */
function* withSilences(
  day: TapeDay & { dialect: Dialect },
  isSilenced: (tick: Tick) => boolean,
  isLiquid: (second: Second) => boolean,
) {
  const random = randomOf(7);
  let sinceMs = -Infinity;
  let calmUntilMs = -Infinity;
  for (const second of playDay(day, day.dialect, random)) {
    const { marketMs } = second;
    if (
      marketMs >= sinceMs + 60_000 &&
      marketMs > calmUntilMs &&
      isLiquid(second) &&
      random() < 0.005
    ) {
      sinceMs = marketMs;
      // Until another is learned.
      calmUntilMs = marketMs + 300_000;
    }
    const isSilent = marketMs < sinceMs + 60_000;
    const ticks = isSilent ? second.ticks.filter((tick) => !isSilenced(tick)) : second.ticks;
    yield { marketMs, ticks, sinceMs: isSilent ? sinceMs : null, isStart: marketMs === sinceMs };
  }
}

/** Long enough in session to be known, far enough from its end and from VI and halts. */
function steady(day: TapeDay): (second: Second) => boolean {
  const rates: number[] = [];
  return ({ marketMs, rateOf }) => {
    rates.push(Math.max(rateOf("A", "book"), rateOf("B", "book")));
    const isLong = rates.length > 150 && rates.slice(-150).every((rate) => rate > 2);
    const s = (marketMs - Date.parse(day.midnight)) / 1_000;
    const isNearEnd = day.continuous.some(([, to]) => {
      const [hours, minutes] = to.split(":").map(Number);
      const leftS = hours! * 3_600 + minutes! * 60 - s;
      return leftS > 0 && leftS < 70;
    });
    const isNearBlock = [1_800, 0].some((at) => Math.abs(((s + 1_800) % 3_600) - 1_800 - at) < 400);
    return isLong && !isNearEnd && !isNearBlock;
  };
}

describe("a socket that goes silent while symbols trade", () => {
  it.each(openDays)("is found within 15 s each time: $title, VI told by $dialect", (day) => {
    const watched = new Watched(planOf(day.venue));
    let silences = 0;
    let found = 0;
    for (const one of withSilences(day, () => true, steady(day))) {
      if (one.isStart) silences++;
      const silence = watched.second(one.marketMs, one.ticks);
      if (silence === null) continue;
      found++;
      expect(silence.name).toBe("socket");
      expect(one.sinceMs).not.toBeNull();
      expect(one.marketMs + 1_000 - one.sinceMs!).toBeLessThanOrEqual(FOUND_S_MAX * 1_000);
      // What came last came in the second before.
      expect(one.sinceMs! - silence.sinceMs).toBeLessThanOrEqual(3_000);
      expect(silence.sinceMs).toBeLessThan(one.sinceMs!);
    }
    expect(silences).toBeGreaterThan(8);
    expect(found).toBe(silences);
  });
});

describe("a registration that the broker forgets while others go on", () => {
  const [first, , , , , nxt, , us] = DAYS;
  it.each([first!, nxt!, us!].map((day) => ({ ...day, dialect: "phase" as const })))(
    "is found within 15 s, alone: $title",
    (day) => {
      const watched = new Watched(planOf(day.venue));
      const isForgotten = ({ kind, symbol }: Tick) => kind === "book" && symbol === "B";
      const isSteady = steady(day);
      const liquid = (second: Second) => isSteady(second) && second.rateOf("B", "book") > 2.5;
      let silences = 0;
      let found = 0;
      for (const one of withSilences(day, isForgotten, liquid)) {
        if (one.isStart) silences++;
        const silence = watched.second(one.marketMs, one.ticks);
        if (silence === null) continue;
        found++;
        expect(silence).toMatchObject({
          name: "registrations",
          lost: [{ venue: day.venue, symbol: "B", channel: "book" }],
        });
        expect(one.marketMs + 1_000 - one.sinceMs!).toBeLessThanOrEqual(FOUND_S_MAX * 1_000);
      }
      expect(silences).toBeGreaterThan(5);
      expect(found).toBe(silences);
    },
  );
});

const ONE: Registration = { venue: "KRX", symbol: "A", channel: "trade" };
const NINE_MS = Date.parse("2026-11-23T09:00:00+09:00");
const tradeOfA = () => trade({ venue: "KRX", symbol: "A" });

/** A trade each second for `seconds`. Returns the market time after it. */
function learn(watched: Watched, seconds: number, fromMs = NINE_MS): number {
  for (let s = 0; s < seconds; s++) watched.second(fromMs + s * 1_000, [tradeOfA()]);
  return fromMs + seconds * 1_000;
}

function silenceAfter(watched: Watched, fromMs: number, seconds: number): number | null {
  for (let s = 1; s <= seconds; s++) {
    if (watched.second(fromMs + (s - 1) * 1_000, []) !== null) return s;
  }
  return null;
}

describe("a single liquid symbol", () => {
  it("has to be learned for a minute, then 13 s of silence are too many", () => {
    const young = new Watched([ONE]);
    expect(silenceAfter(young, learn(young, 59), 200)).toBeNull();
    const known = new Watched([ONE]);
    expect(silenceAfter(known, learn(known, 61), 200)).toBe(13);
  });

  it("is asked about once: another socket is learned anew, and no storm comes of it", () => {
    const watched = new Watched([ONE]);
    const fromMs = learn(watched, 300);
    silenceAfter(watched, fromMs, 13);
    expect(silenceAfter(watched, fromMs + 13_000, 3_600)).toBeNull();
  });

  it.each([
    ["a VI", status({ venue: "KRX", symbol: "A", what: "vi" })],
    ["a halt", status({ venue: "KRX", symbol: "A", what: "halt" })],
    ["a stop of the whole market", status({ venue: "KRX", symbol: "", what: "market" })],
    ["an auction's book", book({ venue: "KRX", symbol: "A", phase: "C" })],
    ["an indicative price", status({ venue: "KRX", symbol: "A", what: "expected" })],
  ])("may be silent after %s, until it trades again", (_, tick) => {
    const watched = new Watched([ONE]);
    const fromMs = learn(watched, 300);
    watched.second(fromMs, [tick]);
    expect(silenceAfter(watched, fromMs + 1_000, 1_200)).toBeNull();
    watched.second(fromMs + 1_201_000, [tradeOfA()]);
    expect(silenceAfter(watched, fromMs + 1_202_000, 60)).toBe(13);
  });

  it("is not judged by a market clock that stands, however fast a day is played", () => {
    const { watch } = new Watched([ONE]);
    for (let s = 0; s < 10_000; s++) {
      watch.take(s < 5_000 ? [tradeOfA()] : [], NINE_MS);
      expect(watch.look(s * 1_000, NINE_MS)).toBeNull();
    }
  });

  it("is not judged by a process that stood still, before it has read what lay there", () => {
    const watched = new Watched([ONE]);
    const fromMs = learn(watched, 300);
    expect(watched.watch.look(fromMs + 60_000, fromMs + 60_000)).toBeNull();
    watched.watch.take([tradeOfA()], fromMs + 60_000);
    expect(watched.watch.look(fromMs + 61_000, fromMs + 61_000)).toBeNull();
  });

  it("at a venue without a calendar may do what it likes", () => {
    const watched = new Watched([{ ...ONE, venue: "MOON" }]);
    for (let s = 0; s < 300; s++)
      watched.second(NINE_MS + s * 1_000, [trade({ venue: "MOON", symbol: "A" })]);
    expect(silenceAfter(watched, NINE_MS + 300_000, 300)).toBeNull();
  });
});

/** The calendar does not reach back to the day of the older recording; its hours were the same. */
function inCalendar(tick: Tick): Tick {
  if (tick.venue !== "NAS") return tick;
  const movedMs = Date.parse("2026-06-18") - Date.parse("2012-06-21");
  return { ...tick, edgeRecvMs: tick.edgeRecvMs + movedMs };
}

function planIn(ticks: readonly Tick[]): Registration[] {
  const plan = new Map<string, Registration>();
  for (const { venue, symbol, kind: channel } of ticks)
    plan.set(`${symbol} ${channel}`, { venue, symbol, channel });
  return [...plan.values()];
}

/** Ticks by the second they came in. */
function bySecond(ticks: readonly Tick[]): Map<number, Tick[]> {
  return Map.groupBy(ticks, ({ edgeRecvMs }) => Math.floor(edgeRecvMs / 1_000) * 1_000);
}

describe.skipIf(!hasData())("a recorded day", () => {
  // Three symbols of middling liquidity have a trade in 0.78 of all seconds together; AAPL's book moves in 0.94.
  test.each([
    { name: "trades of three symbols of KRX", ticks: recordedTrades, foundS: 25 },
    { name: "half an hour of one book of NASDAQ", ticks: recordedBooks, foundS: FOUND_S_MAX },
  ])("of $name raises no alarm, and a silence in it is found", ({ ticks: read, foundS }) => {
    const ticks = read().map(inCalendar);
    const seconds = bySecond(ticks);
    const plan = planIn(ticks);
    const [fromMs, toMs] = [Math.min(...seconds.keys()), Math.max(...seconds.keys())];
    const clean = new Watched(plan);
    for (let ms = fromMs; ms <= toMs; ms += 1_000) clean.second(ms, seconds.get(ms) ?? []);
    expect(clean.found).toEqual([]);
    const random = randomOf(3);
    for (let i = 0; i < 40; i++) {
      const places = (toMs - fromMs) / 1_000 - 180;
      const atMs = fromMs + (120 + Math.floor(random() * places)) * 1_000;
      const watched = new Watched(plan);
      for (let ms = Math.max(fromMs, atMs - 600_000); ms < atMs; ms += 1_000)
        watched.second(ms, seconds.get(ms) ?? []);
      expect(silenceAfter(watched, atMs, foundS)).not.toBeNull();
    }
  });
});

function placeOf({ code, market }: Instrument): { venue: string; symbol: string } {
  return { venue: market === "KRX" ? "KRX" : "NAS", symbol: code };
}

/** As both brokers' decoders would hand it on. */
function tickOf(event: MarketEvent): Tick {
  if (event.kind === "trade") return trade(placeOf(event.instrument));
  if (event.kind === "book") return book({ ...placeOf(event.instrument), phase: event.phase });
  const what = event.what === "session" ? "market" : event.what;
  const of = "instrument" in event ? placeOf(event.instrument) : { venue: "KRX", symbol: "" };
  return status({ ...of, what });
}

test("the simulated market raises no alarm at a low rate", () => {
  for (const ratePerSecond of [20, 150]) {
    const market = generateMarket({
      seed: 1,
      ratePerSecond,
      symbols: 20,
      us: true,
      openingMs: 5_000,
    });
    const plan = market.instruments.map(placeOf).flatMap(({ venue, symbol }) => [
      { venue, symbol, channel: "trade" as const },
      { venue, symbol, channel: "book" as const },
    ]);
    const watched = new Watched(plan);
    const endMs = NINE_MS + 3_600_000;
    let ticks: Tick[] = [];
    let secondMs = NINE_MS;
    for (const event of market.play(NINE_MS)) {
      if (event.marketMs >= endMs) break;
      for (; event.marketMs >= secondMs + 1_000; secondMs += 1_000) {
        watched.second(secondMs, ticks);
        ticks = [];
      }
      ticks.push(tickOf(event));
    }
    expect(watched.found).toEqual([]);
  }
});
