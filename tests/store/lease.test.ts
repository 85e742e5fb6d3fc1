import { randomUUID } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../app/shared/clock.ts";
import { type Standing, standingSchema } from "../../app/shared/gateway-protocol.ts";
import { BatchWriter } from "../../app/store/writer.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { TestStream, trade, trades } from "./batches.ts";

let database: TestDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  database = await createDatabase({ migrated: true });
  pool = database.pool;
});
afterAll(() => database.drop());
beforeEach(async () => {
  await pool.query(
    "truncate lease, lease_epoch, assignment, hub_start, edge_status, trade, stream, ingest_batch",
  );
  await account({ quietMs: 0, killGraceMs: 60_000 });
});

const account = ({ quietMs, killGraceMs }: { quietMs: number; killGraceMs: number }) =>
  pool.query(
    `insert into lease (account, quiet_ms, kill_grace_ms) values ('kis:1', $1, $2)
     on conflict (account) do update set quiet_ms = excluded.quiet_ms, kill_grace_ms = excluded.kill_grace_ms`,
    [quietMs, killGraceMs],
  );

type Wish = "claim" | "hold" | "release" | "report";
async function wish(
  what: Wish,
  holder: string,
  edge = "edge-1",
  name = "kis:1",
  status = {},
): Promise<Standing> {
  const { rows } = await pool.query<{ standing: unknown }>(
    "select where_am_i($1, $2, $3, $4, $5) as standing",
    [name, holder, edge, what, JSON.stringify({ from: edge, ...status })],
  );
  return standingSchema.parse(rows[0]!.standing);
}

/** A transaction that stores under the account's lease and takes its time. */
async function storingUnder(name: string) {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query("begin");
  await client.query("select pg_advisory_xact_lock_shared(account_lock($1))", [name]);
  return client;
}

async function waiting(): Promise<number> {
  const { rows } = await pool.query<{ n: number }>(
    `select count(*)::int as n from pg_locks
     where locktype = 'advisory' and not granted
       and database = (select oid from pg_database where datname = current_database())`,
  );
  return rows[0]!.n;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((next) => setImmediate(next));
}

const epochs = async () =>
  (
    await pool.query<{ epoch: string; holder: string; ended: boolean }>(
      "select epoch, holder, ended_at is not null as ended from lease_epoch order by epoch",
    )
  ).rows.map(({ epoch, holder, ended }) => [Number(epoch), holder, ended]);

describe("a lease", () => {
  const [one, two] = [randomUUID(), randomUUID()];

  it("is granted to the first claim, kept by claiming or holding, and each grant has a new epoch", async () => {
    const granted = await wish("claim", one);
    expect(granted.lease).toMatchObject({ state: "granted", holder: one, edge: "edge-1" });
    const first = granted.lease.epoch!;
    expect(granted.system).toMatch(/^\d{15,}$/);
    expect(Math.abs(granted.nowMs - Date.now())).toBeLessThan(60_000);
    expect((await wish("claim", one)).lease).toMatchObject({ state: "granted", epoch: first });
    expect((await wish("hold", one)).lease).toMatchObject({ state: "granted", epoch: first });
    expect((await wish("release", one)).lease).toMatchObject({ state: "released", holder: null });
    expect((await wish("hold", one)).lease.state).toBe("lost");
    const second = (await wish("claim", two)).lease;
    expect(second).toMatchObject({ state: "granted", holder: two });
    expect(second.epoch).toBeGreaterThan(first);
    expect(await epochs()).toEqual([
      [first, one, true],
      [second.epoch, two, false],
    ]);
  });

  it("goes to exactly one of many that claim at the same moment", async () => {
    const holders = Array.from({ length: 8 }, () => randomUUID());
    // All of them have found it free and wait for the lock before the first one gets it.
    const storing = await storingUnder("kis:1");
    const claims = Promise.all(holders.map((holder, i) => wish("claim", holder, `edge-${i}`)));
    await until(async () => (await waiting()) === 8);
    await storing.end();
    const standings = await claims;
    const states = standings.map(({ lease }) => lease.state).sort();
    expect(states).toEqual(["granted", ...Array<string>(7).fill("held")]);
    expect(await epochs()).toHaveLength(1);
  });

  it("of another edge is held, however long that is silent", async () => {
    await account({ quietMs: 0, killGraceMs: 0 });
    const { epoch } = (await wish("claim", one, "edge-1")).lease;
    await pool.query("update lease set seen_at = now() - interval '30 days'");
    expect((await wish("claim", two, "edge-2")).lease).toMatchObject({
      state: "held",
      edge: "edge-1",
      epoch,
    });
  });

  it("passes to a new process of the same edge once the old one is silent for kill grace and quiet time", async () => {
    await account({ quietMs: 10_000, killGraceMs: 20_000 });
    await wish("claim", one);
    const waiting = await wish("claim", two);
    expect(waiting.lease.state).toBe("waiting");
    expect(waiting.lease.waitMs).toBeGreaterThan(29_000);
    expect(waiting.lease.waitMs).toBeLessThanOrEqual(30_000);
    // The old one is heard again: the wait begins anew.
    await wish("hold", one);
    expect((await wish("claim", two)).lease.waitMs).toBeGreaterThan(29_000);
    await account({ quietMs: 0, killGraceMs: 0 });
    expect((await wish("claim", two)).lease).toMatchObject({ state: "granted", holder: two });
    expect((await wish("hold", one)).lease.state).toBe("lost");
  });

  it("is not passed on for silence while the hub was away", async () => {
    await account({ quietMs: 10_000, killGraceMs: 20_000 });
    await wish("claim", one);
    await pool.query("update lease set seen_at = now() - interval '1 hour'");
    await pool.query("insert into hub_start (started_at) values (clock_timestamp())");
    const { lease } = await wish("claim", two);
    expect(lease.state).toBe("waiting");
    expect(lease.waitMs).toBeGreaterThan(29_000);
  });

  it("rests for the broker's quiet time after a release", async () => {
    await account({ quietMs: 10_000, killGraceMs: 0 });
    await wish("claim", one);
    await wish("release", one);
    const { lease } = await wish("claim", two, "edge-2");
    expect(lease.state).toBe("waiting");
    expect(lease.waitMs).toBeGreaterThan(9_000);
    await pool.query("update lease set released_at = now() - interval '10 s'");
    expect((await wish("claim", two, "edge-2")).lease.state).toBe("granted");
  });

  it("does not change for a report, nor for a stranger's release or hold", async () => {
    const { epoch } = (await wish("claim", one)).lease;
    expect((await wish("report", two)).lease.state).toBe("waiting");
    expect((await wish("report", two, "edge-2")).lease.state).toBe("held");
    expect((await wish("release", two)).lease.state).toBe("released");
    expect((await wish("hold", two)).lease.state).toBe("lost");
    expect((await wish("report", one)).lease).toMatchObject({ state: "granted", epoch });
  });

  it("exists for known accounts only", async () => {
    expect((await wish("claim", one, "edge-1", "kis:9")).lease.state).toBe("unknown");
    expect(await epochs()).toEqual([]);
  });

  it("is granted only after what is being stored under the old epoch has ended", async () => {
    await account({ quietMs: 0, killGraceMs: 0 });
    const { epoch } = (await wish("claim", one)).lease;
    const storing = await storingUnder("kis:1");
    let granted = false;
    const claim = wish("claim", two).then(({ lease }) => {
      granted = true;
      return lease;
    });
    await until(async () => granted || (await waiting()) === 1);
    expect(granted).toBe(false);
    await storing.end();
    const { state, epoch: next } = await claim;
    expect(state).toBe("granted");
    expect(next).toBeGreaterThan(epoch!);
  });

  it("fences the rows of the holder before: captured later, they go to quarantine", async () => {
    await account({ quietMs: 0, killGraceMs: 0 });
    const before = (await wish("claim", one)).lease.epoch!;
    const after = (await wish("claim", two)).lease.epoch!;
    const stream = new TestStream("kis:1", before, one);
    const rows = [-60_000, 60_000].map((ms, i) => trade(i, { edgeRecvMs: Date.now() + ms }));
    const writer = new BatchWriter({ pool, clock: systemClock, connectionsMax: 1 });
    expect(await writer.write(stream.next(rows), stream.from)).toMatchObject({
      committed: 1,
      quarantined: 1,
    });
    const fresh = new TestStream("kis:1", after, two);
    expect(await writer.write(fresh.next(trades(5, 10)), fresh.from)).toMatchObject({
      committed: 5,
    });
  });

  it("comes with what to register and where each symbol stands", async () => {
    const writer = new BatchWriter({ pool, clock: systemClock, connectionsMax: 1, unleased: true });
    const stream = new TestStream("kis:1", 0);
    const nowMs = Math.floor(Date.now() / 1_000) * 1_000;
    const recent = trades(20).map((row) => ({ ...row, exchangeMs: nowMs - 5_000 }));
    await writer.write(stream.next(recent), stream.from);
    const first = await wish("claim", one);
    expect(first.assignment).toEqual([]);
    expect(first.positions).toHaveLength(2); // no plan yet: every symbol it stored
    await wish("release", one);
    await pool.query(`insert into assignment (account, venue, symbol, channel) values
      ('kis:1', 'KRX', '005930', 'trade'), ('kis:1', 'KRX', '005930', 'book'), ('kis:1', 'KRX', '035720', 'trade')`);
    const second = await wish("claim", two);
    expect(second.assignment).toEqual([
      { venue: "KRX", symbol: "005930", channel: "book" },
      { venue: "KRX", symbol: "005930", channel: "trade" },
      { venue: "KRX", symbol: "035720", channel: "trade" },
    ]);
    const last = recent[18]!;
    const { symbol, venue, day, chain, seq, price, exchangeMs } = last;
    expect(second.positions).toEqual([{ symbol, venue, day, chain, seq, price, exchangeMs }]);
    const told = { accounts: { "kis:1": { assignmentEpoch: second.assignmentEpoch } } };
    expect((await wish("hold", two, "edge-1", "kis:1", told)).assignment).toBeUndefined();
    expect((await wish("hold", two)).assignment).toHaveLength(3);
  });

  it("keeps the edge's last word about itself", async () => {
    await wish("report", one, "edge-7");
    const { rows } = await pool.query("select edge, status from edge_status");
    expect(rows).toEqual([{ edge: "edge-7", status: { from: "edge-7" } }]);
  });
});
