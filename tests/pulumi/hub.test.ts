// The hub's stack as a user meets it: `pulumi up --stack oci` in the real engine on simulated clouds, then a
// quarter of a year of further ups, a new version, a lost machine, and a destroy that must not succeed.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Resource } from "../infra/sim-cloud/cloud.ts";
import { PACKAGES } from "../infra/sim-cloud/table.ts";
import { plainInputs, text as textOf } from "../infra/sim-cloud/values.ts";
import { done, noEngine, type Engine } from "./support/engine.ts";
import { initStack, projectEngine, SECRETS } from "./support/stacks.ts";

const INSTANCE = "oci:Core/instance:Instance";
const VOLUME = "oci:Core/volume:Volume";
const ATTACHMENT = "oci:Core/volumeAttachment:VolumeAttachment";

describe.skipIf(noEngine())("pulumi up --stack oci", () => {
  let engine: Engine;
  const one = (type: string): Resource => {
    const [found, ...more] = engine.cloud("oci").all(type);
    expect(more).toEqual([]);
    return found!;
  };
  const release = (): Record<string, unknown> => {
    const found = engine.cloud("oci").get("n/axsimulated01/b/tickhub-oci/o/releases/oci.json");
    return JSON.parse(textOf(plainInputs(found!.inputs)["content"])) as Record<string, unknown>;
  };

  beforeAll(async () => {
    engine = projectEngine();
    await initStack(engine, "oci");
  });
  afterAll(() => engine.remove());

  test("out of host capacity ends the first up, and the next goes on from what that one made", async () => {
    engine.faults({
      type: INSTANCE,
      operation: "create",
      times: 1,
      error: "Error: 500-InternalError, Out of host capacity.",
    });
    const first = await engine.up("oci");
    expect(first.code).not.toBe(0);
    expect(first.text).toContain("Out of host capacity");
    const network = one("oci:Core/vcn:Vcn").id;
    const second = await engine.upOk("oci");
    expect(second).toContain("unchanged");
    expect(one("oci:Core/vcn:Vcn").id).toBe(network);
    expect(one(INSTANCE).outputs["state"]).toBe("RUNNING");
  });

  test("its outputs are what edges read: names, tokens, images by digest, the tailnet's OAuth client", async () => {
    expect(await engine.outputs("oci")).toMatchObject({
      hubName: "tickhub-hub.tail1234.ts.net",
      gatewayUrl: "ws://tickhub-hub.tail1234.ts.net:8610/edge",
      kiwoomProxyUrl: "http://tickhub-hub.tail1234.ts.net:8640",
      images: { hub: expect.stringMatching(/\/hub@sha256:[0-9a-f]{64}$/) as string },
      edgeTokens: { kis: expect.any(String) as string, kiwoom: expect.any(String) as string },
      edgesOauth: { secret: expect.stringMatching(/^tskey-client-/) as string },
    });
  });

  test("the release in the bucket names the image that was pushed and carries the compose file", async () => {
    const { images } = await engine.outputs("oci");
    expect(release()).toMatchObject({
      format: 1,
      stack: "oci",
      images: { hub: (images as { hub: string }).hub },
      compose: expect.stringContaining("services:") as string,
    });
  });

  test("neither the state file nor an export shows a secret, given, derived or issued", async () => {
    const { edgeTokens, edgesOauth, registry, sentinelToken } = (await engine.outputs("oci")) as {
      edgeTokens: Record<string, string>;
      sentinelToken: string;
      edgesOauth: { secret: string };
      registry: { password: string };
    };
    const [key] = engine.cloud("tailscale").all("tailscale:index/tailnetKey:TailnetKey");
    const secrets = [
      ...["tickhub:registryPassword", "tickhub:seed", "tailscale:apiKey"].map(
        (name) => SECRETS[name]!,
      ),
      ...Object.values(edgeTokens),
      sentinelToken,
      edgesOauth.secret,
      registry.password,
      textOf(key!.outputs["key"]),
      // The machine's first boot, in which the key stands.
      String(
        (plainInputs(one(INSTANCE).inputs)["metadata"] as Record<string, string>)["user_data"],
      ),
      // The vault's secrets, as they are sent.
      ...engine
        .cloud("oci")
        .all("oci:Vault/secret:Secret")
        .map(({ inputs }) =>
          String((plainInputs(inputs)["secretContent"] as Record<string, string>)["content"]),
        ),
    ];
    expect(secrets.length).toBeGreaterThan(8);
    const [file, exported, log] = [
      engine.stateFile("oci"),
      await engine.ok("stack", "export", "--stack", "oci"),
      await engine.ok("preview", "--diff", "--stack", "oci"),
    ];
    for (const secret of secrets)
      for (const text of [file, exported, log]) expect(text).not.toContain(secret);
  });

  test("a second up leaves a running hub alone: at once, after two hours, after 91 days, and with a refresh", async () => {
    engine.calls();
    for (const hours of [0, 2, 91 * 24]) {
      engine.clock(hours);
      expect(await engine.upOk("oci")).not.toMatch(/\d+ (?:created|updated|replaced|deleted)/);
      expect(done(engine.calls())).toEqual([]);
    }
    expect(await engine.upOk("oci", "--refresh")).not.toMatch(/\d+ (?:created|replaced|deleted)/);
    expect(done(engine.calls())).toEqual([]);
  });

  test("new sources change the images and the release, nothing else, and the release is there afterwards", async () => {
    const before = release();
    const machine = one(INSTANCE);
    engine.newSources();
    await engine.upOk("oci");
    expect(done(engine.calls())).toEqual([
      "create StorageObject release-wanted",
      "delete StorageObject release-wanted",
      "update Image edge-image",
      "update Image hub-image",
    ]);
    expect(release()["images"]).not.toEqual(before["images"]);
    expect(one(INSTANCE)).toEqual(machine);
  });

  test("a machine that is replaced keeps its name, its volume and the outputs; only the attachment is new", async () => {
    engine.calls();
    const before = {
      machine: one(INSTANCE),
      volume: one(VOLUME),
      outputs: await engine.outputs("oci"),
    };
    const { resources = [] } = await engine.export("oci");
    const { urn } = resources.find(({ type }) => type === INSTANCE)!;
    await engine.upOk("oci", "--replace", urn);
    const calls = done(engine.calls());
    expect(calls).toEqual(
      expect.arrayContaining(["create Instance hub-instance", "delete Instance hub-instance"]),
    );
    expect(calls.filter((call) => / Volume /.test(call))).toEqual([]);
    const machine = one(INSTANCE);
    expect(machine.id).not.toBe(before.machine.id);
    expect(machine.inputs["displayName"]).toEqual(before.machine.inputs["displayName"]);
    expect(one(VOLUME)).toEqual(before.volume);
    expect(plainInputs(one(ATTACHMENT).inputs)).toMatchObject({
      instanceId: machine.id,
      volumeId: before.volume.id,
    });
    // All but what names the machine itself.
    const named = { instanceId: machine.id, publicIp: expect.any(String) as string };
    expect(await engine.outputs("oci")).toEqual({ ...before.outputs, ...named });
  });

  test("four OCPUs are refused before anything is planned, and by the policy pack when the program asks for them", async () => {
    const pack = ["--policy-pack", "infra/policy"];
    await engine.ok("preview", "--stack", "oci", ...pack);
    await engine.ok("config", "set", "tickhub:ocpus", "4", "--stack", "oci");
    const planned = await engine.run("preview", "--stack", "oci");
    expect(planned.code).not.toBe(0);
    expect(planned.text).toContain("STACK_PAID");
    await engine.ok("config", "set", "tickhub:ocpus", "2", "--stack", "oci");
    const restore = engine.edit("infra/components/hub-vm.ts", "ocpus: vm.ocpus", "ocpus: 4");
    const refused = await engine.run("preview", "--stack", "oci", ...pack);
    restore();
    expect(refused.code).not.toBe(0);
    expect(refused.text).toMatch(/\[mandatory\].*[\s\S]*hub-instance/);
    expect(refused.text).toMatch(/OCPU/);
    expect(done(engine.calls())).toEqual([]);
  });

  test("destroy is refused before it has taken anything, the data volume least of all", async () => {
    const before = PACKAGES.flatMap((name) => engine.cloud(name).all());
    const { code, text } = await engine.run("destroy", "--yes", "--skip-preview", "--stack", "oci");
    expect(code).not.toBe(0);
    expect(text).toMatch(/protect/);
    expect(done(engine.calls())).toEqual([]);
    expect(PACKAGES.flatMap((name) => engine.cloud(name).all())).toEqual(before);
  });

  test("without the lock that goes first, destroy still cannot take the data volume", async () => {
    const { resources = [] } = await engine.export("oci");
    const { urn } = resources.find((resource) => resource.urn.endsWith("::lock"))!;
    await engine.ok("state", "unprotect", urn, "--yes", "--stack", "oci");
    const { code } = await engine.run("destroy", "--yes", "--skip-preview", "--stack", "oci");
    expect(code).not.toBe(0);
    expect(one(VOLUME).goneAt).toBeUndefined();
  });
});
