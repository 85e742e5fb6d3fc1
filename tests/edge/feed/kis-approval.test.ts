// KIS's keys: the approval key is asked for as seldom as can be, and no key ever reaches an event.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KIS_LIMITS, KIS_TIMINGS } from "../../../app/edge/feed/kis/protocol.ts";
import { KisRest } from "../../../app/edge/feed/kis/rest.ts";
import { until } from "../../support/scripted-broker.ts";
import { ackOf, APP_KEY, KisRig, plan, SECRET, TAKEN } from "./kis-rig.ts";
import type { Asked } from "./kis-rig.ts";

const { paceMs, waits } = KIS_TIMINGS;

let rig: KisRig;
beforeEach(async () => void (rig = await KisRig.start()));
afterEach(() => rig.end());

describe("the approval key", () => {
  const drop = async (n: number) => {
    rig.broker.socket.cut();
    await rig.reconnected(n);
    await rig.live();
  };

  it("is kept for 23 hours of sessions", async () => {
    await rig.end();
    rig = await KisRig.start({ timings: { silenceMs: 48 * 3_600_000 } });
    await rig.run("005930");
    await drop(2);
    expect(rig.keysIssued).toBe(1);
    rig.clock.advance(23 * 3_600_000 - rig.clock.monoMs() - waits.unclean.floorMs - 1);
    await drop(3);
    expect(rig.keysIssued).toBe(1);
    await drop(4);
    expect([rig.keysIssued, rig.keyUsed()]).toEqual([2, "approval-key-2"]);
  });

  it("is issued anew once when the broker does not know it, then a person is asked", async () => {
    rig.answer = () => "OPSP0011";
    rig.feed.start(plan("005930"));
    await rig.connected();
    expect(await rig.waiting()).toBe(`FEED_AUTH ${waits.clean.floorMs}`);
    expect(rig.told("feed_alarmed")).toEqual([]);
    await rig.reconnected(2);
    expect(rig.keyUsed()).toBe("approval-key-2");
    expect(await rig.waiting()).toBe(`FEED_AUTH ${waits.refused.floorMs}`);
    expect(rig.told("feed_alarmed")).toMatchObject([{ code: "FEED_AUTH" }]);

    rig.answer = ({ join }) => (join ? "OPSP0000" : "OPSP0001");
    await rig.reconnected(3);
    await rig.live();
    rig.answer = () => "OPSP0011"; // A registration was confirmed: the count begins anew.
    rig.feed.replan(plan("005930", "000660"));
    rig.clock.advance(paceMs);
    expect(await rig.waiting()).toBe(`FEED_AUTH ${waits.clean.floorMs}`);
  });

  it("stays the same through one OPSP8996 after another, each with its alarm", async () => {
    rig.answer = (_, socket) => {
      socket.send(TAKEN);
      return undefined;
    };
    rig.feed.start(plan("005930"));
    for (let n = 1; n <= 4; n++) {
      if (n === 1) await rig.connected();
      else await rig.reconnected(n);
      expect(await rig.waiting()).toBe(`FEED_SOCKET_TAKEN ${waits.taken.floorMs}`);
    }
    expect(rig.keysIssued).toBe(1);
    expect(rig.told("feed_alarmed")).toHaveLength(4);
  });

  it.each<[status: number, body: unknown, outcome: string]>([
    [403, { error_code: "EGW00103" }, "FEED_AUTH 600000"],
    [401, {}, "FEED_AUTH 600000"],
    [400, { error_code: "EGW00105" }, "FEED_AUTH 600000"],
    // `afterEach` looks for what comes back in the events.
    [403, { error_code: APP_KEY, msg_cd: SECRET }, "FEED_AUTH 600000"],
    [500, { msg_cd: "EGW00201" }, "FEED_RATE_LIMITED 15000"],
    [403, { error_code: "EGW00133" }, "FEED_RATE_LIMITED 15000"],
    [429, "slow down", "FEED_RATE_LIMITED 15000"],
    [503, "<html>maintenance</html>", "FEED_UNREACHABLE 1000"],
    [200, "<html>maintenance</html>", "FEED_UNREACHABLE 1000"],
    [200, { approval_key: "" }, "FEED_UNREACHABLE 1000"],
    [302, "elsewhere", "FEED_UNREACHABLE 1000"],
  ])("HTTP %i %j opens no socket: %s", async (status, body, outcome) => {
    const headers: Record<string, string> = status === 302 ? { location: "/elsewhere" } : {};
    rig.broker.script.post = () => ({ status, body, headers });
    rig.feed.start(plan("005930"));
    expect(await rig.waiting()).toBe(outcome);
    expect(rig.broker.openMost).toBe(0);
    expect(rig.told("feed_alarmed")).toHaveLength(outcome.startsWith("FEED_AUTH") ? 1 : 0);
  });

  it("in a reply without end is not read", async () => {
    const body = { approval_key: "x".repeat(KIS_LIMITS.replyBytesMax) };
    rig.broker.script.post = () => ({ status: 200, body });
    rig.feed.start(plan("005930"));
    expect(await rig.waiting()).toBe(`FEED_UNREACHABLE ${waits.clean.floorMs}`);
  });

  it("that never comes is given up on, and asked for again", async () => {
    const post = rig.broker.script.post;
    rig.broker.script.post = () => undefined;
    rig.feed.start(plan("005930"));
    await until(() => rig.broker.requests.length === 1);
    rig.clock.advance(KIS_TIMINGS.requestTimeoutMs);
    expect(await rig.waiting()).toBe("FEED_UNREACHABLE 1000");
    rig.broker.script.post = post;
    await rig.reconnected(1);
  });

  it("is asked for once, however many wait for it", async () => {
    const { restUrl } = rig.broker;
    const account = { appKey: APP_KEY, secret: SECRET, restUrl, clock: rig.clock };
    const rest = new KisRest({ ...account, ...KIS_TIMINGS, ...KIS_LIMITS });
    const both = await Promise.all([rest.approvalKey(), rest.approvalKey()]);
    expect([...both, await rest.approvalKey()]).toEqual(Array(3).fill("approval-key-1"));
    rest.drop("approval-key-0"); // Not the one we have.
    expect(await rest.approvalKey()).toBe("approval-key-1");
    rest.drop("approval-key-1");
    expect(await rest.approvalKey()).toBe("approval-key-2");
  });
});

describe("keys", () => {
  it("never reach an event, whatever the broker repeats of them", async () => {
    const keysIn = (asked: Asked) => `${APP_KEY} ${SECRET} ${asked.approvalKey}`;
    rig.answer = (asked, socket) => {
      if (asked.trKey === "005930") return "OPSP0000";
      if (asked.trKey === "035420") socket.close(1011, keysIn(asked));
      else socket.send(ackOf(asked, "OPSP8992", `no: ${keysIn(asked)}`));
      return undefined;
    };
    rig.feed.start(plan("005930", "000660", "035420"));
    await rig.connected();
    rig.clock.advance(2 * paceMs);
    await rig.waiting();
    expect(rig.told("feed_subscription_refused")).toMatchObject([{ reason: "OPSP8992 no: … … …" }]);
    expect(rig.told("feed_closed")).toMatchObject([{ reason: "closed with 1011 … … …" }]);

    const reasons = { OPSP0011: "invalid approval : ", OPSP0010: "invalid appkey : " };
    for (const [n, [msgCd, text]] of Object.entries(reasons).entries()) {
      rig.answer = (asked, socket) => {
        socket.send(ackOf(asked, msgCd, text + keysIn(asked)));
        return undefined;
      };
      await rig.reconnected(n + 2);
      await rig.waiting();
      expect(rig.told("feed_closed").at(-1)).toMatchObject({ reason: `${msgCd} ${text}… … …` });
    }
  });
});
