// The edge's lines on the whole way: reporter, outbox, gateway, database. The hub and its database are real; the
// market flows beside them.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { LogShipper } from "../../../app/edge/logs/shipper.ts";
import { createTransport, TRANSPORT_TIMINGS } from "../../../app/edge/uplink/transport.ts";
import { systemClock as clock } from "../../../app/shared/clock.ts";
import type { Event } from "../../../app/shared/events.ts";
import { logAccount } from "../../../app/shared/own-account.ts";
import { createReporter } from "../../../app/shared/report.ts";
import { TABLES_UNSAID } from "../../../app/shared/table.ts";
import { isBalanced } from "../../../app/shared/tick.ts";
import { readLogs } from "../../../app/hub/query/logs.ts";
import { createDatabase } from "../../support/database.ts";
import type { TestDatabase } from "../../support/database.ts";
import { startTestHub, TOKEN, until } from "../../support/hub.ts";
import { expectOnce, startPusher } from "../../support/pusher.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase({ migrated: true });
});
afterAll(() => database.drop());
beforeEach(() => database.pool.query("truncate edge_log restart identity"));

/** An edge with a market and a log of its own; `say` is one line of it. */
async function startEdge(url: string, bytesPerDay = 4 * 2 ** 20) {
  const pusher = await startPusher(url);
  const reporter = createReporter("edge", "silent");
  const { outbox, sender } = pusher;
  const shipper = new LogShipper({
    ...{ edge: "kis", outbox, reporter, clock, level: "info", bytesPerDay },
  });
  sender.addHolder(logAccount("kis"), randomUUID());
  const say = (attempt: number) =>
    reporter.emit({ event: "feed_retrying", source: "kis:1", code: "X", delayMs: 1, attempt });
  return { ...pusher, shipper, reporter, say };
}

const attempts = async () => {
  const { lines } = await readLogs(database.pool, {
    event: "feed_retrying",
    limit: 2_000,
    afterId: 0,
  });
  return lines.map(({ fields }) => fields["attempt"]);
};

test("lines of an outage arrive when the hub is back, in their order, and none is missing", async () => {
  const first = await startTestHub(database.url);
  const { port } = first;
  const edge = await startEdge(first.gatewayUrl);
  for (let i = 1; i <= 20; i++) edge.say(i);
  await until(async () => (await attempts()).length === 20, "the lines before");
  await first.stop();
  for (let i = 21; i <= 320; i++) edge.say(i);
  const second = await startTestHub(database.url, { port });
  await until(async () => (await attempts()).length === 320, "the lines of the outage");
  expect(await attempts()).toEqual(Array.from({ length: 320 }, (_, i) => i + 1));
  const pushed = await edge.finish();
  await expectOnce(database.url, edge.symbol, pushed);
  expect(isBalanced(edge.outbox.laneLedger("log"))).toBe(true);
  await second.stop();
});

test("10,000 lines a second cost no trade: none is given up, the books hold, the day's bytes bound it", async () => {
  const hub = await startTestHub(database.url);
  const edge = await startEdge(hub.gatewayUrl, 200_000);
  await edge.someRows();
  const told: Event[] = [];
  edge.reporter.listen(({ event }) => told.push(event));
  let said = 0;
  const flood = setInterval(() => {
    for (let i = 0; i < 100; i++) edge.say(++said);
  }, 10);
  await until(() => said >= 20_000, "the flood");
  clearInterval(flood);
  const pushed = await edge.finish();
  await expectOnce(database.url, edge.symbol, pushed);
  expect(edge.outbox.recordLedger()).toMatchObject({
    received: pushed,
    committed: pushed,
    lost: 0,
  });
  const { received, committed } = edge.outbox.laneLedger("log");
  expect(committed).toBe(received);
  expect(received).toBeLessThan(said / 5);
  // Once for warnings; no line turned itself into more.
  expect(told.filter(({ event }) => event === "log_budget_spent")).toHaveLength(1);
  const picture = await hub.picture();
  expect(picture.total.isBalanced).toBe(true);
  expect(picture.accounts.map(({ account }) => account)).toEqual(["kis:1", "kiwoom:1"]);
  expect(picture.unbalanced).toEqual([]);
  await hub.stop();
});

test("a hub that does not say that it takes log lines is sent none, and the market flows", async () => {
  const hub = await startTestHub(database.url);
  const ours = { edge: "kis", token: TOKEN, version: "t", bootId: "b", clock };
  const plain = createTransport(hub.gatewayUrl, {
    ...{ ...ours, heartbeat: { tickMs: 1_100, missesMax: 3 }, ...TRANSPORT_TIMINGS },
  });
  const opened = await plain.open();
  expect(opened.tables).toEqual([...TABLES_UNSAID, "news", "log"]);
  await plain.close();
  const edge = await startEdge(hub.gatewayUrl);
  edge.outbox.hubTakes(TABLES_UNSAID);
  for (let i = 1; i <= 100; i++) edge.say(i);
  await edge.someRows();
  const pushed = await edge.finish();
  await expectOnce(database.url, edge.symbol, pushed);
  expect(await attempts()).toEqual([]);
  expect(edge.outbox.laneLedger("log")).toMatchObject({ received: 100, held: 100, lost: 0 });
  await hub.stop();
});
