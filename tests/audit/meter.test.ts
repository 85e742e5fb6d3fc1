// Rows, the projection to the month's end and the month's sum: arithmetic with a known answer.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Report } from "../../app/audit/meter.ts";
import { billLines, billOf, rowOf } from "../../app/audit/meter.ts";
import { atMonthEnd, monthOf } from "../../app/audit/month.ts";
import type { Limit, LimitName } from "../../app/shared/free-tier.ts";
import { LIMITS } from "../../app/shared/free-tier.ts";

const half = monthOf(Date.parse("2026-11-16T00:00:00Z"));
const report = (more: Partial<Report>): Report => ({
  section: "OCI",
  findings: [],
  rows: [],
  extras: [],
  ...more,
});

describe("the billing month", () => {
  it("is that of UTC, February and December too", () => {
    const of = (date: string) => {
      const { startMs, endMs } = monthOf(Date.parse(date));
      return [new Date(startMs).toISOString(), new Date(endMs).toISOString()];
    };
    expect(of("2028-02-29T23:59:59Z")).toEqual([
      "2028-02-01T00:00:00.000Z",
      "2028-03-01T00:00:00.000Z",
    ]);
    expect(of("2026-12-31T15:00:00Z")).toEqual([
      "2026-12-01T00:00:00.000Z",
      "2027-01-01T00:00:00.000Z",
    ]);
  });

  it("projects a steady use to what it will be, from any moment after the first day", () => {
    const moment = fc.integer({ min: Date.parse("2026-01-01"), max: Date.parse("2028-12-31") });
    fc.assert(
      fc.property(moment, fc.double({ min: 0.001, max: 1e6, noNaN: true }), (nowMs, perDay) => {
        const month = monthOf(nowMs);
        const days = (month.nowMs - month.startMs) / 86_400_000;
        const end = atMonthEnd(perDay * days, month);
        if (days < 1) expect(end).toBeUndefined();
        else expect(end).toBeCloseTo((perDay * (month.endMs - month.startMs)) / 86_400_000, 3);
      }),
    );
  });
});

describe("a row", () => {
  it("passes a confirmed limit exactly when more than the limit will be used", () => {
    const names = (Object.entries(LIMITS) as [LimitName, Limit][]).filter(
      ([, { confidence }]) => confidence === "confirmed",
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...names),
        fc.double({ min: 0, max: 3, noNaN: true }),
        fc.boolean(),
        ([limit, { limit: free }], share, counts) => {
          const used = share * free;
          const row = rowOf({ limit, used, counts, usdEach: 1 }, half);
          const end = counts ? used * 2 : used;
          expect(row.level === "fail").toBe(end > free);
          expect(row.unconfirmedUsd).toBe(0);
          expect(row.knownUsd).toBeCloseTo(Math.max(0, end - free), 1);
        },
      ),
    );
  });

  it("that nobody has confirmed costs its worst case, more for more, and never fails", () => {
    const usd = (used: number) => rowOf({ limit: "ociReservedIps", used }, half);
    expect(usd(0)).toMatchObject({ level: "ok", unconfirmedUsd: 0, knownUsd: 0 });
    expect(usd(1)).toMatchObject({ level: "ok", unconfirmedUsd: 3.65 });
    expect(usd(3)).toMatchObject({ level: "note", unconfirmedUsd: 10.95, knownUsd: 0 });
  });

  it("of something that no API tells costs its worst case", () => {
    const row = rowOf({ limit: "northflankEgressGb", used: undefined }, half);
    expect(row).toMatchObject({ level: "note", unconfirmedUsd: 11.04, share: undefined });
  });

  it("of a count warns from 80 % of what the month's end will bring, and not of what stands still", () => {
    const level = (used: number, counts: boolean) =>
      rowOf({ limit: "gcpEgressGb", used, counts }, half).level;
    expect(level(0.39, true)).toBe("ok");
    expect(level(0.41, true)).toBe("note");
    expect(level(0.51, true)).toBe("fail");
    expect(level(1, false)).toBe("ok");
  });

  it("takes a count as it stands within the month's first day", () => {
    const first = monthOf(Date.parse("2026-11-01T06:00:00Z"));
    const row = rowOf({ limit: "gcpEgressGb", used: 0.5, counts: true }, first);
    expect(row).toMatchObject({ level: "ok", atMonthEnd: undefined });
  });
});

describe("the month's sum", () => {
  it("is that of rows and extras, and the vendor's own figure where it is more", () => {
    const row = rowOf({ limit: "ociBlockGb", used: 300, usdEach: 0.0425 }, half);
    const extra = { what: "x", usd: 2 };
    expect(billOf([report({ rows: [row], extras: [extra] })], half)).toMatchObject({
      ok: false,
      knownUsd: 6.25,
    });
    // 5.00 in half a month.
    expect(billOf([report({ rows: [row], spentUsd: 5 })], half)).toMatchObject({ knownUsd: 10 });
    expect(billOf([report({ rows: [row], spentUsd: 1 })], half)).toMatchObject({ knownUsd: 4.25 });
  });

  it("is not fine with something in it that has no price here", () => {
    const bill = billOf([report({ extras: [{ what: "x", usd: undefined }] })], half);
    expect(bill).toMatchObject({ ok: false, knownUsd: 0 });
    expect(billLines(bill)).toBe("not free: known 0.00 + unconfirmed <= 0.00 USD a month\n");
  });

  it("names the sections that are not in it", () => {
    const bill = billOf([report({}), report({ section: "GCP", skipped: true })], half);
    expect(billLines(bill)).toBe(
      "not in it, because not asked: GCP\nok: known 0.00 + unconfirmed <= 0.00 USD a month\n",
    );
  });
});
