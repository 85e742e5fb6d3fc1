// The hub's keeper and a real database under virtual time: edges killed at 160 random points, with what they
// held, some while an old backlog drained beside fresh records. Within five seconds of the next process's
// first heartbeat each record that died with them lies in a declared gap, and later nothing calls its second
// proven.
import { afterAll, beforeAll, expect, it } from "vitest";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { generator } from "../support/records.ts";
import { Rig, TestEdge } from "../hub/coverage/rig.ts";
import { kstDay } from "../../app/shared/market-time.ts";
import { printTable } from "./support/table.ts";

const SOURCES = 16;
const ROUNDS = 10;
/** Of a process's life before it is killed, and until the next one's first heartbeat. */
const LIFE_S = 16;
const RETURN_S = 25;
const SIZE = 10;
const SECOND_MS = 1_000;

/** One account: its process, and how far its market's volume has come. */
interface Place {
  source: string;
  edge: TestEdge;
  fromMs: number;
  seq: number;
}

/** What died with a process, by the second it was stamped. */
interface Lost {
  source: string;
  channel: "trade" | "book";
  ms: number;
}

let database: TestDatabase;
let rig: Rig;
beforeAll(async () => {
  database = await createDatabase({ migrated: true });
  rig = new Rig(database.pool);
});
afterAll(async () => {
  await rig.keeper.stop();
  await database.drop();
});

const random = generator();
const secondsFrom = (fromMs: number, count: number) =>
  Array.from({ length: count }, (_, i) => fromMs + i * SECOND_MS);
const stamped = (ms: number) => ({
  ...{ symbol: "A", venue: "KRX", day: kstDay(ms), chain: 0 },
  ...{ exchangeMs: ms, edgeRecvMs: ms + 100 },
});

/** One trade and one book a second; the last of them are held when the process dies. */
async function live(place: Place, startMs: number): Promise<Lost[]> {
  const { edge, source } = place;
  const aliveS = 2 + random(LIFE_S - 2);
  const storedS = random(aliveS + 1);
  // Of the books an old part may still wait while fresh ones are stored.
  const backlogS = storedS > 8 && random(2) === 0 ? storedS - 7 : 0;
  const times = secondsFrom(startMs, aliveS);
  const trades = times.map((ms) => {
    place.seq += SIZE;
    const counts = { sellCount: 0, buyCount: place.seq / SIZE };
    return { ...stamped(ms), seq: place.seq, size: SIZE, side: 1 as const, ...counts };
  });
  if (storedS > 0) {
    await edge.trades(trades.slice(0, storedS));
    await edge.books(times.slice(backlogS, storedS).map(stamped));
  }
  const drainedMs = (backlogS > 0 ? startMs : (times[storedS] ?? startMs)) + 100;
  const session = { fromMs: place.fromMs, heardMs: times.at(-1)!, drainedMs };
  await edge.beat([session]);
  const lostOf = (channel: Lost["channel"], seconds: readonly number[]) =>
    seconds.map((ms): Lost => ({ source, channel, ms }));
  return [
    ...lostOf("trade", times.slice(storedS)),
    ...lostOf("book", [...times.slice(0, backlogS), ...times.slice(storedS)]),
  ];
}

/** The market went on without anybody; the next process's first heartbeat. */
async function comeBack(place: Place, backMs: number): Promise<void> {
  place.seq += SIZE * random(20);
  place.edge = new TestEdge(rig, place.source);
  place.fromMs = backMs;
  await place.edge.beat([{ fromMs: backMs, heardMs: backMs + SECOND_MS }]);
}

async function notIn(table: "gap" | "coverage", lost: readonly Lost[]): Promise<Lost[]> {
  const states = table === "gap" ? "" : "and state in ('verified', 'volume-verified')";
  const { rows } = await database.pool.query<Lost>(
    `select source, channel, ms from unnest($1::text[], $2::text[], $3::float8[]) l (source, channel, ms)
      where ${table === "gap" ? "not" : ""} exists (
        select from ${table} t where t.source = l.source and t.channel = l.channel ${states}
          and t.from_at < to_timestamp(l.ms / 1000 + 1) and t.to_at > to_timestamp(l.ms / 1000))`,
    [
      lost.map(({ source }) => source),
      lost.map(({ channel }) => channel),
      lost.map(({ ms }) => ms),
    ],
  );
  return rows;
}

it("each of 160 windows that killed edges lose is declared within five seconds", async () => {
  const startMs = rig.clock.nowMs();
  const places = Array.from({ length: SOURCES }, (_, i): Place => {
    const source = `kis:${i + 1}`;
    return { source, edge: new TestEdge(rig, source), fromMs: startMs, seq: 0 };
  });
  for (const { source } of places) await rig.assign(source, "A");
  const all: Lost[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const lifeMs = Math.floor(rig.clock.nowMs() / SECOND_MS) * SECOND_MS;
    const lost: Lost[] = [];
    for (const place of places) lost.push(...(await live(place, lifeMs)));
    await rig.pass(1);
    const backMs = lifeMs + RETURN_S * SECOND_MS;
    rig.clock.jumpWall(backMs - rig.clock.nowMs());
    for (const place of places) await comeBack(place, backMs);
    await rig.pass(5);
    expect(await notIn("gap", lost)).toEqual([]);
    all.push(...lost);
    rig.clock.jumpWall(SECOND_MS);
  }
  await rig.pass(12);
  const proven = await notIn(
    "coverage",
    all.filter(({ channel }) => channel === "trade"),
  );
  const sums = await Promise.all(places.map(({ source }) => rig.sums(source)));
  printTable(
    "Edges killed under virtual time",
    ["what", "count"],
    [
      ["kills", SOURCES * ROUNDS],
      ["trades and books that died with them", all.length],
      ["not declared within 5 s of the return", 0],
      ["called proven afterwards", proven.length],
    ],
  );
  expect(proven).toEqual([]);
  expect(new Set(sums.flat())).toEqual(new Set([86_400]));
});
