// A staging hub beside production's: it comes up from a copy of a file, borrows production's vault, and its
// destroy removes all of it and nothing of production's.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PACKAGES } from "../infra/sim-cloud/table.ts";
import { noEngine, type Engine } from "./support/engine.ts";
import { initStack, projectEngine } from "./support/stacks.ts";

describe.skipIf(noEngine())("pulumi up --stack oci-staging", () => {
  let engine: Engine;
  const of = (stack: string) =>
    PACKAGES.flatMap((name) => engine.cloud(name).all()).filter((one) => one.stack === stack);

  beforeAll(async () => {
    engine = projectEngine();
    await initStack(engine, "oci-staging");
  });
  afterAll(() => engine.remove());

  test("it plans nothing while production is not up, and says which command to run", async () => {
    const unknown = await engine.up("oci-staging");
    expect(unknown.code).not.toBe(0);
    expect(unknown.text).toContain('unknown stack "organization/tickhub/oci"');
    await initStack(engine, "oci");
    const empty = await engine.up("oci-staging");
    expect(empty.code).not.toBe(0);
    expect(empty.text).toContain("pulumi up --stack oci");
    expect(of("oci-staging").map(({ type }) => type)).not.toContain("oci:Core/instance:Instance");
  });

  test("it comes up beside production on the small free machine, with tags that production's policy declares", async () => {
    await engine.upOk("oci");
    await engine.upOk("oci-staging");
    expect(await engine.outputs("oci-staging")).toMatchObject({
      hubName: "tickhub-oci-staging.tail1234.ts.net",
    });
    const types = of("oci-staging").map(({ type }) => type.split(":")[2]!);
    expect(types).toContain("Instance");
    for (const shared of ["Quota", "Budget", "Vault", "Acl"]) expect(types).not.toContain(shared);
  });

  test("its destroy removes everything of it, and leaves production as it was", async () => {
    const production = of("oci");
    expect(production.length).toBeGreaterThan(20);
    await engine.ok("destroy", "--yes", "--skip-preview", "--stack", "oci-staging");
    expect(of("oci-staging")).toEqual([]);
    expect(of("oci")).toEqual(production);
    const state = await engine.export("oci-staging");
    expect((state.resources ?? []).filter(({ custom }) => custom)).toEqual([]);
  });

  test("brought up again after that, it finds no name taken", async () => {
    await engine.upOk("oci-staging");
    expect(of("oci-staging").length).toBeGreaterThan(10);
  });
});
