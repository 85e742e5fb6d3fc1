// All rules by name. docs/alerts.md has a heading for each; a test compares.
import { MACHINE_RULES } from "./machine-rules.ts";
import { MARKET_RULES } from "./market-rules.ts";
import { REACH_RULES } from "./reach-rules.ts";
import type { Observation } from "./observation.ts";
import type { Rule, Verdict } from "./rule.ts";

export const RULES = { ...REACH_RULES, ...MARKET_RULES, ...MACHINE_RULES } as const;
export type RuleName = keyof typeof RULES;

/** What every rule says of one look. */
export function judgeAll(seen: Observation): Map<RuleName, Verdict> {
  const all = Object.entries<Rule>(RULES) as [RuleName, Rule][];
  return new Map(all.map(([name, rule]) => [name, rule.judge(seen)]));
}
