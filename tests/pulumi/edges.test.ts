// The edges' stacks: they take names, tokens and images from the hub's, and say what to run without it.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NorthflankFake } from "../infra/support/northflank-fake.ts";
import { done, noEngine, type Engine } from "./support/engine.ts";
import { initStack, projectEngine, SECRETS } from "./support/stacks.ts";

describe.skipIf(noEngine())("the edges' stacks", () => {
  let engine: Engine;
  const northflank = new NorthflankFake(() => Date.now(), {
    token: SECRETS["tickhub:northflankToken"]!,
    startMs: 200,
    drainMs: 100,
  });

  beforeAll(async () => {
    engine = projectEngine();
    const northflankApi = await northflank.listen();
    // Made, and not yet up.
    await initStack(engine, "oci");
    await initStack(engine, "edge-gcp");
    await initStack(engine, "edge-northflank", {
      // Tests run in trading sessions too, in which collectors are left alone without a reason.
      plain: { "tickhub:northflankApi": northflankApi, "tickhub:force": "a test at any hour" },
      secret: Object.fromEntries(
        ["KIS_APP_KEY", "KIS_APP_SECRET", "KIWOOM_APP_KEY", "KIWOOM_SECRET_KEY"].map((name) => [
          `secrets.${name}`,
          `${name}-of-the-tests`,
        ]),
      ),
    });
  });
  afterAll(async () => {
    await northflank.close();
    engine.remove();
  });

  test.each(["edge-gcp", "edge-northflank"])(
    "%s asks nothing of any cloud while the hub is not up, and says which command to run",
    async (stack) => {
      const { code, text } = await engine.up(stack);
      expect(code).not.toBe(0);
      expect(text).toContain("pulumi up --stack oci");
      expect(northflank.requests).toEqual([]);
      expect(engine.cloud("gcp").all()).toEqual([]);
    },
  );

  test("pulumi up --stack edge-gcp makes one e2-micro without ingress, and a second changes nothing", async () => {
    await engine.upOk("oci");
    engine.calls();
    await engine.upOk("edge-gcp");
    expect(done(engine.calls()).some((call) => /^create Instance /.test(call))).toBe(true);
    const [vm, ...more] = engine.cloud("gcp").all("gcp:compute/instance:Instance");
    expect(more).toEqual([]);
    expect(vm!.inputs["machineType"]).toBe("e2-micro");
    await engine.upOk("edge-gcp", "--refresh");
    expect(done(engine.calls())).toEqual([]);
  });

  test("pulumi up --stack edge-northflank runs both collectors on the hub's image, and a second asks for nothing", async () => {
    await engine.upOk("edge-northflank");
    const { images } = (await engine.outputs("oci")) as { images: { edge: string } };
    for (const id of northflank.services.keys())
      expect(northflank.running(id)).toEqual([images.edge]);
    expect([...northflank.services.keys()]).toHaveLength(2);
    northflank.requests.length = 0;
    await engine.upOk("edge-northflank");
    expect(northflank.requests.filter((what) => !what.startsWith("GET"))).toEqual([]);
  });

  test("a new image reaches both collectors by way of the hub's stack, and no account is ever held twice", async () => {
    engine.newSources();
    await engine.upOk("oci");
    await engine.upOk("edge-northflank");
    const { images } = (await engine.outputs("oci")) as { images: { edge: string } };
    for (const id of northflank.services.keys())
      expect(northflank.running(id)).toEqual([images.edge]);
    expect(northflank.liveMax()).toBe(1);
  });

  test("no state file of an edge shows a token, a broker's key or the tailnet's secret", async () => {
    const { edgeTokens, edgesOauth } = (await engine.outputs("oci")) as {
      edgeTokens: Record<string, string>;
      edgesOauth: { secret: string };
    };
    for (const stack of ["edge-gcp", "edge-northflank"])
      for (const secret of [
        ...Object.values(edgeTokens),
        edgesOauth.secret,
        "KIS_APP_SECRET-of-the-tests",
        "KIWOOM_SECRET_KEY-of-the-tests",
        SECRETS["tickhub:northflankToken"]!,
      ])
        expect(engine.stateFile(stack)).not.toContain(secret);
  });

  test("destroy of both takes the edges and leaves the hub", async () => {
    engine.calls();
    await engine.ok("destroy", "--yes", "--skip-preview", "--stack", "edge-northflank");
    await engine.ok("destroy", "--yes", "--skip-preview", "--stack", "edge-gcp");
    expect([...northflank.services.keys()]).toEqual([]);
    expect(engine.cloud("gcp").all("gcp:compute/instance:Instance")).toEqual([]);
    expect(engine.calls().filter(({ type }) => type.startsWith("oci:"))).toEqual([]);
  });
});
