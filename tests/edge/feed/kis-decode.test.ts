import assert from "node:assert/strict";

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { KisDecoder } from "../../../app/edge/feed/kis/decode.ts";
import type { KisData } from "../../../app/edge/feed/kis/decode.ts";
import { LAYOUTS } from "../../../app/edge/feed/kis/layout.ts";
import type { Book, Status, Trade } from "../../../app/shared/tick.ts";
import { capturedFrames } from "../../support/data.ts";
import { edit, mutate } from "./damage.ts";
import { bookFields, kisFrame, marketFields, tradeFields, usTradeFields } from "./kis-records.ts";

const at = { edgeRecvMs: 1_000.5, marketMs: Date.parse("2026-09-22T10:15:31.250+09:00") };

function data(frame: Buffer, decoder = new KisDecoder()): KisData {
  const decoded = decoder.decode(frame, at);
  if (decoded.kind !== "data") throw new Error(`expected data, got ${JSON.stringify(decoded)}`);
  return decoded;
}

function rejected(frame: Buffer | string): [string, string] {
  const decoded = new KisDecoder().decode(Buffer.from(frame), at);
  if (decoded.kind !== "reject") throw new Error(`expected a reject, got ${decoded.kind}`);
  expect(Buffer.from(decoded.reject.bytes)).toEqual(Buffer.from(frame));
  return [decoded.reject.code, decoded.reject.reason];
}

const oneTrade = (changes: Record<number, string>) =>
  data(kisFrame("H0STCNT0", [tradeFields(changes)]));

describe("a KIS frame", () => {
  test.each([
    ["", "FRAME_GRAMMAR"],
    ["005930^101530^70000", "FRAME_GRAMMAR"],
    ["0|H0STCNT0|001", "FRAME_GRAMMAR"],
    ["0|H0STCNT0", "FRAME_GRAMMAR"],
    ["2|H0STCNT0|001|x", "FRAME_GRAMMAR"],
    ["0|H0STCNT0|abc|005930^1", "FRAME_GRAMMAR"],
    ["0|H0STCNT0|99999999|005930^1", "FRAME_GRAMMAR"],
    ["0|H0STCNI0|001|x^y", "RECORD_TYPE_UNKNOWN"],
    ["1|H0STCNI0|001|kP3/9==", "FRAME_ENCRYPTED"],
    ["{", "FRAME_NOT_JSON"],
    ['{"hello":1}', "FRAME_GRAMMAR"],
    ["[1,2]", "FRAME_GRAMMAR"],
  ])("%j is refused whole, with its bytes: %s", (frame, code) => {
    expect(rejected(frame)[0]).toBe(code);
  });

  test("longer than the limit is refused unread", () => {
    const decoder = new KisDecoder({ frameBytesMax: 100 });
    const decoded = decoder.decode(kisFrame("H0STCNT0", [tradeFields()]), at);
    expect(decoded).toMatchObject({ kind: "reject", reject: { code: "FRAME_TOO_LARGE" } });
  });

  test("of one record gives every field of a trade", () => {
    const { ticks, rejects, drifts } = oneTrade({});
    expect([rejects, drifts]).toEqual([[], []]);
    expect(ticks).toEqual([
      {
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
      },
    ]);
  });

  test("names the symbol that stands there, also where the symbols' hashes are equal", () => {
    const codes = ["0O5930", "105930", "0O5930"];
    const frame = kisFrame(
      "H0STCNT0",
      codes.map((code) => tradeFields({ 0: code })),
    );
    expect(data(frame).ticks.map((tick) => tick.symbol)).toEqual(codes);
  });

  test.each([
    ["H0STCNT0", "KRX"],
    ["H0NXCNT0", "NXT"],
    ["H0UNCNT0", "UN"],
  ])("of %s is from venue %s", (trId, venue) => {
    expect(data(kisFrame(trId, [tradeFields()])).ticks[0]).toMatchObject({ venue });
  });
});

describe("record width", () => {
  test("46 and 47 fields are both known; 46 take the session from NEW_MKOP_CLS_CODE", () => {
    const short = tradeFields({ 34: "30" }).slice(0, 46);
    const { ticks, drifts } = data(kisFrame("H0STCNT0", [short, short]));
    expect(ticks).toHaveLength(2);
    expect(drifts).toEqual([]);
    expect((ticks[0] as Trade).session).toBe(3);
  });

  test("a new width is read, its surplus kept, and told once", () => {
    const decoder = new KisDecoder();
    const wide = [...tradeFields(), "new", ""];
    const first = data(kisFrame("H0STCNT0", [wide, wide]), decoder);
    expect(first.drifts).toEqual([{ trId: "H0STCNT0", width: 49, knownWidth: 47 }]);
    expect(first.ticks.map((tick) => tick.extra)).toEqual(["new^", "new^"]);
    expect(data(kisFrame("H0STCNT0", [wide]), decoder).drifts).toEqual([]);
  });

  test("a surplus beyond the limit is quarantined, not carried", () => {
    const wide = [...tradeFields(), "x".repeat(5_000)];
    const { ticks, rejects } = data(kisFrame("H0STCNT0", [wide]));
    expect(ticks).toEqual([]);
    expect(rejects.map((reject) => reject.code)).toEqual(["RECORD_WIDTH"]);
  });

  test("a wrong COUNT is outvoted by fields that divide by a known width", () => {
    const three = [tradeFields(), tradeFields({ 13: "1007" }), tradeFields({ 13: "1014" })];
    for (const count of [0, 1, 2, 4]) {
      const { ticks, rejects, drifts } = data(kisFrame("H0STCNT0", three, count));
      expect(ticks.map((tick) => (tick as Trade).seq)).toEqual([1000, 1007, 1014]);
      expect([rejects, drifts.length]).toEqual([[], 1]);
    }
  });

  test("a cut frame gives its whole records and one reject with the rest", () => {
    const frame = kisFrame("H0STCNT0", [tradeFields(), tradeFields({ 13: "1007" })]);
    const cut = frame.subarray(0, frame.length - 40);
    const { ticks, rejects } = data(cut);
    expect(ticks).toHaveLength(1);
    expect(rejects.map((reject) => reject.code)).toEqual(["FRAME_TRUNCATED"]);
    const [, , , rest] = Buffer.from(rejects[0]!.bytes).toString().split("|");
    expect(rest!.startsWith("005930^101530")).toBe(true);
    expect(cut.toString().endsWith(rest!)).toBe(true);
  });

  test("a cut that happens to divide by the narrower width is still seen as a cut", () => {
    const records = [1, 2, 3].map((n) => tradeFields({ 13: String(1000 * n) }));
    const payload = records.map((fields) => fields.join("^")).join("^");
    const cut = payload.split("^").slice(0, 138).join("^");
    const { ticks, rejects } = data(Buffer.from(`0|H0STCNT0|003|${cut}`));
    expect(ticks.map((tick) => (tick as Trade).seq)).toEqual([1000, 2000]);
    expect(rejects.map((reject) => reject.code)).toEqual(["FRAME_TRUNCATED"]);
  });

  test("fields beyond the last whole record are quarantined", () => {
    const two = [tradeFields(), [...tradeFields({ 13: "1007" }), "stray", "stray", "stray"]];
    const { ticks, rejects } = data(kisFrame("H0STCNT0", two));
    expect(ticks).toHaveLength(2);
    expect(rejects.map((reject) => reject.code)).toEqual(["RECORD_COUNT"]);
    expect(Buffer.from(rejects[0]!.bytes).toString()).toBe("0|H0STCNT0|001|stray^stray^stray");
  });

  test("more fields than any record could have are no record of a new width", () => {
    const wide = [...tradeFields(), ...tradeFields({ 13: "1007" }), "stray"];
    const { ticks, rejects, drifts } = data(kisFrame("H0STCNT0", [wide]));
    expect([ticks.length, drifts]).toEqual([1, []]);
    expect(rejects.map((reject) => reject.code)).toEqual(["RECORD_COUNT"]);
  });

  test("an overseas record without RSYM is not guessed at", () => {
    const { ticks, rejects } = data(kisFrame("HDFSCNT0", [usTradeFields().slice(1)]));
    expect(ticks).toEqual([]);
    expect(rejects.map((reject) => reject.code)).toEqual(["RECORD_WIDTH"]);
  });
});

describe("what quarantine keeps of a record", () => {
  const layouts = LAYOUTS.map((layout) => ({
    ...layout,
    widths: [45, ...layout.widths],
    widthMin: 45,
  }));
  const narrow = (seq: string) => tradeFields({ 13: seq }).slice(0, 45);

  test.each([
    ["a field that is no number", kisFrame("H0STCNT0", [tradeFields(), tradeFields({ 2: "x" })])],
    ["fewer fields than any known", kisFrame("H0STCNT0", [narrow("1")])],
    ["a cut frame", kisFrame("H0STCNT0", [tradeFields(), tradeFields()]).subarray(0, -40)],
    ["a surplus beyond all limits", kisFrame("H0NXCNT0", [[...tradeFields(), "x".repeat(5_000)]])],
  ])("is refused again for the same fault when it is decoded by itself: %s", (_, frame) => {
    const [reject] = data(frame).rejects;
    const [again, ...others] = data(Buffer.from(reject!.bytes)).rejects;
    expect(others).toEqual([]);
    expect(again!.bytes).toEqual(reject!.bytes);
    expect(again!.reason.slice(0, 9)).toBe(reject!.reason.slice(0, 9));
  });

  test("is read by a decoder that knows the layout", () => {
    const frame = kisFrame("H0STCNT0", [narrow("1000"), narrow("1007"), narrow("1014")]);
    const [reject] = data(frame).rejects;
    expect(data(frame).drifts).toEqual([{ trId: "H0STCNT0", width: 45, knownWidth: 46 }]);
    const { ticks } = data(Buffer.from(reject!.bytes), new KisDecoder({}, layouts));
    expect(ticks.map((tick) => (tick as Trade).seq)).toEqual([1000, 1007, 1014]);
  });
});

describe("a record that cannot be read", () => {
  test("does not cost its neighbours", () => {
    const bad = tradeFields({ 2: "7oooo", 13: "1007" });
    const frame = kisFrame("H0STCNT0", [tradeFields(), bad, tradeFields({ 13: "1014" })]);
    const { ticks, rejects } = data(frame);
    expect(ticks.map((tick) => (tick as Trade).seq)).toEqual([1000, 1014]);
    expect(rejects).toHaveLength(1);
    expect(rejects[0]!.reason).toBe('H0STCNT0: STCK_PRPR is "7oooo"');
    expect(Buffer.from(rejects[0]!.bytes)).toEqual(kisFrame("H0STCNT0", [bad]));
  });

  test("by its symbol does not cost its neighbours either", () => {
    const frame = kisFrame("H0STCNT0", [tradeFields(), tradeFields({ 0: "??" }), tradeFields()]);
    const { ticks, rejects } = data(frame);
    expect(ticks).toHaveLength(2);
    expect(rejects.map((reject) => reject.reason)).toEqual(['H0STCNT0: MKSC_SHRN_ISCD is "??"']);
  });

  test.each([
    [1, "256199", "STCK_CNTG_HOUR"],
    [1, "9153", "STCK_CNTG_HOUR"],
    [2, "0", "STCK_PRPR"],
    [2, "-70000", "STCK_PRPR"],
    [2, "", "STCK_PRPR"],
    [2, "1e5", "STCK_PRPR"],
    [10, "x", "ASKP1"],
    [12, "-7", "CNTG_VOL"],
    [12, "7.5", "CNTG_VOL"],
    [13, "", "ACML_VOL"],
    [13, "99999999999999999999", "ACML_VOL"],
    [15, "many", "SELN_CNTG_CSNU"],
    [33, "20260231", "BSOP_DATE"],
    [33, "", "BSOP_DATE"],
  ])("field %d as %j names itself", (field, value, name) => {
    const { ticks, rejects } = oneTrade({ [field]: value });
    expect(ticks).toEqual([]);
    expect(rejects[0]).toMatchObject({
      code: "FIELD_MALFORMED",
      reason: `H0STCNT0: ${name} is ${JSON.stringify(value)}`,
    });
  });

  test("broken UTF-8 matters only in a field that is needed", () => {
    const frame = kisFrame("H0STCNT0", [tradeFields({ 44: "~", 2: "7000#" })]);
    const elsewhere = Buffer.from(frame.toString().replace("7000#", "70000"));
    elsewhere[elsewhere.indexOf("~")] = 0xb0;
    expect(data(elsewhere).ticks).toHaveLength(1);
    frame[frame.indexOf("#")] = 0xff;
    expect(data(frame).rejects.map((reject) => reject.code)).toEqual(["FRAME_NOT_UTF8"]);
  });
});

describe("a trade record that is no plain trade", () => {
  test("the opening print has no side and is a trade", () => {
    const { ticks } = oneTrade({ 21: "", 15: "0", 16: "0" });
    expect(ticks[0]).toMatchObject({ kind: "trade", side: 0, sellCount: 0, buyCount: 0 });
  });

  test("sides are 1 and 5, all else is none", () => {
    const sideOf = (code: string) => (oneTrade({ 21: code }).ticks[0] as Trade).side;
    expect(["1", "5", "3", ""].map(sideOf)).toEqual([1, -1, 0, 0]);
  });

  test("an empty or zero quote is no price", () => {
    expect(oneTrade({ 10: "0", 11: "" }).ticks[0]).toMatchObject({ ask: NaN, bid: NaN });
  });

  test.each(["A", "B", "C", "D"])("HOUR_CLS_CODE %s is indicative", (code) => {
    const { ticks } = oneTrade({ 43: code });
    expect(ticks).toHaveLength(1);
    expect(ticks[0]).toMatchObject({ kind: "status", what: "expected", code });
    expect(JSON.parse((ticks[0] as Status).detail)).toMatchObject({ price: 70_000, size: 7 });
  });

  test("a size of 0 is a change of price", () => {
    expect(oneTrade({ 12: "0" }).ticks[0]).toMatchObject({
      kind: "status",
      what: "price",
      code: "20",
    });
  });

  test("a halt is told when it begins and when it ends, beside the trades", () => {
    const decoder = new KisDecoder();
    const say = (halted: string) =>
      data(kisFrame("H0STCNT0", [tradeFields({ 35: halted })]), decoder).ticks.map((tick) =>
        tick.kind === "status" ? `${tick.what} ${tick.code}` : tick.kind,
      );
    expect(["N", "Y", "Y", "N", "N"].map(say)).toEqual([
      ["trade"],
      ["trade", "halt Y"],
      ["trade"],
      ["trade", "halt N"],
      ["trade"],
    ]);
  });
});

describe("US trades", () => {
  const sides = (records: string[][]) =>
    data(kisFrame("HDFSCNT0", records)).ticks.map((tick) => (tick as Trade).side);

  test("have the side whose volume grew by the trade", () => {
    const first = usTradeFields();
    const bought = usTradeFields({ 19: "4", 20: "5004", 23: "3004" });
    const sold = usTradeFields({ 19: "6", 20: "5010", 22: "2006", 23: "3004" });
    const merged = usTradeFields({ 19: "8", 20: "5018", 22: "2009", 23: "3009" });
    expect(sides([first, bought, sold, merged])).toEqual([0, 1, -1, 0]);
  });

  test("carry New York's clock and their own trading day", () => {
    const fields = usTradeFields({ 3: "20260106", 4: "20260105", 5: "200001" });
    expect(data(kisFrame("HDFSCNT0", [fields])).ticks[0]).toMatchObject({
      symbol: "AAPL",
      venue: "NAS",
      day: 20260106,
      exchangeMs: Date.parse("2026-01-05T20:00:01-05:00"),
      price: 200.125,
      ask: 200.13,
      bid: 200.12,
      session: 0,
      sellCount: -1,
    });
  });

  test.each([
    ["DNASAAPL", "AAPL", "NAS"],
    ["DNYSF", "F", "NYS"],
    ["RAMSSPY", "SPY", "AMS"],
    ["RBAQAAPL", "AAPL", "NAS"],
    ["RBAYBRK/B", "BRK/B", "NYS"],
    ["RBAASPY", "SPY", "AMS"],
  ])("%s is %s at %s", (rsym, symbol, venue) => {
    const { ticks } = data(kisFrame("HDFSCNT0", [usTradeFields({ 0: rsym, 1: symbol })]));
    expect(ticks[0]).toMatchObject({ symbol, venue });
  });

  test("an exchange that is not collected is quarantined", () => {
    const { rejects } = data(kisFrame("HDFSCNT0", [usTradeFields({ 0: "DHKS00003", 1: "00003" })]));
    expect(rejects.map((reject) => reject.reason)).toEqual(['HDFSCNT0: RSYM is "DHKS00003"']);
  });
});

describe("books", () => {
  test("have ten levels a side, dated by the market clock", () => {
    const [tick] = data(kisFrame("H0STASP0", [bookFields()])).ticks;
    const book = tick as Book;
    expect(book).toMatchObject({ day: 20260922, phase: "0", seq: 1000, askTotal: 55 });
    expect(book.exchangeMs).toBe(Date.parse("2026-09-22T10:15:30+09:00"));
    expect([...book.levels.subarray(0, 3)]).toEqual([70_100, 70_200, 70_300]);
    expect([...book.levels.subarray(10, 20)].reduce((a, b) => a + b)).toBe(book.askTotal);
    expect([...book.levels.subarray(20, 23)]).toEqual([70_000, 69_900, 69_800]);
    expect([...book.levels.subarray(30, 40)].reduce((a, b) => a + b)).toBe(book.bidTotal);
  });

  test("a price of 0 is no level, whatever size stands beside it", () => {
    const changes = { 2: "A", 12: "0", 32: "9", 47: "70050", 48: "1234" };
    const [tick] = data(kisFrame("H0STASP0", [bookFields(changes)])).ticks;
    const book = tick as Book;
    expect([book.levels[9], book.levels[19]]).toEqual([0, 0]);
    expect(book).toMatchObject({ phase: "A", expectedPrice: 70_050, expectedSize: 1_234 });
  });

  test.each([
    ["H0STASP0", 59],
    ["H0STASP0", 62],
    ["H0STASP0", 63],
    ["H0NXASP0", 62],
    ["H0NXASP0", 65],
    ["H0UNASP0", 65],
    ["H0UNASP0", 66],
  ])("%s of %d fields is no drift and keeps its tail", (trId, width) => {
    const tail = Array.from({ length: width - 59 }, (_, i) => String(i));
    const { ticks, drifts } = data(kisFrame(trId, [[...bookFields(), ...tail]]));
    expect(drifts).toEqual([]);
    expect(ticks[0]!.extra).toBe(width === 59 ? null : tail.join("^"));
  });

  test("a malformed level names itself", () => {
    const { rejects } = data(kisFrame("H0STASP0", [bookFields({ 5: "-1" })]));
    expect(rejects.map((reject) => reject.reason)).toEqual(['H0STASP0: ASKP3 is "-1"']);
  });

  test("from the US alternate bid and ask; 17 fields hold one level", () => {
    const head = "DNASAAPL^AAPL^4^20260105^093001^20260105^233001^30^40^0^0";
    const frame = Buffer.from(`0|HDFSASP0|001|${head}^200.1^200.2^30^40^0^0`);
    const { ticks, drifts } = data(frame);
    const book = ticks[0] as Book;
    expect(drifts).toEqual([]);
    expect([0, 10, 20, 30].map((slot) => book.levels[slot])).toEqual([200.2, 40, 200.1, 30]);
    expect(book).toMatchObject({ askTotal: 40, bidTotal: 30, seq: -1, extra: null });
  });
});

describe("market status", () => {
  const decoder = new KisDecoder();
  const say = (changes: Record<number, string>) => {
    const [tick] = data(kisFrame("H0UNMKO0", [marketFields(changes)]), decoder).ticks;
    return (tick as Status).what;
  };

  test("tells VI, halts and the rest apart", () => {
    expect(say({})).toBe("market");
    expect(say({ 8: "Y" })).toBe("vi");
    expect(say({ 8: "N" })).toBe("vi");
    expect(say({ 8: "N" })).toBe("market");
    expect(say({ 1: "Y" })).toBe("halt");
    expect(say({ 7: "58" })).toBe("halt");
  });

  test("carries the fields by name and the market clock in whole seconds", () => {
    const [tick] = data(kisFrame("H0STMKO0", [[...marketFields(), "1"]])).ticks;
    const status = tick as Status;
    expect(status).toMatchObject({ symbol: "005930", venue: "KRX", code: "AB1", day: 20260922 });
    expect(status.exchangeMs).toBe(Date.parse("2026-09-22T10:15:31+09:00"));
    expect(JSON.parse(status.detail)).toMatchObject({ TRHT_YN: "N", EXCH_CLS_CODE: "1" });
  });

  test("in the documented form without a symbol cannot be attributed", () => {
    const { ticks, rejects } = data(kisFrame("H0UNMKO0", [[...marketFields().slice(1), "1"]]));
    expect(ticks).toEqual([]);
    expect(rejects.map((reject) => reject.reason)).toEqual(['H0UNMKO0: MKSC_SHRN_ISCD is "N"']);
  });
});

describe("control messages", () => {
  const decode = (message: unknown) =>
    new KisDecoder().decode(Buffer.from(` ${JSON.stringify(message)}`), at);

  test("a heartbeat is known by its tr_id", () => {
    const header = { tr_id: "PINGPONG", datetime: "20230502221924" };
    expect(decode({ header })).toEqual({ kind: "pingpong", datetime: "20230502221924" });
  });

  test("an answer comes without the keys it carried", () => {
    const header = { tr_id: "(null)", tr_key: null, encrypt: "N" };
    const key = "0f0f0f0f-1111-2222-3333-444444444444";
    const body = { rt_cd: "1", msg_cd: "OPSP0011", msg1: `invalid approval : ${key}` };
    expect(decode({ header, body: { ...body, output: { iv: "i", key: "k" } } })).toEqual({
      kind: "ack",
      trId: "",
      trKey: "",
      rtCd: "1",
      msgCd: "OPSP0011",
      msg: "invalid approval : ***",
    });
  });
});

describe("no byte sequence", () => {
  const seeds = [
    ...capturedFrames("kis.tsv").map(({ frame }) => Buffer.from(frame)),
    kisFrame("H0STCNT0", [tradeFields(), tradeFields()]),
    kisFrame("H0STASP0", [bookFields()]),
    kisFrame("HDFSCNT0", [usTradeFields()]),
    kisFrame("H0STMKO0", [marketFields()]),
  ];
  const mutated = fc
    .tuple(fc.constantFrom(...seeds), fc.array(edit, { minLength: 1, maxLength: 3 }))
    .map(([seed, edits]) => edits.reduce(mutate, seed));
  const headed = fc
    .tuple(fc.constantFrom("0|H0STCNT0|002|", "0|HDFSASP0|1|", "{"), fc.uint8Array())
    .map(([head, tail]) => Buffer.concat([Buffer.from(head), tail]));
  const decoder = new KisDecoder();

  function check(bytes: Uint8Array): void {
    const decoded = decoder.decode(bytes, at);
    if (decoded.kind !== "data" && decoded.kind !== "reject") return;
    const rejects = decoded.kind === "data" ? decoded.rejects : [decoded.reject];
    const frame = Buffer.from(bytes);
    for (const reject of rejects) {
      const kept = Buffer.from(reject.bytes);
      // The frame itself, or a part of it in a frame of its own.
      const part = kept.subarray(kept.equals(frame) ? 0 : kept.indexOf("|001|") + 5);
      assert(frame.includes(part));
    }
    if (decoded.kind !== "data") return;
    // The narrowest record has 10 fields, and a trade can bring one status along.
    const fields = frame.toString("latin1").split("^").length;
    assert(decoded.ticks.length <= (2 * fields) / 10);
    assert(decoded.rejects.length <= fields / 10 + 1);
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
