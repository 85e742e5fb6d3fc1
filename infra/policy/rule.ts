// What a rule of the policy pack is, apart from Pulumi: a pure check over planned resources, with the text
// that a refused plan shows. index.ts turns rules into CrossGuard policies; tests and `npm run infra:check`
// call the same checks on resources that no engine has seen.
import type { Policies, PolicyResourceOptions, ReportViolation } from "@pulumi/policy";
import type { Role } from "../config.ts";

/** What a rule has to know of the stack besides its resources. */
export interface Facts {
  role: Role;
  staging: boolean;
  allowPaid: boolean;
  brokers: "real" | "simulated";
}

/** Stands for a value that only the update will know. */
export const UNKNOWN = Symbol("not known before the update");

export interface Resource {
  type: string;
  name: string;
  urn: string;
  inputs: Record<string, unknown>;
  protect: boolean;
  ignoreChanges: readonly string[];
}

/** What is wrong; the rule adds why it matters and what to do. */
export interface Violation {
  what: string;
  /** Absent when it is the stack as a whole. */
  resource?: Resource;
}

interface RuleText {
  /** Stable: people write it into policy configs. */
  name: string;
  /**
   * `bill` rules become advice in a stack with `allowPaid`; `safety` rules never do, because no money
   * brings back a volume or closes a port.
   */
  about: "bill" | "safety";
  description: string;
  why: string;
  fix: string;
}

/** One resource at a time: checked before that resource is touched, in previews and in updates. */
export interface ResourceRule extends RuleText {
  over: "resource";
  check: (resource: Resource, facts: Facts) => string[];
}

/** All resources together: checked at the preview's end, which is before the update begins. */
export interface StackRule extends RuleText {
  over: "stack";
  check: (resources: readonly Resource[], facts: Facts) => Violation[];
}

export type Rule = ResourceRule | StackRule;

/** Everything a set of rules has against a plan. */
export function violationsOf(
  rules: readonly Rule[],
  resources: readonly Resource[],
  facts: Facts,
): (Violation & { rule: Rule; message: string })[] {
  return rules.flatMap((rule) =>
    (rule.over === "stack"
      ? rule.check(resources, facts)
      : resources.flatMap((resource) =>
          rule.check(resource, facts).map((what): Violation => ({ what, resource })),
        )
    ).map((violation) => ({ ...violation, rule, message: messageOf(rule, violation.what) })),
  );
}

/** The sentence shown: what is wrong, why it bills or endangers, what to do. */
export function messageOf(rule: RuleText, what: string): string {
  return `${what} ${rule.why} Fix: ${rule.fix}`;
}

/** The rules as CrossGuard takes them. */
export function policiesOf(rules: readonly Rule[], facts: Facts): Policies {
  return rules.map((rule) => {
    const text = {
      name: rule.name,
      description: rule.description,
      enforcementLevel:
        rule.about === "bill" && facts.allowPaid ? ("advisory" as const) : ("mandatory" as const),
    };
    if (rule.over === "stack")
      return {
        ...text,
        validateStack: ({ resources }, report: ReportViolation) => {
          for (const { what, resource } of rule.check(resources.map(resourceOf), facts))
            report(messageOf(rule, what), resource?.urn);
        },
      };
    return {
      ...text,
      validateResource: (args, report: ReportViolation) => {
        for (const what of rule.check(resourceOf(args), facts)) report(messageOf(rule, what));
      },
    };
  });
}

/** A resource as CrossGuard hands it over, with unknown values as {@link UNKNOWN} instead of exceptions. */
export function resourceOf(args: {
  type: string;
  name: string;
  urn: string;
  props: Record<string, unknown>;
  opts: Pick<PolicyResourceOptions, "protect" | "ignoreChanges">;
}): Resource {
  const { type, name, urn, opts } = args;
  return {
    type,
    name,
    urn,
    inputs: withoutTraps(args.props) as Record<string, unknown>,
    protect: opts.protect,
    ignoreChanges: opts.ignoreChanges,
  };
}

/** A deep copy; reading a value that is not known throws there, so each read stands alone. */
function withoutTraps(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const read = (key: string | number): unknown => {
    let member: unknown;
    try {
      member = (value as Record<string | number, unknown>)[key];
    } catch {
      return UNKNOWN;
    }
    return withoutTraps(member);
  };
  if (Array.isArray(value)) return Array.from({ length: value.length }, (_, index) => read(index));
  return Object.fromEntries(Object.keys(value).map((key) => [key, read(key)]));
}
