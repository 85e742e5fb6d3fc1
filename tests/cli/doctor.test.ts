// Each misconfiguration is found, alone, by its code, with the cause and the next command; a machine in order
// has no findings; and what the doctor tells to run exists.
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { examine } from "../../app/cli/doctor.ts";
import type { DoctorOptions } from "../../app/cli/doctor.ts";
import type { Finding } from "../../app/cli/doctor/finding.ts";
import { SETTINGS } from "../../app/shared/config.ts";
import { tickhub } from "../support/cli.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { startTestHub } from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";
import { CASES, edgeOf, KIS_KEYS, listening } from "./doctor-cases.ts";

const directory = mkdtempSync(join(tmpdir(), "tickhub-doctor-"));
const base = { TICKHUB_STATE_DIR: join(directory, "state"), TICKHUB_PORT: "0" };
/** Nobody's: a tailscaled of this machine must not take part. */
const tailscaleSocket = join(directory, "none.sock");

let migrated: TestDatabase;
let empty: TestDatabase;
let hub: TestHub;
const told: Finding[] = [];

beforeAll(async () => {
  [migrated, empty] = await Promise.all([
    createDatabase({ migrated: true }),
    createDatabase({ migrated: false }),
  ]);
  hub = await startTestHub(migrated.url);
});
afterAll(async () => {
  await hub.stop();
  await Promise.all([migrated.drop(), empty.drop()]);
});

/** Findings that are not in order. */
async function wrong(env: Record<string, string>, options: Partial<DoctorOptions> = {}) {
  const findings = await examine({ ...base, ...env }, { tailscaleSocket, ...options });
  return findings.filter((finding) => !finding.ok);
}

describe("doctor", () => {
  it("finds nothing on a machine in order, and leaves nothing behind", async () => {
    const before = readdirSync(directory);
    const env = {
      ...{ ...KIS_KEYS, ...edgeOf(hub.gatewayUrl) },
      TICKHUB_DATABASE_URL: migrated.url,
      TICKHUB_SYMBOLS: "005930,NAS:AAPL",
      TICKHUB_PORT: String(hub.port),
    };
    expect(await wrong(env)).toEqual([]);
    expect(await wrong({})).toEqual([]);
    expect(readdirSync(directory)).toEqual(before);
  });

  it.each(CASES)("finds $title", async ({ seed, check, code, severity, says, next }) => {
    const after = (undo: () => unknown) =>
      onTestFinished(async () => {
        await undo();
      });
    const made = await seed({ directory, migrated, empty, hub, after });
    const [env, options] = Array.isArray(made) ? made : [made, {}];
    const findings = await wrong(env, options);
    expect(findings).toMatchObject([{ check, code, severity: severity ?? "broken" }]);
    expect(findings[0]!.cause).toMatch(says);
    expect(findings[0]!.next).toMatch(next);
    told.push(findings[0]!);
  });

  it("tells commands, options and settings that exist", async () => {
    expect(told).toHaveLength(CASES.length);
    const spans = told.flatMap(({ next }) =>
      [...next!.matchAll(/`([^`]+)`/g)].map(([, text]) => text!),
    );
    for (const { next } of told) expect(next).toMatch(/`[^`]+`/);
    const words = spans.map((text) => text.split(" "));
    const known =
      "npx export unset ls df ss tailscale systemctl pg_isready psql createdb git curl timedatectl";
    expect(words.filter(([first]) => !known.split(" ").includes(first!))).toEqual([]);
    for (const [, name] of words.filter(([first]) => first === "export")) {
      expect(SETTINGS).toHaveProperty(name!.split("=")[0]!);
    }
    const commands = words.filter(([first]) => first === "npx").map(([, , ...rest]) => rest);
    expect(new Set(commands.map(([name]) => name)).size).toBeGreaterThan(4);
    for (const [name, ...rest] of commands) {
      if (name === "--version") continue;
      const help = await tickhub([name!, "--help"]);
      expect(help.stdout, name).toContain(`Usage: tickhub ${name!}`);
      for (const word of rest.filter((one) => one.startsWith("--")))
        expect(help.stdout).toContain(word);
    }
  });

  it("finds what docs/doctor.md lists, case by case", () => {
    const page = readFileSync("docs/doctor.md", "utf8");
    const rows = [...page.matchAll(/^\| \d+ +\| (.+?) +\| (.+?) +\| `(\w+)` +\| (\w+) +\|/gm)];
    expect(
      rows.map(([, title, check, code, severity]) => ({ title, check, code, severity })),
    ).toEqual(
      CASES.map(({ title, check, code, severity = "broken" }) => ({
        title,
        check,
        code,
        severity,
      })),
    );
    expect(CASES.length).toBeGreaterThanOrEqual(25);
    expect(new Set(CASES.map(({ title }) => title)).size).toBe(CASES.length);
  });

  it("goes on behind a broken setting, and tells all that is broken", async () => {
    const findings = await wrong({
      ...{ TICKHUB_SYMBOL: "005930", TICKHUB_WEB_PORTS: "1", TICKHUB_OUTBOX_MB: "much" },
      ...{ TICKHUB_BIND: "0.0.0.0", TICKHUB_DATABASE_URL: empty.url },
      ...{ KIS_APP_SECRET: KIS_KEYS.KIS_APP_SECRET },
    });
    expect(findings.map(({ check, code }) => `${check} ${code}`)).toEqual([
      "settings CONFIG_UNKNOWN",
      "settings CONFIG_UNKNOWN",
      "settings CONFIG_INVALID",
      "KIS keys CONFIG_MISSING",
      "bind GATEWAY_PUBLIC",
      "database DATABASE_SCHEMA_MISSING",
    ]);
  });

  it("does not wait for what hangs: each check has its limit, and they run side by side", async () => {
    const silent = createServer(() => undefined);
    const port = await listening(silent, (undo) =>
      onTestFinished(async () => {
        await undo();
      }),
    );
    const startedMs = performance.now();
    const findings = await wrong(
      {
        ...edgeOf(`ws://127.0.0.1:${port}/edge`),
        TICKHUB_DATABASE_URL: `postgres://x@127.0.0.1:${port}/x`,
      },
      { checkMs: 300 },
    );
    expect(performance.now() - startedMs).toBeLessThan(3_000);
    expect(findings.map(({ code }) => code)).toContain("DOCTOR_TIMEOUT");
    expect(findings.map(({ check }) => check)).toEqual(expect.arrayContaining(["database", "hub"]));
  });

  it("never shows a secret", async () => {
    const secret = "hunter2".repeat(10);
    const url = new URL(migrated.url);
    url.password = secret;
    const findings = await wrong({
      ...{ ...KIS_KEYS, KIS_APP_SECRET: secret, TICKHUB_DATABASE_URL: url.href },
      ...{ ...edgeOf(hub.gatewayUrl), TICKHUB_EDGE_TOKEN: secret },
      TICKHUB_BROKER_PROXY: `http://me:${secret}@127.0.0.1:1`,
    });
    expect(findings.length).toBeGreaterThan(3);
    expect(JSON.stringify(findings)).not.toContain("hunter2");
  });

  it("knows our own hub on its port", async () => {
    expect(await wrong({ TICKHUB_PORT: String(hub.port) })).toEqual([]);
  });

  it("exits with 1 for what is broken and with 0 for a warning, in words as in JSON", async () => {
    const [warned, broken] = await Promise.all([
      tickhub(["doctor"], { TICKHUB_SYMBOLS: "005930,005930" }),
      tickhub(["doctor", "--json"], { TICKHUB_SYMBOLS: "LSE:VOD" }),
    ]);
    expect(warned.code).toBe(0);
    expect(warned.stdout).toMatch(
      /^ {2}warning {2}symbols: CONFIG_INVALID\n {11}.*\n {11}next: .*\n/,
    );
    expect(warned.stdout).toMatch(/broken: 0, warnings: 1, in order: \d+\n$/);
    expect(broken.code).toBe(1);
    expect(broken.json).toMatchObject({ ok: false });
  });
});
