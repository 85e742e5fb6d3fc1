// The table of vendors' limits: complete, dated, and the same in docs/free-tier.md.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Limit } from "../../app/shared/free-tier.ts";
import { LIMITS } from "../../app/shared/free-tier.ts";
import { FREE_TYPES, isFreeType, PAID_TYPES } from "../../infra/lib/free-tier.ts";
import { freeTierDocument } from "../../scripts/free-tier-doc.ts";

const limits = Object.entries(LIMITS) as [string, Limit][];

describe("the free tier's table", () => {
  it.each(limits)("says where and when %s was read", (_, limit) => {
    expect(limit.source).not.toBe("");
    expect(limit.checked).toMatch(/^20\d\d-\d\d-\d\d$/);
    expect(limit.limit).toBeGreaterThanOrEqual(0);
  });

  it("has a worst case, worked out, for every figure that nobody has confirmed, and for no other", () => {
    for (const [name, { confidence, worstCaseUsd, worstCase }] of limits) {
      expect(worstCaseUsd !== undefined, name).toBe(confidence === "unconfirmed");
      expect(worstCase !== undefined, name).toBe(confidence === "unconfirmed");
    }
  });

  it("is the document's, to the letter", async () => {
    expect(await freeTierDocument()).toBe(readFileSync("docs/free-tier.md", "utf8"));
  });

  it("names no type as both free and paid", () => {
    for (const type of FREE_TYPES)
      for (const paid of PAID_TYPES) expect(paid.type.test(type), type).toBe(false);
    expect(isFreeType("oci:Core/instance:Instance2")).toBe(false);
    expect(isFreeType("tickhub:hub:Hub")).toBe(true);
  });
});
