// The provider as Pulumi keeps and runs it: its text, taken out of the program, loaded as CommonJS in another
// process and another folder, against a server on loopback. (tests/infra/northflank.test.ts has the roll-out.)
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DeploymentService } from "../../infra/northflank/resources.ts";
import { NorthflankFake } from "./support/northflank-fake.ts";
import { planOf } from "./support/mocks.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

const spec = {
  name: "kis",
  billing: { deploymentPlan: "nf-compute-10" },
  deployment: {
    instances: 1,
    external: { imagePath: `ghcr.io/someone/tickhub/edge@sha256:${"1".repeat(64)}` },
    docker: { configType: "default" as const },
    gracePeriodSeconds: 130,
  },
  ports: [],
  runtimeEnvironment: {},
  healthChecks: [],
};

/** The text that goes into the state. */
async function textOf(apiUrl: string): Promise<string> {
  const plan = await planOf({ config: {} }, () => {
    new DeploymentService("kis", { projectId: "tickhub", apiUrl, spec });
    return {};
  });
  const [service] = plan.resources;
  return String(service!.inputs["__provider"]);
}

/** What the dynamic provider's process does with it, written down: create, read, diff, delete. */
const PROCESS = `
const [text, url] = process.argv.slice(2);
const module_ = { exports: {} };
new Function("exports", "require", require("node:fs").readFileSync(text, "utf8"))(module_.exports, require);
const provider = module_.exports.handler();
const config = { "tickhub:northflankToken": "nf-token-of-the-tests" };
const request = { config: { require: (key) => config["tickhub:" + key] } };
(async () => {
  await provider.configure(request);
  const inputs = { projectId: "tickhub", apiUrl: url, spec: ${JSON.stringify(spec)}, force: "a test", __provider: "x" };
  const { failures } = await provider.check({}, inputs);
  const { id, outs } = await provider.create(inputs);
  const read = await provider.read(id, { ...outs, __provider: "x" });
  const same = await provider.diff(id, { ...outs, __provider: "old" }, inputs);
  const { outs: updated } = await provider.update(id, outs, inputs);
  await provider.delete(id, updated);
  const gone = await provider.read(id, outs);
  console.log(JSON.stringify({ failures, id, outs, read, same, gone }));
})();
`;

let fake: NorthflankFake;
let url: string;
let folder: string;

beforeEach(async () => {
  // Nothing to wait for: what is asked for is there at the first look.
  fake = new NorthflankFake(() => Date.now(), { startMs: 0, drainMs: 0 });
  url = await fake.listen();
  folder = mkdtempSync(join(tmpdir(), "tickhub-provider-"));
});

afterEach(async () => {
  await fake.close();
  rmSync(folder, { recursive: true });
});

describe("the provider's text", () => {
  it("holds the call of a loader: no path, no address, no token, none of its code", async () => {
    const text = await textOf(url);
    expect(text).toContain("#northflank/provider");
    expect(text).not.toContain(ROOT);
    expect(text).not.toMatch(/127\.0\.0\.1|https?:|Bearer|pause|resume/);
    expect(text.length).toBeLessThan(4_000);
  });

  it.each(["", "infra"])("works in a process of its own that runs in ./%s", async (place) => {
    writeFileSync(join(folder, "text.js"), await textOf(url));
    writeFileSync(join(folder, "process.cjs"), PROCESS);
    const args = [join(folder, "process.cjs"), join(folder, "text.js"), url];
    const cwd = join(ROOT, place);
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd });
    expect(JSON.parse(stdout)).toEqual({
      failures: [],
      id: "kis",
      outs: {
        projectId: "tickhub",
        apiUrl: url,
        spec,
        force: "a test",
        serviceId: "kis",
        isRunning: true,
      },
      read: {
        id: "kis",
        props: expect.objectContaining({ spec, isRunning: true }) as unknown,
      },
      same: { changes: false, replaces: [], deleteBeforeReplace: true },
      gone: { id: "", props: {} },
    });
    expect(fake.liveMax()).toBe(1);
  });
});
