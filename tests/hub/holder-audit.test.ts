// What an edge says beside what the hub has, with time as an argument.
import { describe, expect, test } from "vitest";
import { HolderAudit } from "../../app/hub/query/holder-audit.ts";
import type { HolderReading } from "../../app/hub/query/holder-audit.ts";

const NOTHING = { received: 0, committed: 0, duplicate: 0, quarantined: 0, lost: 0 };

function reading(seenMs: number, said: object, stored: object): HolderReading {
  return {
    edge: "kis",
    account: "kis:1",
    holder: "h",
    seenMs,
    said: { ...NOTHING, held: 0, ...said },
    stored: { ...NOTHING, ...stored },
  };
}

describe("an edge", () => {
  test("may be behind with what it knows to be stored, never ahead", () => {
    const audit = new HolderAudit();
    const stored = { received: 10, committed: 7, duplicate: 2, quarantined: 1 };
    const checks = (said: object) => audit.hear(1_000, [reading(1_000, said, stored)]);
    expect(checks({ received: 99, committed: 7, duplicate: 2, quarantined: 1 })).toEqual([]);
    expect(checks({ committed: 8 })).toMatchObject([{ check: "settled", records: -1 }]);
    expect(checks({ quarantined: 3 })).toMatchObject([{ check: "settled", records: -2 }]);
    expect(checks({ committed: 7, duplicate: 3, quarantined: 1 })).toHaveLength(1);
    // Its old batch came again after the statistics were dropped: a duplicate, and stored all the same.
    expect(checks({ committed: 5, duplicate: 4, quarantined: 1 })).toEqual([]);
  });

  test("that spoke before the last batches came is no proof that they are too many", () => {
    const audit = new HolderAudit();
    for (let nowMs = 0; nowMs < 60_000; nowMs += 1_000) {
      const received = nowMs / 10;
      // The question was 14 s under way.
      const said = { received: Math.max(0, received - 1_400), committed: 0 };
      expect(audit.hear(nowMs, [reading(nowMs, said, { received })])).toEqual([]);
    }
  });

  test("cannot have received less than was stored of it, said three times", () => {
    const audit = new HolderAudit();
    const found: number[] = [];
    for (let nowMs = 0; nowMs < 30_000; nowMs += 1_000) {
      const wrong = audit.hear(nowMs, [reading(nowMs, { received: 99 }, { received: 100 })]);
      if (wrong.length > 0) found.push(nowMs);
      for (const one of wrong) expect(one).toMatchObject({ check: "received", records: 1 });
    }
    expect(found[0]).toBe(17_000);
    expect(found).toHaveLength(13);
  });

  test("that is gone is not judged by what came after its last word", () => {
    const audit = new HolderAudit();
    for (let nowMs = 0; nowMs < 120_000; nowMs += 1_000) {
      const stored = { received: nowMs < 5_000 ? 90 : 120 };
      expect(audit.hear(nowMs, [reading(4_000, { received: 99 }, stored)])).toEqual([]);
    }
  });
});
