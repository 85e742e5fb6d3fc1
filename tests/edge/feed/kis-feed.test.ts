// KIS's session over real sockets: what is asked and when, what every answer leads to, and that nothing
// the broker does makes the feed hammer it, hold two sockets, or lose a record without a word.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KIS_TIMINGS } from "../../../app/edge/feed/kis/protocol.ts";
import { until } from "../../support/scripted-broker.ts";
import { kisFrame, tradeFields, usTradeFields } from "./kis-records.ts";
import { ackOf, APP_KEY, KisRig, plan, SECRET, TAKEN } from "./kis-rig.ts";

const { paceMs, ackTimeoutMs, retryMs, silenceMs, leaveMs, waits } = KIS_TIMINGS;
const SAMSUNG = kisFrame("H0STCNT0", [tradeFields({ 33: "20261123" })]);

let rig: KisRig;
beforeEach(async () => void (rig = await KisRig.start()));
afterEach(() => rig.end());

describe("a session", () => {
  it("gets its approval key first, then registers one by one at a pace", async () => {
    rig.feed.start(plan("005930", "005930/book", "000660"));
    await rig.connected();
    expect(rig.broker.requests).toEqual([
      { grant_type: "client_credentials", appkey: APP_KEY, secretkey: SECRET },
    ]);
    expect(rig.broker.socket.path).toBe("/tryitout");
    expect(rig.broker.socket.received[0]).toBe(
      '{"header":{"approval_key":"approval-key-1","custtype":"P","tr_type":"1","content-type":"utf-8"},' +
        '"body":{"input":{"tr_id":"H0STCNT0","tr_key":"005930"}}}',
    );
    rig.clock.advance(paceMs - 1);
    await rig.beat();
    expect(rig.asked()).toHaveLength(1);
    rig.clock.advance(1);
    rig.clock.advance(paceMs);
    await rig.beat();
    expect(rig.asked()).toEqual(["+H0STCNT0 005930", "+H0STASP0 005930", "+H0STCNT0 000660"]);
    expect(rig.registering).toEqual(["005930/trade", "005930/book", "000660/trade"]);
    expect(rig.feed.state()).toMatchObject({ name: "live", registrations: 3 });
    expect(rig.told("feed_subscribed")).toEqual([
      { event: "feed_subscribed", source: "kis:1", registrations: 3, tookMs: 2 * paceMs },
    ]);
  });

  it("tells answers apart by TR and key, in whatever order they come", async () => {
    rig.answer = () => undefined;
    rig.feed.start(plan("005930", "005930/book"));
    await rig.connected();
    rig.clock.advance(paceMs);
    await rig.beat();
    const { socket } = rig.broker;
    const book = { trId: "H0STASP0", trKey: "005930" };
    socket.send(ackOf({ trId: "H0STASP0", trKey: "000660" }, "OPSP0000"));
    socket.send(ackOf(book, "OPSP0000"));
    socket.send(ackOf(book, "OPSP0000"));
    await rig.beat();
    expect(rig.feed.state()).toEqual({ name: "subscribing", confirmed: 1, wanted: 2 });
    socket.send(ackOf({ trId: "H0STCNT0", trKey: "005930" }, "OPSP0000"));
    await rig.beat();
    expect(rig.feed.state()).toMatchObject({ name: "live", registrations: 2 });
  });

  it("puts the venue into US keys, and refuses a channel that KIS does not have", async () => {
    await rig.run("AAPL/trade/NAS", "KO/book/NYS", "SPY/trade/AMS", "AAPL/status/NAS");
    expect(rig.asked()).toEqual(["+HDFSCNT0 DNASAAPL", "+HDFSASP0 DNYSKO", "+HDFSCNT0 DAMSSPY"]);
    expect(rig.told("feed_subscription_refused")).toMatchObject([
      { key: "NAS:AAPL:status", code: "FEED_SUBSCRIPTION" },
    ]);
    rig.broker.socket.send(kisFrame("HDFSCNT0", [usTradeFields()]));
    await rig.beat();
    expect(rig.ticks).toMatchObject([{ kind: "trade", symbol: "AAPL", venue: "NAS" }]);
  });

  it("echoes PINGPONG byte for byte, also before anything is confirmed", async () => {
    rig.answer = () => undefined;
    rig.feed.start(plan("005930"));
    await rig.connected();
    const odd = '{ "header": {"tr_id":"PINGPONG",  "datetime":"20261123090000"} }\n';
    rig.broker.socket.send(odd);
    await until(() => rig.broker.socket.received.includes(odd));
    expect(rig.feed.lastFrameMs()).toBe(rig.clock.nowMs());
  });

  it("hands on every record of a frame, and tells of a changed layout once", async () => {
    await rig.run("005930");
    const wide = kisFrame("H0STCNT0", [[...tradeFields(), "new"]]);
    rig.broker.socket.sendTogether([SAMSUNG, wide, wide]);
    await rig.beat();
    expect(rig.ticks.map(({ extra }) => extra)).toEqual([null, "new", "new"]);
    expect(rig.told("feed_drifted")).toEqual([
      { event: "feed_drifted", source: "kis:1", record: "H0STCNT0", width: "48", known: "47" },
    ]);
  });
});

describe("an answer to a registration", () => {
  // What each code leads to when it answers the second of two registrations.
  const alarm = "alarm, same key";
  it.each([
    ["OPSP0000", "held"],
    ["OPSP0002", "held"],
    ["OPSP0007", "asked again"],
    ["OPSP0009", "asked again"],
    ["OPSP8994", "asked again"],
    ["OPSP8995", "asked again"],
    ["OPSP8999", "asked again"],
    ["OPSP9990", "asked again"],
    ["OPSP8991", "dropped"],
    ["OPSP8992", "dropped"],
    ["OPSP8993", "dropped"],
    ["OPSP0008", "cap 1"],
    ["OPSP0010", `FEED_AUTH ${waits.refused.floorMs}, ${alarm}`],
    ["OPSP8997", `FEED_AUTH ${waits.refused.floorMs}, ${alarm}`],
    ["OPSP8998", `FEED_AUTH ${waits.refused.floorMs}, ${alarm}`],
    ["OPSP0011", `FEED_AUTH ${waits.clean.floorMs}, no alarm, new key`],
    ["OPSP8996", `FEED_SOCKET_TAKEN ${waits.taken.floorMs}, ${alarm}`],
  ])("%s: %s", async (msgCd, outcome) => {
    let isFirst = true;
    rig.answer = ({ trKey }) => {
      const isMeant = trKey === "000660" && isFirst;
      if (isMeant) isFirst = false;
      return isMeant ? msgCd : "OPSP0000";
    };
    rig.feed.start(plan("005930", "000660", "035420"));
    await rig.connected();
    rig.clock.advance(paceMs);
    await rig.beat();
    expect(await outcomeOf(msgCd)).toBe(outcome);
  });

  async function outcomeOf(msgCd: string): Promise<string> {
    if (rig.broker.socket.closedWith !== undefined) {
      const wait = await rig.waiting();
      const alarm = rig.told("feed_alarmed").length > 0 ? "alarm" : "no alarm";
      await rig.reconnected(2);
      return `${wait}, ${alarm}, ${rig.keysIssued === 1 ? "same" : "new"} key`;
    }
    rig.clock.advance(paceMs);
    await rig.beat();
    if (rig.caps.length > 0) return `cap ${String(rig.caps[0])}`;
    const refused = rig.told("feed_subscription_refused");
    if (refused.length > 0) {
      expect(refused).toMatchObject([{ key: "KRX:000660:trade", code: msgCd }]);
      expect(rig.feed.state()).toMatchObject({ name: "live", registrations: 2 });
      return "dropped";
    }
    if (rig.feed.state().name === "live") return "held";
    rig.clock.advance(retryMs - paceMs - 1);
    await rig.beat();
    expect(rig.asked()).toHaveLength(3);
    rig.clock.advance(1);
    await rig.beat();
    expect(rig.asked()).toHaveLength(4);
    expect(rig.feed.state()).toMatchObject({ name: "live", registrations: 3 });
    return "asked again";
  }

  it.each(["OPSP0001", "OPSP0003"])("%s to a deregistration: gone", async (msgCd) => {
    await rig.run("005930", "000660");
    rig.answer = () => msgCd;
    rig.feed.replan(plan("005930"));
    rig.clock.advance(paceMs);
    await rig.beat();
    expect(rig.feed.state()).toMatchObject({ name: "live", registrations: 1 });
  });

  it("that never comes: asked for once more, then a new session", async () => {
    rig.answer = ({ trKey }) => (trKey === "000660" ? undefined : "OPSP0000");
    rig.feed.start(plan("005930", "000660"));
    await rig.connected();
    rig.clock.advance(paceMs);
    rig.clock.advance(ackTimeoutMs - 1);
    await rig.beat();
    expect(rig.asked()).toHaveLength(2);
    rig.clock.advance(1);
    await rig.beat();
    expect(rig.asked().slice(1)).toEqual(["+H0STCNT0 000660", "+H0STCNT0 000660"]);
    rig.clock.advance(ackTimeoutMs);
    expect(await rig.waiting()).toBe(`FEED_ACK_TIMEOUT ${waits.clean.floorMs}`);
    expect(rig.broker.socket.closedWith).toBe(1000);
    await rig.reconnected(2);
    expect(rig.keysIssued).toBe(1); // Something was confirmed: the key is good.
  });

  it("that never comes to anything: the next session tries another key", async () => {
    rig.answer = () => undefined;
    rig.feed.start(plan("005930"));
    await rig.connected();
    rig.clock.advance(2 * ackTimeoutMs);
    await rig.reconnected(2);
    expect(rig.keyUsed()).toBe("approval-key-2");
  });
});

describe("the broker's cap", () => {
  const five = ["A00001", "A00002", "A00003", "A00004", "A00005"];

  it("is learned, told once, kept in the next session, and filled again when room comes free", async () => {
    const cap = 3;
    rig.answer = ({ join }, socket) => {
      if (!join) return "OPSP0001";
      return rig.asked(socket).length > cap ? "OPSP0008" : "OPSP0000";
    };
    await rig.run(...five);
    expect(rig.caps).toEqual([cap]);
    expect(rig.told("feed_cap_learned")).toEqual([
      { event: "feed_cap_learned", source: "kis:1", cap, refused: 2 },
    ]);
    expect(rig.asked()).toHaveLength(cap + 1);

    rig.broker.socket.cut();
    await rig.reconnected(2);
    await rig.live();
    expect(rig.asked()).toHaveLength(cap);
    expect(rig.caps).toEqual([cap]);

    rig.answer = ({ join }) => (join ? "OPSP0000" : "OPSP0001");
    rig.feed.replan(plan(...five.slice(1)));
    await rig.beat();
    await rig.live();
    expect(rig.asked().slice(cap)).toEqual(["-H0STCNT0 A00001", "+H0STCNT0 A00004"]);
  });

  it("of nothing at all is taken for another session's registrations", async () => {
    rig.answer = () => "OPSP0008";
    rig.feed.start(plan("005930"));
    await rig.connected();
    expect(await rig.waiting()).toBe(`FEED_SOCKET_TAKEN ${waits.taken.floorMs}`);
    expect(rig.told("feed_alarmed")).toHaveLength(1);
    expect(rig.caps).toEqual([]);
  });
});

describe("a lost connection", () => {
  it("is opened again after 15 s at the earliest, with every registration", async () => {
    await rig.run("005930", "005930/book", "000660");
    const first = rig.asked();
    rig.broker.socket.cut();
    expect(await rig.waiting()).toBe(`FEED_CLOSED ${waits.unclean.floorMs}`);
    await rig.reconnected(2);
    await rig.live();
    expect(rig.asked()).toEqual(first);
    expect(rig.told("feed_opened")).toHaveLength(2);
    expect(rig.told("feed_closed")).toMatchObject([{ code: "FEED_CLOSED" }]);
  });

  it("waits longer each time, and shortly again after a time of peace", async () => {
    rig.clock.chance = 0.5;
    const delays: number[] = [];
    rig.feed.start(plan("005930"));
    for (let n = 1; n <= 4; n++) {
      await rig.connected(n);
      await rig.live();
      if (n === 4) rig.clock.advance(silenceMs - 1);
      for (let i = 0; n === 4 && i < 3; i++) {
        await rig.beat();
        rig.clock.advance(silenceMs - 1);
      }
      rig.broker.socket.cut();
      await rig.waiting();
      delays.push(rig.told("feed_retrying").at(-1)!.delayMs);
      rig.clock.advance(delays.at(-1)!);
    }
    expect(delays).toEqual([17_500, 20_000, 25_000, 17_500]);
  });

  it("with a goodbye costs a second", async () => {
    await rig.run("005930");
    rig.broker.socket.close(1000, "Bye");
    expect(await rig.waiting()).toBe(`FEED_CLOSED ${waits.clean.floorMs}`);
    expect(rig.told("feed_closed")).toMatchObject([{ reason: "closed with 1000 Bye" }]);
  });

  it("is noticed by silence of any kind, not of data", async () => {
    await rig.run("005930");
    rig.clock.advance(silenceMs - 1);
    await rig.beat();
    rig.clock.advance(silenceMs - 1);
    expect(rig.feed.state().name).toBe("live");
    rig.clock.advance(1);
    expect(await rig.waiting()).toBe(`FEED_SILENT ${waits.unclean.floorMs}`);
  });

  it("is a broker that reads nothing of what it is sent", async () => {
    await rig.run("005930");
    rig.broker.socket.deaf();
    const heavy = JSON.stringify({ header: { tr_id: "PINGPONG", datetime: "0".repeat(900_000) } });
    for (let i = 0; i < 20; i++) rig.broker.socket.send(heavy);
    await until(() => rig.feed.state().name === "waiting");
    expect(rig.feed.state()).toMatchObject({ code: "FEED_SILENT" });
    rig.broker.socket.hear();
  });

  it("before the handshake is done is given up on", async () => {
    rig.broker.script.handshake = "ignore";
    rig.feed.start(plan("005930"));
    await until(() => rig.broker.open === 1);
    rig.clock.advance(KIS_TIMINGS.handshakeMs);
    expect(await rig.waiting()).toBe(`FEED_UNREACHABLE ${waits.unclean.floorMs}`);
    expect(rig.told("feed_opened")).toHaveLength(0);
  });
});

describe("bytes that no decoder wants", () => {
  it("invalid UTF-8 in text leaves the socket open and goes to quarantine", async () => {
    await rig.run("005930");
    const broken = Buffer.from(SAMSUNG);
    broken[broken.indexOf("101530")] = 0xff;
    rig.broker.socket.sendTogether([broken, SAMSUNG]);
    await rig.beat();
    expect(rig.rejects).toMatchObject([{ code: "FRAME_NOT_UTF8" }]);
    expect(rig.ticks).toHaveLength(1);
    expect(rig.feed.state().name).toBe("live");
  });

  it("a TR nobody knows is told once, and each frame of it is kept", async () => {
    await rig.run("005930");
    for (let i = 0; i < 3; i++) rig.broker.socket.send("0|H0NEWCNT|001|005930^101530^1");
    await rig.beat();
    expect(rig.rejects.map(({ code }) => code)).toEqual(Array(3).fill("RECORD_TYPE_UNKNOWN"));
    expect(rig.told("feed_drifted")).toMatchObject([{ record: "H0NEWCNT", known: "0" }]);
  });

  it("a message over the limit is one reject, and the next session goes on", async () => {
    await rig.end();
    rig = await KisRig.start({ limits: { frameBytesMax: 4_096 } });
    await rig.run("005930");
    rig.broker.socket.send("0".repeat(4_097));
    expect(await rig.waiting()).toBe(`FEED_CLOSED ${waits.unclean.floorMs}`);
    expect(rig.broker.socket.closedWith).toBe(1009);
    expect(rig.rejects).toMatchObject([{ code: "FRAME_TOO_LARGE" }]);
    await rig.reconnected(2);
    await rig.live();
    rig.broker.socket.send(SAMSUNG);
    await rig.beat();
    expect(rig.ticks).toHaveLength(1);
  });
});

describe("a new plan", () => {
  it("changes nothing any more once the session is to end", async () => {
    rig.answer = (_, socket) => {
      socket.send(TAKEN);
      setImmediate(() => socket.deaf());
      return undefined;
    };
    rig.feed.start(plan("005930"));
    await until(() => rig.registering.length === 1);
    await until(() => rig.feed.lastFrameMs() > 0);
    rig.feed.replan(plan("005930", "000660"));
    rig.clock.advance(paceMs);
    expect(rig.registering).toEqual(["005930/trade"]);
    rig.broker.socket.hear();
    expect(await rig.waiting()).toMatch("FEED_SOCKET_TAKEN");
  });

  it("changes only what differs", async () => {
    await rig.run("005930", "000660");
    rig.clock.advance(60_000);
    rig.feed.replan(plan("000660", "035420/book"));
    expect(rig.feed.state()).toMatchObject({ name: "subscribing" });
    await rig.beat();
    await rig.live();
    expect(rig.asked().slice(2)).toEqual(["-H0STCNT0 005930", "+H0STASP0 035420"]);
    expect(rig.told("feed_subscribed").at(-1)).toMatchObject({ registrations: 2, tookMs: paceMs });
  });

  it("without anything closes the socket, and the next one opens it", async () => {
    await rig.run("005930");
    rig.feed.replan([]);
    rig.clock.advance(paceMs);
    await rig.waiting();
    expect(rig.broker.socket.closedWith).toBe(1000);
    rig.clock.advance(waits.clean.floorMs);
    await until(() => rig.feed.state().name === "idle");
    rig.feed.replan(plan("000660"));
    await rig.connected(2);
    expect(rig.asked()).toEqual(["+H0STCNT0 000660"]);
  });

  it("that comes while the feed waits is what the next session registers", async () => {
    await rig.run("005930");
    rig.broker.socket.cut();
    await rig.waiting();
    rig.feed.replan(plan("000660"));
    await rig.reconnected(2);
    expect(rig.asked()).toEqual(["+H0STCNT0 000660"]);
  });
});

describe("stopping", () => {
  it("deregisters everything, says goodbye, and waits for the answer", async () => {
    await rig.run("005930", "000660");
    const { socket } = rig.broker;
    rig.answer = ({ join, trKey }) => {
      if (!join && trKey === "000660") setImmediate(() => socket.deaf());
      return "OPSP0001";
    };
    let isStopped = false;
    const stopped = rig.feed.stop().then(() => (isStopped = true));
    rig.clock.advance(paceMs);
    await rig.beat();
    rig.clock.advance(paceMs);
    await until(() => rig.asked().length === 4);
    expect(rig.asked().slice(2)).toEqual(["-H0STCNT0 005930", "-H0STCNT0 000660"]);
    expect(isStopped).toBe(false);
    socket.hear();
    await stopped;
    expect(socket.closedWith).toBe(1000);
    expect(rig.feed.state()).toEqual({ name: "stopped" });
  });

  it("hands on what still comes until the socket is gone", async () => {
    await rig.run("005930");
    rig.answer = (_, socket) => {
      socket.send(SAMSUNG);
      return "OPSP0001";
    };
    const stopped = rig.feed.stop();
    rig.clock.advance(paceMs);
    await stopped;
    expect(rig.ticks).toHaveLength(1);
  });

  it("takes no longer than it may when the broker answers nothing any more", async () => {
    await rig.end();
    const closeMs = 100_000; // Longer than any test: the library's own timer runs in real time.
    rig = await KisRig.start({ timings: { closeMs, ackTimeoutMs: closeMs } });
    await rig.run("005930");
    rig.broker.socket.deaf();
    const stopped = rig.feed.stop();
    rig.clock.advance(leaveMs - 1);
    expect(rig.told("feed_closed")).toHaveLength(0);
    rig.clock.advance(1);
    rig.clock.advance(closeMs);
    await stopped;
    rig.broker.socket.hear();
  });

  it("is not held up by a broker that says goodbye and leaves the connection open", async () => {
    await rig.end();
    rig = await KisRig.start({ timings: { closeMs: 20 } });
    await rig.run("005930");
    rig.broker.socket.closeHalf();
    await until(() => rig.feed.state().name === "waiting");
    rig.broker.socket.hear();
  });

  it("before the key is there opens no socket", async () => {
    rig.broker.script.post = () => undefined;
    rig.feed.start(plan("005930"));
    await until(() => rig.broker.requests.length === 1);
    await rig.feed.stop();
    expect([rig.broker.openMost, rig.feed.state()]).toEqual([0, { name: "stopped" }]);
  });

  it("before the handshake is done drops the connection", async () => {
    rig.broker.script.handshake = "ignore";
    rig.feed.start(plan("005930"));
    await until(() => rig.broker.open === 1);
    await rig.feed.stop();
    await until(() => rig.broker.open === 0);
    expect(rig.told("feed_opened")).toEqual([]);
  });

  it("in the midst of a wait opens no further socket", async () => {
    await rig.run("005930");
    rig.broker.socket.cut();
    await rig.waiting();
    await rig.feed.stop();
    rig.clock.advance(3_600_000);
    expect(rig.broker.sockets).toHaveLength(1);
    expect(rig.clock.pending()).toBe(0);
  });

  it("by destroy hands on nothing more, not even what has been read already", async () => {
    await rig.run("005930");
    const seen = rig.ticks.length;
    const { ticks } = rig;
    ticks.push = (...more) => {
      rig.feed.destroy();
      return Array.prototype.push.apply(ticks, more);
    };
    rig.broker.socket.sendTogether([SAMSUNG, SAMSUNG, Buffer.from("?"), SAMSUNG]);
    await until(() => rig.feed.state().name === "stopped");
    expect(ticks.length - seen).toBe(1);
    expect(rig.rejects).toEqual([]);
    await until(() => rig.broker.open === 0);
    expect(rig.broker.socket.closedWith).toBe(1006);
    expect(rig.clock.pending()).toBe(0);
  });

  it("by destroy does not even hand on that a message was too large", async () => {
    await rig.run("005930");
    rig.broker.socket.deaf(); // No answer to the feed's close frame.
    rig.broker.socket.sendTogether([SAMSUNG, "0".repeat(2 ** 20 + 1)]);
    await until(() => rig.ticks.length === 1);
    rig.feed.destroy();
    await rig.feed.stop();
    rig.broker.socket.hear();
    expect([rig.ticks.length, rig.rejects.length]).toEqual([1, 0]);
  });

  it("can be followed by a new start", async () => {
    await rig.run("005930");
    rig.feed.destroy();
    await rig.feed.stop();
    await until(() => rig.broker.open === 0);
    rig.feed.start(plan("000660"));
    await rig.connected(2);
    expect(rig.asked()).toEqual(["+H0STCNT0 000660"]);
  });
});
