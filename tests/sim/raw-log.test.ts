import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Depth } from "../../app/sim/market/depth.ts";
import type { DepthRow } from "../../app/sim/market/depth.ts";
import { openTape } from "../../app/sim/market/tape.ts";
import { startSim } from "../../app/sim/sim.ts";
import { dataFile, NO_DATA } from "../support/data.ts";
import { kisClient, kiwoomClient, kiwoomRows, register, waitFor } from "./client.ts";

const START_NS = 1_723_161_255_000_000_000n;

/** One line of a log, `ms` after its start. */
function line(ms: number, message: object): string {
  return `${START_NS + BigInt(ms) * 1_000_000n} ${JSON.stringify(message)}`;
}

function trade(ms: number, p: string, q: string, m: boolean): string {
  return line(ms, { stream: "abcusdt@trade", data: { e: "trade", s: "ABCUSDT", p, q, m } });
}

function diff(ms: number, U: number, u: number, b: DepthRow[], a: DepthRow[]): string {
  return line(ms, {
    stream: "abcusdt@depth",
    data: { e: "depthUpdate", s: "ABCUSDT", U, u, b, a },
  });
}

const SNAPSHOT = { lastUpdateId: 10, bids: [["9.50", "2"]], asks: [["10.25", "1.5"]] };
const LOG = [
  line(0, { result: null, id: 1 }),
  diff(1, 5, 10, [["9.40", "9"]], []),
  diff(2, 11, 12, [["9.60", "0.0001"]], []),
  line(3, SNAPSHOT),
  line(4, { stream: "abcusdt@bookTicker", data: { u: 12, s: "ABCUSDT", b: "1", a: "2" } }),
  diff(5, 13, 14, [["9.50", "0"]], [["10.1", "0.00001"]]),
  trade(1006, "10.10", "0.0003", false),
  trade(1007, "9.60", "2", true),
  trade(1008, "0", "0", true),
];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tickhub-log-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function log(lines: readonly string[]): string {
  const path = join(folder, "abc.gz");
  writeFileSync(path, gzipSync(lines.join("\n")));
  return path;
}

describe("a book of differences", () => {
  const depth = () => {
    const book = new Depth();
    book.restart({ lastUpdateId: 10, bids: [["9", "1"]], asks: [["11", "1"]] });
    return book;
  };

  test("drops what is older than the snapshot and takes the one that spans it", () => {
    const book = depth();
    expect(book.apply({ U: 8, u: 10, b: [["9.5", "1"]], a: [] })).toBe(false);
    expect(book.apply({ U: 9, u: 11, b: [["8.5", "1"]], a: [["10.5", "2"]] })).toBe(true);
    expect(book.bids.top(10).map(({ price }) => price)).toEqual([9, 8.5]);
    expect(book.asks.top(1)).toEqual([{ price: 10.5, size: 2 }]);
  });

  test("a hole in the numbers ends it until the next snapshot, which the rest is added to", () => {
    const book = depth();
    expect(book.apply({ U: 12, u: 12, b: [], a: [["10", "1"]] })).toBe(false);
    expect(book.apply({ U: 13, u: 13, b: [["9.9", "1"]], a: [] })).toBe(false);
    book.restart({ lastUpdateId: 12, bids: [["9", "1"]], asks: [["12", "1"]] });
    expect(book.asks.top(10)).toEqual([{ price: 12, size: 1 }]);
    expect(book.bids.top(10).map(({ price }) => price)).toEqual([9.9, 9]);
    expect(book.apply({ U: 14, u: 14, b: [["9.9", "0"]], a: [] })).toBe(true);
    expect(book.bids.top(10)).toEqual([{ price: 9, size: 1 }]);
  });

  test("where the number before is said, it counts and not the first of the range", () => {
    const book = depth();
    expect(book.apply({ U: 20, u: 25, pu: 10, b: [], a: [] })).toBe(true);
    expect(book.apply({ U: 26, u: 30, pu: 24, b: [], a: [] })).toBe(true);
    expect(book.apply({ U: 31, u: 40, pu: 31, b: [], a: [] })).toBe(false);
  });
});

describe("a raw websocket log", () => {
  test("gives trades in ten-thousandths of a coin, at least one, with the volume so far", () => {
    const events = [...openTape([log(LOG)]).play(0)];
    const trades = events.filter((event) => event.kind === "trade");
    expect(
      trades.map(({ price, size, side, ask, bid, cumVolume }) => [
        ...[price, size, side, ask, bid, cumVolume],
      ]),
    ).toEqual([
      [10.1, 3, 1, 10.1, 9.6, 3],
      [9.6, 20_000, -1, 10.1, 9.6, 20_003],
    ]);
    expect(trades[0]!.marketMs).toBe(1_723_161_256_006);
  });

  test("gives one book a difference, from the snapshot on", () => {
    const books = [...openTape([log(LOG)]).play(0)].filter((event) => event.kind === "book");
    expect(books).toHaveLength(1);
    const [{ asks, bids, askTotal, bidTotal }] = books as [(typeof books)[0]];
    expect([asks.length, bids.length, askTotal, bidTotal]).toEqual([10, 10, 15_001, 1]);
    expect(asks.slice(0, 3)).toEqual([
      { price: 10.1, size: 1 },
      { price: 10.25, size: 15_000 },
      { price: 0, size: 0 },
    ]);
    expect(bids[0]).toEqual({ price: 9.6, size: 1 });
  });

  test("that is cut in the middle of a line, of two symbols or without a trade is TAPE_UNREADABLE", () => {
    const cut = [...LOG.slice(0, -1), LOG.at(-1)!.slice(0, -5)];
    expect(() => openTape([log(cut)])).toThrow(/TAPE_UNREADABLE/);
    expect(() => openTape([log(LOG.slice(0, 6))])).toThrow(/TAPE_UNREADABLE/);
    const two = [...LOG, LOG[6]!.replace("ABCUSDT", "XYZUSDT")];
    expect(() => openTape([log(two)])).toThrow(/TAPE_UNREADABLE/);
  });

  test("reaches the clients of both brokers with its decimals", async () => {
    await using sim = await disposable({ tape: [log(LOG)], speed: "max" });
    expect(sim.watchlist).toEqual(["NAS:ABCUSDT"]);
    const kis = await kisClient(sim.urls, [
      ["HDFSASP0", "DNASABCUSDT"],
      ["HDFSCNT0", "DNASABCUSDT"],
    ]);
    const kiwoom = await kiwoomClient(sim.urls, { us: true });
    await register(kiwoom, [{ jmcode: "ABCUSDT", stex_tp: "ND" }], ["FT", "FE"]);
    await waitFor(() => sim.market().done && sim.counts().records === 6);
    const frames = () => kis.frames.filter((frame) => frame.startsWith("0|"));
    await waitFor(() => frames().length === 2 && kiwoomRows(kiwoom.frames).length === 3);
    const [book, both] = frames().map((frame) => frame.split("^"));
    expect([11, 12, 13, 14].map((field) => book![field])).toEqual(["9.6000", "10.1000", "1", "1"]);
    expect(both![0]).toBe("0|HDFSCNT0|002|DNASABCUSDT");
    expect([11, 19, 20].map((field) => both![field])).toEqual(["10.1000", "3", "3"]);
    const rows = kiwoomRows(kiwoom.frames).map(({ type, values }) => [
      ...[type, values[10], values[15], values[13], values[41], values[61]],
    ]);
    expect(rows).toEqual([
      ["FT", undefined, undefined, undefined, "10.1000", "1"],
      ["FE", "10.1000", "+3", "3", undefined, undefined],
      ["FE", "-9.6000", "-20000", "20003", undefined, undefined],
    ]);
  });

  test.for([
    ["spot-ethusdt_20240808.gz", 6106, 3432, 22_613_149],
    ["usdm-btcusdt_20240808.gz", 21_313, 6545, 24_293_660],
  ] as const)(
    "%s: every trade, and a book a difference that never crosses",
    ([name, trades, books, volume], { skip }) => {
      const path = dataFile(join("raw-websocket", name));
      if (path === null) return skip(NO_DATA);
      const market = openTape([path]);
      const seen = { trade: 0, book: 0, crossed: 0, lastMs: 0, volume: 0 };
      for (const event of market.play(0)) {
        expect(event.marketMs).toBeGreaterThanOrEqual(seen.lastMs);
        seen.lastMs = event.marketMs;
        if (event.kind === "trade") [seen.trade, seen.volume] = [seen.trade + 1, event.cumVolume];
        else if (event.kind === "book") {
          seen.book += 1;
          if (event.asks[0]!.price <= event.bids[0]!.price) seen.crossed += 1;
        }
      }
      expect(seen).toMatchObject({ trade: trades, book: books, crossed: 0, volume });
      expect(seen.lastMs).toBeLessThanOrEqual(market.endMs!);
    },
  );
});

async function disposable(input: Parameters<typeof startSim>[0]) {
  const sim = await startSim(input);
  return Object.assign(sim, { [Symbol.asyncDispose]: () => sim.close() });
}
