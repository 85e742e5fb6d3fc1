// Each rule, broken once and held once, and what it is blind to.
import { describe, expect, it } from "vitest";
import type { EdgeSight, Observation } from "../../app/sentinel/observation.ts";
import { judgeAll, RULES } from "../../app/sentinel/rules.ts";
import type { RuleName } from "../../app/sentinel/rules.ts";
import type { HubWatch } from "../../app/shared/watch.ts";
import { World } from "./support/world.ts";

const OPEN_MS = Date.parse("2026-12-23T11:00:00+09:00");
const DAY_MS = 86_400_000;

/** A good look in an open market; `change` may spoil what the hub shows. */
function look(change: (watch: HubWatch) => void = () => undefined, nowMs = OPEN_MS): Observation {
  const seen = new World().observe(nowMs);
  if (seen.hub.name === "seen") change(seen.hub.watch);
  return { ...seen, channels: new Map([["telegram", null]]), door: null };
}

const away: EdgeSight = { name: "away", reason: "ECONNREFUSED", wasSeen: true };
const hubAway = { name: "away", reason: "ETIMEDOUT" } as const;

/** What each rule says of it, as `RULE subject severity`. */
function broken(seen: Observation): string[] {
  return [...judgeAll(seen)].flatMap(([rule, { breaches }]) =>
    breaches.map(({ subject, severity }) => `${rule} ${subject} ${severity}`),
  );
}

const isBlind = (seen: Observation, rule: RuleName, subject: string) =>
  judgeAll(seen).get(rule)?.isBlind?.(subject) ?? false;

const without = (...edges: string[]): Observation => {
  const seen = look((watch) => {
    for (const one of watch.edges) if (edges.includes(one.edge)) one.seenAgeMs = 90_000;
  });
  const sights = [...seen.edges].map(
    ([edge, sight]) => [edge, edges.includes(edge) ? away : sight] as const,
  );
  return { ...seen, edges: new Map(sights) };
};

const CASES: Record<RuleName, [Observation, string][]> = {
  HUB_DOWN: [[{ ...look(), hub: hubAway }, "hub critical"]],
  HUB_DATABASE: [
    [look((watch) => (watch.database = { code: "DATABASE_FULL" })), "hub critical"],
    [{ ...look(), hub: { name: "unready", reason: "not prepared" } }, "hub critical"],
  ],
  CUT_OFF: [[{ ...look(), hub: hubAway, edges: new Map([["kis", away]]) }, "tailnet critical"]],
  EDGE_DOWN: [[without("kis"), "kis critical"]],
  EDGE_UNHEARD: [[look((watch) => (watch.edges[0]!.seenAgeMs = 90_000)), "kis warning"]],
  FEED_SILENT: [
    [look((watch) => (watch.edges[0]!.accounts["kis:1"]!.tickAgeMs = 61_000)), "kis:1 critical"],
    [
      look((watch) => (watch.edges[1]!.accounts["kiwoom:1"]!.tickAgeMs = null)),
      "kiwoom:1 critical",
    ],
    [look((watch) => (watch.accounts[0]!.edge = null)), "kis:1 critical"],
  ],
  FEED_STOPPED: [
    [
      look((watch) =>
        Object.assign(watch.edges[0]!.accounts["kis:1"]!, {
          feed: "stopped",
          code: "FEED_AUTH",
          tickAgeMs: 1e6,
        }),
      ),
      "kis:1 critical",
    ],
  ],
  LEASE_FLAPPING: [[{ ...look(), epochRises: new Map([["kis:1", 5]]) }, "kis:1 warning"]],
  GAPS_UNREFILLED: [
    [
      look((watch) => (watch.gaps = { open: 1, oldestMs: OPEN_MS - 1_800_000, lost: 0 })),
      "trades warning",
    ],
    [look((watch) => (watch.gaps.lost = 1)), "trades warning"],
  ],
  PARITY_LOW: [
    [look((watch) => (watch.parity!.share = 0.9989)), "parity warning"],
    [look((watch) => (watch.parity!.coverage = 0.94)), "parity warning"],
  ],
  OUTBOX_HORIZON: [
    [
      look((watch) => (watch.edges[0]!.outbox = { oldestMs: 31_000, secondsLeft: 1_700 })),
      "kis warning",
    ],
    [
      look((watch) => (watch.edges[0]!.outbox = { oldestMs: 31_000, secondsLeft: 500 })),
      "kis critical",
    ],
  ],
  LEDGER_UNBALANCED: [[look((watch) => (watch.unbalanced = 1)), "books critical"]],
  DISK_LOW: [
    [look((watch) => (watch.disk!.freeBytes = 14e9)), "hub warning"],
    [look((watch) => (watch.disk!.freeBytes = 4e9)), "hub critical"],
  ],
  CLOCK_SKEW: [
    [look((watch) => (watch.edges[1]!.offsetMs = -1_500)), "kiwoom warning"],
    [withOffset(-2_500, 400), "hub warning"],
  ],
  BACKUP_STALE: [[look((watch) => watch.backup.push("backup: late")), "backup warning"]],
  METER_PROJECTION: [
    [look((watch) => (watch.meters[0]!.state = "warn")), "egress@kis warning"],
    [look((watch) => (watch.meters[0]!.state = "over")), "egress@kis critical"],
  ],
  BROKER_DRIFT: [
    [look((watch) => watch.edges[0]!.drifts.push("kis:1 H0STCNT0: 48")), "kis warning"],
  ],
  KEY_EXPIRY: [
    [
      look((watch) => watch.expiries.push({ subject: "hub", atMs: OPEN_MS + 20 * DAY_MS })),
      "hub warning",
    ],
    [look((watch) => watch.expiries.push({ subject: "hub", atMs: OPEN_MS - 1 })), "hub critical"],
  ],
  RELEASE_REVERTED: [
    [
      look((watch) => (watch.release = { version: "2", outcome: "reverted", reason: "no ack" })),
      "release warning",
    ],
  ],
  CHANNEL_FAILING: [
    [
      { ...look(), channels: new Map([["slack", { forMs: 120_000, code: "CHANNEL_REFUSED" }]]) },
      "slack warning",
    ],
  ],
  DOOR_REFUSED: [[{ ...look(), door: { forMs: 300_000, code: "SENTINEL_TOKEN" } }, "hub warning"]],
};

function withOffset(offsetMs: number, errorMs: number): Observation {
  const seen = look();
  if (seen.hub.name !== "seen") return seen;
  return { ...seen, hub: { ...seen.hub, offset: { offsetMs, errorMs } } };
}

describe("rules", () => {
  it("of a good look none is broken", () => {
    expect(broken(look())).toEqual([]);
  });

  it.each(Object.entries(CASES) as [RuleName, [Observation, string][]][])(
    "%s is broken by what it is for, and no other is by that",
    (rule, cases) => {
      for (const [seen, what] of cases) expect(broken(seen)).toEqual([`${rule} ${what}`]);
    },
  );

  it("a dead edge is one alert, and its accounts are not judged", () => {
    const seen = without("kis");
    for (const [rule, subject] of [
      ["FEED_SILENT", "kis:1"],
      ["OUTBOX_HORIZON", "kis"],
      ["CLOCK_SKEW", "kis"],
      ["BROKER_DRIFT", "kis"],
    ] as const) {
      expect([rule, isBlind(seen, rule, subject)]).toEqual([rule, true]);
    }
    expect(isBlind(seen, "FEED_SILENT", "kiwoom:1")).toBe(false);
  });

  it("an edge that was never there is none, and neither is one that left a week ago", () => {
    const never: EdgeSight = { ...away, wasSeen: false };
    const seen = look((watch) => (watch.edges[0]!.seenAgeMs = 8 * DAY_MS));
    const edges = new Map([...seen.edges, ["news", never], ["kis", never]] as const);
    expect(broken({ ...seen, edges }).filter((one) => one.startsWith("EDGE_DOWN"))).toEqual([]);
  });

  it("while the hub is away, what only the hub knows is not judged, and an edge's outbox is", () => {
    const outbox = { bytes: 1, rows: 1, oldestMs: 60_000, secondsLeft: 900 };
    const kis: EdgeSight = { name: "seen", status: { outbox } };
    const seen = { ...look(), hub: hubAway, edges: new Map([["kis", kis]]) };
    expect(broken(seen)).toEqual(["HUB_DOWN hub critical", "OUTBOX_HORIZON kis warning"]);
    const known: RuleName[] = [
      "HUB_DOWN",
      "EDGE_DOWN",
      "CUT_OFF",
      "OUTBOX_HORIZON",
      "CHANNEL_FAILING",
    ];
    for (const rule of Object.keys(RULES) as RuleName[]) {
      expect([rule, isBlind(seen, rule, "x") || known.includes(rule)]).toEqual([rule, true]);
    }
  });

  it("a hub that has just begun has heard nobody", () => {
    const seen = look((watch) => {
      watch.upMs = 20_000;
      watch.edges = [];
    });
    expect(broken(seen)).toEqual([]);
    expect(isBlind(seen, "FEED_SILENT", "kis:1")).toBe(true);
  });

  it("a clock's doubt is taken off, and a meter without egress is a subject of its own", () => {
    expect(broken(withOffset(2_500, 600))).toEqual([]);
    const seen = look((watch) => {
      const [meter] = watch.meters;
      watch.meters = [
        { ...meter!, state: "warn" },
        { ...meter!, meter: "egress_sockets", state: "over", used: 21 },
        { ...meter!, meter: "storage", subject: "hub", state: "warn" },
      ];
    });
    expect(broken(seen)).toEqual([
      "METER_PROJECTION egress@kis critical",
      "METER_PROJECTION storage@hub warning",
    ]);
  });
});
