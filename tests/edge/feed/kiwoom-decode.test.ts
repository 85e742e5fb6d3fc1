import assert from "node:assert/strict";

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { KiwoomDecoder } from "../../../app/edge/feed/kiwoom/decode.ts";
import type { KiwoomData, KiwoomFrame } from "../../../app/edge/feed/kiwoom/decode.ts";
import { Row } from "../../../app/edge/feed/kiwoom/row.ts";
import { RealScanner } from "../../../app/edge/feed/kiwoom/scan.ts";
import type { Book, Status, Tick } from "../../../app/shared/tick.ts";
import { capturedFrames } from "../../support/data.ts";
import { edit, mutate } from "./damage.ts";

const at = { edgeRecvMs: 1_000.5, marketMs: Date.parse("2026-09-22T10:15:31.250+09:00") };

type Values = Record<string, string>;

const TRADE: Values = {
  "20": "101530",
  "10": "-70000",
  "15": "+7",
  "13": "1000",
  "27": "-70100",
  "28": "-70000",
  "290": "2",
  "1071": "40",
  "1072": "60",
  "9081": "KRX",
};

const BOOK: Values = Object.fromEntries([
  ["21", "101530"],
  ...Array.from({ length: 10 }, (_, i) => [
    [`${41 + i}`, `+${70_100 + 100 * i}`],
    [`${51 + i}`, `-${70_000 - 100 * i}`],
    [`${61 + i}`, `${i + 1}`],
    [`${71 + i}`, `${i + 11}`],
  ]).flat(),
  ["121", "55"],
  ["125", "155"],
]) as Values;

function row(type: string, values: unknown, item: unknown = "005930"): Record<string, unknown> {
  return { values, type, name: "주식체결", item };
}

function real(...rows: unknown[]): Buffer {
  return Buffer.from(JSON.stringify({ data: rows, trnm: "REAL" }));
}

function decode(message: unknown): KiwoomFrame {
  return new KiwoomDecoder().decode(Buffer.from(JSON.stringify(message)), at);
}

function data(frame: Buffer, decoder = new KiwoomDecoder()): KiwoomData {
  const decoded = decoder.decode(frame, at);
  if (decoded.kind !== "data") throw new Error(`expected data, got ${JSON.stringify(decoded)}`);
  return decoded;
}

/** The one tick, or the one reject as `CODE reason`, of a row with changed values. */
function one(type: string, values: Values, changes: Values = {}, item?: string): Tick | string {
  const { ticks, rejects } = data(real(row(type, { ...values, ...changes }, item)));
  expect(ticks.length + rejects.length).toBe(1);
  return ticks[0] ?? `${rejects[0]!.code} ${rejects[0]!.reason}`;
}

function without(values: Values, fid: string): Values {
  return Object.fromEntries(Object.entries(values).filter(([key]) => key !== fid));
}

describe("0B, a trade", () => {
  test("gives every field; the sign of a price is no part of it", () => {
    expect(one("0B", TRADE)).toEqual({
      kind: "trade",
      symbol: "005930",
      venue: "KRX",
      exchangeMs: Date.parse("2026-09-22T10:15:30+09:00"),
      day: 20260922,
      edgeRecvMs: 1_000.5,
      capture: 0,
      extra: null,
      chain: 0,
      seq: 1000,
      price: 70_000,
      size: 7,
      side: 1,
      session: 2,
      ask: 70_100,
      bid: 70_000,
      sellCount: 40,
      buyCount: 60,
    });
  });

  test("takes the side from the sign of the size", () => {
    const sideOf = (size: string) => one("0B", TRADE, { "15": size });
    expect(sideOf("-7")).toMatchObject({ side: -1, size: 7 });
    expect(sideOf(" 7")).toMatchObject({ side: 0, size: 7 });
    expect(sideOf("7")).toMatchObject({ side: 0, size: 7 });
  });

  test("reads blanks and leaves out what is empty", () => {
    const changes = { "10": " 67300", "27": "-0", "28": "", "1071": "", "1072": " 0", "290": "" };
    expect(one("0B", TRADE, changes)).toMatchObject({
      price: 67_300,
      ask: NaN,
      bid: NaN,
      sellCount: -1,
      buyCount: 0,
      session: 0,
    });
  });

  test.each(["0", "-0", " 0"])("with size %j moves the price only", (size) => {
    const status = one("0B", TRADE, { "15": size });
    expect(status).toMatchObject({ kind: "status", what: "price", code: "0B" });
    expect(JSON.parse((status as Status).detail)).toMatchObject({ price: 70_000, volume: 1000 });
  });

  test.each(["10", "13", "15", "20"])("without FID %s has no meaning or no key", (fid) => {
    expect(one("0B", without(TRADE, fid))).toBe(`FIELD_MISSING 0B: FID ${fid} is missing`);
    expect(one("0B", TRADE, { [fid]: "" })).toBe(`FIELD_MISSING 0B: FID ${fid} is missing`);
  });

  test.each([
    ["10", "0"],
    ["10", "7oooo"],
    ["13", "-5"],
    ["13", "1.5"],
    ["15", "x"],
    ["20", "256199"],
    ["20", "9:15"],
    ["1071", "many"],
  ])("with FID %s as %j is malformed", (fid, value) => {
    expect(one("0B", TRADE, { [fid]: value })).toBe(
      `FIELD_MALFORMED 0B: FID ${fid} is ${JSON.stringify(value)}`,
    );
  });

  test.each([
    ["005930", "KRX", "005930", "KRX"],
    ["005930", "1", "005930", "KRX"],
    ["005930", "NXT", "005930", "NXT"],
    ["005930", "2", "005930", "NXT"],
    ["005930", "0", "005930", "UN"],
    ["005930", "", "005930", "KRX"],
    ["005380_NX", "KRX", "005380", "NXT"],
    ["047920_AL", "KRX", "047920", "UN"],
    ["047920_AL", "NXT", "047920", "UN"],
    ["005380_NX", "0", "005380", "NXT"],
    ["A005930", "KRX", "005930", "KRX"],
    ["A005930_NX", "", "005930", "NXT"],
    ["57JBHH", "", "57JBHH", "KRX"],
  ])("of item %s with 9081 %j is %s at %s", (item, from, symbol, venue) => {
    expect(one("0B", TRADE, { "9081": from }, item)).toMatchObject({ symbol, venue });
  });

  test.each(["", "00 5930", "_NX", "x".repeat(40)])("of item %j is refused", (item) => {
    expect(one("0B", TRADE, {}, item)).toMatch(/^FIELD_(MISSING|MALFORMED) 0B: item /);
  });
});

describe("0D, a book", () => {
  test("has ten levels a side and the totals; `-0` is no level", () => {
    const book = one("0D", BOOK, { "50": "-0", "70": "9", "23": "+70050", "24": "12" }) as Book;
    expect([...book.levels.subarray(0, 10)].slice(7)).toEqual([70_800, 70_900, 0]);
    expect(book.levels[19]).toBe(0);
    expect([...book.levels.subarray(20, 22)]).toEqual([70_000, 69_900]);
    expect([...book.levels.subarray(30, 40)].reduce((a, b) => a + b)).toBe(book.bidTotal);
    expect(book).toMatchObject({ expectedPrice: 70_050, expectedSize: 12, phase: "", seq: -1 });
  });

  test("has its venue from the suffix alone", () => {
    expect(one("0D", BOOK, {}, "005380_NX")).toMatchObject({ symbol: "005380", venue: "NXT" });
    expect(one("0D", BOOK, {}, "005380_AL")).toMatchObject({ venue: "UN" });
  });

  test("without its best prices is none; a negative size is malformed", () => {
    expect(one("0D", without(BOOK, "51"))).toBe("FIELD_MISSING 0D: FID 51 is missing");
    expect(one("0D", BOOK, { "62": "-4" })).toBe('FIELD_MALFORMED 0D: FID 62 is "-4"');
  });
});

describe("US rows", () => {
  const FE: Values = { "10": "+198.5000", "13": "5000", "15": "-15", "20": "1", "51020": "093001" };
  const us = (stexTp: string | undefined, values: Values, type = "FE") =>
    data(real({ type, item: "NVDA", stexTp, values }));

  test.each([
    ["ND", "NAS"],
    ["NY", "NYS"],
    ["NA", "AMS"],
    ["AM", "AMS"],
    ["ZZ", "ZZ"],
  ])("from %s are at %s", (stexTp, venue) => {
    const [tick] = us(stexTp, FE).ticks;
    expect(tick).toMatchObject({ symbol: "NVDA", venue, price: 198.5, size: 15, side: -1 });
  });

  test("are dated by FID 22, else by New York's day", () => {
    expect(us("ND", { ...FE, "22": "20260105" }).ticks[0]).toMatchObject({
      day: 20260105,
      exchangeMs: Date.parse("2026-01-05T09:30:01-05:00"),
    });
    expect(us("ND", FE).ticks[0]).toMatchObject({
      day: 20260921,
      exchangeMs: Date.parse("2026-09-21T09:30:01-04:00"),
    });
    const [bad] = us("ND", { ...FE, "22": "20260231" }).rejects;
    expect(bad!.reason).toBe('FE: FID 22 is "20260231"');
  });

  test("without an exchange cannot be keyed", () => {
    expect(us(undefined, FE).rejects[0]).toMatchObject({
      code: "FIELD_MISSING",
      reason: "FE: stexTp is missing",
    });
  });

  test("FT is a book with the FIDs of 0D", () => {
    const book = us("NY", { ...BOOK, "21": "093001" }, "FT").ticks[0];
    expect(book).toMatchObject({ kind: "book", venue: "NYS", day: 20260921, askTotal: 55 });
  });
});

describe("statuses", () => {
  test("0A changes the price without a trade, at the market clock", () => {
    expect(one("0A", { "10": "+86800", "13": "367090" })).toMatchObject({
      what: "price",
      code: "0A",
      exchangeMs: Date.parse("2026-09-22T10:15:31+09:00"),
    });
  });

  test("0H is an indicative trade", () => {
    const status = one("0H", { "20": "101530", "10": "+60500", "15": "-7805", "13": "768293" });
    expect(status).toMatchObject({ what: "expected", code: "0H" });
    expect(JSON.parse((status as Status).detail)).toMatchObject({ price: 60_500, size: 7_805 });
  });

  test.each([
    ["3", "KRX"],
    ["b", "KRX"],
    ["R", "NXT"],
  ])("0s %s is the clock of %s, about no symbol", (code, venue) => {
    const status = one("0s", { "215": code, "20": "888888", "214": "0" }, {}, "");
    expect(status).toMatchObject({ what: "clock", symbol: "", venue, code });
    expect((status as Status).exchangeMs).toBe(Date.parse("2026-09-22T10:15:31+09:00"));
  });

  test("1h is VI set or released, at the time of either, and knows its symbol without item", () => {
    const values = { "9001": "A005930", "1223": "101000", "1224": "101200", "302": "삼성전자" };
    const set = data(real({ type: "1h", values: { ...values, "9068": "1" } })).ticks[0];
    expect(set).toMatchObject({ what: "vi", code: "1", symbol: "005930" });
    expect(set!.exchangeMs).toBe(Date.parse("2026-09-22T10:10:00+09:00"));
    const released = one("1h", values, { "9068": "2" }) as Status;
    expect(released.exchangeMs).toBe(Date.parse("2026-09-22T10:12:00+09:00"));
    expect(JSON.parse(released.detail)).toMatchObject({ "302": "삼성전자" });
  });
});

describe("a REAL frame", () => {
  test("loops over rows of mixed types; a bad one does not cost its neighbours", () => {
    const bad = row("0B", { ...TRADE, "10": "?" });
    const frame = real(row("0B", TRADE), bad, row("0w", { "20": "1" }), row("0D", BOOK));
    const { ticks, rejects } = data(frame);
    expect(ticks.map((tick) => tick.kind)).toEqual(["trade", "book"]);
    expect(rejects.map((reject) => [reject.code, reject.reason])).toEqual([
      ["FIELD_MALFORMED", '0B: FID 10 is "?"'],
      ["RECORD_TYPE_UNKNOWN", 'type "0w" is not collected'],
    ]);
    expect(Buffer.from(rejects[0]!.bytes).toString()).toBe(
      `{"trnm":"REAL","data":[${JSON.stringify(bad)}]}`,
    );
    // It is a frame of its own: decoded again, it is refused for the same fault.
    expect(data(Buffer.from(rejects[0]!.bytes)).rejects).toEqual([rejects[0]]);
  });

  test("with one row that is no JSON still gives the others", () => {
    const text = real(row("0B", TRADE), row("0B", { ...TRADE, "10": "X" }), row("0D", BOOK));
    const torn = Buffer.from(text.toString().replace('"X"', "X"));
    const { ticks, rejects } = data(torn);
    expect(ticks.map((tick) => tick.kind)).toEqual(["trade", "book"]);
    expect(rejects.map((reject) => reject.code)).toEqual(["FRAME_NOT_JSON"]);
  });

  test("that is cut is refused whole", () => {
    const frame = real(row("0B", TRADE), row("0D", BOOK)).subarray(0, 500);
    const decoded = new KiwoomDecoder().decode(frame, at);
    expect(decoded).toMatchObject({ kind: "reject", reject: { code: "FRAME_NOT_JSON" } });
  });

  test("of more rows than the limit is refused, and so is one of too many bytes", () => {
    const frame = real(row("0B", TRADE), row("0B", TRADE), row("0B", TRADE));
    const few = new KiwoomDecoder({ recordsMax: 2 }).decode(frame, at);
    expect(few).toMatchObject({ kind: "reject", reject: { code: "FRAME_GRAMMAR" } });
    const short = new KiwoomDecoder({ frameBytesMax: 50 }).decode(frame, at);
    expect(short).toMatchObject({ kind: "reject", reject: { code: "FRAME_TOO_LARGE" } });
  });

  test("keeps a FID nobody knows, and tells it once a type", () => {
    const decoder = new KiwoomDecoder();
    const values = { ...TRADE, "7777": "new", "0x1": "odd" };
    const { ticks, drifts } = data(real(row("0B", values), row("0B", values)), decoder);
    expect(JSON.parse(ticks[1]!.extra!)).toEqual({ "7777": "new", "0x1": "odd" });
    expect(drifts).toEqual([
      { type: "0B", fid: "0x1" },
      { type: "0B", fid: "7777" },
    ]);
    const later = data(real(row("0B", values), row("0B", TRADE)), decoder);
    expect(later.drifts).toEqual([]);
    expect(later.ticks[1]!.extra).toBeNull();
  });

  test("means by a FID its exact digits, and by one sent twice the last", () => {
    const text = real(row("0B", TRADE)).toString();
    const tickOf = (odd: string) => data(Buffer.from(text.replace('"10":', odd))).ticks[0];
    expect(tickOf('"010":"1","10":')).toMatchObject({ price: 70_000, extra: '{"010":"1"}' });
    expect(tickOf('"10":"1","10":')).toMatchObject({ price: 70_000, extra: null });
  });

  test("may hold escapes", () => {
    const escaped = { ...row("0B", TRADE), name: '\\"]}' };
    expect(data(real(escaped, row("0D", BOOK))).ticks.map((tick) => tick.kind)).toEqual([
      "trade",
      "book",
    ]);
  });

  test("may have numbers for text, and other keys beside the known", () => {
    const values = { ...TRADE, "13": 1000, "27": null };
    const frame = real({ ...row("0B", values), fresh: [1, { a: "]}" }] });
    expect(data(frame).ticks[0]).toMatchObject({ seq: 1000, ask: NaN });
    const nested = data(real(row("0B", { ...TRADE, "13": [1] }))).rejects[0];
    expect(nested).toMatchObject({ code: "FIELD_MALFORMED" });
  });

  test("with broken UTF-8 is read where the text is not needed", () => {
    const frame = real(row("0B", { ...TRADE, "9081": "K@X" }));
    frame[frame.indexOf("@")] = 0xff;
    expect(data(frame).ticks).toHaveLength(1);
    const needed = real(row("0B", { ...TRADE, "10": "7@000" }));
    needed[needed.indexOf("@")] = 0xff;
    expect(data(needed).rejects.map((reject) => reject.code)).toEqual(["FRAME_NOT_UTF8"]);
  });
});

describe("control messages", () => {
  test("are told apart by trnm", () => {
    expect(decode({ trnm: "PING" })).toEqual({ kind: "ping" });
    expect(decode({ trnm: "LOGIN", return_code: 0, return_msg: "", sor_yn: "Y" })).toEqual({
      kind: "login",
      returnCode: 0,
      message: "",
    });
    expect(decode({ trnm: "REG", return_code: "105115", return_msg: "cap" })).toEqual({
      kind: "reg",
      returnCode: 105_115,
      message: "cap",
    });
    expect(decode({ trnm: "REMOVE", return_code: 0 })).toMatchObject({ kind: "remove" });
    expect(decode({ trnm: "SYSTEM", code: "R10001", message: "m" })).toEqual({
      kind: "system",
      code: "R10001",
      message: "m",
    });
  });

  test.each([
    [{ trnm: "REG", grp_no: "1", data: [{ item: ["005930"], type: ["0B"] }] }, "FRAME_GRAMMAR"],
    [{ trnm: "LOGIN", token: "t" }, "FRAME_GRAMMAR"],
    [{ trnm: "CNSRREQ", return_code: 0 }, "RECORD_TYPE_UNKNOWN"],
    [{ trnm: "REAL" }, "FRAME_GRAMMAR"],
    [{ trnm: "REAL", data: {} }, "FRAME_GRAMMAR"],
    [{}, "FRAME_GRAMMAR"],
    [[1], "FRAME_GRAMMAR"],
    [null, "FRAME_GRAMMAR"],
  ])("%j is refused: %s", (message, code) => {
    expect(decode(message)).toMatchObject({ kind: "reject", reject: { code } });
  });
});

describe("scanner and JSON.parse", () => {
  const digits = fc.stringMatching(/^[+\- ]?[0-9]{0,7}(\.[0-9]{1,3})?$/);
  const plainText = fc.string({ unit: "grapheme", maxLength: 8 }).filter((text) => {
    return JSON.stringify(text) === `"${text}"`;
  });
  const value = fc.oneof({ weight: 6, arbitrary: digits }, plainText);
  const fid = fc.oneof(
    fc.constantFrom(...Object.keys(TRADE), "41", "61"),
    fc.nat(65_535).map(String),
  );
  const blank = fc.constantFrom("", "", " ", "\n\t");
  const values = fc.dictionary(fid, value, { noNullPrototype: true });
  const anyRow = fc.record({
    type: fc.constantFrom("0B", "0D", "FE", "FT", "0A", "0H", "0s", "1h", "0w", "zz"),
    base: fc.constantFrom({}, TRADE, BOOK),
    values,
    item: fc.oneof(fc.constantFrom("005930", "A005930_AL", "NVDA", ""), plainText),
    stexTp: fc.option(fc.constantFrom("ND", "XX", ""), { nil: undefined }),
    isValuesFirst: fc.boolean(),
    blank,
  });
  type AnyRow = typeof anyRow extends fc.Arbitrary<infer R> ? R : never;

  /** The same row as text, its name plain or escaped: an escape makes the scanner decline. */
  function rowText(from: AnyRow, name: string): string {
    const body = `"values":${JSON.stringify({ ...from.base, ...from.values }, null, from.blank)}`;
    const exchange = from.stexTp === undefined ? "" : `,"stexTp":"${from.stexTp}"`;
    const head = `"type":"${from.type}","name":"${name}"${exchange},"item":"${from.item}"`;
    const parts = from.isValuesFirst ? [body, head] : [head, body];
    return `{${from.blank}${parts.join(`${from.blank},`)}${from.blank}}`;
  }
  function frameText(rows: AnyRow[], name: string, between: string): Buffer {
    const list = rows.map((from) => rowText(from, name)).join(`${between},`);
    return Buffer.from(`{"trnm" :"REAL",${between}"data":[${between}${list}]}`);
  }
  const told = ({ ticks, rejects, drifts }: KiwoomData) => ({
    ticks,
    drifts: drifts.map((drift) => `${drift.type} ${drift.fid}`).sort(),
    rejects: rejects.map(({ code, reason }) => `${code} ${reason}`),
  });

  test("read the same from every frame", () => {
    const frames = fc.tuple(fc.array(anyRow, { maxLength: 4 }), blank);
    const agree = fc.property(frames, ([rows, between]) => {
      const plain = frameText(rows, "주식", between);
      const declined = frameText(rows, "\\u0041", between);
      const read: boolean[] = [];
      const scanner = new RealScanner(new Row(), 100);
      assert(scanner.scan(plain, (_from, _to, isRead) => read.push(isRead)));
      assert(read.length === rows.length && read.every(Boolean));
      assert(scanner.scan(declined, (_from, _to, isRead) => assert(!isRead)));
      assert.deepEqual(told(data(plain)), told(data(declined)));
    });
    fc.assert(agree, { numRuns: 1_500 });
  });
});

describe("no byte sequence", () => {
  const seeds = [
    ...capturedFrames("kiwoom.tsv").map(({ frame }) => Buffer.from(frame)),
    real(row("0B", TRADE), row("0B", TRADE), row("0D", BOOK)),
    real(row("0s", { "215": "3", "20": "090000", "214": "0" }, ""), row("0w", {})),
  ];
  const mutated = fc
    .tuple(fc.constantFrom(...seeds), fc.array(edit, { minLength: 1, maxLength: 3 }))
    .map(([seed, edits]) => edits.reduce(mutate, seed));
  const headed = fc
    .tuple(fc.constantFrom('{"trnm":"REAL","data":[', '{"data":[{"values":{', "{"), fc.string())
    .map((parts) => Buffer.from(parts.join("")));
  const decoder = new KiwoomDecoder();

  function check(bytes: Uint8Array): void {
    const decoded = decoder.decode(bytes, at);
    if (decoded.kind !== "data" && decoded.kind !== "reject") return;
    const rejects = decoded.kind === "data" ? decoded.rejects : [decoded.reject];
    const frame = Buffer.from(bytes);
    for (const reject of rejects) {
      const kept = Buffer.from(reject.bytes);
      // The frame itself, or a row of it in a frame of its own.
      const row = kept.subarray('{"trnm":"REAL","data":['.length, -2);
      assert(kept.equals(frame) || frame.includes(row));
    }
    if (decoded.kind !== "data") return;
    const commas = frame.toString("latin1").split(",").length;
    assert(decoded.ticks.length + decoded.rejects.length <= commas);
    for (const tick of decoded.ticks) {
      assert(Number.isFinite(tick.exchangeMs));
      if (tick.kind === "trade") assert(tick.price > 0 && tick.size > 0 && tick.seq >= 0);
    }
  }

  test("throws, invents records, or rejects other bytes than its own", () => {
    const frames = fc.oneof({ weight: 4, arbitrary: mutated }, headed, fc.uint8Array());
    fc.assert(fc.property(frames, check), { numRuns: 20_000 });
  });
});
