// Which lines a filter finds, in which order, and where who follows goes on.
import { afterAll, beforeAll, expect, test } from "vitest";
import { readLogs } from "../../../app/hub/query/logs.ts";
import type { LogFilter } from "../../../app/hub/query/logs.ts";
import { Retention } from "../../../app/hub/retention.ts";
import type { Event } from "../../../app/shared/events.ts";
import { createDatabase } from "../../support/database.ts";
import type { TestDatabase } from "../../support/database.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const START_MS = Date.UTC(2026, 10, 26, 22, 0, 0);
let database: TestDatabase;
/** Ids 1 to 10, a minute apart; the last two are told late: they are older than all. */
beforeAll(async () => {
  database = await createDatabase({ migrated: true });
  await database.pool.query(
    `insert into edge_log (at, edge, level, event, fields)
     select to_timestamp($1::float8 / 1000) + (case when i > 8 then i - 20 else i end) * interval '1 minute',
       case when i % 2 = 0 then 'kis' else 'hub' end, (array[20, 30, 40, 50])[1 + i % 4], 'event_' || i % 3,
       jsonb_build_object('n', i, 'text', case when i = 7 then 'Needle 50%' else 'hay' end)
     from generate_series(1, 10) i order by i`,
    [START_MS],
  );
});
afterAll(() => database.drop());

const ids = async (filter: LogFilter) =>
  (await readLogs(database.pool, filter)).lines.map(({ id }) => id);

test("without a filter the newest come, oldest first, by their own time", async () => {
  expect(await ids({})).toEqual([9, 10, 1, 2, 3, 4, 5, 6, 7, 8]);
  const newest = await readLogs(database.pool, { limit: 2 });
  expect(newest.lines.map(({ id }) => id)).toEqual([7, 8]);
  expect(newest.lastId).toBe(10);
  expect(newest.lines[0]).toEqual({
    ...{ id: 7, atMs: START_MS + 7 * 60_000, edge: "hub", level: "error", event: "event_1" },
    fields: { n: 7, text: "Needle 50%" },
  });
});

test("edge, least level, event, text and time each leave out what does not fit", async () => {
  expect(await ids({ edge: "kis" })).toEqual([10, 2, 4, 6, 8]);
  expect(await ids({ level: "warn" })).toEqual([10, 2, 3, 6, 7]);
  expect(await ids({ event: "event_0" })).toEqual([9, 3, 6]);
  expect(await ids({ q: "nEEDLE 50%" })).toEqual([7]);
  expect(await ids({ q: "%" })).toEqual([7]);
  expect(await ids({ q: "event_2" })).toEqual([2, 5, 8]);
  const minute = (n: number) => START_MS + n * 60_000;
  expect(await ids({ sinceMs: minute(3), untilMs: minute(6) })).toEqual([3, 4, 5]);
  expect(await ids({ edge: "hub", level: "error", sinceMs: minute(4) })).toEqual([7]);
});

test("after an id the lines come as they were stored, piece by piece, and none twice", async () => {
  const first = await readLogs(database.pool, { afterId: 4, limit: 3 });
  expect(first.lines.map(({ id }) => id)).toEqual([5, 6, 7]);
  expect(first.lastId).toBe(7);
  const rest = await readLogs(database.pool, { afterId: first.lastId, limit: 30 });
  expect(rest.lines.map(({ id }) => id)).toEqual([8, 9, 10]);
  expect(await readLogs(database.pool, { afterId: rest.lastId })).toEqual({
    lines: [],
    lastId: 10,
  });
  // What does not fit was looked at all the same.
  expect(await readLogs(database.pool, { afterId: 8, edge: "nobody" })).toMatchObject({
    lastId: 10,
  });
});

test("lines past their days go, and then the oldest of those that take more than their size", async () => {
  const events: Event[] = [];
  const expire = async (retainDays: number, bytesMax: number) => {
    const clock = new FakeClock(Date.parse("2026-12-05T07:00:00+09:00"));
    const emit = (event: Event) => void events.push(event);
    const logs = { retainDays, bytesMax };
    const retention = new Retention({ pool: database.pool, clock, emit, retainDays: 0, logs });
    await retention.look();
    await retention.stop();
  };
  await expire(14, 1e9);
  expect(events).toEqual([]);
  const { rows } = await database.pool.query<{ bytes: number }>(
    "select sum(pg_column_size(l.*))::int as bytes from edge_log l where id between 5 and 8",
  );
  await expire(14, rows[0]!.bytes);
  expect(await ids({})).toEqual([5, 6, 7, 8]);
  expect(events).toMatchObject([{ event: "logs_expired", reason: "size", gone: 6 }]);
  await expire(7, 1e9);
  expect(await ids({})).toEqual([]);
  expect(events.at(-1)).toMatchObject({ event: "logs_expired", reason: "days", gone: 4 });
});
