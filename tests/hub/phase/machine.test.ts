// The machine on a real database, with leases written by hand: what a starting hub leaves alone, what is
// refused, what force records, and that one command works at a time.
import { randomUUID } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { adopt } from "../../../app/hub/phase/adopt.ts";
import { move as moveLocked, plan } from "../../../app/hub/phase/machine.ts";
import type { MoveOptions } from "../../../app/hub/phase/machine.ts";
import type { SiteRule } from "../../../app/hub/phase/phases.ts";
import { settlePhase } from "../../../app/hub/phase/settle.ts";
import { show } from "../../../app/hub/phase/show.ts";
import { systemClock } from "../../../app/shared/clock.ts";
import { createDatabase } from "../../support/database.ts";
import type { TestDatabase } from "../../support/database.ts";

const SITES: SiteRule[] = [
  { target: "kis", side: "home", edges: ["home-kis"] },
  { target: "kis", side: "cloud", edges: ["kis"] },
];
const SATURDAY_MS = Date.parse("2026-11-28T03:00:00Z");
const FRIDAY_SESSION_MS = Date.parse("2026-11-27T03:00:00Z");

let database: TestDatabase;
let client: pg.Client;
beforeAll(async () => {
  database = await createDatabase({ migrated: true });
});
afterAll(async () => {
  await client.end();
  await database.drop();
});
beforeEach(async () => {
  await (client as pg.Client | undefined)?.end();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await database.pool.query(
    "truncate lease, placement, fence, site, phase, phase_step, edge_status, evidence, assignment cascade",
  );
  await database.pool.query("insert into lease (account) values ('kis:1')");
  await database.pool.query("insert into assignment values ('kis:1', 'KRX', '005930', 'trade')");
});

const settle = (sites = SITES, more = {}) =>
  settlePhase(database.pool, {
    sites,
    accounts: ["kis:1"],
    isPlaced: false,
    ttlMs: 7_000,
    ...more,
  });
const options = (more: Partial<MoveOptions> = {}): MoveOptions => ({
  ...{ here: client, clock: systemClock, verb: "advance", forced: null, waitMs: 0, by: "test" },
  ...{ marketMs: SATURDAY_MS, mintRun: randomUUID, tell: () => undefined },
  parity: () => Promise.resolve({ open: true, reasons: [], days: [] }),
  ...more,
});
/** A command; its lock goes with its connection. */
async function move(asked: MoveOptions): ReturnType<typeof moveLocked> {
  try {
    return await moveLocked(asked);
  } finally {
    await client.query("select pg_advisory_unlock_all()");
  }
}
/** `edge` holds the account and its feed is live. */
async function holds(edge: string): Promise<void> {
  await database.pool.query(
    "update lease set holder = gen_random_uuid(), edge = $1, seen_at = now()",
    [edge],
  );
  await database.pool.query(
    `insert into edge_status values ($1, '{"accounts": {"kis:1": {"lease": "holding", "feed": "live"}}}', now())
     on conflict (edge) do update set status = excluded.status, seen_at = excluded.seen_at`,
    [edge],
  );
}
const one = async (sql: string): Promise<unknown> =>
  Object.values((await database.pool.query<Record<string, unknown>>(sql)).rows[0]!)[0];
const sitesOf = () =>
  one("select array_to_string(sites, ' ') from placement where account = 'kis:1'");

describe("a hub that starts", () => {
  it("without sites and without a phase leaves the placement to the configuration", async () => {
    expect(await settle([])).toBe(false);
    expect((await show(options())).fence.state).toBe("none");
  });

  it("with sites grants nothing until a phase is entered, and later changes nothing that a phase set", async () => {
    expect(await settle()).toBe(true);
    expect(await one("select fence_state()")).toBe("shut");
    await holds("home-kis");
    expect(await move(options())).toMatchObject({ ok: true, phase: "home" });
    expect([await sitesOf(), await one("select fence_state()")]).toEqual(["home-kis", "open"]);
    await settle();
    expect([await sitesOf(), await one("select ttl_ms from placement")]).toEqual([
      "home-kis",
      7_000,
    ]);
    // Told of no sites, it keeps those it has.
    expect(await settle([])).toBe(true);
    expect(await sitesOf()).toBe("home-kis");
  });

  it("in the middle of a transition leaves each account where it was placed", async () => {
    await settle();
    await holds("home-kis");
    await move(options());
    await database.pool.query(
      `insert into phase (run, verb, from_name, to_name, begun_by, entered_at) values
         (gen_random_uuid(), 'advance', 'home', 'local', 'test', now()),
         (gen_random_uuid(), 'advance', 'local', 'dual', 'test', null)`,
    );
    await database.pool.query("update placement set sites = '{kis}'");
    await settle();
    expect(await sitesOf()).toBe("kis");
  });

  it("refuses a placement beside a phase, and a phase that its sites cannot place", async () => {
    await expect(settle(SITES, { isPlaced: true })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
    });
    await settle();
    await holds("home-kis");
    await move(options());
    await expect(settle([], { isPlaced: true })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    await expect(settle(SITES.slice(1))).rejects.toMatchObject({ code: "PHASE_SITES" });
  });
});

describe("a command", () => {
  const enter = async (phase: string, edge: string) => {
    await settle();
    await holds("home-kis");
    await move(options());
    await database.pool.query(
      `insert into phase (run, verb, to_name, begun_by, entered_at)
       values (gen_random_uuid(), 'advance', $1, 'test', now())`,
      [phase],
    );
    await database.pool.query("update placement set sites = array[$1]", [edge]);
  };

  it("is refused by a shut gate with every reason, and changes nothing", async () => {
    await enter("local", "home-kis");
    const moved = await move(options());
    expect(moved).toMatchObject({ ok: false });
    const names = ("refused" in moved ? moved.refused : []).map(({ name }) => name);
    expect(names).toEqual(["latency kis", "stress hub", "backup hub", "probe kis:1"]);
    expect([await sitesOf(), await one("select count(*)::int from phase")]).toEqual([
      "home-kis",
      2,
    ]);
  });

  it("is refused in a trading session, also to go back", async () => {
    await enter("dual", "kis");
    const moved = await move(options({ verb: "rollback", marketMs: FRIDAY_SESSION_MS }));
    expect(moved).toMatchObject({ ok: false, refused: [{ name: "no trading session" }] });
  });

  it("that is forced skips the gate, keeps what it skipped, and never the edge that has to stand ready", async () => {
    await enter("local", "home-kis");
    const forced = "the exchange is closed for a week";
    await expect(move(options({ forced }))).rejects.toMatchObject({
      code: "PHASE_WAIT",
      context: { step: "ready kis:1 at kis" },
    });
    expect(await sitesOf()).toBe("home-kis");
    const [row] = (await show(options())).history;
    expect(row).toMatchObject({ forced, to: "dual", enteredMs: null });
    expect(row!.skipped.map((text) => text.split(":")[0])).toContain("stress hub");
    await holds("kis");
    expect(await move(options({ forced }))).toMatchObject({ ok: true, phase: "dual" });
    expect((await show(options())).ok).toBe(true);
  });

  it("that is run again after its end with --to does nothing more", async () => {
    await enter("dual", "kis");
    expect(await move(options({ to: "dual" }))).toMatchObject({ ok: true, run: null });
    await expect(move(options({ to: "local" }))).rejects.toMatchObject({ code: "PHASE_ORDER" });
  });

  it("waits for another one, and goes on when that is killed", async () => {
    await settle();
    await holds("home-kis");
    const other = new pg.Client({ connectionString: database.url });
    await other.connect();
    await other.query("select pg_advisory_lock($1, 1)", [0x7068_6173]);
    const moving = move(options());
    await expect(Promise.race([moving, Promise.resolve("waits")])).resolves.toBe("waits");
    await other.end();
    expect(await moving).toMatchObject({ ok: true });
  });

  it("that plans tells of each step and changes nothing", async () => {
    await enter("local", "home-kis");
    const planned = await plan(options(), "advance");
    expect(planned.steps.map(({ step, state }) => `${state}: ${step}`)).toEqual([
      "wait: ready kis:1 at kis",
      "act: place kis:1 at kis",
      "wait: collect kis:1 at kis",
      "act: enter dual",
    ]);
    expect([await sitesOf(), await one("select count(*)::int from phase")]).toEqual([
      "home-kis",
      2,
    ]);
  });

  it("between home and local wants both databases", async () => {
    await settle();
    await holds("home-kis");
    await move(options());
    await expect(move(options())).rejects.toMatchObject({ code: "PHASE_ORDER" });
    await expect(move(options({ home: client }))).rejects.toMatchObject({ code: "PHASE_ORDER" });
  });

  it("on a copy is refused until it is adopted, with a reason that is kept", async () => {
    await enter("dual", "kis");
    await holds("kis");
    await database.pool.query("update fence set opened = '7000000000000000001/16384'");
    expect(await one("select fence_state()")).toBe("shut");
    await expect(move(options())).rejects.toMatchObject({ code: "PHASE_COPIED" });
    const forced = "the old machine burnt down";
    await database.pool.query("update fence set role = 'hub'");
    expect(await adopt({ ...options(), forced })).toEqual({ phase: "dual" });
    const { ok, history } = await show(options());
    expect([ok, history[0]]).toMatchObject([true, { verb: "adopt", forced }]);
    await expect(adopt({ ...options(), forced })).rejects.toMatchObject({ code: "PHASE_ORDER" });
  });
});
