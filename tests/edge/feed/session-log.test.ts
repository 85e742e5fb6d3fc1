// A session says when an account was alive. The model beside it knows when it really was.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LineState } from "../../../app/edge/feed/feed.ts";
import { SessionLog } from "../../../app/edge/feed/session-log.ts";
import type { FeedSession } from "../../../app/shared/gateway-protocol.ts";

const KEPT_MAX = 64;

describe("a session", () => {
  it("begins when all is registered, is as old as the last frame, and ends with the socket", () => {
    const log = new SessionLog();
    log.moved("all", "away", 1_000, null);
    log.heard("all", 1_500);
    expect(log.told()).toEqual([]);
    log.moved("all", "live", 2_000, null);
    expect(log.told()).toEqual([{ no: 1, fromMs: 2_000, heardMs: 2_000, toMs: null, code: null }]);
    log.heard("all", 3_000);
    log.moved("all", "away", 3_400, "FEED_CLOSED");
    expect(log.told()).toEqual([
      { no: 1, fromMs: 2_000, heardMs: 3_000, toMs: 3_400, code: "FEED_CLOSED" },
    ]);
  });

  it("of two sockets is as long as both live, and as old as the quieter one", () => {
    const log = new SessionLog();
    log.moved("domestic", "away", 0, null);
    log.moved("us", "away", 0, null);
    log.moved("domestic", "live", 1_000, null);
    log.heard("domestic", 5_000);
    expect(log.told()).toEqual([]);
    log.moved("us", "live", 6_000, null);
    log.heard("domestic", 9_000);
    log.heard("us", 7_000);
    expect(log.told()).toMatchObject([{ fromMs: 6_000, heardMs: 7_000, toMs: null }]);
    log.moved("us", "away", 9_500, "FEED_SILENT");
    log.heard("domestic", 9_900);
    expect(log.told()).toMatchObject([{ heardMs: 7_000, toMs: 9_500, code: "FEED_SILENT" }]);
  });

  it("does not wait for a socket that has nothing to do", () => {
    const log = new SessionLog();
    log.moved("domestic", "away", 0, null);
    log.moved("us", "unplanned", 0, null);
    log.moved("domestic", "live", 1_000, null);
    log.heard("domestic", 2_000);
    expect(log.told()).toMatchObject([{ fromMs: 1_000, heardMs: 2_000 }]);
    log.moved("domestic", "unplanned", 3_000, null);
    expect(log.told()).toMatchObject([{ toMs: 3_000 }]);
  });

  it("that was ended counts nothing that still comes, and another begins with another socket", () => {
    const log = new SessionLog();
    log.moved("all", "live", 1_000, null);
    log.heard("all", 8_000);
    log.end("FEED_SILENT", 5_000);
    log.heard("all", 9_000);
    expect(log.told()).toEqual([
      { no: 1, fromMs: 1_000, heardMs: 5_000, toMs: 5_000, code: "FEED_SILENT" },
    ]);
    log.moved("all", "away", 9_500, "FEED_CLOSED");
    log.moved("all", "live", 20_000, null);
    expect(log.told()).toMatchObject([{ no: 1 }, { no: 2, fromMs: 20_000, toMs: null }]);
  });

  it("is told until the hub has confirmed its end", () => {
    const log = new SessionLog();
    log.moved("all", "live", 1_000, null);
    const open = log.told();
    log.moved("all", "away", 2_000, "FEED_CLOSED");
    log.confirm(open);
    const closed = log.told();
    expect(closed).toMatchObject([{ no: 1, toMs: 2_000 }]);
    log.moved("all", "live", 3_000, null);
    log.confirm(closed);
    expect(log.told()).toMatchObject([{ no: 2, toMs: null }]);
  });

  it("gives way, if there are too many, to those that prove more", () => {
    const log = new SessionLog();
    for (let i = 0; i < 200; i++) {
      const fromMs = i * 10_000;
      log.moved("all", "live", fromMs, null);
      log.heard("all", fromMs + (i % 10 === 0 ? 5_000 : 10));
      log.moved("all", "away", fromMs + 6_000, "FEED_CLOSED");
    }
    log.moved("all", "live", 2_000_000, null);
    const told = log.told();
    expect(told).toHaveLength(KEPT_MAX);
    expect(told.filter(({ fromMs, heardMs }) => heardMs - fromMs === 5_000)).toHaveLength(20);
  });
});

type Step =
  | { name: "move"; line: string; to: LineState }
  | { name: "hear"; line: string }
  | { name: "end"; agoMs: number }
  | { name: "ask"; isAnswered: boolean };

const line = fc.constantFrom("domestic", "us");
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    name: fc.constant("move" as const),
    line,
    to: fc.constantFrom<LineState[]>("unplanned", "away", "live", "live"),
  }),
  fc.record({ name: fc.constant("hear" as const), line }),
  fc.record({ name: fc.constant("end" as const), agoMs: fc.nat(3_000) }),
  fc.record({ name: fc.constant("ask" as const), isAnswered: fc.boolean() }),
);

it("never claims life where there was none, whatever happens, and leaves nothing out for long", () => {
  const run = fc.array(fc.tuple(fc.integer({ min: 0, max: 2_000 }), step), { maxLength: 200 });
  fc.assert(
    fc.property(run, (steps) => {
      const log = new SessionLog();
      const states = new Map<string, LineState>();
      /** Stretches in which every planned line was live. */
      const lives: { fromMs: number; toMs: number }[] = [];
      const table = new Map<number, FeedSession>();
      let isAlive = false;
      let isEnded = false;
      let nowMs = 0;
      for (const [delayMs, one] of steps) {
        nowMs += delayMs;
        if (isAlive) lives.at(-1)!.toMs = nowMs;
        if (one.name === "move") {
          states.set(one.line, one.to);
          if (one.to !== "live") isEnded = false;
          log.moved(one.line, one.to, nowMs, null);
        } else if (one.name === "hear") log.heard(one.line, nowMs);
        else if (one.name === "end") {
          log.end("LEASE_LOST", nowMs - one.agoMs);
          if (isAlive) {
            const life = lives.at(-1)!;
            life.toMs = Math.max(life.fromMs, nowMs - one.agoMs);
            isEnded = true;
          }
        } else {
          const told = log.told();
          expect(told.length).toBeLessThanOrEqual(KEPT_MAX);
          for (const session of told) table.set(session.no, session);
          if (one.isAnswered) log.confirm(told);
        }
        const planned = [...states.values()].filter((state) => state !== "unplanned");
        const wasAlive = isAlive;
        isAlive = planned.length > 0 && planned.every((state) => state === "live") && !isEnded;
        if (isAlive && !wasAlive) lives.push({ fromMs: nowMs, toMs: nowMs });
      }
      for (const session of log.told()) table.set(session.no, session);
      // No more sessions than lives, in their order, each within its own.
      expect([...table.keys()]).toEqual(lives.map((_, i) => i + 1));
      for (const { no, fromMs, heardMs } of table.values()) {
        expect(fromMs).toBe(lives[no - 1]!.fromMs);
        expect(heardMs).toBeGreaterThanOrEqual(fromMs);
        expect(heardMs).toBeLessThanOrEqual(lives[no - 1]!.toMs);
      }
    }),
    { numRuns: 500 },
  );
});
