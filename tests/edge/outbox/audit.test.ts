// The outbox's books beside what lies in it: they agree whatever happens, and a step that moves one
// without the other is seen.
import { describe, expect, test } from "vitest";
import { auditLane } from "../../../app/edge/outbox/audit.ts";
import type { Imbalance } from "../../../app/edge/outbox/audit.ts";
import { LedgerWatch } from "../../../app/edge/ledger-watch.ts";
import { Lane } from "../../../app/edge/outbox/lane.ts";
import { OUTBOX_DEFAULTS } from "../../../app/edge/outbox/outbox.ts";
import { emptyBytes } from "../../../app/edge/outbox/row-bytes.ts";
import type { Event } from "../../../app/shared/events.ts";
import { trade } from "../../support/records.ts";

function makeLane(): Lane {
  const usage = { bytes: emptyBytes(), tombstoneBytes: 0 };
  const options = {
    ...OUTBOX_DEFAULTS,
    rowsPerBatch: 4,
    sealAfterMs: 0,
    mintStream: () => "00000000-0000-4000-8000-000000000001",
    onEvent: () => undefined,
  };
  const lane = new Lane("kis:1", "trade", options, usage);
  for (let i = 0; i < 10; i++) {
    lane.ledger.received++;
    lane.hold(trade({ capture: i + 1 }), 1, 100, 0);
  }
  return lane;
}

describe("a lane's books", () => {
  test("are true with rows, packed and sent batches, and tombstones in it", () => {
    const lane = makeLane();
    expect(auditLane(lane)).toBeNull();
    lane.nextLive(0, 9);
    lane.ledger.received += 3;
    for (let i = 0; i < 3; i++) lane.hold(trade({ capture: 20 + i }), 1, 100, 0);
    lane.pack();
    lane.trim(lane.live, 0, "outbox_full");
    expect(lane.ledger).toMatchObject({ held: 10, lost: 3 });
    expect(auditLane(lane)).toBeNull();
  });

  test("are wrong when a record is received and neither held nor lost", () => {
    const lane = makeLane();
    lane.ledger.received++;
    expect(auditLane(lane)).toMatchObject({ check: "sum", records: -1 });
  });

  test("are wrong when rows are gone that are said to be held", () => {
    const lane = makeLane();
    lane.live.waiting.length = 0;
    expect(auditLane(lane)).toMatchObject({ check: "held", records: 10 });
  });

  test("are wrong when a row left a batch that still counts it", () => {
    const lane = makeLane();
    const { content } = lane.live.waiting[0]!;
    if (content.kind === "rows") content.rows.pop();
    expect(auditLane(lane)).toMatchObject({ check: "held", records: 1 });
  });

  test("are wrong when a batch is let go without a verdict", () => {
    const lane = makeLane();
    lane.live.remove(lane.nextLive(0, 9)!.sent);
    expect(auditLane(lane)).toMatchObject({ check: "held", records: 10 });
  });
});

test("an edge whose books are wrong says so once, and again only after they were right", () => {
  const events: Event[] = [];
  const wrong = { account: "kis:1", table: "trade", check: "held", records: 2 } as const;
  let found: Imbalance[] = [];
  const watch = new LedgerWatch({ audit: () => found }, (event) => events.push(event));
  expect(watch.look()).toBe(true);
  found = [wrong];
  expect([watch.look(), watch.look()]).toEqual([false, false]);
  expect(events).toEqual([{ event: "ledger_unbalanced", ...wrong, detail: "at the edge" }]);
  found = [];
  expect(watch.look()).toBe(true);
  found = [wrong];
  watch.look();
  expect(events).toHaveLength(2);
});
