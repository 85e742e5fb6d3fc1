// docs/alerts.md and the rules say the same.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Rule } from "../../app/sentinel/rule.ts";
import { HOUR, MINUTE, SECOND } from "../../app/sentinel/rule.ts";
import { RULES } from "../../app/sentinel/rules.ts";

const page = readFileSync("docs/alerts.md", "utf8");
const sections = new Map(
  page
    .split(/^### /m)
    .slice(1)
    .map((section) => [section.split("\n", 1)[0]!, section]),
);

function spanOf(ms: number): string {
  if (ms === 0) return "at once";
  if (ms < 2 * MINUTE) return `${ms / SECOND} s`;
  if (ms <= HOUR) return `${ms / MINUTE} min`;
  return ms <= 24 * HOUR ? `${ms / HOUR} h` : `${ms / HOUR / 24} days`;
}

describe("docs/alerts.md", () => {
  it("has a heading for each rule, and no other", () => {
    expect([...sections.keys()].sort()).toEqual(Object.keys(RULES).sort());
  });

  it.each(Object.entries<Rule>(RULES))("has the times of %s", (name, rule) => {
    const { forMs, clearMs, repeatMs } = rule;
    const times = [forMs, clearMs, repeatMs].map(spanOf).join(" · ");
    expect(sections.get(name)).toContain(`Times: ${times}.`);
  });

  it("each rule says what to do, in both languages", () => {
    for (const { next } of Object.values<Rule>(RULES)) {
      expect(next.en).toMatch(/^\S.{10,}[.?]$/);
      expect(next.ko).toMatch(/[가-힣].*\.$/);
    }
  });
});
