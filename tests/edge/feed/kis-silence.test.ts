// A KIS socket that lives, beats and brings nothing: what the feed does about it, over real sockets.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { until } from "../../support/scripted-broker.ts";
import { kisFrame, tradeFields } from "./kis-records.ts";
import { KisRig } from "./kis-rig.ts";

const tradeOf = (symbol: string) =>
  kisFrame("H0STCNT0", [tradeFields({ 0: symbol, 33: "20261123" })]);

let rig: KisRig;
beforeEach(async () => void (rig = await KisRig.start()));
afterEach(() => rig.end());

/** A second each in which these symbols trade and the broker's heartbeat goes on, until a silence is told. */
async function seconds(count: number, ...symbols: string[]): Promise<void> {
  for (let i = 0; i < count; i++) {
    const { socket } = rig.broker;
    for (const symbol of symbols) socket.send(tradeOf(symbol));
    await rig.beat(socket);
    const before = rig.told("feed_silent").length;
    rig.clock.advance(1_000);
    if (rig.told("feed_silent").length > before) return;
  }
}

describe("a silent socket", () => {
  it("is closed and opened again after the usual wait, and what it claims ends with its last record", async () => {
    await rig.run("005930");
    await seconds(70, "005930");
    const lastMs = rig.clock.nowMs() - 1_000;
    await seconds(20);
    expect(rig.told("feed_silent")).toEqual([
      {
        event: "feed_silent",
        source: "kis:1",
        line: "all",
        scope: "socket",
        lost: "",
        silentMs: 13_000,
      },
    ]);
    expect(rig.silences).toEqual([lastMs]);
    expect(await rig.waiting()).toBe("FEED_SILENT 1000");
    expect(rig.told("feed_closed")).toMatchObject([{ code: "FEED_SILENT" }]);
    await rig.reconnected(2);
    await rig.live();
    // Another that brings nothing may be a market that stands still: it is left alone.
    await seconds(120);
    expect(rig.broker.sockets).toHaveLength(2);
    expect(rig.told("feed_silent")).toHaveLength(1);
  });

  it("is no storm: the waits grow with each that follows", async () => {
    rig.clock.chance = 0.99;
    await rig.run("005930");
    const waits: number[] = [];
    for (let n = 2; n <= 4; n++) {
      await seconds(70, "005930");
      await seconds(20);
      waits.push(Number((await rig.waiting()).split(" ")[1]));
      await rig.reconnected(n);
      await rig.live();
    }
    expect(waits[1]).toBeGreaterThan(1.5 * waits[0]!);
    expect(waits[2]).toBeGreaterThan(1.5 * waits[1]!);
  });
});

describe("a registration that brings nothing while others do", () => {
  it("is made again, alone, and the socket stays", async () => {
    await rig.run("005930", "000660");
    const asked = rig.asked().length;
    await seconds(70, "005930", "000660");
    await seconds(15, "005930");
    await until(() => rig.asked().length === asked + 2);
    await rig.live();
    expect(rig.asked().slice(asked)).toEqual(["-H0STCNT0 000660", "+H0STCNT0 000660"]);
    expect(rig.told("feed_silent")).toMatchObject([
      { scope: "registrations", lost: "KRX:000660:trade", silentMs: 13_000 },
    ]);
    expect(rig.silences).toEqual([]);
    expect(rig.broker.sockets).toHaveLength(1);
    await seconds(120, "005930");
    expect(rig.told("feed_silent")).toHaveLength(1);
  });
});
