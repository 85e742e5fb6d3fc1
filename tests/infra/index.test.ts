// The program's entry: what a stack builds follows from its role, never from its name.
import { beforeEach, describe, expect, it, vi } from "vitest";
import { HUB_KEYS, PRODUCTION_OUTPUTS, SECRET_KEYS, STAGING_KEYS } from "./support/hub-config.ts";
import { planOf, type Plan } from "./support/mocks.ts";

// The entry is a module that builds when it is loaded, once a run.
beforeEach(() => vi.resetModules());

const run = (stack: string, config: Readonly<Record<string, string>>): Promise<Plan> =>
  planOf(
    {
      stack,
      config,
      secretKeys: SECRET_KEYS,
      references: { "organization/tickhub/oci": PRODUCTION_OUTPUTS },
    },
    async () => {
      const program = await import("../../infra/index.ts");
      return program.default;
    },
  );

describe("pulumi up", () => {
  it("builds the same production under another name", async () => {
    const types = async (stack: string) =>
      (await run(stack, HUB_KEYS)).resources.map(({ type, name }) => `${type} ${name}`);
    const named = await types("edge-gcp");
    vi.resetModules();
    expect(named).toEqual(await types("oci"));
    expect(named).toContain("oci:Limits/quota:Quota guardrails-quota");
  });

  it("gives each staging copy names of its own", async () => {
    const names = async (stack: string) => {
      vi.resetModules();
      const plan = await run(stack, STAGING_KEYS);
      return plan.resources.flatMap(({ type, inputs }) =>
        ["name", "displayName", "secretName", "object"].flatMap((key) => {
          const value = inputs[key];
          return typeof value === "string" ? [`${type} ${value}`] : [];
        }),
      );
    };
    const [one, two] = [await names("oci-staging"), await names("try")];
    const shared = one.filter((name) => two.includes(name));
    // Within their own network only.
    expect([...new Set(shared.map((name) => name.split(" ")[0]!.split(":")[1]))].sort()).toEqual([
      "Core/defaultSecurityList",
      "Core/internetGateway",
      "Core/networkSecurityGroup",
      "Core/routeTable",
      "Core/securityList",
      "Core/subnet",
      "Core/vcn",
    ]);
  });

  it("says what is wrong in two lines, code first and the next step second", async () => {
    await expect(run("oci", { ...HUB_KEYS, "tickhub:role": "" })).rejects.toThrow(
      /^STACK_ROLE_MISSING \(file=Pulumi\.oci\.yaml, run=pulumi config set role hub --stack oci\)\n {2}The stack's/,
    );
  });
});
