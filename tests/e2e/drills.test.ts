// The drills as an operator runs them. What each one proves is written in app/cli/drills.ts.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newStateDir, tickhub } from "../support/cli.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { eventually } from "../support/stack.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase({ migrated: false });
});
afterAll(() => database.drop());

describe.concurrent("tickhub drill", () => {
  it.each([
    // A minute of market while the hub is away.
    ["outage", ["--seconds", "60"]],
    ["crash", []],
    ["double-session", []],
    ["poison", []],
    ["half-open", []],
  ])("%s passes", { timeout: 300_000 }, async (name, options) => {
    const { code, json, stderr } = await tickhub(["drill", name, ...options, "--json"]);
    const failed = (json?.checks as { ok: boolean }[] | undefined)?.filter(({ ok }) => !ok);
    expect(failed, stderr).toEqual([]);
    expect(json).toMatchObject({ drill: name, pass: true });
    expect(code).toBe(0);
  });
});

/** Processes below `pid` that are stopped, and all of them. */
function below(pid: number): { all: number[]; stopped: number[] } {
  const all = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  const pids = all.filter(Boolean).map(Number);
  const isStopped = (one: number) => /\) T /.test(readFileSync(`/proc/${one}/stat`, "utf8"));
  return { all: pids, stopped: pids.filter(isStopped) };
}

it(
  "a drill ended in its middle leaves no process and no database",
  { timeout: 120_000 },
  async () => {
    if (!existsSync("/proc/self/stat")) return;
    const scratch = async () => {
      const { rows } = await database.pool.query(
        "select from pg_database where datname ~ '^drill_'",
      );
      return rows.length;
    };
    const before = await scratch();
    const drill = spawn(process.execPath, ["app/cli/main.ts", "drill", "half-open", "--json"], {
      env: {
        PATH: process.env.PATH,
        TICKHUB_DATABASE_URL: database.url,
        TICKHUB_STATE_DIR: newStateDir(),
      },
      stdio: "ignore",
    });
    const exited = new Promise<number | null>((resolve) => drill.once("close", resolve));
    // Its fault is that the hub is stopped: a stopped process does not end by being asked to.
    const running = await eventually(60_000, "a hub that is stopped", () => {
      const now = below(drill.pid!);
      return Promise.resolve(now.stopped.length > 0 ? now.all : null);
    });
    expect(running).toHaveLength(4);
    expect(await scratch()).toBeGreaterThan(before);
    drill.kill("SIGINT");
    expect(await exited).toBe(130);
    expect(running.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
    expect(await scratch()).toBe(before);
  },
);
