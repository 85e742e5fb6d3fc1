// The strip of a day, painted from stretches. Pure.
import { describe, expect, test } from "vitest";
import { paintStrip } from "../../../app/hub/query/strip.ts";
import type { StripSpan } from "../../../app/hub/query/strip.ts";

const DAY = 20261125;
const at = (time: string) => Date.parse(`2026-11-25T${time}:00+09:00`);
const END = at("23:59");
const span = (from: string, to: string, state: StripSpan["state"], more = {}): StripSpan => ({
  ...{ source: "kis:1", venue: "KRX", symbol: "005930", state, fromMs: at(from), toMs: at(to) },
  ...more,
});
const paint = (spans: StripSpan[], nowMs = END, stepMs = 300_000) =>
  paintStrip(spans, { day: DAY, stepMs, nowMs });
function cellAt(strip: ReturnType<typeof paint>, time: string, row = 0): string | undefined {
  return strip.rows[row]!.cells[Math.floor((at(time) - strip.fromMs) / strip.stepMs)];
}

describe("the strip", () => {
  test("has in each step the worst of what is in it, however short", () => {
    const strip = paint([
      span("09:00", "10:02", "verified"),
      span("10:02", "10:03", "gap"),
      span("10:03", "15:20", "volume-verified"),
    ]);
    expect(["09:55", "10:00", "10:05"].map((time) => cellAt(strip, time))).toEqual(["v", "g", "w"]);
  });

  test("shows what is to come as to come, and what nobody expects as that", () => {
    const strip = paint(
      [
        span("09:00", "12:02", "alive"),
        span("12:02", "15:30", "not recorded"),
        span("15:30", "18:00", "not expected"),
      ],
      at("12:02"),
    );
    expect(
      ["11:55", "12:00", "12:05", "15:25", "15:35"].map((time) => cellAt(strip, time)),
    ).toEqual(["a", "a", " ", " ", "."]);
  });

  test("counts as verified only what was due so far and collected", () => {
    const strip = paint(
      [
        span("00:00", "09:00", "not expected"),
        span("09:00", "10:00", "not recorded"),
        span("10:00", "11:00", "verified"),
        span("11:00", "13:00", "alive"),
      ],
      at("12:00"),
    );
    expect(strip.rows[0]!.verifiedShare).toBe(0.5);
    expect(paint([span("00:00", "09:00", "not expected")]).rows[0]!.verifiedShare).toBeNull();
  });

  test("has one frame for all rows, which are sorted by venue, symbol and source", () => {
    const strip = paint([
      span("09:00", "10:00", "gap", { source: "kiwoom:1" }),
      span("09:00", "10:00", "gap", { symbol: "000660" }),
      span("09:00", "10:00", "alive"),
    ]);
    expect(strip.rows.map(({ symbol, source }) => `${symbol} ${source}`)).toEqual([
      ...["000660 kis:1", "005930 kis:1", "005930 kiwoom:1"],
    ]);
    expect(new Set(strip.rows.map(({ cells }) => cells.length)).size).toBe(1);
    expect((strip.toMs - strip.fromMs) % strip.stepMs).toBe(0);
  });

  test("of a day of which nothing is known has no rows", () => {
    expect(paint([]).rows).toEqual([]);
  });
});
