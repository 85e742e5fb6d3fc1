// The ledger of coverage on a real database: what it declares, when it does not yet, how gaps end, and that
// it finds its way after a restart.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { TestDatabase } from "../../support/database.ts";
import { createDatabase } from "../../support/database.ts";
import { at, DAY, Rig, steady, TestEdge } from "./rig.ts";

let database: TestDatabase;
let rig: Rig;
let count = 0;
let source: string;

beforeAll(async () => {
  database = await createDatabase({ migrated: true });
  rig = new Rig(database.pool);
});
afterAll(async () => {
  await rig.keeper.stop();
  await database.drop();
});
// Each test has an account of its own.
beforeEach(() => {
  source = `kis:${++count}`;
});

const alive = (from: number, heard: number) => ({ fromMs: at(from), heardMs: at(heard) });

describe("the ledger of coverage", () => {
  test("says of each second of the day what is known of it, and writes only what changed", async () => {
    await rig.assign(source, "A");
    const edge = new TestEdge(rig, source);
    await edge.beat([alive(85_000, 100_000)]);
    await edge.trades(steady("A", 90_000, 61, 0));
    await rig.pass(2);
    expect(await rig.intervals(source, "A")).toEqual([
      "00:00:00 08:30:00 not expected",
      "08:30:00 09:00:00 volume-verified",
      "09:00:00 09:01:00 verified",
      "09:01:00 10:00:00 alive",
      "10:00:00 15:30:00 not recorded",
      "15:30:00 15:40:00 not expected",
      "15:40:00 20:00:00 not recorded",
      "20:00:00 00:00:00 not expected",
    ]);
    expect(await rig.intervals(source, "A", "book")).toEqual([
      "00:00:00 08:30:00 not expected",
      "08:30:00 08:50:00 not recorded",
      "08:50:00 10:00:00 alive",
      "10:00:00 15:30:00 not recorded",
      "15:30:00 15:40:00 not expected",
      "15:40:00 20:00:00 not recorded",
      "20:00:00 00:00:00 not expected",
    ]);
    expect(await rig.sums(source)).toEqual([86_400, 86_400]);
    const writes = async () => {
      const { rows } = await rig.pool.query<{ xmin: string }>(
        "select xmin::text from coverage where source = $1 order by channel, from_at",
        [source],
      );
      return rows.map(({ xmin }) => xmin);
    };
    const before = await writes();
    await edge.trades(steady("A", 90_101, 1, 610));
    await rig.pass(1);
    const after = await writes();
    expect(after.length).toBe(before.length);
    expect(after.filter((xmin, index) => xmin !== before[index]).length).toBe(2);
  });

  test("a hole is declared when it persists and every outbox is past it, and refilled when rows fill it", async () => {
    await rig.assign(source, "A");
    const edge = new TestEdge(rig, source);
    await edge.trades([...steady("A", 90_000, 61, 0), ...steady("A", 90_200, 61, 900)]);
    // The edge holds records that are older than what showed the hole.
    const ageMs = performance.timeOrigin + performance.now() - at(90_000);
    await edge.beat([alive(85_000, 100_000)], { oldestMs: ageMs });
    await rig.pass(4);
    expect(await rig.gaps(source)).toEqual([]);
    expect(await rig.intervals(source, "A")).toContain("09:01:00 09:02:01 suspected");
    await edge.beat([alive(85_000, 100_000)]);
    await rig.pass(1);
    const hole = "trade hole VOLUME_STEP 610..900";
    expect(await rig.gaps(source)).toEqual([`${hole} suspected 09:01:00-09:02:00`]);
    await edge.trades(steady("A", 90_105, 29, 610, { origin: 1 } as never));
    await rig.pass(1);
    expect(await rig.gaps(source)).toEqual([`${hole} refilled 09:01:00-09:02:00`]);
    expect(await rig.intervals(source, "A")).toContain("09:00:00 09:03:00 verified");
    expect(rig.events).toContainEqual({
      ...{ event: "gap_declared", source, channel: "trade", kind: "hole", reason: "VOLUME_STEP" },
      ...{ count: 1, missing: 290, symbols: "A" },
    });
    expect(rig.events).toContainEqual({
      ...{ event: "gap_closed", source, channel: "trade", kind: "hole", reason: "VOLUME_STEP" },
      ...{ state: "refilled", count: 1, symbols: "A" },
    });
  });

  test("records that overtake each other are no gap", async () => {
    const edge = new TestEdge(rig, source);
    const [first, second, third] = steady("A", 90_000, 3, 0);
    await edge.trades([first!, third!]);
    await rig.pass(2);
    await edge.trades([second!]);
    await rig.pass(5);
    expect(await rig.gaps(source)).toEqual([]);
  });

  test.each([
    ["explained", 0, "explained", "volume-verified"],
    ["explained", 29, "lost", "gap"],
    ["missing", 29, "lost", "gap"],
    ["failed", 29, "refilling", "suspected"],
  ] as const)(
    "a broker's answer %s about a hole of %i counted trades makes the gap %s and its time %s",
    async (outcome, counted, state, shown) => {
      await rig.assign(source, "A");
      const edge = new TestEdge(rig, source);
      await edge.beat([alive(85_000, 100_000)]);
      const behind = steady("A", 90_200, 61, 900).map((trade, i) => {
        return { ...trade, buyCount: 61 + counted + i + 1 };
      });
      await edge.trades([...steady("A", 90_000, 61, 0), ...behind]);
      await rig.pass(4);
      const standing = await edge.beat([alive(85_000, 100_000)]);
      expect(standing.refills).toMatchObject([
        { kind: "hole", seqFrom: 610, seqTo: 900, fromMs: at(90_100), toMs: at(90_200) },
      ]);
      const [refill] = standing.refills!;
      await edge.beat([alive(85_000, 100_000)], {
        refills: [{ id: refill!.id, outcome, askedMs: at(100_000) }],
      });
      await rig.pass(1);
      const asked = outcome === "failed" ? "suspected" : state;
      expect(await rig.gaps(source)).toEqual([
        `trade hole VOLUME_STEP 610..900 ${asked} 09:01:00-09:02:00`,
      ]);
      expect(await rig.intervals(source, "A")).toContain(`09:01:00 09:02:01 ${shown}`);
    },
  );

  test("part of a hole that the broker shows is refilled, the rest of it lost", async () => {
    await rig.assign(source, "A");
    const edge = new TestEdge(rig, source);
    await edge.beat([alive(85_000, 100_000)]);
    await edge.trades([...steady("A", 90_000, 61, 0), ...steady("A", 90_200, 61, 900)]);
    await rig.pass(4);
    const [refill] = (await edge.beat([alive(85_000, 100_000)])).refills!;
    await edge.trades(steady("A", 90_130, 10, 700));
    await edge.beat([alive(85_000, 100_000)], {
      refills: [{ id: refill!.id, outcome: "partial", rows: 10, askedMs: at(100_000) }],
    });
    await rig.pass(1);
    expect(await rig.gaps(source)).toEqual([
      "trade hole VOLUME_STEP 610..900 partial 09:01:00-09:02:00",
    ]);
    expect((await rig.intervals(source, "A")).slice(2, 7)).toEqual([
      "09:00:00 09:01:00 verified",
      "09:01:00 09:01:31 gap",
      "09:01:31 09:01:39 verified",
      "09:01:39 09:02:01 gap",
      "09:02:01 09:03:00 verified",
    ]);
  });

  test("a killed edge's window is declared at once: books for good, trades until the next one tells", async () => {
    for (const symbol of ["A", "B", "C"]) await rig.assign(source, symbol);
    const killed = new TestEdge(rig, source);
    await killed.beat([alive(85_000, 95_000)]);
    for (const symbol of ["A", "B", "C"]) await killed.trades(steady(symbol, 90_000, 61, 0));
    await killed.books([{ symbol: "A", edgeRecvMs: at(94_956) + 700, exchangeMs: at(94_956) }]);
    await rig.pass(2);
    expect(await rig.gaps(source)).toEqual([]);
    const next = new TestEdge(rig, source);
    await next.beat([alive(95_020, 95_021)]);
    await rig.pass(1);
    // What it had received and not sent is in it: from its last stored row on.
    expect([...new Set(await rig.gaps(source))].sort()).toEqual([
      "book time KILLED ?..? lost 09:49:56-09:50:20",
      "trade tail KILLED 610..? suspected 09:01:00-09:50:20",
    ]);
    expect(await rig.gaps(source)).toHaveLength(6);
    expect(await rig.intervals(source, "A", "book")).toContain("09:49:56 09:50:20 gap");
    expect(await rig.intervals(source, "A")).toContain("09:01:00 09:50:20 suspected");
    // A goes on, B does not, C says nothing.
    await next.trades(steady("A", 95_025, 5, 610));
    await next.trades(steady("B", 95_025, 5, 700));
    await rig.pass(1);
    const trades = (await rig.gaps(source)).filter((line) => line.startsWith("trade"));
    expect(trades.sort()).toEqual([
      "trade hole KILLED 610..700 suspected 09:01:00-09:50:25",
      "trade tail KILLED 610..? explained 09:01:00-09:50:20",
      "trade tail KILLED 610..? suspected 09:01:00-09:50:20",
    ]);
    expect(await rig.intervals(source, "A")).toContain("09:00:00 09:50:29 verified");
  });

  test("a killed edge's window that was explained says nothing of volume that is missing later", async () => {
    await rig.assign(source, "A");
    const killed = new TestEdge(rig, source);
    await killed.beat([alive(85_000, 95_000)]);
    await killed.trades(steady("A", 94_950, 6, 0));
    await rig.pass(1);
    const next = new TestEdge(rig, source);
    await next.beat([alive(95_020, 95_100)]);
    await rig.pass(1);
    await next.trades(steady("A", 95_025, 5, 60));
    await rig.pass(1);
    const tail = "trade tail KILLED 60..? explained 09:49:55-09:50:20";
    expect(await rig.gaps(source)).toContain(tail);
    // Two seconds more, and fifty shares.
    await next.trades(steady("A", 95_032, 28, 160));
    await rig.pass(4);
    const trades = (await rig.gaps(source)).filter((line) => line.startsWith("trade"));
    expect(trades).toContain("trade hole VOLUME_STEP 110..160 suspected 09:50:29-09:50:32");
    expect(await rig.intervals(source, "A")).toContain("09:50:29 09:50:33 suspected");
  });

  test.each(["before", "after"] as const)(
    "what the broker said of an end, %s volume turned out to be missing there, is no answer about that volume",
    async (order) => {
      await rig.assign(source, "A");
      const killed = new TestEdge(rig, source);
      await killed.beat([alive(85_000, 95_000)]);
      await killed.trades(steady("A", 90_000, 61, 0));
      await rig.pass(2);
      const next = new TestEdge(rig, source);
      const lives = [alive(95_020, 95_100)];
      await next.beat(lives);
      await rig.pass(1);
      const [refill] = (await next.beat(lives)).refills!;
      expect(refill).toMatchObject({ kind: "tail", seqFrom: 610, seqTo: null });
      // Its listing ended at 610 when it was asked: the first trade after the pause was not in it yet.
      const answer = {
        id: refill!.id,
        outcome: "explained",
        rows: 0,
        askedMs: at(95_021),
      } as const;
      if (order === "before") await next.beat(lives, { refills: [answer] });
      await next.trades(steady("A", 95_025, 5, 700));
      if (order === "after") {
        await rig.pass(1);
        await next.beat(lives, { refills: [answer] });
      }
      await rig.pass(3);
      const holes = (await rig.gaps(source)).filter((line) => line.startsWith("trade hole"));
      // Asked again as what it is, after the broker's pause.
      expect(holes).toEqual(["trade hole KILLED 610..700 suspected 09:01:00-09:50:25"]);
    },
  );

  test("a killed edge's window is not proven by a symbol whose first trade came at its end", async () => {
    for (const symbol of ["A", "B"]) await rig.assign(source, symbol);
    const killed = new TestEdge(rig, source);
    // It had not lived for a whole second.
    await killed.beat([alive(94_955, 94_955)]);
    await killed.trades(steady("B", 94_950, 6, 0));
    await rig.pass(1);
    const next = new TestEdge(rig, source);
    // Records come before every registration is confirmed.
    await next.trades(steady("A", 95_019, 1, 5_000));
    await next.beat([alive(95_020, 95_100)]);
    await rig.pass(1);
    await next.trades(steady("A", 95_021, 5, 5_010));
    await rig.pass(4);
    const trades = (await rig.gaps(source)).filter((line) => line.startsWith("trade"));
    expect(trades.sort()).toEqual([
      "trade head DAY_START ?..5000 suspected 08:30:00-09:50:19",
      "trade tail KILLED 5010..? explained 09:50:19-09:50:20",
      "trade tail KILLED 60..? suspected 09:49:55-09:50:20",
    ]);
    expect(await rig.intervals(source, "A")).toContain("09:49:55 09:50:20 suspected");
  });

  test("edges killed one after the other leave a gap each, also where one begins as the other ends", async () => {
    await rig.assign(source, "A", ["book"]);
    const lives = [
      [95_000, 95_009],
      [95_020, 95_020],
      [95_030, 95_030],
      [95_040, 95_050],
    ] as const;
    for (const [from, to] of lives) {
      const edge = new TestEdge(rig, source);
      await edge.beat([alive(from, to)]);
      await edge.books([{ symbol: "A", edgeRecvMs: at(to), exchangeMs: at(to) }]);
      await rig.pass(2);
    }
    expect((await rig.gaps(source)).sort()).toEqual([
      "book time KILLED ?..? lost 09:50:09-09:50:20",
      "book time KILLED ?..? lost 09:50:20-09:50:30",
      "book time KILLED ?..? lost 09:50:30-09:50:40",
    ]);
  });

  test("a window in which the broker shows nothing says nothing of a hole that goes on after it", async () => {
    await rig.assign(source, "A");
    const killed = new TestEdge(rig, source);
    await killed.beat([alive(85_000, 95_000)]);
    await killed.trades(steady("A", 94_955, 6, 0));
    await rig.pass(1);
    const next = new TestEdge(rig, source);
    await next.beat([alive(95_020, 95_030)]);
    await rig.pass(1);
    const [refill] = (await next.beat([alive(95_020, 95_030)])).refills!;
    await next.beat([alive(95_020, 95_030)], {
      refills: [{ id: refill!.id, outcome: "explained", askedMs: at(95_021) }],
    });
    await rig.pass(1);
    expect(await rig.gaps(source)).toContain("trade tail KILLED 60..? explained 09:50:00-09:50:20");
    await next.trades(steady("A", 95_040, 5, 500));
    await rig.pass(4);
    expect(await rig.gaps(source)).toContain(
      "trade hole KILLED 60..500 suspected 09:50:00-09:50:40",
    );
  });

  test("an answer about a tail is none about the hole that it has become, which is asked anew and at once", async () => {
    await rig.assign(source, "A");
    const killed = new TestEdge(rig, source);
    await killed.beat([alive(85_000, 95_000)]);
    await killed.trades(steady("A", 94_955, 6, 0));
    await rig.pass(1);
    const next = new TestEdge(rig, source);
    await next.beat([alive(95_020, 95_030)]);
    await rig.pass(1);
    const [tail] = (await next.beat([alive(95_020, 95_030)])).refills!;
    // The broker has nothing behind the tail yet; before its answer is read, trades go on with one missing.
    await next.trades(steady("A", 95_040, 5, 70));
    await next.beat([alive(95_020, 95_030)], {
      refills: [{ id: tail!.id, outcome: "explained", askedMs: at(95_021) }],
    });
    await rig.pass(1);
    const hole = "trade hole KILLED 60..70";
    expect(await rig.gaps(source)).toContain(`${hole} suspected 09:50:00-09:50:40`);
    await rig.pass(3);
    expect(await rig.gaps(source)).toContain(`${hole} suspected 09:50:00-09:50:40`);
    const [asked] = (await next.beat([alive(95_020, 95_045)])).refills!;
    expect(asked).toMatchObject({ kind: "hole", seqFrom: 60, seqTo: 70 });
    // An edge that did not hear that its answer was taken says it again.
    await next.beat([alive(95_020, 95_046)], {
      refills: [{ id: tail!.id, outcome: "explained", askedMs: at(95_021) }],
    });
    await rig.pass(1);
    expect(await rig.gaps(source)).toContain(`${hole} refilling 09:50:00-09:50:40`);
  });

  test("an edge killed while it drains a backlog takes along what is older than its last stored rows", async () => {
    await rig.assign(source, "A");
    const killed = new TestEdge(rig, source);
    const books = (from: number) => ({
      ...{ symbol: "A", venue: "KRX", day: DAY, exchangeMs: at(from), edgeRecvMs: at(from) },
    });
    await killed.books([books(94_000)]);
    await killed.books([books(95_000)]);
    await killed.beat([{ ...alive(93_000, 95_000), drainedMs: at(94_010) }]);
    await rig.pass(1);
    const next = new TestEdge(rig, source);
    await next.beat([alive(95_010, 95_020)]);
    await rig.pass(2);
    expect(await rig.gaps(source)).toContain("book time KILLED ?..? lost 09:40:10-09:50:10");
  });

  test("an edge killed before it had stored a book takes the books of its whole session along", async () => {
    await rig.assign(source, "A");
    const killed = new TestEdge(rig, source);
    await killed.beat([alive(95_000, 95_003)]);
    await killed.trades(steady("A", 95_001, 2, 0));
    await rig.pass(1);
    await new TestEdge(rig, source).beat([alive(95_020, 95_021)]);
    await rig.pass(1);
    expect(await rig.gaps(source)).toContain("book time KILLED ?..? lost 09:50:00-09:50:20");
    expect(await rig.intervals(source, "A", "book")).toContain("09:50:00 09:50:20 gap");
  });

  test("a reconnect leaves the same marks, from the last frame heard", async () => {
    await rig.assign(source, "A");
    const edge = new TestEdge(rig, source);
    await edge.trades(steady("A", 90_000, 61, 0));
    await edge.beat([
      { ...alive(85_000, 95_000), toMs: at(95_002), code: "FEED_CLOSED" },
      { ...alive(95_010, 95_011), no: 2 },
    ]);
    await rig.pass(2);
    expect((await rig.gaps(source)).sort()).toEqual([
      "book time FEED_CLOSED ?..? lost 09:50:00-09:50:10",
      "trade tail FEED_CLOSED 610..? suspected 09:50:00-09:50:10",
    ]);
    await rig.pass(5);
    expect(await rig.gaps(source)).toHaveLength(2);
  });

  test("a day that does not begin at 0 is asked for, and the broker's figure proves its head", async () => {
    await rig.assign(source, "A");
    const edge = new TestEdge(rig, source);
    await edge.beat([alive(85_000, 100_000)]);
    await edge.trades(steady("A", 90_000, 61, 120));
    await rig.pass(4);
    expect(await rig.gaps(source)).toEqual([
      "trade head DAY_START ?..120 suspected 08:30:00-09:00:00",
    ]);
    expect(await rig.intervals(source, "A")).toContain("08:50:00 09:00:01 alive");
    const [refill] = (await edge.beat([alive(85_000, 100_000)])).refills!;
    const answer = {
      id: refill!.id,
      outcome: "explained",
      seqFirst: 120,
      askedMs: at(100_000),
    } as const;
    await edge.beat([alive(85_000, 100_000)], { refills: [answer] });
    await rig.pass(2);
    expect(await rig.gaps(source)).toEqual([
      "trade head DAY_START ?..120 explained 08:30:00-09:00:00",
    ]);
    expect((await rig.intervals(source, "A")).slice(1, 4)).toEqual([
      "08:30:00 08:50:00 not recorded",
      "08:50:00 09:00:00 volume-verified",
      "09:00:00 09:01:00 verified",
    ]);
  });

  test("a restarted keeper goes on where it stood: nothing twice, and what came meanwhile is in it", async () => {
    await rig.assign(source, "A");
    const edge = new TestEdge(rig, source);
    await edge.beat([alive(85_000, 150_000)]);
    await edge.trades([...steady("A", 90_000, 61, 0), ...steady("A", 90_200, 61, 900)]);
    await rig.pass(4);
    const [gaps, intervals] = [await rig.gaps(source), await rig.intervals(source, "A")];
    expect(gaps).toHaveLength(1);
    await rig.restart();
    await rig.pass(4);
    expect(await rig.gaps(source)).toEqual(gaps);
    expect(await rig.intervals(source, "A")).toEqual(intervals);
    await rig.keeper.stop();
    await edge.trades(steady("A", 90_105, 29, 610));
    await rig.restart();
    await rig.pass(4);
    expect(await rig.gaps(source)).toEqual([gaps[0]!.replace("suspected", "refilled")]);
  });

  test("rows of a day long past are found, and their recording's span is asked about", async () => {
    const day = 20200604;
    const edge = new TestEdge(rig, source);
    const past = { day, sellCount: -1, buyCount: -1 };
    const rows = steady("A", 90_500, 61, 5_000, past).map((row, i) => ({
      ...row,
      exchangeMs: at(90_500, day) + i * 1_000,
    }));
    await edge.trades(rows);
    await rig.pass(2);
    expect(await rig.intervals(source, "A", "trade", "2020-06-04")).toEqual([
      "00:00:00 08:30:00 not expected",
      "08:30:00 09:05:01 not recorded",
      "09:05:01 09:06:00 volume-verified",
      "09:06:00 15:30:00 not recorded",
      "15:30:00 15:40:00 not expected",
      "15:40:00 18:00:00 not recorded",
      "18:00:00 00:00:00 not expected",
    ]);
  });

  test("holes of more accounts than days are kept idle are all declared", async () => {
    const sources = Array.from({ length: 20 }, (_, i) => `${source}-${i}`);
    for (const one of sources) {
      await rig.assign(one, "A");
      const edge = new TestEdge(rig, one);
      await edge.beat([alive(85_000, 100_000)]);
      await edge.trades([...steady("A", 90_000, 5, 0), ...steady("A", 90_010, 5, 900)]);
    }
    await rig.pass(4);
    for (const one of sources) {
      expect(await rig.gaps(one)).toEqual([
        "trade hole VOLUME_STEP 50..900 suspected 09:00:04-09:00:10",
      ]);
    }
  });

  test("what an edge gave up of its books is a gap for good", async () => {
    await rig.assign(source, "A");
    const edge = new TestEdge(rig, source);
    await edge.beat([alive(85_000, 100_000)]);
    await edge.books([{ symbol: "A" }]);
    await rig.pool.query(
      `insert into loss (stream, number, count, first_at, last_at, reason)
       select no, 900 + i, 5, to_timestamp($2 + 3 * i), to_timestamp($2 + 3 * i + 1.5), 'outbox_full'
         from stream, generate_series(0, 2) i where account = $1 and table_no = 2`,
      [source, at(93_000) / 1_000],
    );
    await rig.pass(12);
    expect(await rig.gaps(source)).toEqual(["book time outbox_full ?..? lost 09:30:00-09:30:08"]);
    expect(await rig.intervals(source, "A", "book")).toContain("09:30:00 09:30:08 gap");
  });

  test("its own failure is told once and passes by itself; rows are stored meanwhile", async () => {
    const edge = new TestEdge(rig, source);
    await edge.trades(steady("A", 90_000, 10, 0));
    await rig.pool.query("alter table coverage rename to coverage_gone");
    await rig.pass(5);
    await edge.trades(steady("A", 90_010, 10, 100));
    await rig.pool.query("alter table coverage_gone rename to coverage");
    await rig.pass(40);
    const failures = rig.events.filter(({ event }) => event === "coverage_failed");
    expect(failures).toMatchObject([{ code: "42P01" }]);
    expect(await rig.intervals(source, "A")).toContain("09:00:00 09:00:19 verified");
  });

  test("when the day is over, the last trade is asked about, and the broker's figure closes the day", async () => {
    await rig.assign(source, "A");
    const edge = new TestEdge(rig, source);
    await edge.beat([alive(82_000, 100_000)]);
    await edge.trades(steady("A", 90_000, 61, 0));
    await rig.pass(2);
    await edge.beat([alive(82_000, 195_959)]);
    await rig.passTo(200_101);
    expect(await rig.gaps(source)).toEqual([
      "trade tail DAY_END 610..? suspected 09:01:00-20:00:00",
    ]);
    const standing = await edge.beat([alive(82_000, 200_101)]);
    const [refill] = standing.refills!;
    const answer = {
      id: refill!.id,
      outcome: "explained",
      seqFinal: 610,
      askedMs: at(200_102),
    } as const;
    await edge.beat([alive(82_000, 200_103)], { refills: [answer] });
    await rig.pass(2);
    expect(await rig.gaps(source)).toEqual([
      "trade tail DAY_END 610..? explained 09:01:00-20:00:00",
    ]);
    expect(await rig.intervals(source, "A")).toEqual([
      "00:00:00 08:30:00 not expected",
      "08:30:00 09:00:00 volume-verified",
      "09:00:00 09:01:00 verified",
      "09:01:00 15:30:00 volume-verified",
      "15:30:00 15:40:00 not expected",
      "15:40:00 20:00:00 volume-verified",
      "20:00:00 00:00:00 not expected",
    ]);
    const { verifiedShare, gapCounts, day } = rig.keeper.summary();
    expect(day).toBe(20261123);
    expect(verifiedShare).toBeGreaterThan(0);
    expect(gapCounts.lost).toBeGreaterThan(0);
  });
});
