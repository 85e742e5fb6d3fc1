// `tickhub logs`: what it prints, of whom it asks, and that it goes on with what comes.
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { sinceOf, textOf } from "../../app/cli/logs.ts";
import { readLogs } from "../../app/hub/query/logs.ts";
import type { LogFilter } from "../../app/hub/query/logs.ts";
import { newStateDir, tickhub } from "../support/cli.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { until } from "../support/hub.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase({ migrated: true });
  await say("kis", 40, "feed_closed", { source: "kis:1", reason: "gone away" });
  await say("hub", 30, "hub_listening", { url: "http://127.0.0.1:1" });
});
afterAll(() => database.drop());

async function say(edge: string, level: number, event: string, fields: object): Promise<void> {
  await database.pool.query(
    "insert into edge_log (at, edge, level, event, fields) values (now(), $1, $2, $3, $4)",
    [edge, level, event, fields],
  );
}

/** A hub's `/api/logs`, and nothing else. */
async function startApi(): Promise<{ url: string; asked: URLSearchParams[] }> {
  const asked: URLSearchParams[] = [];
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://hub");
    asked.push(searchParams);
    const numbers = ["sinceMs", "untilMs", "afterId", "limit"];
    const filter: LogFilter = Object.fromEntries(
      [...searchParams].map(([name, text]) => [name, numbers.includes(name) ? Number(text) : text]),
    );
    if (pathname !== "/api/logs") response.writeHead(404).end("{}");
    else void readLogs(database.pool, filter).then((list) => response.end(JSON.stringify(list)));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

describe("tickhub logs", () => {
  test("prints one line a record, in Korean time, and without colours where nobody sees them", async () => {
    const { code, stdout } = await tickhub(["logs", "--database"], {
      TICKHUB_DATABASE_URL: database.url,
    });
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} WARN {2}kis {6}feed_closed reason="gone away" source=kis:1$/,
    );
    expect(lines).toHaveLength(2);
  });

  test("asks the hub for what it was asked for, and gives the list as JSON", async () => {
    const { url, asked } = await startApi();
    const args = ["--hub", url, "--json", "--level", "warn", "--edge", "kis", "--since", "1h"];
    const { code, json } = await tickhub([
      "logs",
      ...args,
      "--grep",
      "GONE",
      "--event",
      "feed_closed",
    ]);
    expect(code).toBe(0);
    expect(json).toMatchObject({ lines: [{ edge: "kis", level: "warn" }], lastId: 2 });
    const { sinceMs, ...rest } = Object.fromEntries(asked.at(-1)!);
    expect(rest).toEqual({ edge: "kis", level: "warn", event: "feed_closed", q: "GONE" });
    expect(Date.now() - Number(sinceMs)).toBeGreaterThanOrEqual(3_600_000);
  });

  test("says what to do where neither hub nor database is there, and refuses a time that is none", async () => {
    const away = await tickhub(["logs", "--hub", "http://127.0.0.1:9", "--json"]);
    expect(away).toMatchObject({ code: 1, json: { ok: false, code: "UPLINK_UNREACHABLE" } });
    expect(await tickhub(["logs", "--since", "soon"])).toMatchObject({ code: 2 });
  });

  test("goes on with what comes, once each, until it is told to end", async () => {
    const { url } = await startApi();
    const child = spawn(
      process.execPath,
      ["app/cli/main.ts", "logs", "-f", "--json", "--hub", url],
      {
        env: { ...process.env, TICKHUB_STATE_DIR: newStateDir(), TICKHUB_PORT: "0" },
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    let stdout = "";
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    const seen = () =>
      stdout
        .split("\n")
        .filter(Boolean)
        .map((line) => (JSON.parse(line) as { event: string }).event);
    await until(() => seen().length >= 2, "the lines so far");
    for (let i = 0; i < 5; i++) await say("kis", 30, `later_${i}`, {});
    await until(() => seen().length >= 7, "the lines that came");
    child.kill("SIGINT");
    const code = await new Promise((resolve) => child.once("close", resolve));
    expect(code).toBe(0);
    expect(seen().slice(2)).toEqual(["later_0", "later_1", "later_2", "later_3", "later_4"]);
    await database.pool.query("delete from edge_log where event like 'later%'");
  });
});

test("a line from elsewhere cannot move the cursor", () => {
  const line = { id: 1, atMs: 0, edge: "e\x1b[2J", level: "info" as const, event: "x\n" };
  expect(textOf({ ...line, fields: { a: "b\x1b[1mc" } })).not.toMatch(/\p{Cc}/u);
});

test("a time is so long ago, or a moment in Korea unless it says where", () => {
  const now = Date.UTC(2026, 10, 27, 3);
  expect(sinceOf("90s", now)).toBe(now - 90_000);
  expect(sinceOf("1.5h", now)).toBe(now - 5_400_000);
  expect(sinceOf("2026-11-27T09:00", now)).toBe(Date.UTC(2026, 10, 27, 0));
  expect(sinceOf("2026-11-27 09:00", now)).toBe(Date.UTC(2026, 10, 27, 0));
  expect(sinceOf("2026-11-27", now)).toBe(Date.UTC(2026, 10, 26, 15));
  expect(sinceOf("2026-11-27T09:00:00Z", now)).toBe(Date.UTC(2026, 10, 27, 9));
  for (const text of ["soon", "10", "2026-13-01"]) {
    expect(() => sinceOf(text, now)).toThrow("USAGE");
  }
});
