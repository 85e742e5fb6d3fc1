// The tools and the simulated clouds themselves, on a program as small as it can be: what the tests of the
// real stacks rest on.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { done, Engine, noEngine } from "./support/engine.ts";

const SECRET = "a-password-nobody-may-read";

describe.skipIf(noEngine())("a small program in the real engine", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = new Engine(join(import.meta.dirname, "programs/small"));
    await engine.ok("stack", "init", "small");
    await engine.ok("config", "set", "--secret", "password", SECRET, "--stack", "small");
  });
  afterAll(() => engine.remove());

  test("the first up makes one resource of each package, and a dynamic one", async () => {
    const text = await engine.upOk("small");
    expect(text).toContain("8 created");
    expect(done(engine.calls())).toEqual([
      "create Acl policy",
      "create Compartment home",
      "create Image image",
      "create Network net",
      "create TailnetKey key",
      "create Volume data",
    ]);
    expect(await engine.outputs("small")).toMatchObject({
      digest: expect.stringMatching(/^ghcr\.io\/tests\/hub@sha256:[0-9a-f]{64}$/) as string,
      authKey: expect.stringMatching(/^tskey-auth-/) as string,
    });
  });

  test("neither the state file nor an export shows a secret, of input or output", async () => {
    const { authKey } = await engine.outputs("small");
    const shown = await engine.ok("stack", "export", "--stack", "small", "--show-secrets");
    for (const secret of [SECRET, String(authKey)]) {
      expect(shown).toContain(secret);
      expect(engine.stateFile("small")).not.toContain(secret);
      expect(await engine.ok("stack", "export", "--stack", "small")).not.toContain(secret);
    }
  });

  test("a second up changes nothing, with and without a refresh, on this day and 91 days on", async () => {
    expect(await engine.upOk("small")).toContain("8 unchanged");
    engine.clock(91 * 24);
    expect(await engine.upOk("small", "--refresh")).toContain("8 unchanged");
    expect(done(engine.calls())).toEqual([]);
  });

  test("a protected volume that an input would replace is not replaced", async () => {
    await engine.ok("config", "set", "protect", "true", "--stack", "small");
    await engine.upOk("small");
    const before = engine.cloud("oci").all("oci:Core/volume:Volume");
    const program = join(engine.project, "index.ts");
    const text = readFileSync(program, "utf8");
    writeFileSync(program, text.replace('"AD-1"', '"AD-2"'));
    const { code, text: said } = await engine.up("small");
    writeFileSync(program, text);
    expect(code).not.toBe(0);
    expect(said).toMatch(/protect/);
    expect(engine.cloud("oci").all("oci:Core/volume:Volume")).toEqual(before);
  });

  test("new sources change the image and what depends on its digest, and nothing else", async () => {
    await engine.upOk("small");
    engine.calls();
    const before = await engine.outputs("small");
    writeFileSync(join(engine.cloudFolder, "sources"), "another version");
    await engine.upOk("small");
    expect(done(engine.calls())).toEqual(["update Image image"]);
    expect((await engine.outputs("small"))["digest"]).not.toBe(before["digest"]);
  });

  test("an input that the published declarations do not know is refused before anything is done", async () => {
    const program = join(engine.project, "index.ts");
    const text = readFileSync(program, "utf8");
    writeFileSync(program, text.replace("dockerfile:", "dockerFile:"));
    const { code, text: said } = await engine.up("small");
    writeFileSync(program, text);
    expect(code).not.toBe(0);
    expect(said).toContain("is not an input of this type");
    expect(done(engine.calls())).toEqual([]);
  });

  test("a policy pack is started by the engine, passes what is small and refuses what is not", async () => {
    const policy = ["--policy-pack", "policy"];
    expect(await engine.ok("preview", "--stack", "small", ...policy)).toContain("small");
    await engine.ok("config", "set", "gb", "150", "--stack", "small");
    const { code, text } = await engine.run("preview", "--stack", "small", ...policy);
    expect(code).not.toBe(0);
    expect(text).toContain("A volume of more than 100 GB is refused.");
    await engine.ok("config", "set", "gb", "50", "--stack", "small");
  });

  test("an up whose process is killed leaves a pending operation, which a refresh clears", async () => {
    await engine.ok("config", "set", "gb", "60", "--stack", "small");
    engine.faults({
      type: "oci:Core/volume:Volume",
      operation: "update",
      times: 1,
      hold: "before",
    });
    const running = engine.start(
      ...["up", "--yes", "--skip-preview", "--parallel", "1", "--stack", "small"],
    );
    await engine.held();
    await engine.kill(running);
    engine.faults();
    const pending = (await engine.export("small")).pending_operations ?? [];
    expect(
      pending.map(({ type, resource }) => `${type} ${resource.urn.split("::").at(-1)!}`),
    ).toEqual(["updating data"]);
    // The killed process still holds the stack.
    expect((await engine.up("small")).text).toContain("locked");
    await engine.ok("cancel", "--yes", "--stack", "small");
    await engine.ok("refresh", "--yes", "--skip-preview", "--stack", "small");
    await engine.upOk("small");
    expect((await engine.export("small")).pending_operations ?? []).toEqual([]);
    expect(engine.cloud("oci").all("oci:Core/volume:Volume")[0]!.inputs["sizeInGbs"]).toBe("60");
  });

  test("destroy fails at a protected volume, which stays, and takes everything once it is not", async () => {
    const refused = await engine.run("destroy", "--yes", "--skip-preview", "--stack", "small");
    expect(refused.code).not.toBe(0);
    expect(refused.text).toMatch(/protect/);
    // Only the volume is sure to stay: what it does not depend on may be gone by then.
    expect(engine.cloud("oci").all("oci:Core/volume:Volume")).toHaveLength(1);
    await engine.ok("state", "unprotect", "--all", "--yes", "--stack", "small");
    await engine.ok("destroy", "--yes", "--skip-preview", "--stack", "small");
    for (const name of ["oci", "gcp", "docker"] as const)
      expect(engine.cloud(name).all()).toEqual([]);
  });
});
