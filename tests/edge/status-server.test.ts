// The edge's window: what a probe can tell from it, and from where it can be seen.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Registry } from "prom-client";
import { describe, expect, onTestFinished, test } from "vitest";
import { startStatusServer } from "../../app/edge/status-server.ts";
import type { EdgeHealth, StatusPlace } from "../../app/edge/status-server.ts";

async function open(place: Partial<StatusPlace> = {}, health?: () => EdgeHealth) {
  const server = await startStatusServer(
    { port: 0, bind: "127.0.0.1", allowPublic: false, ...place },
    {
      status: () => ({ edge: "kis" }),
      health: health ?? (() => ({ ok: true, standby: true, draining: false, heldRecords: 0 })),
    },
    new Registry(),
  );
  onTestFinished(() => server.close());
  return server;
}

describe("the edge's status port", () => {
  test("answers /healthz while it drains, with what it still holds", async () => {
    let draining = false;
    const { url } = await open({}, () => ({
      ok: true,
      standby: false,
      draining,
      heldRecords: draining ? 7 : 0,
    }));
    const health = async () => {
      const response = await fetch(`${url}/healthz`);
      return { status: response.status, body: (await response.json()) as unknown };
    };
    expect(await health()).toMatchObject({ status: 200, body: { draining: false } });
    draining = true;
    expect(await health()).toEqual({
      status: 200,
      body: { ok: true, standby: false, draining: true, heldRecords: 7 },
    });
  });

  test("refuses every address with GATEWAY_PUBLIC unless allowed", async () => {
    await expect(open({ bind: "0.0.0.0" })).rejects.toMatchObject({ code: "GATEWAY_PUBLIC" });
    await expect(open({ bind: "192.168.1.5" })).rejects.toMatchObject({ code: "GATEWAY_PUBLIC" });
    const { url } = await open({ bind: "0.0.0.0", allowPublic: true });
    expect((await fetch(`${url}/status`)).status).toBe(200);
  });

  test("names the setting when the address is not this machine's", async () => {
    await expect(open({ bind: "100.64.255.254" })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      context: { name: "TICKHUB_STATUS_BIND", value: "100.64.255.254" },
    });
  });

  test("says that another program holds the port", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void other.close());
    const { port } = other.address() as AddressInfo;
    await expect(open({ port })).rejects.toMatchObject({ code: "GATEWAY_PORT_TAKEN" });
  });
});
