import * as oci from "@pulumi/oci";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { goldenText } from "./golden.ts";
import { planOf, SECRET } from "./mocks.ts";

const VOLUME = "oci:Core/volume:Volume";

class Pair extends pulumi.ComponentResource {
  readonly volume: oci.core.Volume;
  constructor(name: string, text: string) {
    super("tickhub:test:Pair", name);
    this.volume = new oci.core.Volume(
      name,
      {
        availabilityDomain: "a",
        compartmentId: "c",
        displayName: pulumi.secret("a word of no one else"),
        freeformTags: { text },
      },
      { parent: this, protect: true, ignoreChanges: ["displayName"] },
    );
    this.registerOutputs();
  }
}

const build = (text = "short") => {
  const pair = new Pair("one", text);
  return {
    id: pair.volume.id,
    hidden: pulumi.secret("of the outputs"),
    domain: oci.identity.getAvailabilityDomainsOutput({ compartmentId: "c" })
      .availabilityDomains[0]!.name,
  };
};

describe("a plan under mocks", () => {
  it("has inputs, options and outputs, and no secret in any of them", async () => {
    const plan = await planOf({ config: {} }, () => build());
    expect(plan.one(VOLUME)).toEqual({
      type: VOLUME,
      name: "one",
      component: false,
      inputs: {
        availabilityDomain: "a",
        compartmentId: "c",
        displayName: SECRET,
        freeformTags: { text: "short" },
      },
      options: { protect: true, ignoreChanges: ["displayName"], parent: "tickhub:test:Pair one" },
    });
    expect(plan.secretValues).toEqual(["a word of no one else"]);
    expect(plan.outputs["id"]).toBe("one-id");
    expect(plan.outputs["domain"]).toBe("abCD:AP-SEOUL-1-AD-1");
    expect(plan.secretOutputs).toEqual(["hidden"]);
    expect(goldenText(plan)).not.toMatch(/a word of no one else|of the outputs/);
  });

  it("starts anew with each run, and carries config and other stacks' outputs", async () => {
    const first = await planOf({ config: { "tickhub:word": "1" } }, () => build());
    const second = await planOf(
      { config: { "tickhub:word": "2" }, references: { other: { name: "from there" } } },
      () => ({
        word: new pulumi.Config().require("word"),
        name: new pulumi.StackReference("other").getOutput("name"),
      }),
    );
    expect(first.resources.map((each) => each.type)).toEqual([VOLUME, "tickhub:test:Pair"]);
    expect(second.resources).toEqual([]);
    expect(second.outputs).toEqual({ word: "2", name: "from there" });
  });

  it("rejects with what the program throws", async () => {
    const run = planOf({ config: {} }, () => {
      throw new Error("no role");
    });
    await expect(run).rejects.toThrow("no role");
  });

  it("shortens long texts in the golden file to their digest, after the test's own replacement", async () => {
    const plan = await planOf({ config: {} }, () => build("long\n".repeat(200)));
    expect(goldenText(plan)).toContain("[201 lines, sha256 ");
    const text = goldenText(plan, (path, value) =>
      path === `${VOLUME}.freeformTags.text` ? "[elsewhere]" : value,
    );
    expect(text).toContain("[elsewhere]");
  });
});
