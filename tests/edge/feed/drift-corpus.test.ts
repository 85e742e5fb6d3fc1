// Twelve ways in which a broker has changed, or may change, what it sends without a word. In each of them every
// record that can be read is read, every other is kept with its bytes, and one alarm says so once.
import { describe, expect, test } from "vitest";
import { KisDecoder } from "../../../app/edge/feed/kis/decode.ts";
import { KiwoomDecoder } from "../../../app/edge/feed/kiwoom/decode.ts";
import type { Reject, Tick } from "../../../app/shared/tick.ts";
import { bookFields, kisFrame, tradeFields } from "./kis-records.ts";

const at = { edgeRecvMs: 1_000.5, marketMs: Date.parse("2026-09-22T10:15:31.250+09:00") };

/** How often each changed frame comes, with a whole one before, between and after. */
const TIMES = 3;

interface Drift {
  title: string;
  broker: "kis" | "kiwoom";
  frame: Buffer;
  /** Of the records of one changed frame. */
  read: number;
  rejected: number;
  alarm: object;
}

const trade = (n: number, over: Record<number, string> = {}) =>
  tradeFields({ 13: String(1_000 + 7 * n), ...over });
const three = [trade(1), trade(2), trade(3)];

const VALUES = {
  ...{
    "20": "101530",
    "10": "-70000",
    "11": "-100",
    "12": "-0.14",
    "27": "-70100",
    "28": "-70000",
  },
  ...{ "15": "+7", "13": "1007", "290": "2", "9081": "KRX" },
};
const row = (values: object = VALUES, type = "0B") => ({
  values,
  type,
  name: "주식체결",
  item: "005930",
});
const real = (...rows: object[]) => Buffer.from(JSON.stringify({ data: rows, trnm: "REAL" }));
const without = (fid: string) =>
  Object.fromEntries(Object.entries(VALUES).filter(([name]) => name !== fid));

const CORPUS: Drift[] = [
  {
    title: "KIS appends a field to its trades",
    ...{ broker: "kis", read: 2, rejected: 0 },
    frame: kisFrame(
      "H0STCNT0",
      [trade(1), trade(2)].map((fields) => [...fields, "new"]),
    ),
    alarm: { trId: "H0STCNT0", width: 48, knownWidth: 47 },
  },
  {
    title: "KIS appends seven fields to its books",
    ...{ broker: "kis", read: 1, rejected: 0 },
    frame: kisFrame("H0STASP0", [[...bookFields(), ...Array<string>(7).fill("1")]]),
    alarm: { trId: "H0STASP0", width: 66, knownWidth: 63 },
  },
  {
    title: "KIS removes fields from its trades",
    ...{ broker: "kis", read: 0, rejected: 1 },
    frame: kisFrame("H0STCNT0", [trade(1).slice(0, 44)]),
    alarm: { trId: "H0STCNT0", width: 44, knownWidth: 46 },
  },
  {
    title: "KIS writes a price in another way in one record of three",
    ...{ broker: "kis", read: 2, rejected: 1 },
    frame: kisFrame("H0STCNT0", [trade(1), trade(2, { 2: "70,000" }), trade(3)]),
    alarm: { trId: "H0STCNT0", width: 47, knownWidth: 47, field: "STCK_PRPR" },
  },
  {
    title: "KIS counts one record where three stand",
    ...{ broker: "kis", read: 3, rejected: 0 },
    frame: kisFrame("H0STCNT0", three, 1),
    alarm: { trId: "H0STCNT0", width: 141, knownWidth: 47 },
  },
  {
    title: "KIS counts five records where three stand",
    ...{ broker: "kis", read: 3, rejected: 0 },
    frame: kisFrame("H0STCNT0", three, 5),
    alarm: { trId: "H0STCNT0", width: 28, knownWidth: 47 },
  },
  {
    title: "KIS sends a TR that nobody knows",
    ...{ broker: "kis", read: 0, rejected: 1 },
    frame: kisFrame("H0NEWCNT", three),
    alarm: { trId: "H0NEWCNT", width: 0, knownWidth: 0 },
  },
  {
    title: "Kiwoom adds a FID to one row of two",
    ...{ broker: "kiwoom", read: 2, rejected: 0 },
    frame: real(row(), row({ ...VALUES, "9999": "new" })),
    alarm: { type: "0B", fid: "9999" },
  },
  {
    title: "Kiwoom leaves out a FID that is needed, in one row of three",
    ...{ broker: "kiwoom", read: 2, rejected: 1 },
    frame: real(row(), row(without("13")), row()),
    alarm: { type: "0B", fid: "13", is: "missing" },
  },
  {
    title: "Kiwoom writes a FID in another way, in one row of three",
    ...{ broker: "kiwoom", read: 2, rejected: 1 },
    frame: real(row(), row({ ...VALUES, "10": "70.000,0" }), row({ ...VALUES, "10": -70000 })),
    alarm: { type: "0B", fid: "10", is: "unreadable" },
  },
  {
    title: "Kiwoom sends a type that nobody knows beside two that are known",
    ...{ broker: "kiwoom", read: 2, rejected: 1 },
    frame: real(row(), row(VALUES, "0Q"), row()),
    alarm: { type: "0Q", fid: "" },
  },
  {
    title: "Kiwoom makes a value an object, in one row of two",
    ...{ broker: "kiwoom", read: 1, rejected: 1 },
    frame: real(row(), row({ ...VALUES, "10": { price: "70000" } })),
    alarm: { type: "row", fid: "", is: "unreadable" },
  },
];

const WHOLE = { kis: kisFrame("H0STCNT0", [trade(0)]), kiwoom: real(row()) };

/** All that a day of frames becomes, as the session hands it on. */
function decodeAll(broker: "kis" | "kiwoom", frames: readonly Buffer[]) {
  const decoder = broker === "kis" ? new KisDecoder() : new KiwoomDecoder();
  const ticks: Tick[] = [];
  const rejects: Reject[] = [];
  const drifts: object[] = [];
  for (const frame of frames) {
    const decoded = decoder.decode(frame, at);
    if (decoded.kind === "reject") rejects.push(decoded.reject);
    if (decoded.kind === "data") {
      ticks.push(...decoded.ticks);
      rejects.push(...decoded.rejects);
    }
    if ("drifts" in decoded) drifts.push(...decoded.drifts);
  }
  return { ticks, rejects, drifts };
}

describe("when", () => {
  test.each(CORPUS)(
    "$title, what can be read is read, and it is told once",
    ({ broker, frame, read, rejected, alarm }) => {
      const whole = WHOLE[broker];
      const frames = [whole, ...Array.from({ length: TIMES }, () => [frame, whole]).flat()];
      const { ticks, rejects, drifts } = decodeAll(broker, frames);
      const kept = ticks.filter(({ kind }) => kind === "trade" || kind === "book");
      expect(kept).toHaveLength(1 + TIMES + TIMES * read);
      expect(ticks).toHaveLength(kept.length);
      expect(rejects).toHaveLength(TIMES * rejected);
      expect(drifts).toEqual([alarm]);
      for (const { bytes, reason } of rejects) {
        expect(bytes.length).toBeGreaterThan(0);
        expect(reason).toMatch(/.{10}/);
      }
    },
  );
});
