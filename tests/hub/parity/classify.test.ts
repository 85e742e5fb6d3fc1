// The comparison of two sides' prints, by example and against a slow oracle.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Vouch } from "../../../app/hub/query/parity/classify.ts";
import { compare } from "../../../app/hub/query/parity/classify.ts";
import type { Print } from "../../../app/hub/query/parity/print.ts";
import { addTo, noTally, volumesOf } from "../../../app/hub/query/parity/tally.ts";
import { oracleOf } from "./oracle.ts";

const ALIVE: Vouch = () => true;
const START_MS = Date.UTC(2026, 10, 23);

/** `10@100`: ten shares up to a cumulative volume of 100. */
function print(text: string, fields: Partial<Print> = {}): Print {
  const [size = 0, seq = 0] = text.split("@").map(Number);
  return { seq, size, price: 100, ms: START_MS, side: 1, isLive: true, ...fields };
}

function kindsOf(left: Print[], right: Print[], vouch = ALIVE): string[] {
  return compare(left, right, vouch).differences.map(
    ({ kind, volume, isRefilled }) => `${kind} ${volume}${isRefilled ? " refilled" : ""}`,
  );
}

describe("two sides' prints", () => {
  const [a, b, c] = [print("10@10"), print("10@20"), print("15@35")];

  test("are the same when seq, size, price, side and time are", () => {
    expect(compare([a, b], [b, a], ALIVE)).toMatchObject({ same: [{}, {}], differences: [] });
  });

  test("may cut a time differently by one second, and one may leave the side out", () => {
    const other = print("10@10", { ms: START_MS + 1_000, side: 0 });
    expect(kindsOf([a], [other])).toEqual([]);
    expect(kindsOf([a], [print("10@10", { ms: START_MS + 2_000 })])).toEqual(["time 10"]);
  });

  test.each([
    ["price", { price: 101 }],
    ["side", { side: -1 }],
    ["price and time", { price: 101, ms: START_MS + 9_000 }],
  ])("differ in value by their %s", (_, fields) => {
    expect(kindsOf([a, b], [a, print("10@20", fields)])).toEqual(["value 10"]);
  });

  test("differ in value by a size that shifts nothing, and by one that claims its neighbour's volume", () => {
    expect(kindsOf([a, b, c], [a, print("8@20"), c])).toEqual(["value 10"]);
    expect(kindsOf([a, b, c], [a, print("12@20"), c])).toEqual(["value 12"]);
  });

  test("are missing where the other side has them", () => {
    expect(kindsOf([a, b, c], [a, c])).toEqual(["missing-right 10"]);
    expect(kindsOf([c], [a, b, c])).toEqual(["missing-left 10", "missing-left 10"]);
  });

  test("that came by a refill are missing all the same", () => {
    const refilled = { ...b, isLive: false };
    expect(kindsOf([a, b, c], [a, refilled, c])).toEqual(["missing-right 10 refilled"]);
    expect(kindsOf([a, refilled, c], [a, refilled, c])).toEqual([]);
  });

  test("are unverified where the side does not answer for the time", () => {
    expect(kindsOf([a, b, c], [a, c], (side) => side === "left")).toEqual(["unverified-right 10"]);
    // The rest of a print whose beginning a side has missed.
    expect(kindsOf([a, b], [print("4@20")], (side) => side === "left")).toEqual([
      "unverified-right 10",
      "unverified-right 10",
    ]);
  });

  test("match where one side has merged several and the volumes add up", () => {
    const merged = print("25@35");
    expect(kindsOf([a, b, c], [a, merged])).toEqual(["merged-right 25"]);
    expect(kindsOf([a, merged], [a, b, c])).toEqual(["merged-left 25"]);
  });

  test("match where both have merged differently within one step", () => {
    expect(kindsOf([a, print("25@35")], [print("20@20"), c])).toEqual(["merged-both 35"]);
  });

  test("do not match where a merge says a price or a time of none of its parts", () => {
    expect(kindsOf([a, b], [print("20@20", { price: 101 })])).toEqual(["value 20"]);
    expect(kindsOf([a, b], [print("20@20", { ms: START_MS + 5_000 })])).toEqual(["time 20"]);
    const part = print("10@10", { price: 101 });
    expect(kindsOf([part, b], [print("20@20", { price: 101 })])).toEqual(["merged-right 20"]);
  });

  test("count each share once where sizes do not add up", () => {
    const [left, right] = [[a, b], [print("12@20")]];
    expect(kindsOf(left, right)).toEqual(["missing-right 8", "value 12"]);
    expect(kindsOf([print("20@20")], [b])).toEqual(["value 20"]);
  });
});

/** A day of up to twelve trades, as each side might have it: with trades left out, merged or altered. */
const sides = fc
  .array(
    fc.record({
      size: fc.integer({ min: 1, max: 5 }),
      price: fc.constantFrom(100, 101),
      side: fc.constantFrom(-1, 0, 1),
      second: fc.integer({ min: 0, max: 2 }),
      fates: fc.tuple(...Array.from({ length: 2 }, () => fate())),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((trades) => [0, 1].map((which) => sideOf(trades, which)) as [Print[], Print[]]);

function fate() {
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant("same" as const) },
    fc.constantFrom("gone", "merge", "price", "late", "refilled"),
  );
}

interface Fated {
  size: number;
  price: number;
  side: number;
  second: number;
  fates: readonly string[];
}

function sideOf(trades: readonly Fated[], which: number): Print[] {
  const prints: Print[] = [];
  let [seq, ms, carried] = [0, START_MS, 0];
  for (const [index, { size, price, side, second, fates }] of trades.entries()) {
    seq += size;
    ms += second * 1_000;
    const own = fates[which];
    if (own === "merge" && index < trades.length - 1) {
      carried += size;
      continue;
    }
    if (own !== "gone") {
      prints.push({
        ...{ seq, size: size + carried, side, isLive: own !== "refilled" },
        price: own === "price" ? price + 7 : price,
        ms: own === "late" ? ms + 3_000 : ms,
      });
    }
    carried = 0;
  }
  return prints;
}

function figuresOf(left: readonly Print[], right: readonly Print[]) {
  const tally = noTally();
  const { same, differences } = compare(left, right, ALIVE);
  for (const { volume } of same) addTo(tally, "same", volume);
  for (const { kind, volume } of differences) addTo(tally, kind, volume);
  return volumesOf(tally);
}

test("the figure is that of a slow oracle which looks at every share", () => {
  fc.assert(
    fc.property(sides, ([left, right]) => {
      const { matched, merged, answered } = figuresOf(left, right);
      const oracle = oracleOf(left, right);
      expect({ matched, merged, answered }).toEqual({
        matched: oracle.matched,
        merged: oracle.merged,
        answered: oracle.answered,
      });
    }),
    { numRuns: 3_000 },
  );
});

test("the order of prints, and prints that both sides have, change nothing of the rest", () => {
  fc.assert(
    fc.property(sides, fc.integer(), ([left, right], seed) => {
      const whole = compare(left, right, ALIVE);
      const shuffled = (list: Print[]) =>
        list.toSorted((a, b) => ((a.seq * seed) % 7) - ((b.seq * seed) % 7));
      expect(compare(shuffled(left), shuffled(right), ALIVE)).toEqual(whole);
      const isBoth = (list: Print[], one: Print) =>
        list.some((other) => JSON.stringify(other) === JSON.stringify(one));
      const rest = compare(
        left.filter((one) => !isBoth(right, one)),
        right.filter((one) => !isBoth(left, one)),
        ALIVE,
      );
      expect(rest.differences).toEqual(whole.differences);
    }),
  );
});
