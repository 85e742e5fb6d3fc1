// What people see: the live view and the picture, without a database.
import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { LiveView } from "../../app/hub/query/live.ts";
import { summaryOf } from "../../app/hub/query/coverage/summary.ts";
import { pictureOf } from "../../app/hub/query/picture.ts";
import type { PictureInput } from "../../app/hub/query/picture.ts";
import { decodeBatch, encodeBatch } from "../../app/shared/batch.ts";
import type { TradeColumns } from "../../app/shared/batch.ts";
import { RollingLatency } from "../../app/shared/latency.ts";
import type { Trade } from "../../app/shared/tick.ts";
import { trade } from "../support/records.ts";

function columnsOf(rows: Trade[]): TradeColumns {
  const head = {
    table: "trade",
    stream: randomUUID(),
    number: 1,
    account: "kis:1",
    epoch: 1,
  } as const;
  const batch = decodeBatch(encodeBatch(head, rows), { rowsMax: 1e4, rawBytesMax: 1e7 });
  if (batch.kind !== "trade") throw new Error(batch.kind);
  return batch.columns;
}

describe("the live view", () => {
  test("keeps the last trade of each source, venue and symbol", () => {
    const live = new LiveView();
    const rows = [
      trade({ seq: 1, price: 10 }),
      trade({ seq: 2, price: 11 }),
      trade({ symbol: "000660", price: 5 }),
    ];
    live.trades("kis:1", columnsOf(rows));
    live.trades("kiwoom:1", columnsOf([trade({ seq: 2, price: 12 })]));
    const seen = live
      .changedSince(0)
      .trades.map(({ source, symbol, price }) => [source, symbol, price]);
    expect(seen.sort()).toEqual([
      ["kis:1", "000660", 5],
      ["kis:1", "005930", 11],
      ["kiwoom:1", "005930", 12],
    ]);
  });

  test("tells a reader only what changed since it last asked", () => {
    const live = new LiveView();
    live.trades("kis:1", columnsOf([trade(), trade({ symbol: "000660" })]));
    const { version } = live.changedSince(0);
    expect(live.changedSince(version).trades).toEqual([]);
    live.trades("kis:1", columnsOf([trade({ symbol: "000660", price: 7 })]));
    expect(live.changedSince(version).trades).toMatchObject([{ symbol: "000660", price: 7 }]);
  });

  test("a backlog that drains beside fresh trades does not turn it back", () => {
    const live = new LiveView();
    live.trades("kis:1", columnsOf([trade({ edgeRecvMs: 2_000, price: 20 })]));
    live.trades("kis:1", columnsOf([trade({ edgeRecvMs: 1_000, price: 10 })]));
    expect(live.changedSince(0).trades).toMatchObject([{ price: 20 }]);
  });

  test("forgets the longest unchanged symbol and edge beyond its bounds", () => {
    const live = new LiveView({ symbolsMax: 2, edgesMax: 2 });
    for (const symbol of ["A", "B", "A", "C"]) live.trades("kis:1", columnsOf([trade({ symbol })]));
    expect(live.changedSince(0).trades.map(({ symbol }) => symbol)).toEqual(["A", "C"]);
    for (const edge of ["a", "b", "a", "c"]) live.status(edge, {}, 0);
    expect([...live.statuses().keys()]).toEqual(["a", "c"]);
  });
});

describe("the picture", () => {
  const none = { received: 0, committed: 0, duplicate: 0, held: 0, quarantined: 0, lost: 0 };
  const stored = {
    ...none,
    account: "kis:1",
    table: "trade",
    received: 90,
    committed: 80,
    duplicate: 7,
    quarantined: 2,
    lost: 1,
  };
  const edgeLedger = {
    received: 100,
    committed: 80,
    duplicate: 7,
    held: 10,
    quarantined: 2,
    lost: 1,
  };
  const input: PictureInput = {
    version: "1",
    brokers: "real",
    nowMs: 10_000,
    startedMs: 4_000,
    health: { ok: true, checkedMs: 0 },
    identity: { isChecked: false, reason: "TICKHUB_EDGE_TAGS is not set" },
    books: { ledgers: [stored], leases: [], statuses: [], phase: null },
    statuses: new Map([
      [
        "kis",
        { seenMs: 9_500, status: { accounts: { "kis:1": { feed: "live", ledger: edgeLedger } } } },
      ],
    ]),
    latency: { count: 0, p50Ms: null, p99Ms: null, p999Ms: null },
    latencyNow: { count: 0, p50Ms: null, p99Ms: null, p999Ms: null },
    loop: { p99Ms: 0, maxMs: 0 },
    planned: new Map([["kis:1", 4]]),
    connections: new Map([
      ["kis", 1],
      ["kiwoom", 1],
    ]),
    known: new Set(["kis", "kiwoom"]),
    sites: [],
    unbalanced: [],
    parity: { left: "kis", right: "kiwoom", open: false, reasons: [], days: [] },
    coverage: summaryOf([], 0, 0, null),
    release: null,
    backup: { isWatched: false, troubles: [], note: null },
    meters: [],
  };

  test("adds what edges hold to what the hub stored, and the sum holds", () => {
    const { total, accounts } = pictureOf(input);
    expect(total).toEqual({
      received: 100,
      committed: 80,
      duplicate: 7,
      held: 10,
      quarantined: 2,
      lost: 1,
      isBalanced: true,
    });
    expect(accounts[0]).toMatchObject({
      account: "kis:1",
      planned: 4,
      edge: { edge: "kis", isBalanced: true },
    });
  });

  test("one record too few is unbalanced", () => {
    const books = { ...input.books, ledgers: [{ ...stored, committed: 79 }] };
    expect(pictureOf({ ...input, books }).total.isBalanced).toBe(false);
  });

  test("shows an edge that is connected and has not reported, and one that reports directly", () => {
    const books = { ...input.books, statuses: [{ edge: "direct", seenMs: 9_000, status: {} }] };
    const { edges } = pictureOf({ ...input, books });
    expect(edges.map(({ edge, connections, seenAgeMs }) => [edge, connections, seenAgeMs])).toEqual(
      [
        ["direct", 0, 1_000],
        ["kis", 1, 500],
        ["kiwoom", 1, 0],
      ],
    );
  });
});

describe("rolling latency", () => {
  test("covers the current span and the one before, and forgets what is older", () => {
    const latency = new RollingLatency(60_000, 0);
    for (let i = 1; i <= 100; i++) latency.record(i, 1_000);
    expect(latency.percentiles(2_000)).toMatchObject({ count: 100 });
    expect(latency.percentiles(2_000).p50Ms).toBeCloseTo(50, 0);
    expect(latency.percentiles(2_000).p99Ms).toBeCloseTo(99, 0);
    expect(latency.percentiles(70_000).count).toBe(100);
    const none = { count: 0, p50Ms: null, p99Ms: null, p999Ms: null };
    expect(latency.percentiles(130_000)).toEqual(none);
  });

  test("a negative delay, of two clocks that disagree, is the smallest there is", () => {
    const latency = new RollingLatency(60_000, 0);
    latency.record(-5, 0);
    expect(latency.percentiles(0).p50Ms).toBe(0.001);
  });
});
