// What `tickhub status` and the page say first.
import { describe, expect, it } from "vitest";
import type { Picture } from "../../app/hub/query/picture.ts";
import { inWords, TROUBLE_WORDS, troublesOf } from "../../app/hub/query/verdict.ts";

const WELL = {
  database: { ok: true },
  total: { isBalanced: true, lost: 0 },
  unbalanced: [],
  coverage: { incidents: [] },
  backup: { troubles: [] },
  meters: [],
  phase: { name: "home", moving: null, fence: "open" },
  accounts: [{ account: "kis:1", lease: { holder: "h", edge: "kis" }, edge: null }],
  edges: [
    {
      ...{ edge: "kis", seenAgeMs: 200, health: { state: "ok", holds: ["kis:1"] } },
      status: { accounts: { "kis:1": { feed: "live" } } },
    },
  ],
};

const wordsOf = (change: object) =>
  troublesOf({ ...WELL, ...change } as unknown as Picture).map((one) =>
    inWords(one, TROUBLE_WORDS),
  );

describe("the verdict", () => {
  it("is that all is well when nothing is wrong", () => {
    expect(wordsOf({})).toEqual([]);
  });

  it.each([
    [
      "the database",
      { database: { ok: false, code: "DATABASE_UNREACHABLE" } },
      "database DATABASE_UNREACHABLE",
    ],
    ["the books", { total: { isBalanced: false, lost: 0 } }, "the books do not balance"],
    [
      "a stream",
      { unbalanced: [{ account: "kis:1", check: "sum", detail: "one too many" }] },
      "kis:1: the books are wrong (sum, one too many)",
    ],
    ["what is lost", { total: { isBalanced: true, lost: 1_234 } }, "1,234 records declared lost"],
    [
      "what nobody can refill",
      { coverage: { incidents: [{ trades: "lost" }, { trades: "refilled" }] } },
      "1 gap in trades that nobody can refill",
    ],
    ["the backup", { backup: { troubles: ["backup: late"] } }, "backup: late"],
    [
      "a meter at its limit",
      {
        meters: [
          {
            ...{ meter: "egress", subject: "kis", state: "warn", unit: "GB" },
            ...{ used: 0.2, projected: 0.9, limit: 1 },
          },
        ],
      },
      "egress of kis: 0.9 of 1 GB at the month's end",
    ],
    [
      "a meter over it",
      {
        meters: [
          {
            ...{ meter: "requests", subject: "kis", state: "over", unit: "requests" },
            ...{ used: 2_100_000, projected: 3_000_000, limit: 2_000_000 },
          },
        ],
      },
      "requests of kis: 2,100,000 of 2,000,000 requests used",
    ],
    [
      "an account nobody holds",
      { accounts: [{ account: "kis:1", lease: null, edge: null }] },
      "kis:1: nobody collects",
    ],
    [
      "an edge's books",
      {
        accounts: [
          { account: "kis:1", lease: WELL.accounts[0]!.lease, edge: { isBalanced: false } },
        ],
      },
      "kis:1: the edge's books do not balance",
    ],
    [
      "a shut fence",
      { phase: { name: "home", moving: null, fence: "shut" } },
      "no lease is granted: see tickhub phase show",
    ],
    [
      "a phase under way",
      { phase: { name: "home", moving: "advance to local", fence: "open" } },
      "advance to local is half done",
    ],
    [
      "a feed",
      {
        edges: [
          {
            ...WELL.edges[0]!,
            status: { accounts: { "kis:1": { feed: "waiting", code: "FEED_CLOSED" } } },
          },
        ],
      },
      "kis: kis:1 waiting (FEED_CLOSED)",
    ],
    [
      "an edge that is gone",
      {
        edges: [
          { ...WELL.edges[0]!, seenAgeMs: 7_000, health: { state: "down", holds: ["kis:1"] } },
        ],
      },
      "kis: silent for 7 s",
    ],
  ])("names %s", (_what, change, words) => {
    expect(wordsOf(change)).toEqual([words]);
  });

  it("leaves alone an edge that was given up days ago and holds nothing", () => {
    const gone = { ...WELL.edges[0]!, health: { state: "down", holds: [] } };
    expect(wordsOf({ edges: [{ ...gone, seenAgeMs: 3 * 86_400_000 }] })).toEqual([]);
    expect(wordsOf({ edges: [{ ...gone, seenAgeMs: 60_000 }] })).toEqual(["kis: silent for 60 s"]);
  });

  it("leaves alone a standby that claims what another holds", () => {
    const standby = {
      ...WELL.edges[0]!,
      edge: "kis2",
      status: { accounts: { "kis:1": { feed: "idle", lease: "claiming" } } },
    };
    expect(wordsOf({ edges: [...WELL.edges, standby] })).toEqual([]);
  });
});
