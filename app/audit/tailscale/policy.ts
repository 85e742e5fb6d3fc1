// The tailnet's policy against the committed one: does it let everybody through, does it know tickhub, and in what
// does it differ. Rules are compared after sorting, because their order means nothing. Pure.
import type { Finding } from "../finding.ts";
import { sectionOf } from "../finding.ts";

const { ok, note, fail } = sectionOf("Tailscale");

export type Policy = Record<string, unknown>;

/** Sections whose entries are rules, and those whose entries are named. Tests are no rules: they change nothing. */
const RULES = ["grants", "acls", "ssh", "nodeAttrs", "autoApprovers"] as const;
const NAMED = ["tagOwners", "hosts"] as const;

/** A diff of more lines than this is read better side by side. */
const LINES_MAX = 6;

export function policyFinding(policy: Policy, ours: Policy | undefined): Finding {
  if (allowsAll(policy))
    return fail(
      "policy",
      "everything may reach everything, as in a new tailnet",
      "Run `npm run tailnet:adopt`, then `pulumi up --stack oci`, before a machine joins.",
    );
  const owners = Object.keys(policy["tagOwners"] ?? {});
  if (!owners.includes("tag:hub"))
    return fail(
      "policy",
      "somebody's own, which does not know tickhub's tags",
      "Run `npm run tailnet:adopt`: it keeps these rules and merges tickhub's into them.",
    );
  if (ours === undefined)
    return note("policy", "knows tickhub's tags; there is no committed one here to compare with");
  const { missing, extra } = drift(policy, ours);
  if (missing.length + extra.length === 0) return ok("policy", "as committed");
  const lines = [...missing.map((line) => `- ${line}`), ...extra.map((line) => `+ ${line}`)];
  const shown = lines.slice(0, LINES_MAX).join("; ");
  const rest = lines.length > LINES_MAX ? `; and ${lines.length - LINES_MAX} more` : "";
  const next = "Compare with `pulumi preview --stack oci --diff`; `pulumi up` puts it back.";
  return missing.length === 0
    ? note("policy", `ours and more: ${shown}${rest}`, `Fine when adopted. ${next}`)
    : fail("policy", `not as committed: ${shown}${rest}`, next);
}

/** A rule from anybody to anything on any port, in either of the two languages of policies. */
export function allowsAll(policy: Policy): boolean {
  const any = (value: unknown, ...words: string[]) =>
    Array.isArray(value) && value.some((word) => words.includes(String(word)));
  const everyone = ["*", "autogroup:member"];
  const rules = (name: string) =>
    Array.isArray(policy[name]) ? (policy[name] as Record<string, unknown>[]) : [];
  const acl = rules("acls").some(
    (rule) => any(rule["src"], ...everyone) && any(rule["dst"], "*:*"),
  );
  const grant = rules("grants").some(
    (rule) => any(rule["src"], ...everyone) && any(rule["dst"], "*") && any(rule["ip"], "*", "*:*"),
  );
  // No rule at all, and not even an empty list of them, is Tailscale's allow-all as well.
  return acl || grant || (policy["acls"] === undefined && policy["grants"] === undefined);
}

/** Entries on one side only. Who is an admin is a user's own business, so groups do not count. */
export function drift(found: Policy, ours: Policy): { missing: string[]; extra: string[] } {
  const here = new Set(entriesOf(found));
  const there = new Set(entriesOf(ours));
  return {
    missing: [...there].filter((entry) => !here.has(entry)),
    extra: [...here].filter((entry) => !there.has(entry)),
  };
}

function entriesOf(policy: Policy): string[] {
  const rules = RULES.flatMap((name) => {
    const value = policy[name];
    const list = Array.isArray(value) ? value : value === undefined ? [] : [value];
    return list.map((rule) => `${name} ${JSON.stringify(sorted(rule))}`);
  });
  const named = NAMED.flatMap((name) =>
    Object.entries(policy[name] ?? {}).map(
      ([key, value]) => `${name} ${key} ${JSON.stringify(sorted(value))}`,
    ),
  );
  return [...rules, ...named];
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted).toSorted(byText);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => [name, sorted(member)]),
  );
}

function byText(a: unknown, b: unknown): number {
  const [left, right] = [JSON.stringify(a), JSON.stringify(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}
