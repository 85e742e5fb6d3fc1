// How an edge does, from what it said and whether it is connected. Pure.
import { describe, expect, test } from "vitest";
import { healthOf } from "../../../app/hub/query/edge-health.ts";
import type { EdgeFacts } from "../../../app/hub/query/edge-health.ts";
import type { LeaseRow } from "../../../app/hub/query/overview.ts";

const facts = (fields: Partial<EdgeFacts> = {}): EdgeFacts => ({
  ...{ edge: "kis", connections: 1, isAtGateway: true, seenAgeMs: 400 },
  status: { accounts: { "kis:1": { feed: "live", tickAgeMs: 250 }, "kis:2": { feed: "live" } } },
  ...fields,
});
const judge = (fields: Partial<EdgeFacts> = {}) => {
  const { state, reason } = healthOf(facts(fields), [], []);
  return `${state} ${reason}`.trim();
};

describe("an edge's health", () => {
  test.each([
    ["that is connected and speaks", {}, "ok"],
    ["that was killed", { connections: 0 }, "down not connected; silent for 0 s"],
    ["whose line hangs", { seenAgeMs: 7_000 }, "late silent for 7 s"],
    ["that is connected and dumb for an hour", { seenAgeMs: 3_700_000 }, "late silent for 61 min"],
    ["that writes into the database", { connections: 0, isAtGateway: false }, "ok"],
    [
      "of those that is quiet",
      { connections: 0, isAtGateway: false, seenAgeMs: 9_000 },
      "late silent for 9 s",
    ],
    [
      "of those that is gone",
      { connections: 0, isAtGateway: false, seenAgeMs: 172_800_000 },
      "down silent for 2 d",
    ],
  ] as [string, Partial<EdgeFacts>, string][])("%s", (_what, fields, expected) => {
    expect(judge(fields)).toBe(expected);
  });

  test("a light edge says how often it speaks, and is not late before", () => {
    const status = { periodMs: 30_000 };
    expect(judge({ status, seenAgeMs: 60_000 })).toBe("ok");
    expect(judge({ status, seenAgeMs: 151_000 })).toBe("late silent for 2 min");
  });

  test("a feed's error, a backlog and an outbox that fills are said in this order", () => {
    const accounts = { "kis:1": { feed: "waiting", code: "FEED_AUTH" } };
    const outbox = { bytes: 1, rows: 1, secondsLeft: 30, oldestMs: 9_000 };
    expect(judge({ status: { accounts, outbox } })).toBe("late kis:1: FEED_AUTH");
    expect(judge({ status: { outbox } })).toBe("late its outbox is 9 s behind");
    expect(judge({ status: { outbox: { ...outbox, oldestMs: 900 } } })).toBe(
      "late its outbox is full in 30 s",
    );
  });

  test("has what a map of edges shows: site, breaker, outbox, last tick, leases", () => {
    const lease = { account: "kis:1", edge: "kis", holder: "h" } as LeaseRow;
    const status = {
      ...facts().status,
      outbox: { secondsLeft: 700, rows: 3 },
      uplink: { breaker: "closed" },
    };
    const sites = [{ target: "kis", side: "cloud" as const, edges: ["other", "kis"] }];
    expect(healthOf(facts({ status }), sites, [lease, { ...lease, holder: null }])).toEqual({
      ...{ state: "ok", reason: "", site: "cloud", breaker: "closed" },
      ...{ outboxSeconds: 700, outboxRows: 3, tickAgeMs: 650, holds: ["kis:1"] },
    });
    expect(healthOf(facts({ status: {} }), [], [])).toMatchObject({
      ...{ site: null, breaker: null, outboxSeconds: null, tickAgeMs: null, holds: [] },
    });
  });
});
