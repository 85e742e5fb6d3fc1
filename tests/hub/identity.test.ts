// The tailnet's word on who connects, from a LocalAPI on a unix socket as tailscaled serves it.
import { mkdtempSync } from "node:fs";
import { createServer } from "node:http";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { TailnetIdentity } from "../../app/hub/ingest/identity.ts";
import type { Picture } from "../../app/hub/query/picture.ts";
import { systemClock } from "../../app/shared/clock.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { startTestHub, testTransport, until } from "../support/hub.ts";

const folder = mkdtempSync(join(tmpdir(), "tickhub-tailscaled-"));
const nowhere = join(folder, "nowhere.sock");
const tags = new Map([["kis", ["tag:edge-kis", "tag:edge"]]]);
const KIS = "100.64.0.11";
/** Where a tailscaled without a network interface hands connections on from. */
const LOCAL = "127.0.0.1";

/** Answers of a LocalAPI by `addr`; a missing one is 404, a string is sent as it is. */
type Answers = Record<string, { status?: number; body: unknown } | "never">;

/** As tailscaled v1.94 writes it, shortened. */
const node = (nodeTags: string[] | undefined) => ({
  body: {
    Node: {
      ID: 3066361403632065,
      StableID: "nKIS1CNTRL",
      Name: "kis.tail1234.ts.net.",
      Addresses: [`${KIS}/32`],
      ...(nodeTags ? { Tags: nodeTags } : {}),
    },
    UserProfile: { ID: 8506513157120998, LoginName: "tagged-devices", DisplayName: "Tagged" },
    CapMap: {},
  },
});

let servers: Server[] = [];
let socketNumber = 0;
async function localApi(answers: Answers): Promise<{ socketPath: string; asked: string[] }> {
  const socketPath = join(folder, `${++socketNumber}.sock`);
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url!, "http://local-tailscaled.sock");
    const addr = url.searchParams.get("addr") ?? "";
    asked.push(`${request.headers.host} ${url.pathname} ${addr}`);
    const answer = answers[addr.replace(/:\d+$/, "")];
    if (answer === "never") return;
    const { status = 200, body } = answer ?? { status: 404, body: "no match for IP:port\n" };
    response.writeHead(status, { "content-type": "application/json" });
    response.end(typeof body === "string" ? body : JSON.stringify(body, null, "\t"));
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  servers.push(server);
  return { socketPath, asked };
}
afterEach(() => {
  for (const server of servers) server.close().closeAllConnections();
  servers = [];
});

const identityAt = (socketPath: string) =>
  new TailnetIdentity({ tags, socketPath, clock: systemClock });

describe("an edge's machine", () => {
  test("fits by any of the edge's tags", async () => {
    const { socketPath, asked } = await localApi({ [KIS]: node(["tag:other", "tag:edge"]) });
    expect(await identityAt(socketPath).fits("kis", KIS, 40_001)).toBe(true);
    expect(asked).toEqual(["local-tailscaled.sock /localapi/v0/whois 100.64.0.11:40001"]);
  });

  test("is asked for by the address tailscaled knows, also when the socket is of both families", async () => {
    const v6 = "fd7a:115c:a1e0::b";
    const { socketPath, asked } = await localApi({
      [KIS]: node(["tag:edge"]),
      [`[${v6}]`]: node(["tag:edge"]),
    });
    expect(await identityAt(socketPath).fits("kis", `::ffff:${KIS}`, 7)).toBe(true);
    expect(await identityAt(socketPath).fits("kis", v6, 7)).toBe(true);
    expect(asked.map((line) => line.split(" ")[2])).toEqual([`${KIS}:7`, `[${v6}]:7`]);
  });

  test.each<[string, Answers]>([
    ["has another tag", { [LOCAL]: node(["tag:edge-kiwoom"]) }],
    ["has no tag, as a person's has not", { [LOCAL]: node(undefined) }],
    ["is of no tailnet", {}],
    ["is not for us to ask about", { [LOCAL]: { status: 403, body: "whois access denied" } }],
    ["is answered for with something else", { [LOCAL]: { body: { Node: null } } }],
    ["is answered for with no JSON", { [LOCAL]: { body: "<html>" } }],
    ["is answered for without an end", { [LOCAL]: { body: " ".repeat(300_000) } }],
  ])("that %s does not fit", async (_title, answers) => {
    const { socketPath } = await localApi(answers);
    expect(await identityAt(socketPath).fits("kis", LOCAL, 1)).toBe(false);
  });

  test("that tailscaled says nothing about in time does not fit", async () => {
    const { socketPath, asked } = await localApi({ [LOCAL]: "never" });
    const clock = new FakeClock();
    const answer = new TailnetIdentity({ tags, socketPath, clock }).fits("kis", LOCAL, 1);
    await until(() => asked.length > 0, "the question");
    clock.advance(2_000);
    expect(await answer).toBe(false);
    expect(clock.pending()).toBe(0);
  });

  test("is not asked for when its edge has no tags", async () => {
    const { socketPath, asked } = await localApi({});
    expect(await identityAt(socketPath).fits("kiwoom", KIS, 1)).toBe(true);
    expect(asked).toEqual([]);
  });

  test("where no tailscaled runs is not checked, unless it comes from a tailnet all the same", async () => {
    const identity = identityAt(nowhere);
    expect(await identity.fits("kis", "127.0.0.1", 1)).toBe(true);
    expect(await identity.fits("kis", KIS, 1)).toBe(false);
    expect(await identity.fits("kis", `::ffff:${KIS}`, 1)).toBe(false);
  });
});

describe("the check", () => {
  test("is on, or says why it is off", async () => {
    const { socketPath } = await localApi({});
    const on = identityAt(socketPath);
    await on.look();
    expect(on.status()).toEqual({ isChecked: true, reason: "edges with tags: kis" });
    const absent = identityAt(nowhere);
    await absent.look();
    expect(absent.status()).toEqual({ isChecked: false, reason: `no tailscaled at ${nowhere}` });
    const unset = new TailnetIdentity({ tags: new Map(), socketPath, clock: systemClock });
    await unset.look();
    expect(unset.status()).toEqual({ isChecked: false, reason: "TICKHUB_EDGE_TAGS is not set" });
  });

  test("comes on when tailscaled starts after the hub", async () => {
    const { socketPath } = await localApi({});
    const late = identityAt(socketPath);
    expect(late.status().isChecked).toBe(false);
    await late.fits("kis", KIS, 1);
    expect(late.status().isChecked).toBe(true);
  });
});

describe("a hub beside a tailscaled", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase({ migrated: false });
  });
  afterAll(() => database.drop());

  test("refuses a right token from the wrong machine with EDGE_IDENTITY, and lets the right one in", async () => {
    const answers: Answers = { "127.0.0.1": node(["tag:edge-kiwoom"]) };
    const { socketPath } = await localApi(answers);
    const hub = await startTestHub(database.url, { edgeTags: tags, tailscaleSocket: socketPath });
    const refused = testTransport(hub.gatewayUrl).open();
    await expect(refused).rejects.toMatchObject({ code: "EDGE_IDENTITY" });
    expect(hub.events).toContainEqual({
      ...{ event: "edge_refused", edge: "kis", address: "127.0.0.1", code: "EDGE_IDENTITY" },
    });
    const wrong = testTransport(hub.gatewayUrl, { token: "wrong" }).open();
    await expect(wrong).rejects.toMatchObject({ code: "EDGE_TOKEN" });

    answers["127.0.0.1"] = node(["tag:edge-kis"]);
    const transport = testTransport(hub.gatewayUrl);
    await transport.open();
    const status = (await (await fetch(`${hub.url}/status`)).json()) as Picture;
    expect(status.identity).toEqual({ isChecked: true, reason: "edges with tags: kis" });
    await transport.close();
    await hub.stop();
  });

  test("that runs without one says so on /status", async () => {
    const hub = await startTestHub(database.url, { edgeTags: tags, tailscaleSocket: nowhere });
    const transport = testTransport(hub.gatewayUrl);
    await transport.open();
    const status = (await (await fetch(`${hub.url}/status`)).json()) as Picture;
    expect(status.identity).toEqual({ isChecked: false, reason: `no tailscaled at ${nowhere}` });
    await transport.close();
    await hub.stop();
  });
});
