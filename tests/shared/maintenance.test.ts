// Windows in which alerts are held back, by Korea's wall clock.
import { describe, expect, it } from "vitest";
import { isInWindow, parseWindow } from "../../app/shared/maintenance.ts";

const at = (kst: string) => Date.parse(`${kst}+09:00`);
const isOpen = (text: string, kst: string) => isInWindow([parseWindow(text)!], at(kst));

describe("a maintenance window", () => {
  it("is open on its day between its times, by Korea's clock", () => {
    // 2026-11-29 is a Sunday.
    expect(isOpen("sun 02:00-04:00", "2026-11-29T01:59:59")).toBe(false);
    expect(isOpen("sun 02:00-04:00", "2026-11-29T02:00:00")).toBe(true);
    expect(isOpen("sun 02:00-04:00", "2026-11-29T03:59:59")).toBe(true);
    expect(isOpen("sun 02:00-04:00", "2026-11-29T04:00:00")).toBe(false);
    expect(isOpen("sun 02:00-04:00", "2026-11-30T03:00:00")).toBe(false);
  });

  it("goes over midnight into the next day", () => {
    expect(isOpen("sat 23:50-00:10", "2026-11-28T23:55:00")).toBe(true);
    expect(isOpen("sat 23:50-00:10", "2026-11-29T00:05:00")).toBe(true);
    expect(isOpen("sat 23:50-00:10", "2026-11-28T00:05:00")).toBe(false);
    expect(isOpen("daily 23:50-00:10", "2026-11-28T00:05:00")).toBe(true);
  });

  it("of another form is none", () => {
    for (const text of [
      "",
      "sunday 02:00-04:00",
      "sun 2:00-4:00",
      "sun 02:00-02:00",
      "sun 24:00-25:00",
    ]) {
      expect(parseWindow(text)).toBeNull();
    }
  });
});
