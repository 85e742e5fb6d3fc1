// The hub's own lines, with a database that is there, away, and back.
import { afterAll, beforeAll, expect, test } from "vitest";
import { HubLog } from "../../../app/hub/logs/hub-log.ts";
import { readLogs } from "../../../app/hub/query/logs.ts";
import type { Event } from "../../../app/shared/events.ts";
import { createReporter } from "../../../app/shared/report.ts";
import { createDatabase } from "../../support/database.ts";
import type { TestDatabase } from "../../support/database.ts";
import { FakeClock } from "../../support/fake-clock.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase({ migrated: true });
});
afterAll(() => database.drop());

test("go into the central log; while the database is away the oldest give way and are counted", async () => {
  const clock = new FakeClock(Date.UTC(2026, 10, 27));
  const reporter = createReporter("hub", "silent");
  const events: Event[] = [];
  reporter.listen(({ event }) => events.push(event));
  let isAway = false;
  const pool = {
    query: ((sql: string, values: unknown[]) =>
      isAway
        ? Promise.reject(new Error("Connection terminated"))
        : database.pool.query(sql, values)) as typeof database.pool.query,
  };
  const log = new HubLog({ pool, clock, reporter, level: "info", bytesPerDay: 1e6, linesMax: 5 });
  const paused = (edge: string) =>
    reporter.emit({ event: "edge_refused", edge, address: "127.0.0.1", code: "EDGE_TOKEN" });
  log.start();
  paused("first");
  await log.flush();
  isAway = true;
  for (let i = 1; i <= 8; i++) paused(`e${i}`);
  await log.flush();
  isAway = false;
  await log.flush();
  await log.stop();
  const { lines } = await readLogs(database.pool, { edge: "hub", event: "edge_refused" });
  const edges = lines.map(({ fields }) => fields["edge"]);
  expect(edges).toEqual(["first", "e4", "e5", "e6", "e7", "e8"]);
  expect(events).toContainEqual({ event: "hub_log_dropped", count: 3 });
  const told = await readLogs(database.pool, { event: "hub_log_dropped" });
  expect(told.lines).toMatchObject([{ edge: "hub", level: "warn", fields: { count: 3 } }]);
});
