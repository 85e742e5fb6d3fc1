// What becomes of the policy a tailnet has when tickhub's is put into its place. Pure: the policy's text in,
// what to save and what will change out. Nothing of theirs is dropped silently: a rule that allows all has to
// be given up by a word, and a rule that reaches our machines has to be narrowed by hand.
import { isDeepStrictEqual } from "node:util";
import { applyEdits, modify } from "jsonc-parser";
import { allowingAll, type AnyPolicy, opened, parseHujson } from "./tailnet-extra.ts";
import { type TailnetPlan, tailnetPolicy } from "./tailnet-policy.ts";

export type Adoption =
  /** The tailnet holds a rule that lets everybody do everything; `rules` say which. */
  | { outcome: "allows-all"; rules: string[] }
  /** Rules of theirs reach what is ours; they have to be narrowed first. */
  | { outcome: "opens-ours"; rules: string[] }
  /** `extra` is what is worth keeping, null when nothing is; `changes` are `+ …` and `- …` lines. */
  | { outcome: "adopted"; extra: string | null; changes: string[] };

/**
 * @param present - HuJSON of the policy in force
 * @param plan - without `extraPolicy`
 * @throws Error when the text is no policy, or has names of its own for what is ours
 */
export function adopt(
  present: string,
  plan: Omit<TailnetPlan, "extraPolicy">,
  { dropAllowAll }: { dropAllowAll: boolean },
): Adoption {
  const policy = parseHujson(present);
  const all = allowingAll(policy);
  if (all.length > 0 && !dropAllowAll) {
    const rules = all.map(({ section, index }) => ruleText(policy, section, index));
    return { outcome: "allows-all", rules };
  }
  let extra = present;
  for (const { section, index } of all.reverse()) extra = without(extra, [section, index]);
  extra = withoutOurs(extra, tailnetPolicy(plan));

  const rest = parseHujson(extra);
  const rules = opened(rest);
  if (rules.length > 0) return { outcome: "opens-ours", rules };
  const kept = isWorthKeeping(rest) ? extra : null;
  const next = tailnetPolicy(kept === null ? plan : { ...plan, extraPolicy: kept });
  return { outcome: "adopted", extra: kept, changes: changes(policy, next) };
}

/** A policy that is in force may hold ours already; those parts, and what is empty then, are not theirs. */
function withoutOurs(text: string, ours: AnyPolicy): string {
  for (const [section, mine] of Object.entries(ours)) {
    const theirs = parseHujson(text)[section];
    if (Array.isArray(theirs) && Array.isArray(mine)) {
      for (let index = theirs.length - 1; index >= 0; index--) {
        if (has(mine, theirs[index])) text = without(text, [section, index]);
      }
    } else if (isMap(theirs) && isMap(mine)) {
      for (const key of Object.keys(theirs)) {
        if (isDeepStrictEqual(theirs[key], mine[key])) text = without(text, [section, key]);
      }
    }
  }
  for (const [section, left] of Object.entries(parseHujson(text))) {
    const isEmpty = Array.isArray(left) ? left.length === 0 : isMap(left) && isEmptyMap(left);
    if (isEmpty) text = without(text, [section]);
  }
  return text;
}

/** The text without one part of it; comments elsewhere stay. */
const without = (text: string, path: (string | number)[]): string =>
  applyEdits(text, modify(text, path, undefined, {}));

/** Rules that every new tailnet has, and that mean nothing without its allow-all. */
const DEFAULTS: Record<string, unknown[]> = {
  ssh: [
    {
      action: "check",
      src: ["autogroup:member"],
      dst: ["autogroup:self"],
      users: ["autogroup:nonroot", "root"],
    },
  ],
  nodeAttrs: [{ target: ["autogroup:member"], attr: ["funnel"] }],
};

function isWorthKeeping(rest: AnyPolicy): boolean {
  return Object.entries(rest).some(([section, value]) => {
    if (Array.isArray(value)) return value.some((item) => !has(DEFAULTS[section] ?? [], item));
    return true;
  });
}

/** What is in one policy and not in the other, by section; of the tests their number only. */
function changes(before: AnyPolicy, after: AnyPolicy): string[] {
  const lines: string[] = [];
  for (const section of new Set([...Object.keys(after), ...Object.keys(before)])) {
    const [old, fresh] = [entries(before[section]), entries(after[section])];
    const gone = old.filter((entry) => !has(fresh, entry));
    const come = fresh.filter((entry) => !has(old, entry));
    if (section === "tests") {
      if (come.length > 0) lines.push(`+ tests: ${come.length}`);
      if (gone.length > 0) lines.push(`- tests: ${gone.length}`);
      continue;
    }
    for (const entry of gone) lines.push(`- ${section}: ${JSON.stringify(entry)}`);
    for (const entry of come) lines.push(`+ ${section}: ${JSON.stringify(entry)}`);
  }
  return lines;
}

function entries(value: unknown): unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  return isMap(value) ? Object.entries(value).map(([key, item]) => ({ [key]: item })) : [value];
}

const ruleText = (policy: AnyPolicy, section: string, index: number): string =>
  `${section}[${index}]: ${JSON.stringify((policy[section] as unknown[])[index])}`;

const has = (list: unknown[], item: unknown) => list.some((one) => isDeepStrictEqual(one, item));

const isEmptyMap = (value: object) => Object.keys(value).length === 0;

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
