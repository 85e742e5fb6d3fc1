// Which request comes next, with time and answers in the test's hands; and a model of the broker's own
// list of registrations, against which any order of plans, losses and refusals has to come out right.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Registration } from "../../../app/edge/feed/feed.ts";
import { kisActionOf, kisKeyOf } from "../../../app/edge/feed/kis/protocol.ts";
import type { KisKey } from "../../../app/edge/feed/kis/protocol.ts";
import { KisSubscriptions } from "../../../app/edge/feed/kis/subscriptions.ts";

const LIMITS = { paceMs: 150, ackTimeoutMs: 5_000, retryMs: 5_000, sendsMax: 2, retriesMax: 2 };

function trades(...symbols: string[]): Registration[] {
  return symbols.map((symbol) => ({ venue: "KRX", symbol, channel: "trade" }));
}

function keyOf(symbol: string): KisKey {
  return { trId: "H0STCNT0", trKey: symbol };
}

/** A step in a few words: `+A`, `-A`, `wait 150`, `unanswered A`. */
function say(subscriptions: KisSubscriptions, nowMs: number): string {
  const step = subscriptions.next(nowMs);
  if (step.name === "ask") return `${step.join ? "+" : "-"}${step.key.trKey}`;
  return step.name === "wait" ? `wait ${step.delayMs}` : `unanswered ${step.key.trKey}`;
}

function planned(roomMax: number, ...symbols: string[]): KisSubscriptions {
  const subscriptions = new KisSubscriptions(LIMITS, roomMax);
  subscriptions.plan(trades(...symbols));
  return subscriptions;
}

/** The broker says `msgCd` about a symbol's trades; what is given up because of it. */
function answer(subscriptions: KisSubscriptions, symbol: string, msgCd: string, nowMs = 0) {
  return subscriptions.acked(keyOf(symbol), msgCd, kisActionOf(msgCd, "1"), nowMs)?.symbol;
}

describe("KIS subscriptions", () => {
  it("ask one at a time, a pace apart, without waiting for answers", () => {
    const subscriptions = planned(41, "A", "B");
    expect(say(subscriptions, 0)).toBe("+A");
    expect(say(subscriptions, 0)).toBe("wait 150");
    expect(say(subscriptions, 149)).toBe("wait 1");
    expect(say(subscriptions, 150)).toBe("+B");
    expect(say(subscriptions, 150)).toBe("wait 4850");
    expect(subscriptions.settled).toBe(false);
    answer(subscriptions, "B", "OPSP0000");
    expect(subscriptions.confirmed).toBe(1);
    answer(subscriptions, "A", "OPSP0000");
    expect([subscriptions.confirmed, subscriptions.settled]).toEqual([2, true]);
    expect(say(subscriptions, 1_000)).toBe("wait Infinity");
  });

  it("ask again once when no answer comes, then give up", () => {
    const subscriptions = planned(41, "A");
    expect(say(subscriptions, 0)).toBe("+A");
    expect(say(subscriptions, 4_999)).toBe("wait 1");
    expect(say(subscriptions, 5_000)).toBe("+A");
    expect(say(subscriptions, 9_999)).toBe("wait 1");
    expect(say(subscriptions, 10_000)).toBe("unanswered A");
  });

  it("ignore answers to what was not asked, and join's answer to a leave", () => {
    const subscriptions = planned(41, "A");
    expect(answer(subscriptions, "A", "OPSP0000")).toBeUndefined();
    expect(subscriptions.confirmed).toBe(0);
    say(subscriptions, 0);
    answer(subscriptions, "B", "OPSP0000");
    answer(subscriptions, "A", "OPSP0001");
    expect(subscriptions.confirmed).toBe(0);
    answer(subscriptions, "A", "OPSP0002");
    expect(subscriptions.confirmed).toBe(1);
    subscriptions.plan([]);
    expect(say(subscriptions, 150)).toBe("-A");
    answer(subscriptions, "A", "OPSP0000"); // The late second answer to the join.
    expect(subscriptions.settled).toBe(false);
    answer(subscriptions, "A", "OPSP0003");
    expect(subscriptions.settled).toBe(true);
  });

  it("rest longer with each refusal that may pass, then give the registration up", () => {
    const subscriptions = planned(41, "A");
    say(subscriptions, 0);
    expect(answer(subscriptions, "A", "OPSP0007", 0)).toBeUndefined();
    expect(say(subscriptions, 4_999)).toBe("wait 1");
    expect(say(subscriptions, 5_000)).toBe("+A");
    answer(subscriptions, "A", "OPSP0009", 5_000);
    expect(say(subscriptions, 14_999)).toBe("wait 1");
    expect(say(subscriptions, 15_000)).toBe("+A");
    expect(answer(subscriptions, "A", "OPSP0007", 15_000)).toBe("A");
    expect(subscriptions.settled).toBe(true);
    expect(say(subscriptions, 100_000)).toBe("wait Infinity");
  });

  it("learn the cap only when every request under way is answered, and use room that comes free", () => {
    const subscriptions = planned(41, "A", "B", "C", "D");
    for (const nowMs of [0, 150, 300]) say(subscriptions, nowMs);
    answer(subscriptions, "A", "OPSP0000");
    answer(subscriptions, "C", "OPSP0008");
    expect(subscriptions.takeCap()).toBeUndefined();
    expect(say(subscriptions, 450)).toMatch(/^wait/); // D is not asked for any more.
    answer(subscriptions, "B", "OPSP0000");
    expect(subscriptions.takeCap()).toEqual({ cap: 2, refused: 2 });
    expect(subscriptions.takeCap()).toBeUndefined();
    expect([subscriptions.confirmed, subscriptions.settled]).toEqual([2, true]);

    subscriptions.plan(trades("A", "D"));
    expect(say(subscriptions, 600)).toBe("-B");
    expect(say(subscriptions, 750)).toMatch(/^wait/); // Not before B has left.
    answer(subscriptions, "B", "OPSP0001");
    expect(say(subscriptions, 750)).toBe("+D");
  });

  it("ask for no more than there is room for from the start", () => {
    const subscriptions = planned(1, "A", "B");
    expect(say(subscriptions, 0)).toBe("+A");
    answer(subscriptions, "A", "OPSP0000");
    expect(say(subscriptions, 150)).toBe("wait Infinity");
    expect([subscriptions.wanted, subscriptions.settled]).toEqual([2, true]);
  });

  it("change only what differs between two plans, leaving first", () => {
    const subscriptions = planned(41, "A", "B");
    for (const [symbol, nowMs] of [
      ["A", 0],
      ["B", 150],
    ] as const) {
      say(subscriptions, nowMs);
      answer(subscriptions, symbol, "OPSP0000");
    }
    subscriptions.plan(trades("C", "B"));
    expect(say(subscriptions, 300)).toBe("-A");
    expect(say(subscriptions, 450)).toBe("+C");
    expect(say(subscriptions, 600)).toMatch(/^wait/);
  });

  it("leave again what was dropped from the plan while it was asked for", () => {
    const subscriptions = planned(41, "A");
    say(subscriptions, 0);
    subscriptions.plan([]);
    expect(say(subscriptions, 150)).toMatch(/^wait/);
    answer(subscriptions, "A", "OPSP0000");
    expect(say(subscriptions, 150)).toBe("-A");
  });

  it("name what KIS has no channel for", () => {
    const status: Registration = { venue: "NAS", symbol: "AAPL", channel: "status" };
    const elsewhere: Registration = { venue: "XETR", symbol: "SAP", channel: "trade" };
    const subscriptions = new KisSubscriptions(LIMITS, 41);
    expect(subscriptions.plan([status, ...trades("A"), elsewhere])).toEqual([status, elsewhere]);
    expect(subscriptions.wanted).toBe(1);
  });
});

describe("KIS's keys", () => {
  const key = (venue: string, symbol: string, channel: Registration["channel"]) => {
    const found = kisKeyOf({ venue, symbol, channel });
    return found && `${found.trId} ${found.trKey}`;
  };

  it("name the TR of the venue, and for the US the venue in the key", () => {
    const all = ["trade", "book", "status"] as const;
    const of = (venue: string, symbol: string) => all.map((channel) => key(venue, symbol, channel));
    expect(of("KRX", "005930")).toEqual(["H0STCNT0 005930", "H0STASP0 005930", "H0STMKO0 005930"]);
    expect(of("NXT", "005930")).toEqual(["H0NXCNT0 005930", "H0NXASP0 005930", "H0NXMKO0 005930"]);
    expect(of("UN", "005930")).toEqual(["H0UNCNT0 005930", "H0UNASP0 005930", "H0UNMKO0 005930"]);
    expect(of("NAS", "AAPL")).toEqual(["HDFSCNT0 DNASAAPL", "HDFSASP0 DNASAAPL", undefined]);
    expect(of("NYS", "KO")).toEqual(["HDFSCNT0 DNYSKO", "HDFSASP0 DNYSKO", undefined]);
    expect(of("AMS", "SPY")).toEqual(["HDFSCNT0 DAMSSPY", "HDFSASP0 DAMSSPY", undefined]);
  });
});

describe("against a broker that loses and refuses", () => {
  /** The broker's own list, with room for `cap`; it answers as KIS does. */
  class ModelBroker {
    readonly held = new Set<string>();
    readonly cap: number;
    constructor(cap: number) {
      this.cap = cap;
    }
    answer(join: boolean, key: string, isBusy: boolean): string {
      if (this.held.has(key) === join) return join ? "OPSP0002" : "OPSP0003";
      if (isBusy) return "OPSP0007";
      if (!join) {
        this.held.delete(key);
        return "OPSP0001";
      }
      if (this.held.size >= this.cap) return "OPSP0008";
      this.held.add(key);
      return "OPSP0000";
    }
  }

  /** What the broker makes of one request; an answer may be lost, or come after the next request. */
  const fate = fc.constantFrom("answer", "answer", "answer", "lose", "later", "busy");
  const symbols = fc.uniqueArray(fc.constantFrom("A", "B", "C", "D", "E", "F", "G", "H"), {
    maxLength: 8,
  });

  it("the broker ends up with the plan, or with as much of it as there is room for", () => {
    const run = fc.record({
      cap: fc.integer({ min: 1, max: 9 }),
      plans: fc.array(symbols, { minLength: 1, maxLength: 4 }),
      fates: fc.array(fate, { maxLength: 60 }),
      stepsPerPlan: fc.integer({ min: 1, max: 30 }),
    });
    fc.assert(
      fc.property(run, ({ cap, plans, fates, stepsPerPlan }) => {
        // Patience without end: giving up is tested above.
        const limits = { ...LIMITS, sendsMax: Infinity, retriesMax: Infinity };
        const subscriptions = new KisSubscriptions(limits, 41);
        const broker = new ModelBroker(cap);
        const later: (() => void)[] = [];
        let nowMs = 0;
        let sentMs = -Infinity;
        let asked = 0;
        const step = () => {
          const next = subscriptions.next(nowMs);
          if (next.name !== "ask") {
            for (const late of later.splice(0)) late();
            const delayMs = next.name === "wait" ? next.delayMs : 0;
            expect(delayMs).toBeGreaterThan(0);
            if (delayMs < Infinity) nowMs += delayMs;
            return;
          }
          expect(nowMs - sentMs).toBeGreaterThanOrEqual(LIMITS.paceMs);
          sentMs = nowMs;
          const fateNow = fates[asked++] ?? "answer";
          const { join, key } = next;
          const msgCd = broker.answer(join, key.trKey, fateNow === "busy");
          const tell = () => {
            const gone = subscriptions.acked(key, msgCd, kisActionOf(msgCd, "1"), nowMs);
            expect(gone).toBeUndefined();
            const learned = subscriptions.takeCap();
            if (learned) expect(learned.cap).toBeLessThanOrEqual(cap);
          };
          if (fateNow === "later") later.push(tell);
          else if (fateNow !== "lose") tell();
          expect(broker.held.size).toBeLessThanOrEqual(cap);
        };
        for (const plan of plans) {
          subscriptions.plan(trades(...plan));
          for (let i = 0; i < stepsPerPlan; i++) step();
        }
        for (let i = 0; i < 2_000 && !(subscriptions.settled && later.length === 0); i++) step();

        const wanted = new Set<string>(plans.at(-1));
        expect(subscriptions.settled).toBe(true);
        expect(subscriptions.confirmed).toBe(broker.held.size);
        expect([...broker.held].filter((symbol) => !wanted.has(symbol))).toEqual([]);
        if (plans.every((plan) => plan.length <= cap)) expect(broker.held).toEqual(wanted);
      }),
      { numRuns: 500 },
    );
  });
});
