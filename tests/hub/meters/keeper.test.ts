// The keeper against a real PostgreSQL: what it says of a month that the tables hold, whom it warns and how
// often, and what it tells an edge over its budget to do without, also after the hub was started again.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { MeterKeeper } from "../../../app/hub/query/meters/keeper.ts";
import type { MeterKeeperOptions } from "../../../app/hub/query/meters/keeper.ts";
import {
  halfDayAt,
  halfDaysOf,
  monthOf,
  openShareOf,
  spanOf,
} from "../../../app/hub/query/meters/half-day.ts";
import { systemClock } from "../../../app/shared/clock.ts";
import type { Event } from "../../../app/shared/events.ts";
import { createDatabase } from "../../support/database.ts";
import type { TestDatabase } from "../../support/database.ts";
import { startTestHub, testTransport, until } from "../../support/hub.ts";

let database: TestDatabase;
let events: Event[];
/** 21:00 in Seoul on Wednesday, November 18th 2026: thirteen of 21 trading days of KRX are over. */
const NOW_MS = Date.UTC(2026, 10, 18, 12, 0, 0);

beforeAll(async () => {
  database = await createDatabase({ migrated: true });
});
afterAll(() => database.drop());
beforeEach(async () => {
  events = [];
  await database.pool.query(
    "truncate edge_status, meter_use, meter_size, meter_counter, meter_alarm, egress_shedding",
  );
});

function keeperAt(nowMs: number, options: Partial<MeterKeeperOptions> = {}): MeterKeeper {
  return new MeterKeeper({
    pool: database.pool,
    clock: { ...systemClock, nowMs: () => nowMs, monoMs: () => systemClock.monoMs() },
    emit: (event) => events.push(event),
    edges: ["kis"],
    boot: randomUUID(),
    limits: new Map(),
    budgets: new Map(),
    counters: () => ({}),
    bucketBytes: () => null,
    ...options,
  });
}

/** An edge that sends `gb` each open half day of Korea's, and a tenth of it whenever else, until `untilMs`. */
async function traffic(edge: string, gb: number, fromMs: number, untilMs: number): Promise<void> {
  for (const half of halfDaysOf(monthOf(halfDayAt(untilMs)))) {
    const { fromMs: begin, toMs } = spanOf(half);
    if (begin < fromMs || toMs > untilMs) continue;
    const isOpen = !half.isNight && openShareOf(half) > 0;
    const amounts = {
      hub_bytes: gb * 1e9 * (isOpen ? 1 : 0.1),
      up_seconds: (toMs - begin) / 1_000,
    };
    for (const [meter, amount] of Object.entries(amounts)) {
      await database.pool.query(
        `insert into meter_use (subject, meter, day, night, amount)
         values ($1, $2, to_date($3::text, 'YYYYMMDD'), $4, $5)`,
        [edge, meter, half.day, half.isNight, amount],
      );
    }
  }
}

const alarms = () =>
  events.flatMap((event) =>
    event.event === "meter_alarmed" ? [`${event.meter}@${event.subject} ${event.state}`] : [],
  );
const levels = () =>
  events.flatMap((event) => (event.event === "budget_enforced" ? [event.level] : []));

describe("the meters of a month", () => {
  test("say what is used, what it will come to, and what that is of the limit", async () => {
    await traffic("kis", 0.5, 0, NOW_MS);
    const keeper = keeperAt(NOW_MS, { limits: new Map([["egress@kis", 20]]) });
    await keeper.look();
    const egress = keeper
      .picture()
      .find(({ meter, subject }) => `${meter}@${subject}` === "egress@kis")!;
    // 21 open half days and 39 others; 9 % for the packets' headers.
    const expected = (21 * 0.5 + 39 * 0.05) * (1 + 112 / 1_228);
    expect(egress.projected / expected).toBeCloseTo(1, 2);
    expect(egress).toMatchObject({ limit: 20, unit: "GB", state: "ok", month: 202611 });
    expect(egress.share! * 20).toBeCloseTo(egress.projected);
    expect(egress.used).toBeLessThan(egress.projected);
    expect(egress.openDays).toBeGreaterThan(10);
    const storage = keeper.picture().find(({ meter }) => meter === "storage")!;
    expect(storage.used).toBeGreaterThan(0.001);
    expect(events).toEqual([]);
  });

  test("warn once a day, also when the hub was started again in between, and no more once it is well", async () => {
    await traffic("kis", 0.5, 0, NOW_MS);
    const limits = new Map([["egress@kis", 14]]);
    await keeperAt(NOW_MS, { limits }).look();
    await keeperAt(NOW_MS + 600_000, { limits }).look();
    expect(alarms()).toEqual(["egress@kis warn"]);
    await keeperAt(NOW_MS + 86_400_000, { limits }).look();
    expect(alarms()).toHaveLength(2);
    const used = new Map([["egress@kis", 5]]);
    await keeperAt(NOW_MS + 86_400_000, { limits: used }).look();
    expect(alarms().at(-1)).toBe("egress@kis over");
    await keeperAt(NOW_MS + 86_400_000).look();
    const { rows } = await database.pool.query("select from meter_alarm");
    expect(rows).toEqual([]);
  });

  test("of a bucket and of the database are sizes, which grow", async () => {
    for (const [at, bytes] of [1e9, 2e9, 3e9].entries()) {
      const day = 20261116 + at;
      await database.pool.query(
        `insert into meter_size (meter, day, night, bytes)
         select 'bucket', to_date($1::text, 'YYYYMMDD'), night, $2::float8 + case when night then 5e8 else 0 end
           from (values (false), (true)) as t (night)`,
        [day, bytes],
      );
    }
    const keeper = keeperAt(Date.UTC(2026, 10, 18, 22, 0, 1));
    await keeper.look();
    const bucket = keeper.picture().find(({ meter }) => meter === "bucket")!;
    expect(bucket.used).toBe(3.5);
    // Another 0.5 GB each open half day: 8 of KRX from the 19th on, 7 of New York and a short one; closed ones are a guess.
    expect(bucket.projected).toBeGreaterThan(3.5 + 7);
    expect(bucket.projected).toBeLessThan(3.5 + 12);
    expect(bucket.limit).toBe(20);
  });
});

describe("an edge over its egress budget", () => {
  const budgets = new Map([["kis", 10]]);

  test("is told to do without step by step, the same after the hub was started again, and nothing without a budget", async () => {
    await traffic("kis", 0.5, 0, NOW_MS);
    const first = keeperAt(NOW_MS, { budgets });
    await first.look();
    await first.look();
    const second = keeperAt(NOW_MS + 60_000, { budgets });
    expect(second.sheddingOf("kis")).toBe("none");
    await second.look();
    expect([first, second].map((keeper) => keeper.sheddingOf("kis"))).toEqual(["logs", "logs"]);
    // A whole open half day later the projection is still over.
    const laterMs = Date.UTC(2026, 10, 19, 12, 0, 1);
    await traffic("kis", 0.5, NOW_MS - 13 * 3_600_000, laterMs);
    await keeperAt(laterMs, { budgets }).look();
    expect(levels()).toEqual(["logs", "batches"]);
    const free = keeperAt(laterMs);
    await free.look();
    expect(free.sheddingOf("kis")).toBe("none");
  });

  test("hears it with its heartbeat's answer", async () => {
    const now = halfDayAt(Date.now());
    await database.pool.query(
      `insert into meter_use (subject, meter, day, night, amount)
       values ('kis', 'hub_bytes', to_date($1::text, 'YYYYMMDD'), $2, 2e9)`,
      [now.day, now.isNight],
    );
    const hub = await startTestHub(database.url, { egressBudgets: new Map([["kis", 1]]) });
    const transport = testTransport(hub.gatewayUrl);
    await transport.open();
    const question = {
      account: "kis:1",
      holder: randomUUID(),
      edge: "kis",
      wish: "claim",
    } as const;
    await until(async () => {
      const { shedding } = await transport.ask({ ...question, status: {} });
      return shedding === "books";
    }, "the word to do without books");
    expect(
      (await hub.picture()).meters.find(
        ({ meter, subject }) => `${meter}@${subject}` === "egress@kis",
      ),
    ).toMatchObject({ state: "over", limit: 1 });
    await transport.close();
    await hub.stop();
  });
});
