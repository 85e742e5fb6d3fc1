// What `tickhub stress` refuses before anything is started. The runs themselves: tests/faults/stress.test.ts.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { tickhub } from "../support/cli.ts";
import { createDatabase } from "../support/database.ts";
import { startTestHub, TOKEN } from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";
import type { HubOptions } from "../../app/hub/hub.ts";

const COMMAND = ["stress", "--json", "--profile"];

test("a threshold that does not exist is wrong use, and the known ones are named", async () => {
  const { code, json } = await tickhub([...COMMAND, "krx-open", "--limit", "speed=3"]);
  expect(code).toBe(2);
  expect(json).toMatchObject({ ok: false, code: "USAGE" });
  expect(JSON.stringify(json)).toContain("commit99");
});

test("a profile that is not there is refused by its path", async () => {
  const { code, json } = await tickhub([...COMMAND, "nowhere.json"]);
  expect(code).toBe(1);
  expect(json).toMatchObject({ code: "PROFILE_UNREADABLE" });
});

test("a server whose hub is collecting is left alone: by a lease, and by a batch of late", async () => {
  const database = await createDatabase({ migrated: true });
  onTestFinished(() => database.drop());
  const refused = async () => {
    const env = { TICKHUB_DATABASE_URL: database.url };
    const { code, json } = await tickhub([...COMMAND, "krx-open"], env);
    expect(code).toBe(1);
    return json;
  };
  await database.pool.query(
    "insert into lease (account, epoch, holder, edge, seen_at) values ('kis:1', 1, $1, 'kis', now())",
    [randomUUID()],
  );
  expect(await refused()).toMatchObject({
    code: "STRESS_TARGET_IN_USE",
    context: { leases: 1, batches: 0 },
  });
  await database.pool.query("update lease set holder = null");
  await database.pool.query(
    "insert into ingest_batch (stream, number, crc, rows, bytes, committed) values (1, 1, 0, 1, 1, 1)",
  );
  expect(await refused()).toMatchObject({
    code: "STRESS_TARGET_IN_USE",
    context: { leases: 0, batches: 1 },
  });
});

describe("into a hub that runs", () => {
  const TOKENS = { TICKHUB_STRESS_TOKENS: `kis=${TOKEN},kiwoom=${TOKEN}` };

  async function hubOf(options: Partial<HubOptions> = {}) {
    const database = await createDatabase({ migrated: false });
    const hub = await startTestHub(database.url, options);
    onTestFinished(async () => {
      await hub.stop();
      await database.drop();
    });
    return { hub, pool: database.pool };
  }

  const stressTo = async (to: string, more: string[] = [], env: Record<string, string> = TOKENS) =>
    await tickhub([...COMMAND, "krx-open", "--to", to, ...more], env);

  const wasMet = ({ events }: TestHub) => events.some(({ event }) => event === "edge_connected");

  test.each([[[]], [["--force", "I know what I do"]]])(
    "a hub that takes real brokers is never loaded: %j",
    async (force) => {
      const { hub, pool } = await hubOf();
      const { code, json } = await stressTo(hub.gatewayUrl, force);
      expect(code).toBe(1);
      expect(json).toMatchObject({ code: "STRESS_TARGET_REAL" });
      expect(JSON.stringify(json)).toContain("it takes real brokers");
      expect(wasMet(hub)).toBe(false);
      const { rows } = await pool.query("select from stream");
      expect(rows).toHaveLength(0);
    },
  );

  test.each([
    ["a hub of a release before", 404, { hint: "Here are /edge and /healthz." }],
    ["a server that says yes to everything", 200, { ok: true }],
    ["one that says real", 200, { brokers: "real" }],
  ])("%s did not say that its brokers are simulated", async (_who, status, body) => {
    const server = createServer((_request, response) => {
      response.writeHead(status).end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const { code, json } = await stressTo(`ws://127.0.0.1:${port}`, ["--force", "all the same"]);
    expect(code).toBe(1);
    expect(json).toMatchObject({ code: "STRESS_TARGET_REAL" });
  });

  test("a wrong token, no token, a tape, a plan without the profile's market: each by its name", async () => {
    const { hub } = await hubOf({ brokers: "simulated" });
    const codeOf = async (...args: Parameters<typeof stressTo>) =>
      (await stressTo(...args)).json?.["code"];
    const wrong = { TICKHUB_STRESS_TOKENS: `kis=${TOKEN},kiwoom=another-token` };
    expect(await codeOf(hub.gatewayUrl, [], wrong)).toBe("EDGE_TOKEN");
    const half = { TICKHUB_STRESS_TOKENS: `kis=${TOKEN}` };
    expect(await codeOf(hub.gatewayUrl, [], half)).toBe("CONFIG_MISSING");
    expect(await codeOf(hub.gatewayUrl, [], {})).toBe("CONFIG_MISSING");
    expect(await codeOf(hub.gatewayUrl.replace("ws", "postgres"))).toBe("USAGE");
    const us = await tickhub([...COMMAND, "us-open", "--to", hub.gatewayUrl], TOKENS);
    expect(us.json).toMatchObject({ code: "STRESS_TARGET_PLAN" });
    const tape = await tickhub([...COMMAND, "README.md", "--to", hub.gatewayUrl], TOKENS);
    expect(tape.json).toMatchObject({ code: "USAGE" });
    expect(wasMet(hub)).toBe(false);
  });
});
