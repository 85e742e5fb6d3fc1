// A broker that drops two fields without a word: a whole day of frames that nobody can read, through the whole
// way. Two million of them, over an edge that is restarted twice, stay inside the budgets of edge and hub, are
// all accounted for, cost no record that can be read, and what was kept is stored after the fix.
import { randomUUID } from "node:crypto";
import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { replayQuarantine } from "../../app/cli/quarantine-replay.ts";
import { KisDecoder } from "../../app/edge/feed/kis/decode.ts";
import { LAYOUTS } from "../../app/edge/feed/kis/layout.ts";
import { Outbox, OUTBOX_DEFAULTS } from "../../app/edge/outbox/outbox.ts";
import { systemClock } from "../../app/shared/clock.ts";
import { isBalanced, sumOf } from "../../app/shared/tick.ts";
import type { Ledger } from "../../app/shared/tick.ts";
import { openPool } from "../../app/store/database.ts";
import { ledgers } from "../../app/store/ledger.ts";
import { BatchWriter } from "../../app/store/writer.ts";
import { kisFrame, tradeFields } from "../edge/feed/kis-records.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";

const PROCESSES = 3;
const FRAMES = 700_000;
/** One readable record, on another symbol, among so many. */
const GOOD_EVERY = 100;
const SESSION_MS = 6.5 * 3_600_000;
const OPEN_MS = Date.parse("2026-09-22T10:15:31+09:00");
const WIDTH = 45;
const BUDGET_BYTES = 64 * 2 ** 20;
const SEQ_DIGITS = 8;

let database: TestDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  database = await createDatabase({ migrated: true });
  pool = openPool(database.url, { connectionsMax: 4, name: "flood" });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

/** Frames of the new width; each trade 1 share further than the one before it. */
class NarrowFrames {
  readonly #frame = kisFrame("H0STCNT0", [
    tradeFields({ 0: "000660", 12: "1", 13: "0".repeat(SEQ_DIGITS) }).slice(0, WIDTH),
  ]);
  readonly #at = this.#frame.indexOf("0".repeat(SEQ_DIGITS));

  at(seq: number): Buffer {
    this.#frame.write(String(seq).padStart(SEQ_DIGITS, "0"), this.#at, "latin1");
    return this.#frame;
  }
}

/** One process of the edge: a third of the day's frames, decoded, held and sent as they come. */
async function collect(
  firstSeq: number,
): Promise<{ ledger: Ledger; trades: Ledger; told: number }> {
  const outbox = new Outbox({ ...OUTBOX_DEFAULTS, bytesMax: 64e6, mintStream: randomUUID });
  const writer = new BatchWriter({ pool, clock: systemClock, connectionsMax: 2 });
  const from = { edge: "kis", holder: randomUUID() };
  const decoder = new KisDecoder();
  const narrow = new NarrowFrames();
  const underWay = new Set<Promise<void>>();
  const send = (nowMs: number) => {
    for (let sent = outbox.next(nowMs, 16); sent; sent = outbox.next(nowMs, 16)) {
      const stored = writer.write(sent.bytes, from).then((verdict) => {
        if (outbox.settle(verdict) !== "settled") throw new Error("the books disagree");
        underWay.delete(stored);
      });
      underWay.add(stored);
    }
  };
  let told = 0;
  const push = (frame: Buffer, nowMs: number) => {
    const decoded = decoder.decode(frame, {
      edgeRecvMs: OPEN_MS + nowMs,
      marketMs: OPEN_MS + nowMs,
    });
    if (decoded.kind !== "data") throw new Error(decoded.kind);
    told += decoded.drifts.length;
    for (const row of [...decoded.ticks, ...decoded.rejects]) outbox.push("kis:1", 0, row, nowMs);
  };
  for (let i = 0; i < FRAMES; i++) {
    const nowMs = (i * SESSION_MS) / FRAMES / PROCESSES;
    push(narrow.at(firstSeq + i), nowMs);
    const seq = String(firstSeq + i);
    if (i % GOOD_EVERY === 0)
      push(kisFrame("H0STCNT0", [tradeFields({ 12: "1", 13: seq })]), nowMs);
    if (i % 5_000 !== 0) continue;
    send(nowMs);
    await Promise.all(underWay);
  }
  outbox.flush(SESSION_MS);
  while (!outbox.drainEmpty()) {
    send(SESSION_MS);
    await Promise.all(underWay);
  }
  return { ledger: outbox.ledger(), trades: outbox.ledgerOf("kis:1", "trade"), told };
}

async function one(sql: string): Promise<number> {
  const { rows } = await pool.query<Record<string, number>>(sql);
  return Number(Object.values(rows[0]!)[0]);
}

test("two million frames that nobody can read stay inside the budgets, and the kept ones are recovered", async () => {
  const startMs = performance.now();
  const ends = [];
  for (let i = 0; i < PROCESSES; i++) ends.push(await collect(1 + i * FRAMES));
  const floodMs = performance.now() - startMs;
  const good = (PROCESSES * FRAMES) / GOOD_EVERY;
  for (const { trades, told } of ends) {
    expect(told).toBe(1);
    expect(trades).toMatchObject({
      received: good / PROCESSES,
      committed: good / PROCESSES,
      lost: 0,
    });
  }
  const edge = sumOf(ends.map(({ ledger }) => ledger));
  const hub = (await ledgers(pool))["kis:1"]!;
  expect(edge.received).toBe(PROCESSES * FRAMES + good);
  expect(hub).toEqual(edge);
  expect(isBalanced(hub)).toBe(true);
  const kept = await one("select count(*) from quarantine");
  expect(kept).toBe(hub.quarantined);
  expect(await one("select sum(octet_length(bytes)) from quarantine")).toBeLessThan(BUDGET_BYTES);
  // The edges together sent more than the hub's budget: it counted the rest, by name.
  const overflow = await one("select sum(lost) from quarantine_day");
  expect(overflow).toBeGreaterThan(0);
  expect(await one("select sum(count) from loss where reason = 'quarantine_full'")).toBe(hub.lost);

  const againMs = performance.now();
  const layouts = LAYOUTS.map((one) => ({
    ...one,
    widths: [WIDTH, ...one.widths],
    widthMin: WIDTH,
  }));
  const counts = await replayQuarantine(pool, (ms) => ms, {
    decoderOf: () => new KisDecoder({}, layouts),
  });
  expect(counts).toMatchObject({ read: kept, replayed: kept, left: 0, committed: kept });
  expect(await one("select count(distinct seq) from trade where symbol = '000660'")).toBe(kept);
  expect(await one("select count(*) from trade")).toBe(good + kept);
  expect(isBalanced((await ledgers(pool))["kis:1"]!)).toBe(true);
  const again = await replayQuarantine(pool, (ms) => ms);
  expect(again.read).toBe(0);
  console.log(
    `flood: ${edge.received} records in ${Math.round(floodMs)} ms; kept ${kept}, lost ${hub.lost} ` +
      `(${overflow} at the hub); replayed in ${Math.round(performance.now() - againMs)} ms`,
  );
});
