import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expiryAt, Retention } from "../../app/hub/retention.ts";
import type { Event } from "../../app/shared/events.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { FakeClock } from "../support/fake-clock.ts";

const at = (kst: string) => Date.parse(`${kst}+09:00`);

describe("raw ticks past their days", () => {
  it("go once a day, in the hour when no market of ours is open", () => {
    expect(expiryAt(at("2026-11-27T06:59:59"), 30, null)).toBeNull();
    const due = expiryAt(at("2026-11-27T07:00:00"), 30, null);
    expect(due?.beforeMs).toBe(at("2026-10-28T00:00:00"));
    expect(expiryAt(at("2026-11-27T07:10:00"), 30, due!.day)).toBeNull();
    expect(expiryAt(at("2026-11-28T07:00:00"), 30, due!.day)).not.toBeNull();
    expect(expiryAt(at("2026-11-27T08:00:00"), 30, null)).toBeNull();
  });

  it("stay for ever where nobody asked for less", () => {
    expect(expiryAt(at("2026-11-27T07:00:00"), 0, null)).toBeNull();
  });
});

describe("letting go of rows", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase({ migrated: true });
    await database.pool.query(
      `insert into public.trade (ts, symbol, venue, source, day, chain, seq, price, size, side,
         session, edge_recv, stream, capture)
       select t, '005930', 'KRX', 'kis:1', t::date, 0, i, 1, 1, 0, 2, t, 1, i
       from generate_series(1, 50000) i, lateral (select timestamptz '2026-10-26 00:00+09'
         + i * interval '5 seconds' as t) at`,
    );
  });
  afterAll(() => database.drop());

  it("takes what is older, in pieces, and nothing that is newer", async () => {
    const clock = new FakeClock(at("2026-11-27T06:55:00"));
    const events: Event[] = [];
    const emit = (event: Event) => void events.push(event);
    const retention = new Retention({ pool: database.pool, clock, emit, retainDays: 30 });
    retention.start();
    clock.advance(10 * 60_000);
    await retention.look();
    await retention.stop();
    const { rows } = await database.pool.query(
      "select count(*)::int as n, min(ts) as first from public.trade",
    );
    const before = new Date(at("2026-10-28T00:00:00"));
    expect(rows[0]).toMatchObject({ first: before });
    expect(events).toEqual([
      {
        event: "ticks_expired",
        table: "trade",
        before: before.toISOString(),
        gone: 50_000 - (rows[0] as { n: number }).n,
      },
    ]);
  });
});
