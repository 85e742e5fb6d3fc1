// Watching one place over real HTTP: books and trades as they are stored, through the gateway and past it.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Transport } from "../../app/edge/uplink/transport.ts";
import { encodeBatch } from "../../app/shared/batch.ts";
import { systemClock } from "../../app/shared/clock.ts";
import { kstDay } from "../../app/shared/market-time.ts";
import type { Book, Trade } from "../../app/shared/tick.ts";
import type { Watch } from "../../app/shared/web-api.ts";
import { BatchWriter } from "../../app/store/writer.ts";
import { whereAmI } from "../../app/store/standing.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { readEvents } from "../support/event-source.ts";
import { claim, startTestHub, testTransport, until } from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";
import { book, trade } from "../support/records.ts";

let database: TestDatabase;
let hub: TestHub;
let transport: Transport;
const holder = randomUUID();
const streams = { trade: randomUUID(), book: randomUUID() };
const numbers = { trade: 0, book: 0 };
let epoch = 0;
let seq = 0;

beforeAll(async () => {
  database = await createDatabase({ migrated: false });
  hub = await startTestHub(database.url);
  transport = testTransport(hub.gatewayUrl);
  await transport.open();
  epoch = await claim(transport, holder);
});
afterAll(async () => {
  await transport.close();
  await hub.stop();
  await database.drop();
});

const stamp = () => {
  const nowMs = systemClock.nowMs();
  return { exchangeMs: Math.floor(nowMs / 1_000) * 1_000, edgeRecvMs: nowMs, day: kstDay(nowMs) };
};
const nextTrade = (fields: Partial<Trade> = {}): Trade => {
  seq += 10;
  return trade({ ...stamp(), seq, capture: seq, ...fields });
};
function nextBook(best: number, fields: Partial<Book> = {}): Book {
  const levels = new Float64Array(40);
  for (let level = 0; level < 3; level++) {
    levels[level] = best + level;
    levels[10 + level] = 100 + level;
    levels[20 + level] = best - 1 - level;
    levels[30 + level] = 200 + level;
  }
  return book({ ...stamp(), levels, ...fields });
}
async function send(rows: Trade[] | Book[]): Promise<void> {
  const table = rows[0]!.kind;
  const head = { table, stream: streams[table], number: ++numbers[table], account: "kis:1", epoch };
  await transport.send(encodeBatch(head, rows), holder);
}

async function watch(symbol: string, source = "kis:1"): Promise<() => Promise<Watch>> {
  const abort = new AbortController();
  onTestFinished(() => abort.abort());
  const url = `${hub.url}/api/watch?source=${source}&venue=KRX&symbol=${symbol}`;
  const events = readEvents(await fetch(url, { signal: abort.signal }));
  return async () => ((await events.next()) as { value: { data: Watch } }).value.data;
}

describe("watching a place", () => {
  test("begins with its book of the moment, whoever watched before, and no trades", async () => {
    await send([nextBook(71_000), nextBook(71_010)]);
    await send([nextTrade()]);
    const next = await watch("005930");
    const first = await next();
    expect(first.trades).toEqual([]);
    expect(first.ladder).toMatchObject({
      asks: [
        { price: 71_010, size: 100 },
        { price: 71_011, size: 101 },
        { price: 71_012, size: 102 },
      ],
      bids: [
        { price: 71_009, size: 200 },
        { price: 71_008, size: 201 },
        { price: 71_007, size: 202 },
      ],
      expectedPrice: null,
    });
  });

  test("brings its trades in their order and nobody else's", async () => {
    const next = await watch("005930");
    await next();
    const [one, other] = [nextTrade({ price: 71_300 }), nextTrade({ price: 71_400, side: -1 })];
    await send([one, nextTrade({ symbol: "000660" }), other]);
    const seen = await next();
    expect(seen.trades.map(({ seq: at, price, side }) => [at, price, side])).toEqual([
      [one.seq, 71_300, 1],
      [other.seq, 71_400, -1],
    ]);
  });

  test("does not turn back for what comes late or a second time", async () => {
    const next = await watch("005930");
    await next();
    const [late, fresh] = [nextTrade(), nextTrade()];
    await send([fresh]);
    expect((await next()).trades.map(({ seq: at }) => at)).toEqual([fresh.seq]);
    await send([late]);
    await send([nextBook(1, { edgeRecvMs: 1_700_000_000_000 })]);
    const last = nextTrade();
    await send([last]);
    const seen = await next();
    expect(seen.trades.map(({ seq: at }) => at)).toEqual([last.seq]);
    expect(seen.ladder!.asks[0]!.price).toBe(71_010);
  });

  test("shows the expected price of an auction", async () => {
    const next = await watch("005930");
    await next();
    await send([nextBook(71_100, { expectedPrice: 71_150, phase: "A" })]);
    expect((await next()).ladder!.expectedPrice).toBe(71_150);
  });

  test("says nothing while nothing changes, and of a place nobody knows only that", async () => {
    const next = await watch("NOBODY");
    expect(await next()).toEqual({ ladder: null, trades: [] });
    let isTold = false;
    void next().then(
      () => (isTold = true),
      () => undefined,
    );
    await send([nextTrade()]);
    await until(async () => (await hub.picture()).rows["trade"]! >= seq / 10 - 1, "the trade");
    expect(isTold).toBe(false);
  });

  test("takes twenty and asks the next to close one; who left makes room", async () => {
    const aborts: AbortController[] = [];
    onTestFinished(() => aborts.forEach((abort) => abort.abort()));
    const open = async () => {
      const abort = new AbortController();
      aborts.push(abort);
      const url = `${hub.url}/api/watch?source=kis:1&venue=KRX&symbol=000660`;
      return (await fetch(url, { signal: abort.signal })).status;
    };
    await until(async () => (await open()) === 503, "the twenty-first");
    aborts.forEach((abort) => abort.abort());
    await until(async () => (await open()) === 200, "room");
  });
});

describe("watching a place whose edge writes into the database itself", () => {
  test("shows its trades and books by looking once a second", async () => {
    const own = randomUUID();
    const asked = { account: "kiwoom:1", edge: "direct", wish: "claim", status: {} } as const;
    const standing = await whereAmI(database.pool, { ...asked, holder: own });
    expect(standing.lease.state).toBe("granted");
    const writer = new BatchWriter({ pool: database.pool, clock: systemClock, connectionsMax: 1 });
    const next = await watch("005930", "kiwoom:1");
    expect(await next()).toEqual({ ladder: null, trades: [] });
    const from = { edge: "direct", holder: own };
    const head = { number: 1, account: "kiwoom:1", epoch: standing.lease.epoch! };
    const rows = [nextTrade(), nextTrade()];
    const trades = encodeBatch({ ...head, table: "trade", stream: randomUUID() }, rows);
    const books = encodeBatch({ ...head, table: "book", stream: randomUUID() }, [nextBook(500)]);
    await writer.write(books, from);
    await writer.write(trades, from);
    let seen = await next();
    const shown = [...seen.trades];
    while (shown.length < 2 || seen.ladder === null) {
      seen = await next();
      shown.push(...seen.trades);
    }
    expect(shown.map(({ seq: at }) => at)).toEqual(rows.map((row) => row.seq));
    expect(seen.ladder.asks[0]).toEqual({ price: 500, size: 100 });
    expect(seen.ladder.bids[2]).toEqual({ price: 497, size: 202 });
  });
});
