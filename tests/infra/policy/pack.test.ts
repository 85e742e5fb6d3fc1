// The rules as CrossGuard runs them: levels, unknown values, and facts from a stack's config.
import type {
  ResourceValidationArgs,
  ResourceValidationPolicy,
  StackValidationArgs,
  StackValidationPolicy,
} from "@pulumi/policy";
import * as policyKit from "@pulumi/policy";
import { describe, expect, it } from "vitest";
import { factsOf } from "../../../infra/policy/facts.ts";
import type { Resource } from "../../../infra/policy/rule.ts";
import { policiesOf, resourceOf, UNKNOWN } from "../../../infra/policy/rule.ts";
import { rules } from "../../../infra/policy/rules/all.ts";
import { instance, micro, planned, PRODUCTION } from "./plan.ts";

/** Exported for helpers like these, though its declaration is left out of the package. */
const { unknownCheckingProxy } = policyKit as unknown as {
  unknownCheckingProxy: (inputs: Record<string, unknown>) => Record<string, unknown>;
};

/** What the engine sends for a number that it does not know yet. */
const UNKNOWN_NUMBER = "3eeb2bf0-c639-47a8-9e75-3b44932eb421";
const UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

function argsOf({ type, name, urn, inputs, protect, ignoreChanges }: Resource) {
  return {
    type,
    name,
    urn,
    props: unknownCheckingProxy(inputs),
    opts: { protect, ignoreChanges },
  } as unknown as ResourceValidationArgs;
}

async function reportsOf(resource: Resource): Promise<string[]> {
  const reports: string[] = [];
  for (const policy of policiesOf(rules, PRODUCTION)) {
    const { validateResource } = policy as ResourceValidationPolicy;
    if (typeof validateResource !== "function") continue;
    await validateResource(argsOf(resource), (message) =>
      reports.push(`${policy.name}: ${message}`),
    );
  }
  return reports;
}

async function stackReportsOf(resources: Resource[]): Promise<[string, string | undefined][]> {
  const reports: [string, string | undefined][] = [];
  for (const policy of policiesOf(rules, PRODUCTION)) {
    const { validateStack } = policy as Partial<StackValidationPolicy>;
    await validateStack?.(
      { resources: resources.map(argsOf) } as unknown as StackValidationArgs,
      (message, urn) => reports.push([`${policy.name}: ${message}`, urn]),
    );
  }
  return reports;
}

describe("the pack", () => {
  it("is mandatory throughout, and only what bills becomes advice with allowPaid", () => {
    for (const { name, enforcementLevel } of policiesOf(rules, PRODUCTION))
      expect(enforcementLevel, name).toBe("mandatory");
    const paid = policiesOf(rules, { ...PRODUCTION, allowPaid: true });
    for (const [index, { name, about }] of rules.entries())
      expect(paid[index]!.enforcementLevel, name).toBe(about === "bill" ? "advisory" : "mandatory");
    expect(rules.filter(({ about }) => about === "safety").map(({ name }) => name)).toEqual(
      expect.arrayContaining(["oci-volume-protected", "oci-public-ingress", "tailnet-policy-kept"]),
    );
  });

  it("says what, why and the fix of a plan with 4 OCPU", async () => {
    const reports = await reportsOf(instance({ shapeConfig: { ocpus: 4, memoryInGbs: 12 } }));
    expect(reports).toEqual([
      "oci-shape: It has 4 OCPU; 2 are free. Every other shape bills by the hour, and over-limit A1 " +
        "instances are terminated. Fix: VM.Standard.A1.Flex with at most 2 OCPU and 12 GB, or " +
        "VM.Standard.E2.1.Micro; allowPaid for more.",
    ]);
  });

  it("does not stumble over what only the update knows", async () => {
    const unknown = { ocpus: UNKNOWN_NUMBER, memoryInGbs: 12 };
    const reports = await reportsOf(
      instance({
        shapeConfig: unknown,
        metadata: { user_data: UNKNOWN_STRING },
        createVnicDetails: { subnetId: UNKNOWN_STRING, nsgIds: [UNKNOWN_STRING] },
      }),
    );
    expect(reports).toHaveLength(1);
    expect(reports[0]).toContain("It has not known before the update OCPU");
    const { inputs } = resourceOf(argsOf(planned("t", { a: [1, { b: UNKNOWN_STRING }], c: null })));
    expect(inputs).toEqual({ a: [1, { b: UNKNOWN }], c: null });
  });

  it("names the resource of a stack's violation where there is one", async () => {
    const reserved = planned("gcp:compute/instance:Instance", { machineType: "e2-small" });
    const reports = await stackReportsOf([micro(), micro(), micro(), reserved]);
    expect(reports).toContainEqual([expect.stringMatching(/^oci-micro-count: 3 E2/), undefined]);
    expect(reports).toContainEqual([
      expect.stringMatching(/^gcp-machine: .*e2-small/),
      reserved.urn,
    ]);
  });
});

describe("facts", () => {
  const configOf = (values: Record<string, string>) =>
    ({
      get: (key: string) => values[key],
      getBoolean: (key: string) => (key in values ? values[key] === "true" : undefined),
    }) as Parameters<typeof factsOf>[0];

  it("are taken the strict way where the config is silent", () => {
    expect(factsOf(configOf({}))).toEqual({
      role: "hub",
      staging: false,
      allowPaid: false,
      brokers: "real",
    });
  });

  it("are the config's", () => {
    const staging = { role: "hub", staging: "true", allowPaid: "true" };
    expect(factsOf(configOf(staging))).toEqual({
      role: "hub",
      staging: true,
      allowPaid: true,
      brokers: "simulated",
    });
    expect(factsOf(configOf({ ...staging, brokers: "real" }))).toMatchObject({ brokers: "real" });
    expect(factsOf(configOf({ role: "edge-northflank", brokers: "simulated" }))).toMatchObject({
      role: "edge-northflank",
      brokers: "simulated",
    });
  });
});
