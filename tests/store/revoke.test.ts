// Who is told to leave, by the database, and that a fence lets nobody in.
import { randomUUID } from "node:crypto";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { standingSchema } from "../../app/shared/gateway-protocol.ts";
import type { Standing, Wish } from "../../app/shared/gateway-protocol.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  database = await createDatabase({ migrated: true });
  pool = database.pool;
});
afterAll(() => database.drop());
beforeEach(async () => {
  await pool.query("truncate lease, lease_epoch, placement, fence, edge_status, hub_start");
  await pool.query("insert into lease (account, kill_grace_ms) values ('kis:1', 60000)");
});

const [one, two] = [randomUUID(), randomUUID()];
async function wish(what: Wish, holder: string, edge: string, lease = ""): Promise<Standing> {
  const status = lease ? { accounts: { "kis:1": { lease } } } : {};
  const { rows } = await pool.query<{ standing: unknown }>(
    "select where_am_i('kis:1', $1, $2, $3, $4) as standing",
    [holder, edge, what, status],
  );
  return standingSchema.parse(rows[0]!.standing);
}
const place = (...sites: string[]) =>
  pool.query(
    `insert into placement (account, sites) values ('kis:1', $1)
     on conflict (account) do update set sites = excluded.sites`,
    [sites],
  );
const fence = (state: string, opened = "") =>
  pool.query(
    `insert into fence (state, opened, changed_by, reason)
     values ($1, coalesce(nullif($2, ''), database_identity()), 'test', 'test')
     on conflict (one) do update set state = excluded.state, opened = excluded.opened`,
    [state, opened],
  );
const silent = () => pool.query("update lease set seen_at = now() - interval '1 hour'");

describe("a holder that is no longer placed", () => {
  it("keeps the account until an edge of its placement stands ready, then is told to leave", async () => {
    await wish("claim", one, "home");
    await place("cloud");
    expect((await wish("hold", one, "home")).lease).toMatchObject({ state: "granted" });
    expect((await wish("hold", one, "home")).lease.revoked).toBeUndefined();
    expect((await wish("claim", two, "cloud", "claiming")).lease.state).toBe("held");
    expect((await wish("hold", one, "home")).lease).toMatchObject({
      state: "granted",
      revoked: true,
    });
  });

  it("is not called back by an edge that was heard too long ago", async () => {
    await wish("claim", one, "home");
    await place("cloud");
    await wish("claim", two, "cloud", "claiming");
    await pool.query("update edge_status set seen_at = now() - interval '11 s'");
    expect((await wish("hold", one, "home")).lease.revoked).toBeUndefined();
  });

  it("and was told once is told until it has left, although it is placed again: the answer may have got lost", async () => {
    await wish("claim", one, "home");
    await place("cloud");
    await wish("claim", two, "cloud", "claiming");
    expect((await wish("hold", one, "home")).lease.revoked).toBe(true);
    await place("home");
    expect((await wish("hold", one, "home")).lease.revoked).toBe(true);
    await wish("release", one, "home");
    expect((await wish("claim", one, "home")).lease).toMatchObject({ state: "granted" });
    expect((await wish("hold", one, "home")).lease.revoked).toBeUndefined();
  });

  it("that is silent keeps it: nobody is granted it before its release", async () => {
    await wish("claim", one, "home");
    await place("cloud");
    await silent();
    expect((await wish("claim", two, "cloud", "claiming")).lease.state).toBe("held");
    await wish("release", one, "home");
    expect((await wish("claim", two, "cloud", "claiming")).lease.state).toBe("granted");
  });

  it("and is dead is buried by its edge's next process after kill grace, which is granted nothing", async () => {
    await wish("claim", one, "home");
    await place("cloud");
    expect((await wish("claim", two, "home")).lease).toMatchObject({
      state: "ineligible",
      holder: one,
    });
    await silent();
    // This server has not run for so long: silence before its start proves nothing.
    await pool.query("update lease set kill_grace_ms = 0");
    expect((await wish("claim", two, "home")).lease).toMatchObject({
      state: "ineligible",
      holder: null,
    });
    const { rows } = await pool.query("select ended_at is not null as ended from lease_epoch");
    expect(rows).toEqual([{ ended: true }]);
  });
});

describe("a fence", () => {
  it("that is shut grants nobody and sends nobody away", async () => {
    await place("home");
    await wish("claim", one, "home");
    await fence("shut");
    expect((await wish("hold", one, "home")).lease).toMatchObject({ state: "granted" });
    expect((await wish("hold", one, "home")).lease.revoked).toBeUndefined();
    await wish("release", one, "home");
    expect((await wish("claim", one, "home")).lease.state).toBe("ineligible");
  });

  it("that clears tells every holder to leave, whoever stands ready", async () => {
    await place("home");
    await wish("claim", one, "home");
    await fence("clearing");
    expect((await wish("hold", one, "home")).lease).toMatchObject({
      state: "granted",
      revoked: true,
    });
    await wish("release", one, "home");
    expect((await wish("claim", one, "home")).lease.state).toBe("ineligible");
  });

  it("that is open grants by placement alone: an account without one is nobody's", async () => {
    await fence("open");
    expect((await wish("claim", one, "home")).lease.state).toBe("ineligible");
    await place("home");
    expect((await wish("claim", two, "cloud")).lease.state).toBe("ineligible");
    expect((await wish("claim", one, "home")).lease.state).toBe("granted");
  });

  it("that was opened for another database is a copy's, and shut", async () => {
    await place("home");
    await fence("open", "7000000000000000001/16384");
    expect((await wish("claim", one, "home")).lease.state).toBe("ineligible");
  });
});
