// Each broken precondition is found, named by its code, with the cause and what to do next; and a machine
// in order has no findings.
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import type { Server } from "node:http";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { examine } from "../../app/cli/doctor.ts";
import { startTestHub } from "../support/hub.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";

const KIS_KEYS = { KIS_APP_KEY: "A".repeat(36), KIS_APP_SECRET: "b".repeat(180) };
const directory = mkdtempSync(join(tmpdir(), "tickhub-doctor-"));
const base = { TICKHUB_STATE_DIR: directory, TICKHUB_PORT: "0" };

let migrated: TestDatabase;
let empty: TestDatabase;
beforeAll(async () => {
  [migrated, empty] = await Promise.all([
    createDatabase({ migrated: true }),
    createDatabase({ migrated: false }),
  ]);
});
afterAll(async () => {
  await Promise.all([migrated.drop(), empty.drop()]);
});

/** The findings that are broken. */
async function broken(env: Record<string, string>) {
  return (await examine({ ...base, ...env })).filter((finding) => !finding.ok);
}

async function listening(server: Server | ReturnType<typeof createServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

const TWENTY_ONE = Array.from({ length: 21 }, (_, i) => String(100_000 + i)).join(",");

describe("doctor", () => {
  it("finds nothing on a machine in order", async () => {
    const env = {
      ...KIS_KEYS,
      TICKHUB_DATABASE_URL: migrated.url,
      TICKHUB_SYMBOLS: "005930,NAS:AAPL",
    };
    expect(await broken(env)).toEqual([]);
  });

  it.each([
    ["a misspelt setting", { TICKHUB_SYMBOL: "005930" }, "CONFIG_UNKNOWN", /TICKHUB_SYMBOLS/],
    [
      "a secret without its key",
      { KIS_APP_SECRET: KIS_KEYS.KIS_APP_SECRET },
      "CONFIG_MISSING",
      /KIS_APP_KEY/,
    ],
    [
      "a key without its secret",
      { KIWOOM_APP_KEY: "k".repeat(43) },
      "CONFIG_MISSING",
      /KIWOOM_SECRET_KEY/,
    ],
    [
      "a key with a pasted quote",
      { ...KIS_KEYS, KIS_APP_KEY: `"${"A".repeat(36)}"` },
      "CONFIG_INVALID",
      /KIS_APP_KEY.*characters=38/,
    ],
    [
      "a secret that was cut",
      { ...KIS_KEYS, KIS_APP_SECRET: "b".repeat(100) },
      "CONFIG_INVALID",
      /KIS_APP_SECRET.*characters=100/,
    ],
    [
      "more symbols than one KIS key can register",
      { TICKHUB_SYMBOLS: TWENTY_ONE },
      "CAP_TOO_SMALL",
      /keysMissing=1/,
    ],
    [
      "fewer keys than accounts",
      { ...KIS_KEYS, TICKHUB_ACCOUNTS: "kis:1,kis:2,kiwoom:1" },
      "CAP_TOO_SMALL",
      /keysMissing=1/,
    ],
    ["a symbol of no known venue", { TICKHUB_SYMBOLS: "LSE:VOD" }, "CONFIG_INVALID", /LSE:VOD/],
    [
      "a market clock that cannot be read",
      { TICKHUB_MARKET_CLOCK: "noon" },
      "CONFIG_INVALID",
      /TICKHUB_MARKET_CLOCK/,
    ],
    [
      "a database that is not there",
      { TICKHUB_DATABASE_URL: "postgres://127.0.0.1:1/x" },
      "DATABASE_UNREACHABLE",
      /ECONNREFUSED/,
    ],
  ])("finds %s", async (_title, env, code, says) => {
    const findings = await broken(env);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ code });
    expect(findings[0]!.cause).toMatch(says);
    expect(findings[0]!.next).toMatch(/\w{3,}/);
  });

  it("never shows a secret", async () => {
    const secret = "hunter2".repeat(10);
    const findings = await broken({ ...KIS_KEYS, KIS_APP_SECRET: secret });
    expect(JSON.stringify(findings)).not.toContain("hunter2");
  });

  it("finds a state directory that cannot be written", async () => {
    const file = join(directory, "a-file");
    writeFileSync(file, "");
    const findings = await broken({ TICKHUB_STATE_DIR: join(file, "state") });
    expect(findings).toMatchObject([{ check: "state directory", code: "DATABASE_DIRECTORY" }]);
  });

  it("finds a port that another program holds, and knows our own hub", async () => {
    const other = createServer();
    const port = await listening(other);
    const findings = await broken({ TICKHUB_PORT: String(port) });
    other.close();
    expect(findings).toMatchObject([{ check: "port", code: "GATEWAY_PORT_TAKEN" }]);
    const hub = await startTestHub(migrated.url);
    expect(await broken({ TICKHUB_PORT: String(hub.port) })).toEqual([]);
    await hub.stop();
  });

  it("finds a database without a schema, and one of a newer release", async () => {
    const found = await broken({ TICKHUB_DATABASE_URL: empty.url });
    expect(found).toMatchObject([{ check: "database", code: "DATABASE_SCHEMA_MISSING" }]);
    await migrated.pool.query("update schema_migration set min_code = 999 where name like '0001%'");
    const newer = await broken({ TICKHUB_DATABASE_URL: migrated.url });
    await migrated.pool.query("update schema_migration set min_code = 1 where name like '0001%'");
    expect(newer).toMatchObject([{ check: "database", code: "DATABASE_SCHEMA_NEWER" }]);
  });

  it("finds a clock that differs from the hub's", async () => {
    const hub = createHttpServer((_request, response) => {
      response.end(JSON.stringify({ nowMs: Date.now() - 60_000 }));
    });
    const port = await listening(hub);
    const findings = await broken({ TICKHUB_HUB_URL: `ws://127.0.0.1:${port}/edge` });
    hub.close();
    expect(findings).toMatchObject([{ check: "clock", code: "CLOCK_SKEW" }]);
    expect(findings[0]?.cause).toMatch(/skewMs=(59|60)\d{3}/);
  });
});
