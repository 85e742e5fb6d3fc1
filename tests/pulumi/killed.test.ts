// `kill -9` in the middle of an up, and the way on that docs/runbooks tell: cancel, refresh, up.
import { copyFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { noEngine, type Engine } from "./support/engine.ts";
import { initStack, projectEngine } from "./support/stacks.ts";

const INSTANCE = "oci:Core/instance:Instance";

describe.skipIf(noEngine())("an up that is killed with signal 9", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = projectEngine();
    await initStack(engine, "oci");
  });
  afterAll(() => engine.remove());

  /** Kills the CLI while the cloud has this machine in work, and nothing else. */
  async function killAt(hold: "before" | "after", ...args: string[]): Promise<void> {
    engine.faults({ type: INSTANCE, operation: "create", times: 1, hold });
    const up = ["up", "--yes", "--skip-preview", "--parallel", "1", "--stack", "oci"];
    const running = engine.start(...up, ...args);
    await engine.held();
    await engine.kill(running);
    engine.faults();
    expect(await pending()).toEqual(["creating hub-instance"]);
  }
  const pending = async (): Promise<string[]> =>
    ((await engine.export("oci")).pending_operations ?? []).map(
      ({ type, resource }) => `${type} ${resource.urn.split("::").at(-1)!}`,
    );

  test("after the cloud acted: the machine that nobody knows is imported by its OCID, not made twice", async () => {
    await killAt("after");
    expect((await engine.up("oci")).text).toContain("locked");
    const [orphan] = engine.cloud("oci").all(INSTANCE);
    const [{ resource } = { resource: undefined }] =
      (await engine.export("oci")).pending_operations ?? [];
    await engine.ok("cancel", "--yes", "--stack", "oci");
    // `refresh --import-pending-creates` of this CLI only drops the pending operation; `import` does it.
    await engine.ok(
      ...["refresh", "--yes", "--skip-preview", "--clear-pending-creates", "--stack", "oci"],
    );
    await engine.ok(
      ...["import", "--yes", "--skip-preview", "--generate-code=false", "--protect=false"],
      ...["--stack", "oci", "--parent", `hub=${resource!.parent!}`],
      ...[INSTANCE, "hub-instance", orphan!.id],
    );
    expect(await pending()).toEqual([]);
    await engine.upOk("oci");
    expect(
      engine
        .cloud("oci")
        .all(INSTANCE)
        .map(({ id }) => id),
    ).toEqual([orphan!.id]);
  });

  test("before the cloud acted: refresh forgets what never was, and up makes it", async () => {
    const { resources = [] } = await engine.export("oci");
    const { urn, id } = resources.find(({ type }) => type === INSTANCE)!;
    await killAt("before", "--replace", urn);
    expect(engine.cloud("oci").all(INSTANCE)).toEqual([]);
    await engine.ok("cancel", "--yes", "--stack", "oci");
    await engine.ok(
      ...["refresh", "--yes", "--skip-preview", "--clear-pending-creates", "--stack", "oci"],
    );
    expect(await pending()).toEqual([]);
    await engine.upOk("oci");
    const [machine, ...more] = engine.cloud("oci").all(INSTANCE);
    expect(more).toEqual([]);
    expect(machine!.id).not.toBe(id);
  });

  test("a state file that was cut off by the kill is put back from the copy that Pulumi keeps beside it", async () => {
    const path = engine.statePath("oci");
    writeFileSync(path, "");
    expect((await engine.up("oci")).text).toContain("failed to load checkpoint");
    copyFileSync(`${path}.bak`, path);
    await engine.ok("refresh", "--yes", "--skip-preview", "--stack", "oci");
    engine.calls();
    await engine.upOk("oci");
    expect(engine.calls().map(({ operation }) => operation)).toEqual([]);
  });
});
