// Acts from the page: who may, what is done, what is written down. Real HTTP, a real hub, an edge that answers.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { callBack } from "../../app/hub/lease/call-back.ts";
import type { SiteRule } from "../../app/hub/phase/phases.ts";
import { systemClock } from "../../app/shared/clock.ts";
import { hashOfToken } from "../../app/shared/token.ts";
import type { Act, ActResult, ApiError, Session } from "../../app/shared/web-api.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { startTestHub, testTransport, until } from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";

const ADMIN = "the admin token of the tests";
const SITES: SiteRule[] = [
  { target: "kis", side: "home", edges: ["kis"] },
  { target: "kis", side: "cloud", edges: ["kis"] },
];
const RELEASE: Act = {
  ...{ action: "lease.release", account: "kis:1" },
  reason: "the socket hangs since noon",
};

let database: TestDatabase;
let hub: TestHub;
beforeAll(async () => {
  database = await createDatabase({ migrated: false });
  hub = await startTestHub(database.url, { adminToken: hashOfToken(ADMIN) });
});
afterAll(async () => {
  await hub.stop();
  await database.drop();
});
beforeEach(() => {
  hub.events.length = 0;
});

interface Said {
  status: number;
  body: ActResult & ApiError;
}

async function say(
  body: unknown,
  headers: Record<string, string> = {},
  url = hub.url,
): Promise<Said> {
  const response = await fetch(`${url}/api/act`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${ADMIN}`,
      ...headers,
    },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Said["body"] };
}

describe("who may act", () => {
  test("nobody, where the hub has no token", async () => {
    const other = await createDatabase({ migrated: false });
    const shows = await startTestHub(other.url);
    onTestFinished(async () => {
      await shows.stop();
      await other.drop();
    });
    const { status, body } = await say(RELEASE, {}, shows.url);
    expect(status).toBe(403);
    expect(body).toMatchObject({
      code: "ACT_OFF",
      hint: expect.stringContaining("TICKHUB_ADMIN") as string,
    });
  });

  test("whoever shows the token; the session says that there is one", async () => {
    const response = await fetch(`${hub.url}/api/session`);
    expect(((await response.json()) as Session).actions).toBe(true);
  });

  test.each([
    ["no token", { authorization: "" }],
    ["another one", { authorization: "Bearer the wrong token of the tests" }],
    ["its hash", { authorization: `Bearer ${hashOfToken(ADMIN)}` }],
    ["another scheme", { authorization: `Basic ${ADMIN}` }],
  ])("not with %s, and it is told", async (_what, headers) => {
    const { status, body } = await say(RELEASE, headers);
    expect([status, body.code]).toEqual([401, "ACT_TOKEN"]);
    expect(JSON.stringify(body)).not.toContain(ADMIN);
    expect(hub.events).toContainEqual({
      ...{ event: "act_refused", action: "", code: "ACT_TOKEN" },
      address: "127.0.0.1",
    });
  });

  test.each([
    ["another site's origin", { origin: "https://example.com" }],
    ["a sandboxed page", { origin: "null" }],
    ["a cross-site request", { "sec-fetch-site": "cross-site" }],
  ])("not from %s, even with the token", async (_what, headers) => {
    const { status, body } = await say(RELEASE, headers);
    expect([status, body.code]).toEqual([403, "ACT_ORIGIN"]);
  });

  test("its own page may", async () => {
    const own = { origin: hub.url, "sec-fetch-site": "same-origin" };
    const { status, body } = await say({ action: "nothing" }, own);
    expect([status, body.code]).toEqual([400, "REQUEST_INVALID"]);
  });

  test("an address that guesses waits, and is turned away when it does not wait", async () => {
    const other = await createDatabase({ migrated: false });
    const guessed = await startTestHub(other.url, { adminToken: ADMIN });
    onTestFinished(async () => {
      await guessed.stop();
      await other.drop();
    });
    const wrong = { authorization: "Bearer the wrong token of the tests" };
    for (let tried = 0; tried < 6; tried++) await say(RELEASE, wrong, guessed.url);
    const rush = await Promise.all(
      Array.from({ length: 5 }, () => say(RELEASE, wrong, guessed.url)),
    );
    expect(rush.map(({ status }) => status).sort()).toEqual([401, 401, 429, 429, 429]);
  }, 40_000);
});

describe("an act of the wrong form", () => {
  test.each([
    [{ action: "lease.seize", account: "kis:1", reason: "because I may" }, "action"],
    [{ action: "lease.release", account: "kis:1", reason: "short" }, "ten letters"],
    [{ action: "lease.release", account: "kis:1" }, "reason"],
    [{ action: "phase.advance", force: "yes", reason: "a reason as it should be" }, "force"],
    ["{not json", "FST_ERR"],
  ])("%j is 400", async (body, problem) => {
    const said = await say(body);
    expect([said.status, said.body.code]).toEqual([400, "REQUEST_INVALID"]);
    expect(said.body.problems!.join("\n")).toContain(problem);
  });

  test("a body that is not JSON by its type is none", async () => {
    const said = await say(RELEASE, { "content-type": "text/plain" });
    expect([said.status, said.body.code]).toEqual([400, "REQUEST_INVALID"]);
  });
});

describe("calling an account back", () => {
  test("of an account nobody holds is refused, and of one nobody knows", async () => {
    const { pool } = database;
    const options = { pool, clock: systemClock, waitMs: 0 };
    await expect(callBack({ ...options, account: "kis:1" })).rejects.toMatchObject({
      code: "LEASE_FREE",
    });
    await expect(callBack({ ...options, account: "kis:7" })).rejects.toMatchObject({
      code: "LEASE_UNKNOWN",
    });
    expect(await say(RELEASE)).toMatchObject({ status: 409, body: { code: "LEASE_FREE" } });
  });

  test("waits for its holder, who closes first: there is one holder at every moment", async () => {
    const transport = testTransport(hub.gatewayUrl);
    await transport.open();
    onTestFinished(() => transport.close());
    const [holder, next] = [randomUUID(), randomUUID()];
    const ask = async (who: string, wish: "claim" | "hold" | "release") =>
      (await transport.ask({ account: "kis:1", holder: who, edge: "kis", wish, status: {} })).lease;
    await until(async () => (await ask(holder, "claim")).state === "granted", "the lease");
    let isOver = false;
    const said = say(RELEASE).finally(() => (isOver = true));
    await until(async () => (await ask(holder, "hold")).revoked === true, "the call");
    // Told, and still the holder: nobody else is granted the account while its socket may be open.
    expect((await ask(next, "claim")).state).not.toBe("granted");
    expect(isOver).toBe(false);
    await ask(holder, "release");
    const { status, body } = await said;
    expect(status).toBe(200);
    expect(body.ok).toBe(true);
    expect(body.lines[0]).toBe("kis:1: called back from edge kis");
    await until(async () => (await ask(next, "claim")).state === "granted", "the next holder");
    expect(await ask(next, "hold")).not.toHaveProperty("revoked");
    expect(hub.events).toContainEqual({
      ...{ event: "act_done", action: "lease.release", subject: "kis:1", address: "127.0.0.1" },
      ...{ reason: RELEASE.reason, tookMs: expect.any(Number) as number },
    });
  });

  test("from a holder that does not answer takes nothing: it stays called back, and holds", async () => {
    const { pool } = database;
    const before = await pool.query("select holder, epoch from lease where account = 'kis:1'");
    const calling = callBack({ pool, clock: systemClock, account: "kis:1", waitMs: 0 });
    await expect(calling).rejects.toMatchObject({ code: "LEASE_HELD", context: { edge: "kis" } });
    const after = await pool.query("select holder, epoch from lease where account = 'kis:1'");
    expect(after.rows).toEqual(before.rows);
    const { rows } = await pool.query(
      "select revoked_at is null as free from lease where account = 'kis:1'",
    );
    expect(rows).toEqual([{ free: false }]);
  });
});

describe("a phase", () => {
  let other: TestDatabase;
  let phased: TestHub;
  beforeAll(async () => {
    other = await createDatabase({ migrated: false });
    // A Saturday: no session to wait for.
    const market = () => Date.parse("2026-11-28T03:00:00Z");
    const accounts = [{ account: "kis:1", broker: "kis" as const, cap: 41 }];
    phased = await startTestHub(other.url, { adminToken: ADMIN, sites: SITES, accounts, market });
    // An edge that collects: a phase is not entered before somebody does.
    await other.pool.query(
      "update lease set holder = gen_random_uuid(), edge = 'kis', seen_at = now() + interval '60 s'",
    );
    await other.pool.query(
      `insert into edge_status values ('kis', '{"accounts": {"kis:1": {"lease": "holding", "feed": "live"}}}',
         now() + interval '60 s')`,
    );
  });
  afterAll(async () => {
    await phased.stop();
    await other.drop();
  });

  test("is advanced by the steps of the command, with who and why in its history", async () => {
    const why = "first phase of the tests";
    const { status, body } = await say(
      { action: "phase.advance", force: true, reason: why },
      {},
      phased.url,
    );
    expect([status, body.code]).toEqual([200, undefined]);
    expect(body.lines.join("\n")).toContain("phase home");
    const { rows } = await other.pool.query(
      `select to_name, begun_by, forced, entered_at is not null as entered from phase`,
    );
    expect(rows).toEqual([
      { to_name: "home", begun_by: `page@127.0.0.1: ${why}`, forced: why, entered: true },
    ]);
  });

  test("that needs a second database is refused, with the command to use", async () => {
    const act = { action: "phase.advance", force: false, reason: "to the hub's database" };
    const { status, body } = await say(act, {}, phased.url);
    expect([status, body.code]).toEqual([409, "PHASE_ORDER"]);
    expect(body.problems![0]).toContain("--from");
  });

  test("that a gate keeps shut is refused with its reasons, and nothing has changed", async () => {
    await other.pool.query(
      `insert into phase (run, verb, from_name, to_name, begun_by, entered_at)
       values (gen_random_uuid(), 'advance', 'home', 'local', 'test', now())`,
    );
    const before = await other.pool.query("select * from phase");
    const act = { action: "phase.advance", force: false, reason: "as far as it goes" };
    const { status, body } = await say(act, {}, phased.url);
    expect([status, body.code]).toEqual([409, "ACT_REFUSED"]);
    expect(body.problems!.length).toBeGreaterThan(0);
    expect((await other.pool.query("select * from phase")).rows).toEqual(before.rows);
    expect(phased.events).toContainEqual({
      ...{ event: "act_refused", action: "phase.advance", address: "127.0.0.1" },
      code: "ACT_REFUSED",
    });
  });
});
