// Which records are today's market, and in which chain they stand.
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import type { Registration } from "../../../app/edge/feed/feed.ts";
import { Sequencer } from "../../../app/edge/feed/sequencer.ts";
import type { Position } from "../../../app/edge/feed/sequencer.ts";
import { kstDay } from "../../../app/shared/market-time.ts";
import type { Reject, Tick, Trade } from "../../../app/shared/tick.ts";
import { book, reject, status, trade } from "../../support/records.ts";

const TRADES: Registration = { venue: "KRX", symbol: "005930", channel: "trade" };
const BOOKS: Registration = { ...TRADES, channel: "book" };
const DAY = 20261123;

const at = (time: string) => Date.parse(`2026-11-23T${time}+09:00`);

/** A trade of the day at `time`, read in the same second unless said otherwise. */
function print(time: string, seq: number, size: number, more: Partial<Trade> = {}): Trade {
  return trade({ exchangeMs: at(time), edgeRecvMs: at(time), day: DAY, seq, size, ...more });
}

function position(more: Partial<Position> = {}): Position {
  const { venue, symbol } = TRADES;
  const exchangeMs = at("10:00:00");
  return { venue, symbol, day: DAY, chain: 1, seq: 5_000, price: 71_300, exchangeMs, ...more };
}

const YESTERDAY = position({
  day: 20261120,
  chain: 0,
  seq: 900,
  exchangeMs: at("15:30:00") - 3 * 864e5,
});

let sequencer: Sequencer;

beforeEach(() => {
  sequencer = new Sequencer({ market: (wallMs) => wallMs });
  sequencer.assign([TRADES, BOOKS]);
});

const chainOf = (row: Tick | Reject) => (row.kind === "trade" ? row.chain : row.kind);
const chains = (...trades: Trade[]) => trades.map((one) => chainOf(sequencer.accept(one)));
const codeOf = (row: Tick | Reject) => (row.kind === "reject" ? row.code : "accepted");

describe("capture", () => {
  it("counts every record of the account, rejects too, in their order", () => {
    const rows = [
      sequencer.accept(print("09:00:00", 10, 10)),
      sequencer.stamp(reject()),
      sequencer.accept(book({ day: DAY, exchangeMs: at("09:00:00"), edgeRecvMs: at("09:00:00") })),
      sequencer.accept(print("09:00:00", 10, 10, { symbol: "000660" })),
      sequencer.accept(print("09:00:01", 15, 5)),
    ];
    expect(rows.map(({ capture }) => capture)).toEqual([1, 2, 3, 4, 5]);
    expect(rows.map(({ kind }) => kind)).toEqual(["trade", "reject", "book", "reject", "trade"]);
  });
});

describe("assignment", () => {
  it("lets pass what was assigned, channel by channel; the rest is OUTSIDE_ASSIGNMENT", () => {
    sequencer.assign([TRADES]);
    const now = { exchangeMs: at("09:00:00"), edgeRecvMs: at("09:00:00"), day: DAY };
    expect(codeOf(sequencer.accept(print("09:00:00", 10, 10)))).toBe("accepted");
    expect(codeOf(sequencer.accept(book(now)))).toBe("OUTSIDE_ASSIGNMENT");
    expect(codeOf(sequencer.accept(trade({ ...now, venue: "NXT" })))).toBe("OUTSIDE_ASSIGNMENT");
    sequencer.assign([BOOKS]);
    expect(codeOf(sequencer.accept(print("09:00:01", 20, 10)))).toBe("OUTSIDE_ASSIGNMENT");
    expect(codeOf(sequencer.accept(book(now)))).toBe("accepted");
  });

  it("does not ask it of status, which comes for the whole market", () => {
    const vi = status({ symbol: "000660", exchangeMs: at("09:00:00"), edgeRecvMs: at("09:00:00") });
    expect(codeOf(sequencer.accept(vi))).toBe("accepted");
  });

  it("rejects a record with all it said, as JSON", () => {
    const row = sequencer.accept(print("09:00:00", 10, 10, { symbol: "000660", ask: NaN }));
    expect(row).toMatchObject({ kind: "reject", edgeRecvMs: at("09:00:00"), capture: 1 });
    const said = JSON.parse(Buffer.from((row as Reject).bytes).toString()) as unknown;
    expect(said).toMatchObject({ symbol: "000660", seq: 10, size: 10, ask: null });
    const levels = new Float64Array(40).fill(3);
    const refused = sequencer.accept(book({ symbol: "000660", levels })) as Reject;
    expect(JSON.parse(Buffer.from(refused.bytes).toString())).toMatchObject({
      levels: [...levels],
    });
  });
});

describe("a stale day", () => {
  it("is a stamp more than 120 s ahead of the market clock, of any kind", () => {
    const read = { edgeRecvMs: at("09:00:00"), day: DAY };
    const ahead = { ...read, exchangeMs: at("09:02:01") };
    for (const tick of [trade(ahead), book(ahead), status(ahead)]) {
      expect(codeOf(sequencer.accept(tick))).toBe("STALE_DAY");
    }
    expect(codeOf(sequencer.accept(trade({ ...read, exchangeMs: at("09:02:00") })))).toBe(
      "accepted",
    );
  });

  it("is another day than the market's", () => {
    expect(codeOf(sequencer.accept(print("09:00:00", 10, 10, { day: 20261120 })))).toBe(
      "STALE_DAY",
    );
    expect(codeOf(sequencer.accept(print("09:00:00", 10, 10, { day: 20261124 })))).toBe(
      "STALE_DAY",
    );
    expect(codeOf(sequencer.accept(print("09:00:00", 10, 10)))).toBe("accepted");
  });

  it("is judged by the market's clock, not by the wall's", () => {
    const fixed = at("23:59:59") - 864e5 * 100;
    const replay = new Sequencer({ market: () => fixed });
    replay.assign([TRADES]);
    const old = { exchangeMs: fixed - 60_000, day: kstDay(fixed), edgeRecvMs: at("09:00:00") };
    expect(codeOf(replay.accept(trade(old)))).toBe("accepted");
    expect(codeOf(replay.accept(print("09:00:00", 10, 10)))).toBe("STALE_DAY");
  });

  it("is not a trade of 23:59:59 read after midnight, and that one does not set the new day back", () => {
    const straggler = print("00:00:04", 950, 50, {
      day: 20261122,
      exchangeMs: at("00:00:00") - 1_000,
    });
    expect(chains(print("00:00:02", 7, 7), print("00:00:03", 4, 4), straggler)).toEqual([0, 1, 0]);
    expect(chains(print("00:00:05", 10, 6))).toEqual([1]);
  });

  it("is a repetition of an earlier day's last trade, as long as nothing else came", () => {
    sequencer.assign([TRADES], [YESTERDAY]);
    const repeated = () => print("15:30:00", 900, 20);
    expect(codeOf(sequencer.accept(repeated()))).toBe("STALE_DAY");
    expect(codeOf(sequencer.accept(repeated()))).toBe("STALE_DAY");
    expect(codeOf(sequencer.accept(print("15:30:01", 20, 20)))).toBe("accepted");
    expect(codeOf(sequencer.accept(print("15:30:02", 900, 20)))).toBe("accepted");
  });

  it.each([
    { differs: "seq", more: { seq: 901 } },
    { differs: "price", more: { price: 71_400 } },
  ])("is not a first trade that differs in $differs", ({ more }) => {
    sequencer.assign([TRADES], [YESTERDAY]);
    expect(codeOf(sequencer.accept(print("15:30:00", 900, 20, more)))).toBe("accepted");
  });

  it("is told from the same day's last trade, which passes after every registration", () => {
    const last = () => print("15:30:00", 900, 20);
    sequencer.accept(last());
    sequencer.registering(TRADES);
    expect(codeOf(sequencer.accept(last()))).toBe("accepted");
  });

  it("is looked for again after every registration of trades", () => {
    sequencer.accept(print("15:30:00", 900, 20));
    const nextDay = () =>
      trade({
        ...{
          day: 20261124,
          exchangeMs: at("15:30:00") + 864e5,
          edgeRecvMs: at("15:31:00") + 864e5,
        },
        ...{ seq: 900, size: 20 },
      });
    sequencer.registering(BOOKS);
    sequencer.registering({ ...TRADES, symbol: "000660" });
    sequencer.registering(TRADES);
    expect(codeOf(sequencer.accept({ ...nextDay(), size: 21 }))).toBe("accepted");
    const other = new Sequencer({ market: (wallMs) => wallMs });
    other.assign([TRADES]);
    other.accept(print("15:30:00", 900, 20));
    expect(codeOf(other.accept(nextDay()))).toBe("accepted");
    const third = new Sequencer({ market: (wallMs) => wallMs });
    third.assign([TRADES]);
    third.accept(print("15:30:00", 900, 20));
    third.registering(TRADES);
    expect(codeOf(third.accept(nextDay()))).toBe("STALE_DAY");
  });
});

describe("the chain", () => {
  it("is 0 on the first trade of a day, whatever was before", () => {
    sequencer.assign([TRADES], [{ ...YESTERDAY, chain: 3 }]);
    expect(chains(print("09:00:00", 40, 40), print("09:00:01", 50, 10))).toEqual([0, 0]);
  });

  it("goes on where the hub's last stored trade of the day stands", () => {
    sequencer.assign([TRADES], [position()]);
    expect(chains(print("10:00:01", 5_010, 10), print("10:00:02", 5_020, 10))).toEqual([1, 1]);
  });

  it("takes no older position than what was seen here", () => {
    sequencer.assign([TRADES], [position({ chain: 2 })]);
    sequencer.accept(print("10:00:01", 5_010, 10));
    sequencer.assign([TRADES], [position({ chain: 1 })]);
    expect(chains(print("10:00:02", 5_020, 10))).toEqual([2]);
    sequencer.assign([TRADES], [position({ chain: 4, seq: 60 })]);
    expect(chains(print("10:00:03", 70, 10))).toEqual([4]);
  });

  it("rises when the count starts from zero, and again the next time", () => {
    const rows = [
      ...[print("08:49:59", 300, 10, { session: 1 }), print("09:00:30", 25, 25)],
      ...[print("09:00:31", 30, 5), print("15:40:00", 8, 8), print("15:40:01", 9, 1)],
    ];
    expect(chains(...rows)).toEqual([0, 1, 1, 2, 2]);
  });

  it("rises when the count fell and a later session has begun, though its first trade was missed", () => {
    const before = print("08:49:59", 300, 10, { session: 1 });
    expect(chains(before, print("09:00:31", 30, 5, { session: 2 }))).toEqual([0, 1]);
    // Closing price comes before the after-market, though its number is higher.
    const closing = print("15:30:10", 20, 5, { session: 5 });
    expect(chains(closing, print("16:00:00", 10, 5, { session: 3 }))).toEqual([2, 3]);
    expect(chains(print("16:00:01", 4, 1, { session: 2 }))).toEqual([3]);
  });

  it("is kept by a mere fall, which does not set the count back either", () => {
    const rows = [
      print("09:00:00", 300, 10),
      print("09:00:02", 290, 5),
      print("09:00:02", 310, 10),
    ];
    expect(chains(...rows)).toEqual([0, 0, 0]);
    expect(chains(print("09:00:03", 20, 5), print("09:00:04", 40, 40))).toEqual([0, 1]);
  });

  it("is kept by the day's first trade sent again, for its stamp is older than the last one's", () => {
    const rows = [print("09:00:00", 40, 40), print("09:00:01", 50, 10), print("09:00:00", 40, 40)];
    expect(chains(...rows, print("09:00:02", 60, 10))).toEqual([0, 0, 0, 0]);
  });

  it("is taken back when the old count goes on after what looked like a reset", () => {
    const rows = [print("09:00:00", 40, 40), print("09:00:00", 50, 10), print("09:00:00", 40, 40)];
    expect(chains(...rows, print("09:00:00", 60, 10))).toEqual([0, 0, 1, 0]);
    expect(chains(print("09:00:01", 70, 10))).toEqual([0]);
  });

  it("is kept by repetitions after the close, which pass", () => {
    const last = (time: string) => print(time, 900, 20);
    expect(chains(last("15:30:00"), last("15:30:00"), last("18:00:00"))).toEqual([0, 0, 0]);
  });

  it("is each symbol's and venue's own", () => {
    const other: Registration = { ...TRADES, venue: "NXT" };
    sequencer.assign([TRADES, other]);
    const nxt = { venue: "NXT" };
    expect(chains(print("09:00:00", 300, 10), print("09:00:01", 5, 5, nxt))).toEqual([0, 0]);
    expect(chains(print("09:00:02", 7, 7), print("09:00:03", 9, 4, nxt))).toEqual([1, 0]);
  });
});

/** One step of a market: a trade, the next session's first trade, or an old record sent again. */
type Step =
  | { name: "trade"; size: number; gapMs: number }
  | { name: "reset"; size: number }
  | { name: "again"; back: number };

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      name: fc.constant("trade" as const),
      size: fc.integer({ min: 1, max: 500 }),
      gapMs: fc.constantFrom(0, 0, 0, 1_000, 60_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      name: fc.constant("reset" as const),
      size: fc.integer({ min: 1, max: 500 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ name: fc.constant("again" as const), back: fc.nat(30) }) },
);

interface Played {
  trade: Trade;
  /** Which count of the day it belongs to, as the market knows. */
  chain: number;
  isAgain: boolean;
}

/** Plays `steps` as a market would: strictly rising counts, breaks between sessions, records repeated late. */
function play(steps: readonly Step[]): Played[] {
  const played: Played[] = [];
  let [exchangeMs, seq, chain] = [at("09:00:00"), 0, 0];
  const push = (size: number, firstOfChain: boolean) => {
    seq = firstOfChain ? size : seq + size;
    const one = trade({ exchangeMs, edgeRecvMs: exchangeMs, day: DAY, seq, size, session: 0 });
    played.push({ trade: one, chain, isAgain: false });
  };
  for (const step of steps) {
    if (step.name === "trade") {
      exchangeMs += step.gapMs;
      push(step.size, false);
    } else if (step.name === "reset") {
      // A session of fewer shares than the next one's first trade looks like no reset to anybody.
      if (seq <= step.size) continue;
      exchangeMs += 60_000;
      chain++;
      push(step.size, true);
    } else {
      const ofChain = played.filter((one) => one.chain === chain && !one.isAgain);
      const old = ofChain.at(-1 - step.back);
      // Within one second a first trade sent again cannot be told from a reset.
      if (!old || (old.trade.exchangeMs === exchangeMs && old.trade.seq === old.trade.size))
        continue;
      played.push({ trade: { ...old.trade, edgeRecvMs: exchangeMs }, chain, isAgain: true });
    }
  }
  return played;
}

describe("any market with resets and repetitions", () => {
  it("is stored with unique (chain, seq), in the order it was made; repetitions keep theirs", () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 120 }), fc.nat(120), (steps, restartAt) => {
        let own = new Sequencer({ market: (wallMs) => wallMs });
        own.assign([TRADES]);
        const stored: { chain: number; seq: number; price: number; exchangeMs: number }[] = [];
        const seen = new Map<string, number>();
        for (const [i, { trade: sent, chain, isAgain }] of play(steps).entries()) {
          if (i === restartAt && stored.length > 0) {
            // Another process goes on from what the hub has stored.
            own = new Sequencer({ market: (wallMs) => wallMs });
            own.assign([TRADES], [position({ ...stored.at(-1)!, day: DAY })]);
          }
          const row = own.accept({ ...sent });
          expect(row).toMatchObject({
            kind: "trade",
            chain,
            capture: expect.any(Number) as number,
          });
          const { seq, price, exchangeMs } = sent;
          const key = `${(row as Trade).chain} ${seq}`;
          expect(seen.has(key)).toBe(isAgain);
          seen.set(key, exchangeMs);
          const last = stored.at(-1);
          if (isAgain) continue;
          const rises = !last || chain > last.chain || (chain === last.chain && seq > last.seq);
          expect(rises).toBe(true);
          stored.push({ chain: (row as Trade).chain, seq, price, exchangeMs });
        }
      }),
      { numRuns: 500 },
    );
  });
});
