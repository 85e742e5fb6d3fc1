// `tickhub stress` as a user runs it: the real open at ten times its rate through every process, a disk that
// is too slow, and Ctrl-C. Limits on delays are wide where other tests run beside it; nothing is wide about
// what was sent, stored and found.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { newStateDir, tickhub } from "../support/cli.ts";
import { createDatabase } from "../support/database.ts";
import { SlowDisk } from "../support/slow-disk.ts";
import { eventually } from "../support/stack.ts";
import { OwnPostgres } from "./support/own-postgres.ts";

/** What shows overload, and not a busy neighbour. */
const WIDE = [
  ...["generator-late=15000", "unread=15", "commit99=15000", "outbox=15"],
  ...["edge-loop=5000", "hub-loop=5000", "commit-probe=5000"],
].flatMap((limit) => ["--limit", limit]);

interface Report {
  ok: boolean;
  valid: boolean;
  summary: string;
  local: boolean;
  records: Record<string, number>;
  checks: { name: string; value: number | null; limit: number; over: boolean }[];
  losses: string[];
  evidence: number | null;
}

async function stress(url: string, args: readonly string[]) {
  const command = ["stress", "--profile", "krx-open", "--json", ...args];
  const result = await tickhub(command, { TICKHUB_DATABASE_URL: url });
  return { ...result, report: result.json as unknown as Report };
}

async function scratchDatabases(url: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ datname: string }>(
    "select datname from pg_database where datname like 'stress\\_%'",
  );
  await client.end();
  return rows.map(({ datname }) => datname);
}

async function ownServer(directory?: string): Promise<OwnPostgres> {
  const server = await OwnPostgres.start(directory);
  onTestFinished(() => server.remove());
  return server;
}

test("the open at ten times its rate passes: all of it is stored, and nothing stays behind but evidence", async () => {
  const database = await createDatabase({ migrated: true });
  onTestFinished(() => database.drop());
  const { code, report, stderr } = await stress(database.url, [
    ...["--speed", "10", "--seconds", "30"],
    ...WIDE,
  ]);
  expect(report, stderr).toMatchObject({ ok: true, valid: true, local: true, losses: [] });
  expect(code).toBe(0);
  const { sent, received, committed, rows, ...rest } = report.records;
  expect([received, committed, rows]).toEqual([sent, sent, sent]);
  expect(rest).toEqual({ duplicate: 0, held: 0, quarantined: 0, lost: 0, doubleSockets: 0 });
  // Two brokers, 30 s of an open that begins at its busiest.
  expect(sent).toBeGreaterThan(600_000);
  const { rows: evidence } = await database.pool.query(
    "select kind, subject, ok, (detail->>'speed')::int as speed from evidence where id = $1",
    [report.evidence],
  );
  expect(evidence).toEqual([{ kind: "stress", subject: "hub", ok: true, speed: 10 }]);
  const ticks = await database.pool.query("select count(*)::int as n from trade");
  expect(ticks.rows).toEqual([{ n: 0 }]);
  console.log(`10x: ${report.summary}; ${JSON.stringify(report.checks)}`);
});

describe("on a disk of its own", () => {
  const MILD = ["--speed", "3", "--seconds", "15", ...WIDE];
  /** A fifth of the WAL that the open at that speed makes. */
  const SLOW_BYTES_PER_S = 512 * 1024;

  test("what passes there fails once the disk is throttled, and says what was over which limit", async () => {
    const disk = SlowDisk.mount(3 * 2 ** 30);
    onTestFinished(() => disk.unmount());
    const server = await ownServer(join(disk.directory, "postgres"));
    const before = await stress(server.url, MILD);
    expect(before.report, before.stderr).toMatchObject({ ok: true, losses: [] });

    const pid = readFileSync(join(server.dataDirectory, "postmaster.pid"), "utf8").split("\n")[0];
    disk.throttle(Number(pid), SLOW_BYTES_PER_S);
    const { code, report, stderr } = await stress(server.url, MILD);
    console.log(`throttled: ${report.summary}`);
    expect(code, stderr).toBe(1);
    expect(report.ok).toBe(false);
    const over = report.checks.filter((check) => check.over).map(({ name }) => name);
    expect(over).toEqual(expect.arrayContaining(["wal-sync"]));
    expect(report.summary).toMatch(/one flush of WAL to disk, mean [\d,.]+ ms, limit 50 ms/);
    // Slow is not lost: what is not stored is held, and said to be.
    expect(report.records).toMatchObject({ lost: 0, quarantined: 0, duplicate: 0 });
    expect(report.records["rows"]).toBe(report.records["committed"]);
  });
});

test("Ctrl-C ends it: no database, no process, no evidence stays", async () => {
  const url = inject("postgresUrl");
  const before = await scratchDatabases(url);
  const database = await createDatabase({ migrated: true });
  onTestFinished(() => database.drop());
  const stateDir = newStateDir();
  const child = spawn(
    process.execPath,
    ["app/cli/main.ts", "stress", "--profile", "us-open", "--json"],
    {
      env: {
        PATH: process.env["PATH"],
        TICKHUB_STATE_DIR: stateDir,
        TICKHUB_DATABASE_URL: database.url,
      },
    },
  );
  const exited = new Promise((resolve) => child.once("close", resolve));
  const fresh = async () => (await scratchDatabases(url)).filter((name) => !before.includes(name));
  await eventually(60_000, "a scratch database", async () => (await fresh()).length > 0);
  await eventually(120_000, "edges at work", () =>
    Promise.resolve(/feed_subscribed/.test(logOf(stateDir, "edge-kis"))),
  );
  child.kill("SIGINT");
  expect(await exited).toBe(130);
  expect(await fresh()).toEqual([]);
  const { rows } = await database.pool.query("select count(*)::int as n from evidence");
  expect(rows).toEqual([{ n: 0 }]);
  const pids = ["sim", "hub", "edge-kis", "edge-kiwoom"].flatMap((name) =>
    [...logOf(stateDir, name).matchAll(/"pid":(\d+)/g)].map((match) => Number(match[1])),
  );
  expect(new Set(pids).size).toBeGreaterThanOrEqual(3);
  for (const pid of new Set(pids)) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
});

function logOf(stateDir: string, name: string): string {
  try {
    return readFileSync(join(stateDir, "stress", "logs", `${name}.log`), "utf8");
  } catch {
    return "";
  }
}
