// A policy that a tailnet had before tickhub came, merged with ours: nothing of either is dropped, and
// nothing of theirs may open or rename what is ours. Read as HuJSON, which is JSON with comments and commas
// after the last item, as Tailscale writes it.
import { isDeepStrictEqual } from "node:util";
import { parse, printParseErrorCode, type ParseError } from "jsonc-parser";
import { ADMINS, STRANGER } from "./tailnet-matrix.ts";
import { stagingTag, TAGS } from "./names.ts";
import type { Policy } from "./tailnet-policy.ts";

/** A policy file of anybody's. */
export type AnyPolicy = Record<string, unknown>;

/** @throws Error that names the line when the text is no HuJSON object */
export function parseHujson(text: string): AnyPolicy {
  const errors: ParseError[] = [];
  const value: unknown = parse(text, errors, { allowTrailingComma: true });
  const [first] = errors;
  if (first) {
    const line = text.slice(0, first.offset).split("\n").length;
    throw new Error(`tailnet policy, line ${line}: ${printParseErrorCode(first.error)}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error("tailnet policy: it has to be one object");
  }
  return value as AnyPolicy;
}

/** Ours with theirs beside it: maps by key, lists one after the other, other sections as they have them. */
export function mergeExtra(ours: Policy, extraText: string): Policy {
  const extra = parseHujson(extraText);
  const open = opened(extra);
  if (open.length > 0)
    throw new Error(`tailnet: the adopted policy opens what is ours: ${open[0]!}`);
  const merged: Policy = { ...ours };
  for (const [section, theirs] of Object.entries(extra)) {
    const mine = ours[section];
    if (mine === undefined) merged[section] = theirs;
    else merged[section] = mergeSection(section, mine, theirs);
  }
  return merged;
}

function mergeSection(section: string, mine: unknown, theirs: unknown): unknown {
  if (Array.isArray(mine) && Array.isArray(theirs))
    return [...(mine as unknown[]), ...(theirs as unknown[])];
  if (
    Array.isArray(mine) ||
    Array.isArray(theirs) ||
    typeof theirs !== "object" ||
    theirs === null
  ) {
    throw new Error(`tailnet: the adopted policy's "${section}" is of another kind than ours`);
  }
  const both = { ...(mine as Record<string, unknown>) };
  for (const [key, value] of Object.entries(theirs)) {
    if (key in both && !isDeepStrictEqual(both[key], value)) {
      throw new Error(`tailnet: the adopted policy has a "${key}" of its own in "${section}"`);
    }
    both[key] = value;
  }
  return both;
}

/** Rules (`grants[2]: …`) that reach every machine on every port, as a new tailnet's do. */
export function allowingAll(policy: AnyPolicy): { section: "acls" | "grants"; index: number }[] {
  return rules(policy)
    .filter(({ destinations, ports }) => destinations.includes("*") && ports.includes("*"))
    .map(({ section, index }) => ({ section, index }));
}

/** What in a policy of theirs names a machine of ours as its destination, or every machine; in words. */
export function opened(policy: AnyPolicy): string[] {
  const aliases = (policy["hosts"] ?? {}) as Record<string, unknown>;
  return rules(policy).flatMap(({ section, index, destinations }) =>
    destinations
      .filter((name) => reachesOurs(typeof aliases[name] === "string" ? aliases[name] : name))
      .map((destination) => `${section}[${index}] reaches "${destination}"`),
  );
}

interface Rule {
  section: "acls" | "grants";
  index: number;
  destinations: string[];
  ports: string[];
}

function rules(policy: AnyPolicy): Rule[] {
  const found: Rule[] = [];
  for (const section of ["acls", "grants"] as const) {
    const list = policy[section];
    if (!Array.isArray(list)) continue;
    list.forEach((rule: unknown, index) => {
      const { dst, ports, ip, app } = (rule ?? {}) as Record<string, unknown>;
      // A capability for an application opens no port.
      if (section === "grants" && ip === undefined && app !== undefined) return;
      // The first policies had `users` and `ports`.
      const targets = texts(dst ?? ports);
      found.push({
        section,
        index,
        // An access rule's destination ends in its ports; a grant has them apart.
        destinations: section === "acls" ? targets.map((it) => it.replace(/:[^:]*$/, "")) : targets,
        ports: section === "acls" ? targets.map((it) => it.replace(/^.*:/, "")) : texts(ip),
      });
    });
  }
  return found;
}

const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];

const OUR_TAGS = new Set<string>(Object.values(TAGS).flatMap((tag) => [tag, stagingTag(tag)]));
const WIDE = new Set(["*", "autogroup:tagged", "autogroup:danger-all", ADMINS, STRANGER.name]);

/**
 * Machines join by tag and with any address, so a range of the tailnet's addresses holds them too, and a
 * named set of addresses may.
 */
const reachesOurs = (destination: string): boolean =>
  OUR_TAGS.has(destination) ||
  WIDE.has(destination) ||
  destination.startsWith("ipset:") ||
  /^(\d|fd7a:).*-/.test(destination) ||
  /^(::\/|fd7a:.*\/(?!128$))/.test(destination) ||
  overlapsTailnet(destination);

/** Does `a.b.c.d/n`, of more than one address, share any with 100.64.0.0/10? */
function overlapsTailnet(range: string): boolean {
  const found = /^(\d+)\.(\d+)\.\d+\.\d+\/(\d+)$/.exec(range);
  if (found === null) return false;
  const [first = 0, second = 0, length = 0] = found.slice(1).map(Number);
  if (length === 32) return false;
  const shift = 16 - Math.min(length, 10);
  return (first * 256 + second) >> shift === (100 * 256 + 64) >> shift;
}
