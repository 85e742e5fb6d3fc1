// News and log lines in the outbox: what they may take, and what they must leave alone.
import { describe, expect, test } from "vitest";
import { TABLES_UNSAID } from "../../../app/shared/table.ts";
import { isBalanced } from "../../../app/shared/tick.ts";
import { logRecord, newsItem, trade } from "../../support/records.ts";
import { capturesOf, commit, lossOf, makeOutbox, sendAll } from "./support.ts";

const LOG = "log:kis";
const NEWS = "news:kis";

describe("log lines", () => {
  test("never find room by giving up anything but log lines, and are given up first", () => {
    const { outbox } = makeOutbox({ bytesMax: 40_000, logShare: 0.5 });
    for (let i = 1; i <= 40; i++) outbox.push(LOG, 0, logRecord({ capture: i }), 0);
    for (let i = 1; i <= 300; i++) {
      outbox.push("kis:1", 1, trade({ seq: i, capture: i }), 0);
      outbox.push(NEWS, 0, newsItem({ capture: i, summary: "x".repeat(i) }), 0);
    }
    const before = outbox.ledgerOf("kis:1", "trade").lost;
    expect(outbox.laneLedger("log").held).toBe(0);
    outbox.push(LOG, 0, logRecord({ capture: 41 }), 0);
    expect(outbox.ledgerOf("kis:1", "trade").lost).toBe(before);
    expect(isBalanced(outbox.ledger())).toBe(true);
  });

  test("keep to their share: the oldest give way to the newest, with a tombstone in their place", () => {
    const { outbox } = makeOutbox({ bytesMax: 10 ** 6, logShare: 0.02 });
    for (let i = 1; i <= 5_000; i++) {
      const fields = JSON.stringify({ i, text: String(i * 7919).repeat(20) });
      outbox.push(LOG, 0, logRecord({ capture: i, fields }), 0);
    }
    expect(outbox.stats(0).bytes).toBeLessThanOrEqual(20_000);
    const { held, lost, received } = outbox.laneLedger("log");
    expect(received).toBe(5_000);
    expect(held + lost).toBe(5_000);
    outbox.flush(0);
    const sent = [];
    for (let parcels = sendAll(outbox, 0); parcels.length > 0; parcels = sendAll(outbox, 0)) {
      for (const parcel of parcels) {
        sent.push(...capturesOf(parcel));
        commit(outbox, parcel);
      }
    }
    expect(sent).toEqual(Array.from({ length: held }, (_, i) => lost + i + 1));
    expect(outbox.ledger()).toMatchObject({ held: 0, committed: held, lost });
  });

  test("and news travel one batch at a time, and only while nothing of the market is due", () => {
    const { outbox } = makeOutbox();
    for (let i = 1; i <= 5_000; i++) outbox.push(LOG, 0, logRecord({ capture: i }), 0);
    for (let i = 1; i <= 10; i++) outbox.push(NEWS, 0, newsItem({ capture: i }), 0);
    for (let i = 1; i <= 10; i++) outbox.push("kis:1", 1, trade({ seq: i, capture: i }), 0);
    const order = sendAll(outbox, 10_000).map(({ table }) => table);
    expect(order).toEqual(["trade", "news", "log"]);
    // A later market batch goes at once; the next of the log waits for the verdict on the first.
    outbox.push("kis:1", 1, trade({ seq: 11, capture: 11 }), 10_000);
    expect(sendAll(outbox, 10_200).map(({ table }) => table)).toEqual(["trade"]);
  });

  test("have batches so small that a trade behind one hardly waits", () => {
    const { outbox } = makeOutbox();
    const fields = JSON.stringify({ text: "y".repeat(900) });
    for (let i = 1; i <= 3_000; i++) outbox.push(LOG, 0, logRecord({ capture: i, fields }), 0);
    const [first] = sendAll(outbox, 10_000);
    expect(first!.rows).toBeLessThan(200);
  });

  test("that could not be stored wait by themselves", () => {
    const { outbox } = makeOutbox();
    outbox.push(LOG, 0, logRecord(), 0);
    const [first] = sendAll(outbox, 10_000);
    outbox.rest(first!.stream, 15_000);
    outbox.push("kis:1", 1, trade(), 10_000);
    expect(sendAll(outbox, 11_000).map(({ table }) => table)).toEqual(["trade"]);
    const [again] = sendAll(outbox, 15_000);
    expect(again).toMatchObject({ stream: first!.stream, number: 1, bytes: first!.bytes });
  });
});

describe("in front of a hub that has no table for them", () => {
  test("news and log lines wait, the market's rows travel, and a drain has an end", () => {
    const { outbox } = makeOutbox();
    outbox.hubTakes(TABLES_UNSAID);
    outbox.push(LOG, 0, logRecord(), 0);
    outbox.push(NEWS, 0, newsItem(), 0);
    outbox.push("kis:1", 1, trade(), 0);
    outbox.flush(0);
    const sent = sendAll(outbox, 100_000);
    expect(sent.map(({ table }) => table)).toEqual(["trade"]);
    for (const parcel of sent) commit(outbox, parcel);
    expect(outbox.drainEmpty()).toBe(true);
    expect(outbox.ledger()).toMatchObject({ received: 3, committed: 1, held: 2 });
    expect(outbox.nextWake(100_000)).toBe(Infinity);
    outbox.hubTakes([...TABLES_UNSAID, "news", "log"]);
    expect(
      sendAll(outbox, 100_000).map(({ table, ...rest }) => [table, lossOf({ table, ...rest })]),
    ).toEqual([
      ["news", 0],
      ["log", 0],
    ]);
  });
});
