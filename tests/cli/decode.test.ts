import { describe, expect, test } from "vitest";

import { decode, decodeLines } from "../../app/cli/decode.ts";
import { kstMs } from "../../app/shared/market-time.ts";
import {
  bookFields,
  kisFrame,
  marketFields,
  tradeFields,
  usTradeFields,
} from "../edge/feed/kis-records.ts";
import { FakeClock } from "../support/fake-clock.ts";

async function* linesOf(lines: (string | Buffer)[]): AsyncGenerator<string> {
  for (const line of lines) yield await Promise.resolve(line.toString());
}

/** What the command prints for these lines, parsed, and how many frames it refused. */
async function decoded(broker: "kis" | "kiwoom", ...lines: (string | Buffer)[]) {
  const said: unknown[] = [];
  const clock = new FakeClock();
  const options = { clock, marketMs: kstMs(20260922, 110_000) };
  const refused = await decodeLines(linesOf(lines), broker, options, (line) => {
    expect(line).not.toContain("\n");
    said.push(JSON.parse(line));
  });
  return { said, refused };
}

describe("tickhub decode", () => {
  test("says a trade with its time at the venue", async () => {
    const { said } = await decoded("kis", kisFrame("H0STCNT0", [tradeFields({ 21: "5" })]));
    expect(said).toEqual([
      {
        ok: true,
        records: [
          {
            kind: "trade",
            symbol: "005930",
            venue: "KRX",
            ts: "2026-09-22T10:15:30+09:00",
            day: 20260922,
            price: 70_000,
            size: 7,
            side: "sell",
            seq: 1000,
            session: 2,
            ask: 70_100,
            bid: 70_000,
            sellCount: 40,
            buyCount: 60,
          },
        ],
        extra: [],
      },
    ]);
  });

  test("says New York's offset, and null for what the broker does not send", async () => {
    const { said } = await decoded("kis", kisFrame("HDFSCNT0", [usTradeFields({ 15: "0" })]));
    const record = { ts: "2026-01-05T09:30:01-05:00", side: null, bid: null, sellCount: null };
    expect(said).toMatchObject([{ records: [record] }]);
  });

  test("says a book as pairs of price and size", async () => {
    const { said } = await decoded("kis", kisFrame("H0STASP0", [[...bookFields(), "1", "2", "3"]]));
    const [{ records, extra }] = said as [{ records: [Record<string, unknown>]; extra: string[] }];
    const book = records[0] as { ask: number[][]; bid: number[][]; askTotal: number };
    expect(book).toMatchObject({ kind: "book", ts: "2026-09-22T10:15:30+09:00", askTotal: 55 });
    expect([book.ask.length, book.bid.length]).toEqual([10, 10]);
    expect([book.ask[0], book.bid[9]]).toEqual([
      [70_100, 1],
      [69_100, 20],
    ]);
    expect(extra).toEqual(["1^2^3"]);
  });

  test("says a status with its fields", async () => {
    const { said } = await decoded("kis", kisFrame("H0UNMKO0", [marketFields({ 8: "Y" })]));
    const detail = { VI_CLS_CODE: "Y" };
    expect(said).toMatchObject([
      { records: [{ kind: "status", what: "vi", code: "AB1", detail }] },
    ]);
  });

  test("takes what follows the last tab, passes over empty lines, counts refused frames", async () => {
    const trade = kisFrame("H0STCNT0", [tradeFields()]).toString();
    const payload = tradeFields().join("^");
    const { said, refused } = await decoded("kis", `a\tlabel\t${trade}\r`, "", payload);
    expect(said).toMatchObject([{ ok: true }, { ok: false, code: "FRAME_GRAMMAR" }]);
    expect(refused).toBe(1);
  });

  test("says which part of a frame could not be read", async () => {
    const frame = kisFrame("H0STCNT0", [tradeFields(), tradeFields({ 2: "?" })]);
    const reject = { code: "FIELD_MALFORMED", reason: 'H0STCNT0: STCK_PRPR is "?"' };
    expect((await decoded("kis", frame)).said).toMatchObject([
      { ok: true, records: [{}], rejects: [reject] },
    ]);
    const alone = kisFrame("H0STCNT0", [tradeFields({ 2: "?" })]);
    expect((await decoded("kis", alone)).said).toEqual([{ ok: false, ...reject }]);
  });

  test("tells a layout not seen before", async () => {
    const frame = kisFrame("H0STCNT0", [[...tradeFields(), "new"]]);
    const drifts = [{ trId: "H0STCNT0", width: 48, knownWidth: 47 }];
    expect((await decoded("kis", frame)).said).toMatchObject([
      { ok: true, extra: ["new"], drifts },
    ]);
  });

  test("shows control messages of both brokers as such", async () => {
    const kis = '{"header":{"tr_id":"PINGPONG","datetime":"20230502221924"}}';
    const kiwoom = '{"trnm":"SYSTEM","code":"R10001","message":"m"}';
    const control = { kind: "pingpong", datetime: "20230502221924" };
    expect((await decoded("kis", kis)).said).toEqual([
      { ok: true, records: [], extra: [], control },
    ]);
    expect((await decoded("kiwoom", kiwoom)).said).toMatchObject([
      { ok: true, control: { kind: "system", code: "R10001" } },
    ]);
  });

  test("refuses a day that is none and a file that is not there", async () => {
    await expect(decode("-", { broker: "kis", day: "20260231" })).rejects.toThrow("USAGE");
    await expect(decode("/no/such/file", { broker: "kis" })).rejects.toThrow("ENOENT");
  });
});
