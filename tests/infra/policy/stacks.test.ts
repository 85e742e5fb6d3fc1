// The pack against the stacks as they are planned: what this repository ships passes it, and a change of
// configuration that would bill or endanger does not.
import { describe, expect, it } from "vitest";
import { violationsOf } from "../../../infra/policy/rule.ts";
import { rules } from "../../../infra/policy/rules/all.ts";
import { filledIn, planFromProgram, PRODUCTION_STACKS } from "../../../scripts/infra-plans.ts";

async function refusals(stack: string, changes: Record<string, string> = {}) {
  const { resources, facts } = await planFromProgram(stack, changes);
  return violationsOf(rules, resources, facts);
}
const names = (found: Awaited<ReturnType<typeof refusals>>) =>
  [...new Set(found.map(({ rule }) => rule.name))].toSorted();

describe("the policy pack", () => {
  it.each([...PRODUCTION_STACKS, "oci-staging"])("lets the stack %s pass", async (stack) => {
    const found = await refusals(stack);
    expect(found.map(({ rule, message }) => `${rule.name}: ${message}`)).toEqual([]);
  });

  it("lets the rescue of a VM pass: 22 from the bastion alone", async () => {
    const rescue = { "tickhub:rescue": "true", "tickhub:rescueFrom": "203.0.113.4/32" };
    expect(names(await refusals("oci", rescue))).toEqual([]);
  });

  it("lets a second small machine pass, whose address Kiwoom knows", async () => {
    const egress = {
      "tickhub:kiwoomEgress": "oci-micro",
      "tickhub:egressImageId": "ocid1.image.oc1.ap-seoul-1.ubuntu2404amd64",
    };
    const { resources } = await planFromProgram("oci", egress);
    expect(resources.filter(({ type }) => type === "oci:Core/instance:Instance")).toHaveLength(2);
    expect(names(await refusals("oci", egress))).toEqual([]);
  });

  it("refuses 4 OCPU and a volume without room for its copy, also where the program allows them", async () => {
    const paid = { "tickhub:allowPaid": "true", "tickhub:ttlHours": "8" };
    expect(names(await refusals("oci", { ...paid, "tickhub:ocpus": "4" }))).toEqual(["oci-shape"]);
    expect(names(await refusals("oci", { ...paid, "tickhub:dataVolumeGb": "100" }))).toEqual([
      "oci-block-storage",
    ]);
  });

  it("refuses a machine in Seoul and a larger plan", async () => {
    const seoul = {
      "tickhub:allowPaid": "true",
      "gcp:region": "asia-northeast3",
      "gcp:zone": "asia-northeast3-a",
    };
    expect(names(await refusals("edge-gcp", seoul))).toEqual(["gcp-region"]);
    const plan = { "tickhub:northflankPlan": "nf-compute-20" };
    expect(names(await refusals("edge-northflank", plan))).toEqual(["northflank-plan"]);
  });
});

describe("a stack's file", () => {
  it("gives its plain values, and not what is encrypted or still to be filled in", () => {
    const yaml = [
      "# note",
      "encryptionsalt: v1:x",
      "config:",
      "  oci:region: FILL ap-seoul-1",
      "  tickhub:role: hub",
      '  tickhub:symbols: "005930,000660"',
      "  tickhub:seed:",
      "    secure: v1:abc",
    ].join("\n");
    expect(filledIn(yaml)).toEqual({ "tickhub:role": "hub", "tickhub:symbols": "005930,000660" });
  });
});
