// The gateway and what people look at, on a port each: a tailnet's policy can then tell them apart.
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { examine } from "../../app/cli/doctor.ts";
import { tickhub } from "../support/cli.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { startTestHub, testTransport } from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";

let database: TestDatabase;
let hub: TestHub;
let gateway: string;
let webPort: string;
const PEOPLE = ["/", "/icon.svg", "/live", "/status", "/metrics"];

beforeAll(async () => {
  database = await createDatabase({ migrated: false });
  hub = await startTestHub(database.url, { webPort: 0 });
  gateway = hub.gatewayUrl.replace(/^ws/, "http");
  webPort = new URL(hub.url).port;
});
afterAll(async () => {
  await hub.stop();
  await database.drop();
});

describe("a hub with two ports", () => {
  test("has the gateway on one and the page on the other", () => {
    expect(new URL(hub.url).port).not.toBe(new URL(gateway).port);
    expect(hub.port).toBe(Number(new URL(gateway).port));
    expect(hub.events).toContainEqual({
      event: "hub_listening",
      url: hub.url,
      gatewayUrl: hub.gatewayUrl,
    });
  });

  test("takes edges on the gateway's", async () => {
    const transport = testTransport(hub.gatewayUrl);
    await expect(transport.open()).resolves.toMatchObject({ hub: "0.0.0-test" });
    await transport.close();
  });

  test("shows nothing but its health on the gateway's", async () => {
    for (const path of PEOPLE) {
      const response = await fetch(gateway + path);
      expect(response.status, path).toBe(404);
      expect(await response.text()).not.toContain("kis:1");
    }
    const health = await fetch(`${gateway}/healthz`);
    expect(health.status).toBe(200);
    expect(await health.json()).toMatchObject({ ok: true, version: "0.0.0-test" });
  });

  test("has no gateway on the page's, whatever token is shown", async () => {
    await expect(testTransport(hub.url.replace(/^http/, "ws")).open()).rejects.toMatchObject({
      code: "UPLINK_PROTOCOL",
    });
    for (const path of ["/healthz", "/status", "/metrics", "/icon.svg"]) {
      expect((await fetch(hub.url + path)).status, path).toBe(200);
    }
  });

  test("answers noise on either with 400 and counts it", async () => {
    for (const port of [hub.port, Number(webPort)]) {
      const socket = connect(port, "127.0.0.1");
      socket.write("\u0016\u0003\u0001 not HTTP\r\n\r\n");
      const [head] = (await socket.toArray()).map(String);
      expect(head).toContain("400 Bad Request");
    }
    expect(
      hub.events.filter(
        (event) => event.event === "edge_refused" && event.code === "GATEWAY_PROTOCOL",
      ),
    ).toHaveLength(2);
  });

  test("is found by the doctor, who looks at both ports and at the gateway's clock", async () => {
    const env = { TICKHUB_PORT: String(hub.port), TICKHUB_WEB_PORT: webPort };
    const findings = await examine({ ...env, TICKHUB_HUB_URL: hub.gatewayUrl });
    expect(findings.filter(({ check }) => check === "port" || check === "clock")).toEqual([
      { check: "port", ok: true },
      { check: "clock", ok: true },
    ]);
  });

  test("is found by status and preflight, which ask the page's", async () => {
    const env = { TICKHUB_PORT: String(hub.port), TICKHUB_WEB_PORT: webPort };
    const [status, preflight] = await Promise.all([
      tickhub(["status", "--json"], env),
      tickhub(["preflight", "--json"], env),
    ]);
    expect(status.json).toMatchObject({ version: "0.0.0-test", database: { ok: true } });
    expect(preflight.json).toMatchObject({ ok: true, reasons: [] });
  });
});

test("a taken page's port is GATEWAY_PORT_TAKEN, and the gateway's is given back", async () => {
  const starting = startTestHub(database.url, { webPort: Number(webPort) });
  await expect(starting).rejects.toMatchObject({
    code: "GATEWAY_PORT_TAKEN",
    context: { port: Number(webPort) },
  });
});
