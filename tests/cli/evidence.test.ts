// How a command's evidence reaches the hub's database: directly, through the hub's door, through a proxy.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { deliverEvidence } from "../../app/cli/evidence.ts";
import { readSettings } from "../../app/shared/config.ts";
import type { Evidence } from "../../app/shared/evidence.ts";
import { latestEvidence } from "../../app/store/evidence.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { startTestHub, TOKEN } from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";
import { startSocks5 } from "../support/proxies.ts";

let database: TestDatabase;
let hub: TestHub;
beforeAll(async () => {
  database = await createDatabase({ migrated: false });
  hub = await startTestHub(database.url);
});
afterAll(async () => {
  await hub.stop();
  await database.drop();
});

const evidence = (summary: string, subject = "kis"): Evidence => ({
  kind: "latency",
  subject,
  ok: true,
  summary,
  atMs: Date.now(),
  detail: {},
});
const latest = async (subject = "kis") =>
  (await latestEvidence(database.pool, "latency")).get(subject)?.summary;

const asEdge = (url: string, env: Record<string, string> = {}) =>
  readSettings({
    TICKHUB_HUB_URL: url,
    TICKHUB_EDGE_ID: "kis",
    TICKHUB_EDGE_TOKEN: TOKEN,
    ...env,
  });

test("beside a database it is written there, without a hub", async () => {
  const settings = readSettings({ TICKHUB_DATABASE_URL: database.url });
  await deliverEvidence(settings, evidence("direct", "home"));
  expect(await latest("home")).toBe("direct");
});

test("without a database it goes to the hub's door with the edge's token", async () => {
  await deliverEvidence(asEdge(hub.gatewayUrl), evidence("by the door"));
  expect(await latest()).toBe("by the door");
  await deliverEvidence(asEdge(`${hub.gatewayUrl}/edge`), evidence("whatever path"));
  expect(await latest()).toBe("whatever path");
});

test("it goes through the uplink's proxy, which resolves the hub's name", async () => {
  const proxy = await startSocks5({ "hub.test": { host: "127.0.0.1", port: hub.port } });
  onTestFinished(() => proxy.close());
  const settings = asEdge(`ws://hub.test:${hub.port}`, { TICKHUB_UPLINK_PROXY: proxy.url });
  await deliverEvidence(settings, evidence("by proxy"));
  expect(await latest()).toBe("by proxy");
  expect(proxy.asked).toEqual([`domain:hub.test:${hub.port}`]);
});

test("a postgres hub is a database", async () => {
  await deliverEvidence(readSettings({ TICKHUB_HUB_URL: database.url }), evidence("a direct edge"));
  expect(await latest()).toBe("a direct edge");
});

test.each([
  [{ TICKHUB_EDGE_TOKEN: "not the token" }, "kis", "EDGE_TOKEN"],
  [{}, "kiwoom", "EVIDENCE_SUBJECT"],
] as const)("the hub's refusal is the command's error: %o", async (env, subject, code) => {
  const settings = asEdge(hub.gatewayUrl, env);
  await expect(deliverEvidence(settings, evidence("refused", subject))).rejects.toMatchObject({
    code,
  });
});

test("nobody there is UPLINK_UNREACHABLE, a stranger UPLINK_PROTOCOL, and no secret is in either", async () => {
  const nobody = deliverEvidence(asEdge("ws://user:secret-pw@127.0.0.1:1"), evidence("nowhere"));
  await expect(nobody).rejects.toMatchObject({ code: "UPLINK_UNREACHABLE" });
  const { message } = (await nobody.catch((error: unknown) => error)) as Error;
  expect(message).not.toMatch(/secret-pw|a token of the tests/);
  const stranger = createServer((_request, response) => response.end("hello"));
  await new Promise<void>((resolve) => stranger.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void stranger.close());
  const { port } = stranger.address() as AddressInfo;
  const said = deliverEvidence(asEdge(`ws://127.0.0.1:${port}`), evidence("elsewhere"));
  await expect(said).rejects.toMatchObject({ code: "UPLINK_PROTOCOL" });
});

test("without a database and a hub it says what to set", async () => {
  await expect(deliverEvidence(readSettings({}), evidence("nowhere"))).rejects.toMatchObject({
    code: "CONFIG_MISSING",
    context: { name: "TICKHUB_HUB_URL" },
  });
});
