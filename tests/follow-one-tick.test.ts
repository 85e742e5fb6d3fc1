// The tour: one frame of a broker, through every stage, in the order of the folders. Each step shows what
// goes in, what comes out, and what was promised there.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { KisDecoder } from "../app/edge/feed/kis/decode.ts";
import { Sequencer } from "../app/edge/feed/sequencer.ts";
import { Outbox, OUTBOX_DEFAULTS } from "../app/edge/outbox/outbox.ts";
import { readHeader } from "../app/shared/batch.ts";
import type { Trade } from "../app/shared/tick.ts";
import { isBalanced } from "../app/shared/tick.ts";
import { createDatabase } from "./support/database.ts";
import type { TestDatabase } from "./support/database.ts";
import { claim, startTestHub, testTransport } from "./support/hub.ts";
import type { TestHub } from "./support/hub.ts";

let database: TestDatabase;
let hub: TestHub;
beforeAll(async () => {
  database = await createDatabase({ migrated: false });
  hub = await startTestHub(database.url);
});
afterAll(async () => {
  await hub.stop();
  await database.drop();
});

/** Two trades of one symbol in one frame, 47 fields each, as KIS sends them since 2026-09-14. */
const record = (price: number, size: number, volume: number, side: string) =>
  `005930^100512^${price}^2^700^0.99^71210.33^70900^71600^70800^71500^71400^${size}^${volume}^` +
  `86650000000^4210^5105^895^118.20^560400^662400^${side}^0.54^41.20^090012^2^600^093011^5^-100^` +
  `090455^2^700^20261123^20^N^15044^20388^310455^402117^0.02^1530220^79.50^0^^70900^2`;
const FRAME = `0|H0STCNT0|002|${record(71_500, 12, 1_216_812, "1")}^${record(71_400, 3, 1_216_815, "5")}`;
const READ_MS = Date.parse("2026-11-23T10:05:12.480+09:00");

it("one tick, from the socket to the table", async () => {
  // 1. Feed: bytes become records. Nothing throws, and what cannot be read would be a reject.
  const decoder = new KisDecoder();
  const decoded = decoder.decode(Buffer.from(FRAME), { edgeRecvMs: READ_MS, marketMs: READ_MS });
  if (decoded.kind !== "data") throw new Error("not a data frame");
  expect(decoded).toMatchObject({ trId: "H0STCNT0", rejects: [], drifts: [] });
  const [first, second] = decoded.ticks as Trade[];
  expect(first).toMatchObject({ symbol: "005930", venue: "KRX", price: 71_500, size: 12, side: 1 });
  expect(second!.seq - second!.size).toBe(first!.seq);

  // 2. Sequencer: a place in the order of the socket, and a chain.
  const sequencer = new Sequencer({ market: (wallMs) => wallMs });
  sequencer.assign([{ venue: "KRX", symbol: "005930", channel: "trade" }]);
  const rows = decoded.ticks.map((tick) => sequencer.accept(tick));
  expect(rows.map((row) => [row.kind, row.capture])).toEqual([
    ["trade", 1],
    ["trade", 2],
  ]);

  // 3. Lease: before a socket may be open at all, the hub has granted the account to this process.
  const holder = randomUUID();
  const transport = testTransport(hub.gatewayUrl);
  await transport.open();
  const epoch = await claim(transport, holder);

  // 4. Outbox: held from now on, under the epoch it was captured in.
  const outbox = new Outbox({ ...OUTBOX_DEFAULTS, bytesMax: 1 << 20, mintStream: randomUUID });
  for (const row of rows) outbox.push("kis:1", epoch, row, 0);
  expect(outbox.ledger()).toMatchObject({ received: 2, held: 2 });
  expect(outbox.next(50, 1)).toBeNull();

  // 5. A tenth of a second later they leave as one batch, number 1 of its stream.
  const parcel = outbox.next(100, 1)!;
  const header = { table: "trade", account: "kis:1", number: 1, rows: 2, epoch };
  expect(readHeader(parcel.bytes)).toMatchObject(header);

  // 6. Uplink and ingest: one transaction; the ack comes after its commit.
  const verdict = await transport.send(parcel.bytes, holder);
  expect(verdict).toMatchObject({ committed: 2, duplicate: 0, quarantined: 0 });
  const stored = await database.pool.query(
    `select symbol, source, seq::int, price, size::int, side, ts = '2026-11-23 10:05:12+09' as on_time
       from trade order by capture`,
  );
  const row = { symbol: "005930", source: "kis:1", on_time: true };
  expect(stored.rows).toEqual([
    { ...row, seq: 1_216_812, price: 71_500, size: 12, side: 1 },
    { ...row, seq: 1_216_815, price: 71_400, size: 3, side: -1 },
  ]);

  // 7. Only the verdict lets the outbox go; the books balance at both ends.
  outbox.settle(verdict);
  expect(outbox.ledger()).toMatchObject({ received: 2, committed: 2, held: 0 });
  expect(isBalanced(outbox.ledger())).toBe(true);
  const picture = await hub.picture();
  expect(picture.total).toMatchObject({ received: 2, committed: 2, isBalanced: true });

  // 8. Had the ack been lost, the same batch would have come again: nothing new, the same verdict.
  expect(await transport.send(parcel.bytes, holder)).toEqual(verdict);
  await transport.close();
});
