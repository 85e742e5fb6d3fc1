// Every captured frame there is, and what each one is: read to its last record, or refused with the
// code its label announces. A line that decodes otherwise than listed here is a change of meaning.
import { describe, expect, test } from "vitest";

import { KisDecoder } from "../../../app/edge/feed/kis/decode.ts";
import type { KisFrame } from "../../../app/edge/feed/kis/decode.ts";
import { KiwoomDecoder } from "../../../app/edge/feed/kiwoom/decode.ts";
import type { KiwoomFrame } from "../../../app/edge/feed/kiwoom/decode.ts";
import { kstMs } from "../../../app/shared/market-time.ts";
import type { Book, Tick, Trade } from "../../../app/shared/tick.ts";
import { capturedFrames } from "../../support/data.ts";
import type { Capture } from "../../support/data.ts";

const kis = capturedFrames("kis.tsv");
const kiwoom = capturedFrames("kiwoom.tsv");

/** 22 September 2026, 11:00 KST, for the stamps that carry no date. */
const at = { edgeRecvMs: 1, marketMs: kstMs(20260922, 110_000) };

/** One line a frame: `2 trade`, `1 trade FRAME_TRUNCATED`, `ack OPSP0000`, `FRAME_GRAMMAR`. */
function said(frame: KisFrame | KiwoomFrame): string {
  switch (frame.kind) {
    case "data": {
      const kinds = Map.groupBy(frame.ticks, ({ kind }) => kind);
      return [
        ...[...kinds].map(([kind, ticks]) => `${ticks.length} ${kind}`),
        ...frame.rejects.map(({ code }) => code),
        // Beyond those that its rejects tell of already.
        ...(frame.drifts.length > frame.rejects.length ? ["drift"] : []),
      ].join(" ");
    }
    case "reject":
      return frame.reject.code;
    case "ack":
      return `ack ${frame.msgCd}`;
    case "system":
      return `system ${frame.code}`;
    case "login":
      return `login ${frame.returnCode}`;
    default:
      return frame.kind;
  }
}

/** In the file's order: how the label begins, and what the frame says. */
const KIS_FRAMES: readonly (readonly [label: string, said: string])[] = [
  ["live capture 2022-08-30", "1 trade"],
  ["live capture 2022-08-31", "FRAME_GRAMMAR"],
  ["live capture 2022-12-02", "FRAME_GRAMMAR"],
  ["live capture 2023-03-24", "1 trade"],
  ["official portal example (2023-06-12 data)", "FRAME_GRAMMAR"],
  ["live capture 2024-05-07", "FRAME_GRAMMAR"],
  ["live capture 2024-08-23", "3 trade drift"],
  ["live capture 2024-09-04", "1 trade FRAME_TRUNCATED"],
  ["live capture 2025-07-30", "3 trade"],
  ["live capture 2025-12-04", "1 trade"],
  ["live capture 2026-02-06", "1 trade"],
  ["live capture 2026-02-23", "3 trade"],
  ["live capture 2026-05-04", "FRAME_GRAMMAR"],
  ["live capture 2026-09-14 first day", "1 trade"],
  ["live capture 2026-09-14 |", "3 trade"],
  ["live capture 2026-09-22", "1 trade"],
  ["live capture 2022-12 (113623)", "FRAME_GRAMMAR"],
  ["official portal example", "FRAME_GRAMMAR"],
  ["live capture 2023 (mock)", "1 book"],
  ["live capture 2023 (mock)", "1 book"],
  ["live capture 2025-07", "1 book"],
  ["live capture early 2026", "1 book"],
  ["live capture 2026-06-29", "1 book"],
  ["live capture 2026-07-20", "1 book"],
  ["live capture 2023-05-02 (US pre-market)", "2 trade"],
  ["live capture 2023-05-02 (US pre-market)", "1 trade"],
  ["live capture 2023-05-02 (US pre-market)", "1 trade"],
  ["live capture 2024-12-27 (US pre-market)", "1 trade"],
  ["official portal example (2024-05-06/07", "1 book"],
  ["official portal example", "1 status"],
  ["live capture | canduk910/auto_stock test cycle359", "FRAME_GRAMMAR"],
  ["live capture | canduk910/auto_stock test cycle359", "FRAME_GRAMMAR"],
  ["live capture | canduk910/auto_stock test cycle359", "FRAME_GRAMMAR"],
  ["live capture 2023-05-02", "pingpong"],
  ["live capture 2023-10-04", "pingpong"],
  ["live capture 2026-05-13", "ack OPSP8996"],
  ["live capture 2026-05-13", "ack OPSP0011"],
  ["official portal example ack", "ack OPSP0000"],
];

const KIWOOM_FRAMES: readonly (readonly [label: string, said: string])[] = [
  ...repeat(2, "REAL-CAPTURE|", "1 trade"),
  ...repeat(5, "REAL-CAPTURE|", "RECORD_TYPE_UNKNOWN"), // 0F and 0w
  ["REAL-CAPTURE-TRIMMED|", "1 book"],
  ["REAL-CAPTURE-TRIMMED|", "1 trade"],
  ["REAL-CAPTURE-TRIMMED|", "1 book"],
  ["REAL-CAPTURE-TRIMMED|", "1 trade"],
  ["REAL-CAPTURE|", "login 0"],
  ["REAL-CAPTURE|", "ping"],
  ["REAL-CAPTURE|", "system R10002"],
  ["REAL-CAPTURE|", "system R10001"],
  ["QUOTED-IN-TEST|", "system R10004"],
  ["QUOTED-IN-TEST|", "login 805004"],
  ...repeat(2, "OFFICIAL-DOC|", "RECORD_TYPE_UNKNOWN"), // 00, 04
  ["OFFICIAL-DOC|", "1 status"], // 0A
  ["OFFICIAL-DOC|", "1 trade"],
  ["OFFICIAL-DOC|", "RECORD_TYPE_UNKNOWN"], // 0C
  ["OFFICIAL-DOC|", "1 book"],
  ...repeat(3, "OFFICIAL-DOC|", "RECORD_TYPE_UNKNOWN"), // 0E, 0F, 0G
  ["OFFICIAL-DOC|", "1 status"], // 0H
  ...repeat(5, "OFFICIAL-DOC|", "RECORD_TYPE_UNKNOWN"), // 0I, 0J, 0U, 0g, 0m
  ["OFFICIAL-DOC|", "1 status"], // 0s
  ...repeat(2, "OFFICIAL-DOC|", "RECORD_TYPE_UNKNOWN"), // 0u, 0w
  ["OFFICIAL-DOC|", "1 status"], // 1h
  ...repeat(4, "OFFICIAL-DOC|", "FRAME_GRAMMAR"), // what a client sends
  ["SYNTHETIC-TEST|brokers.kiwoom", "1 trade"], // FE
  ["SYNTHETIC-TEST|(three-language", "1 trade"],
  ["SYNTHETIC-TEST|(0s", "1 status"],
  ["SYNTHETIC-TEST|(1h", "1 status"],
  ["SYNTHETIC-TEST|(unified _AL", "FIELD_MISSING"], // it has no size
];

function repeat(times: number, label: string, saying: string): [string, string][] {
  return Array.from({ length: times }, () => [label, saying]);
}

function table(captures: Capture[], expected: readonly (readonly [string, string])[]): string[] {
  return captures.map(({ label }, i) => `${i} ${label.slice(0, expected[i]?.[0].length)}`);
}

/** The header a payload without one implies: its field count decides the TR. */
function headed(payload: string): string {
  const fields = payload.split("^").length;
  const [trId, width] =
    fields === 10 ? ["H0UNMKO0", 10] : fields === 59 ? ["H0STASP0", 59] : ["H0STCNT0", 46];
  return `0|${trId}|${String(fields / width).padStart(3, "0")}|${payload}`;
}

function ticksOf(decoder: KisDecoder | KiwoomDecoder, frame: string): Tick[] {
  const decoded = decoder.decode(Buffer.from(frame), at);
  return decoded.kind === "data" ? decoded.ticks : [];
}

function kisTicks(label: string): Tick[] {
  const { frame } = kis.find((capture) => capture.label.startsWith(label))!;
  return ticksOf(new KisDecoder(), frame.startsWith("0|") ? frame : headed(frame));
}

describe.skipIf(kis.length === 0)("KIS captures", () => {
  test("are each read, or refused with the code their label announces", () => {
    const decoder = new KisDecoder();
    const read = kis.map(({ frame }) => said(decoder.decode(Buffer.from(frame), at)));
    const expected = KIS_FRAMES.map(([label, saying], i) => [`${i} ${label}`, saying]);
    expect(table(kis, KIS_FRAMES).map((label, i) => [label, read[i]])).toEqual(expected);
  });

  test("of a payload alone decode once the header they imply is put in front", () => {
    const payloads = kis.filter(({ label }) => label.includes("PAYLOAD ONLY"));
    const read = payloads.map(({ frame }) =>
      said(new KisDecoder().decode(Buffer.from(headed(frame)), at)),
    );
    expect(read).toEqual([
      "1 trade",
      "2 trade",
      "1 trade",
      "4 trade",
      "1 trade",
      "1 book",
      "1 book",
      "1 status",
      "1 status",
      "1 status",
    ]);
  });

  test("keep cum[n] - vol[n] = cum[n-1] within a frame", () => {
    let steps = 0;
    for (const { frame } of kis) {
      const trades = ticksOf(new KisDecoder(), frame.startsWith("0|") ? frame : headed(frame));
      for (const [before, trade] of pairs(trades.filter((tick) => tick.kind === "trade"))) {
        expect(trade.seq - trade.size).toBe(before.seq);
        steps++;
      }
    }
    expect(steps).toBe(13);
  });

  test("have totals that are the sum of their levels", () => {
    let books = 0;
    for (const { frame } of kis) {
      for (const tick of ticksOf(new KisDecoder(), frame)) {
        if (tick.kind !== "book") continue;
        expect(sizes(tick)).toEqual([tick.askTotal, tick.bidTotal]);
        books++;
      }
    }
    expect(books).toBe(7);
  });

  test("of the 47-field record say what is printed on the wire", () => {
    expect(kisTicks("live capture 2026-09-22")[0]).toEqual({
      kind: "trade",
      symbol: "005930",
      venue: "KRX",
      exchangeMs: Date.parse("2026-09-22T14:06:10+09:00"),
      day: 20260922,
      edgeRecvMs: 1,
      capture: 0,
      extra: null,
      chain: 0,
      seq: 11_955_000,
      price: 277_750,
      size: 5,
      side: -1,
      session: 2,
      ask: 278_000,
      bid: 277_500,
      sellCount: 83_251,
      buyCount: 86_830,
    });
  });

  test("of a closing auction show three levels, the phase and the expected price", () => {
    const book = kisTicks("live capture early 2026")[0] as Book;
    expect([...book.levels.subarray(0, 4)]).toEqual([959_000, 960_000, 961_000, 0]);
    expect([...book.levels.subarray(10, 14)]).toEqual([3_893, 7_010, 4_960, 0]);
    expect([...book.levels.subarray(20, 24)]).toEqual([958_000, 957_000, 956_000, 0]);
    expect([...book.levels.subarray(30, 34)]).toEqual([12, 76, 51, 0]);
    expect(book).toMatchObject({ phase: "A", expectedPrice: 959_000, expectedSize: 259_810 });
    expect(book.exchangeMs).toBe(Date.parse("2026-09-22T15:25:22+09:00"));
  });

  test("from New York have sides by what grew, and its summer and winter clock", () => {
    const decoder = new KisDecoder();
    const trades = kis.flatMap(({ frame }) =>
      frame.startsWith("0|HDFSCNT0") ? (ticksOf(decoder, frame) as Trade[]) : [],
    );
    expect(trades.map(({ price, size, side, seq }) => [price, size, side, seq])).toEqual([
      [169.785, 1, 0, 108_464],
      [169.79, 3, 1, 108_467],
      [169.8, 3, 1, 108_470],
      [169.77, 500, -1, 108_976],
      [259.02, 10, 0, 4_629],
    ]);
    expect(trades[0]!.exchangeMs).toBe(Date.parse("2023-05-02T09:19:12-04:00"));
    expect(trades[4]!.exchangeMs).toBe(Date.parse("2024-12-27T07:02:29-05:00"));
  });

  test("of market status tell a VI from the rest", () => {
    const what = kis
      .filter(({ label }) => label.includes("H0UNMKO0"))
      .flatMap(({ frame }) => ticksOf(new KisDecoder(), headed(frame)))
      .map((tick) => tick.kind === "status" && [tick.symbol, tick.venue, tick.what, tick.code]);
    expect(what).toEqual([
      ["003160", "UN", "vi", "AB1"],
      ["100840", "UN", "market", "AB1"],
      ["011170", "UN", "market", "AB1"],
    ]);
  });
});

describe.skipIf(kiwoom.length === 0)("Kiwoom captures", () => {
  test("are each read, or refused with the code their label announces", () => {
    const decoder = new KiwoomDecoder();
    const read = kiwoom.map(({ frame }) => said(decoder.decode(Buffer.from(frame), at)));
    const expected = KIWOOM_FRAMES.map(([label, saying], i) => [`${i} ${label}`, saying]);
    expect(table(kiwoom, KIWOOM_FRAMES).map((label, i) => [label, read[i]])).toEqual(expected);
  });

  test("of 43 FIDs say what is printed on the wire", () => {
    expect(ticksOf(new KiwoomDecoder(), kiwoom[0]!.frame)[0]).toEqual({
      kind: "trade",
      symbol: "000660",
      venue: "KRX",
      exchangeMs: Date.parse("2026-09-22T10:27:55+09:00"),
      day: 20260922,
      edgeRecvMs: 1,
      capture: 0,
      extra: null,
      chain: 0,
      seq: 2_459_487,
      price: 1_851_000,
      size: 1,
      side: 1,
      session: 2,
      ask: 1_851_000,
      bid: 1_850_000,
      sellCount: 64_559,
      buyCount: 65_785,
    });
  });

  test("of NXT's after-market show three levels, the rest is `-0`", () => {
    const book = ticksOf(new KiwoomDecoder(), kiwoom[9]!.frame)[0] as Book;
    expect(book).toMatchObject({ symbol: "005380", venue: "NXT", askTotal: 560, bidTotal: 157 });
    expect([...book.levels.subarray(0, 4)]).toEqual([425_000, 425_500, 426_000, 0]);
    expect([...book.levels.subarray(30, 34)]).toEqual([24, 10, 123, 0]);
  });

  test("have totals that are the sum of their levels", () => {
    const books = kiwoom
      .flatMap(({ frame }) => ticksOf(new KiwoomDecoder(), frame))
      .filter((tick) => tick.kind === "book");
    expect(books).toHaveLength(3);
    for (const book of books) expect(sizes(book)).toEqual([book.askTotal, book.bidTotal]);
  });

  test("carry no FID that is not known", () => {
    const decoder = new KiwoomDecoder();
    const decoded = kiwoom.map(({ frame }) => decoder.decode(Buffer.from(frame), at));
    const drifts = decoded.flatMap((frame) => (frame.kind === "data" ? frame.drifts : []));
    expect(drifts.filter(({ is }) => is === undefined)).toEqual([]);
  });
});

function pairs<T>(list: readonly T[]): [T, T][] {
  return list.slice(1).map((item, i) => [list[i]!, item]);
}

/** Sums of the ask and of the bid sizes. */
function sizes({ levels }: Book): [number, number] {
  const sum = (from: number) => levels.subarray(from, from + 10).reduce((a, b) => a + b, 0);
  return [sum(10), sum(30)];
}
