// Leases of several edges: who may take an account from whom, when, and whose rows count.
import { randomUUID } from "node:crypto";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../app/shared/clock.ts";
import { type Standing, standingSchema } from "../../app/shared/gateway-protocol.ts";
import { BatchWriter } from "../../app/store/writer.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { book, TestStream, trade } from "./batches.ts";

const TTL_MS = 1_000;
const QUIET_MS = 500;

let database: TestDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  database = await createDatabase({ migrated: true });
  pool = database.pool;
  // Silence from before the server's start proves nothing, and this server may have started just now.
  const up = "select clock_timestamp() - pg_postmaster_start_time() > interval '2 s' as long";
  while (!(await pool.query<{ long: boolean }>(up)).rows[0]!.long);
});
afterAll(() => database.drop());
beforeEach(async () => {
  await pool.query(
    "truncate lease, lease_epoch, placement, assignment, hub_start, trade, book, quarantine, stream",
  );
  await pool.query("insert into lease (account, quiet_ms, kill_grace_ms) values ('kis:1', $1, 0)", [
    QUIET_MS,
  ]);
  await place(["home", "cloud"]);
});

const place = (sites: string[], ttlMs = TTL_MS) =>
  pool.query(
    `insert into placement (account, sites, ttl_ms) values ('kis:1', $1, $2)
     on conflict (account) do update set sites = excluded.sites, ttl_ms = excluded.ttl_ms`,
    [sites, ttlMs],
  );

async function wish(
  what: "claim" | "hold" | "release" | "report",
  edge: string,
  holder: string,
): Promise<Standing> {
  const { rows } = await pool.query<{ standing: unknown }>(
    "select where_am_i('kis:1', $1, $2, $3, '{}') as standing",
    [holder, edge, what],
  );
  return standingSchema.parse(rows[0]!.standing);
}

/** The holder was last heard so long ago. */
const silentFor = (ms: number) =>
  pool.query("update lease set seen_at = clock_timestamp() - $1 * interval '1 ms'", [ms]);

const write = (bytes: Uint8Array, from: TestStream["from"]) =>
  new BatchWriter({ pool, clock: systemClock, connectionsMax: 1 }).write(bytes, from);

describe("a lease with several sites", () => {
  const [home, cloud] = [randomUUID(), randomUUID()];

  it("is granted with its time limit, and to another site only after limit and quiet time", async () => {
    const { lease } = await wish("claim", "home", home);
    expect(lease).toMatchObject({ state: "granted", mode: "failover", validMs: TTL_MS });
    const waiting = await wish("claim", "cloud", cloud);
    expect(waiting.lease.state).toBe("waiting");
    expect(waiting.lease.waitMs).toBeGreaterThan(TTL_MS);
    expect(waiting.lease.waitMs).toBeLessThanOrEqual(TTL_MS + QUIET_MS);
    await silentFor(TTL_MS + QUIET_MS / 2);
    expect((await wish("claim", "cloud", cloud)).lease.state).toBe("waiting");
    await silentFor(TTL_MS + QUIET_MS);
    const taken = await wish("claim", "cloud", cloud);
    expect(taken.lease).toMatchObject({ state: "granted", edge: "cloud", holder: cloud });
    expect(taken.lease.epoch).toBeGreaterThan(lease.epoch!);
    expect((await wish("hold", "home", home)).lease.state).toBe("lost");
  });

  it("is renewed by every heartbeat of its holder", async () => {
    await wish("claim", "home", home);
    await silentFor(TTL_MS + QUIET_MS);
    await wish("hold", "home", home);
    expect((await wish("claim", "cloud", cloud)).lease.waitMs).toBeGreaterThan(TTL_MS);
  });

  it("goes to exactly one of many that claim when it runs out, and the old holder may be among them", async () => {
    for (let round = 0; round < 5; round++) {
      await wish("claim", "home", home);
      await silentFor(TTL_MS + QUIET_MS);
      const before = (await pool.query("select from lease_epoch")).rowCount!;
      const claims = Array.from({ length: 8 }, (_, i) =>
        wish("claim", i % 2 ? "home" : "cloud", randomUUID()),
      );
      const standings = await Promise.all([...claims, wish("hold", "home", home)]);
      const granted = standings.filter(({ lease }) => lease.state === "granted");
      expect(granted).toHaveLength(1);
      const after = await pool.query("select from lease_epoch where ended_at is null");
      expect(after.rowCount).toBe(1);
      // Either a claim won, with one new epoch, or the old holder was heard first, with none.
      const kept = standings.at(-1)!.lease.state === "granted";
      const now = (await pool.query("select from lease_epoch")).rowCount!;
      expect(now - before).toBe(kept ? 0 : 1);
      const winner = granted[0]!.lease.holder!;
      await wish("release", "home", winner);
      await pool.query("update lease set released_at = null");
    }
  });

  it("does not run out while hub or database were down, nor before a stalled socket has ended", async () => {
    await wish("claim", "home", home);
    await silentFor(3_600_000);
    await pool.query("insert into hub_start (started_at) values (clock_timestamp())");
    expect((await wish("claim", "cloud", cloud)).lease.state).toBe("waiting");
    await pool.query("truncate hub_start");
    await pool.query("update lease set kill_grace_ms = 100000");
    await silentFor(TTL_MS + QUIET_MS);
    const { lease } = await wish("claim", "cloud", cloud);
    expect(lease).toMatchObject({ state: "waiting", silenceMs: 100_000 });
  });

  it("stays as it was granted when the placement changes, until the next grant", async () => {
    await place(["home"]);
    await wish("claim", "home", home);
    await place(["home", "cloud"]);
    await silentFor(3_600_000);
    expect((await wish("claim", "cloud", cloud)).lease).toMatchObject({
      state: "held",
      mode: "exclusive",
    });
    await wish("release", "home", home);
    await pool.query("update lease set released_at = null");
    await place(["home", "cloud"], 9_000);
    const { lease } = await wish("claim", "cloud", cloud);
    expect(lease).toMatchObject({ state: "granted", mode: "failover", validMs: 9_000 });
    await place(["home", "cloud"], TTL_MS);
    expect((await wish("hold", "cloud", cloud)).lease.validMs).toBe(9_000);
  });

  it("is not for an edge that the placement does not name, free or not", async () => {
    expect((await wish("claim", "moon", randomUUID())).lease.state).toBe("ineligible");
    await wish("claim", "home", home);
    await silentFor(3_600_000);
    expect((await wish("claim", "moon", randomUUID())).lease.state).toBe("ineligible");
  });

  it("stores what the old holder captured inside, however late, and quarantines the rest", async () => {
    const epoch = (await wish("claim", "home", home)).lease.epoch!;
    await silentFor(TTL_MS + QUIET_MS);
    await wish("claim", "cloud", cloud);
    const stamped = [-60_000, 60_000].map((ms) => Date.now() + ms);
    for (const rows of [
      stamped.map((edgeRecvMs, i) => trade(i, { edgeRecvMs })),
      stamped.map((edgeRecvMs, i) => book(i, { edgeRecvMs })),
    ]) {
      const stream = new TestStream("kis:1", epoch, home);
      const bytes = stream.next(rows);
      const verdict = { committed: 1, duplicate: 0, quarantined: 1 };
      expect(await write(bytes, stream.from)).toMatchObject(verdict);
      // Sent again, it is neither stored nor quarantined a second time.
      expect(await write(bytes, stream.from)).toMatchObject(verdict);
    }
    const { rows } = await pool.query("select code from quarantine");
    expect(rows).toEqual([{ code: "OUTSIDE_LEASE" }, { code: "OUTSIDE_LEASE" }]);
    expect((await pool.query("select from book")).rowCount).toBe(1);
  });

  it("does not accept another process's rows under an epoch that was not its own", async () => {
    const { epoch } = (await wish("claim", "home", home)).lease;
    const stream = new TestStream("kis:1", epoch!, cloud);
    const bytes = stream.next([trade(0, { edgeRecvMs: Date.now() })]);
    expect(await write(bytes, stream.from)).toMatchObject({ committed: 0, quarantined: 1 });
  });
});

describe("an epoch", () => {
  const one = randomUUID();

  it("is not used again by a database restored from before it", async () => {
    const first = (await wish("claim", "home", one)).lease.epoch!;
    await wish("release", "home", one);
    // The copy knows an epoch of a year ago.
    await pool.query("delete from lease_epoch");
    await pool.query("update lease set epoch = epoch - 31536000, released_at = null");
    const second = (await wish("claim", "home", randomUUID())).lease.epoch!;
    expect(second).toBeGreaterThanOrEqual(first);
    // Grants faster than one a second still rise.
    await pool.query("update lease set epoch = epoch + 1000, holder = null, released_at = null");
    expect((await wish("claim", "home", one)).lease.epoch).toBe(second + 1_001);
  });

  it("rises with a new assignment, and rows under the one before are still its holder's", async () => {
    const before = (await wish("claim", "home", one)).lease.epoch!;
    await pool.query("update lease set plan_epoch = next_epoch(plan_epoch)");
    const stream = new TestStream("kis:1", before, one);
    const raised = await wish("hold", "home", one);
    expect(raised.lease.epoch).toBeGreaterThan(before);
    expect(raised.assignmentEpoch).toBeGreaterThan(0);
    expect((await wish("hold", "home", one)).lease.epoch).toBe(raised.lease.epoch);
    const bytes = stream.next([trade(0, { edgeRecvMs: Date.now() })]);
    expect(await write(bytes, stream.from)).toMatchObject({ committed: 1 });
    await wish("release", "home", one);
    expect((await pool.query("select from lease_epoch where ended_at is null")).rowCount).toBe(0);
  });
});
