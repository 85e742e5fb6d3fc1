// When somebody is called, and when not.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BLIND } from "../../app/sentinel/rule.ts";
import { BookRig, breach } from "./support/book.ts";

describe("the alert book", () => {
  it("calls when something has been wrong for so long, and says when it has been right for so long", () => {
    const rig = new BookRig();
    expect(rig.see([breach()], 1)).toEqual([]);
    expect(rig.see([breach()], 5)).toEqual(["raised hub warning"]);
    expect(rig.see([], 1)).toEqual([]);
    expect(rig.see([], 5)).toEqual(["ended hub warning"]);
    expect(rig.book.standing()).toEqual([]);
  });

  it("what did not last is not told", () => {
    const rig = new BookRig();
    for (let i = 0; i < 20; i++) {
      expect(rig.see([breach()], 0.5)).toEqual([]);
      expect(rig.see([], 0.5)).toEqual([]);
    }
  });

  it("the alert begins when it began to be wrong, and has words of now", () => {
    const rig = new BookRig();
    const beganMs = rig.now.wallMs;
    rig.see([breach()], 2);
    rig.see([breach("hub", { words: { en: "5 left", ko: "5" } })], 1);
    expect(rig.book.standing()).toMatchObject([{ raisedMs: beganMs, text: "5 left" }]);
  });

  it("nobody is told twice while nothing changes, until it was not acknowledged for too long", () => {
    const rig = new BookRig();
    expect(rig.see([breach()], 31)).toEqual(["raised hub warning"]);
    expect(rig.see([breach()], 1)).toEqual(["still hub critical"]);
    // The steps grow: after 60 and 120 minutes.
    expect(rig.see([breach()], 185)).toEqual(["still hub critical", "still hub critical"]);
  });

  it("an acknowledged alert is not repeated, and its end is told", () => {
    const rig = new BookRig();
    rig.see([breach()], 2);
    expect(rig.book.acknowledge("nonsense", rig.now)).toBeNull();
    expect(rig.book.acknowledge(" code0 ", rig.now)?.subject).toBe("hub");
    expect(rig.see([breach()], 600)).toEqual([]);
    expect(rig.see([], 2)).toEqual(["ended hub warning"]);
    expect(rig.book.acknowledge("CODE0", rig.now)).toBeNull();
  });

  it("worse is told at once, also of an acknowledged one, and better is not", () => {
    const rig = new BookRig();
    rig.see([breach()], 2);
    rig.book.acknowledge("CODE0", rig.now);
    expect(rig.see([breach("hub", { severity: "critical" })], 1)).toEqual(["worse hub critical"]);
    expect(rig.see([breach()], 5)).toEqual([]);
    expect(rig.book.standing()).toMatchObject([{ severity: "critical", acknowledgedMs: null }]);
  });

  it("while nothing is to be seen, nothing begins and nothing ends", () => {
    const rig = new BookRig();
    rig.see([breach()], 0.5);
    expect(rig.see(BLIND, 10)).toEqual([]);
    expect(rig.see([breach()], 1)).toEqual([]);
    expect(rig.see([breach()], 1)).toEqual(["raised hub warning"]);
    expect(rig.see([], 0.5)).toEqual([]);
    expect(rig.see(BLIND, 10)).toEqual([]);
    expect(rig.see([], 1)).toEqual([]);
    expect(rig.see([], 1)).toEqual(["ended hub warning"]);
  });

  it("who comes and goes has to be right for twice as long each time", () => {
    const rig = new BookRig();
    const ends: number[] = [];
    for (let round = 0; round < 3; round++) {
      expect(rig.see([breach()], 2)).toEqual(["raised hub warning"]);
      let minutes = 0;
      while (rig.see([], 1).length === 0) minutes++;
      ends.push(minutes);
    }
    expect(ends).toEqual([1, 2, 4]);
    // Right for less than that, and wrong again: the same alert.
    rig.see([breach()], 2);
    expect(rig.see([], 5)).toEqual([]);
    expect(rig.see([breach()], 5)).toEqual([]);
    expect(rig.book.standing()).toHaveLength(1);
  });

  it("in maintenance nothing is told; what still lasts afterwards is, what is over is not", () => {
    const rig = new BookRig();
    rig.see([breach("before")], 2);
    expect(rig.see([breach("before"), breach("lasts"), breach("passes")], 5, true)).toEqual([]);
    expect(rig.see([breach("lasts")], 10, true)).toEqual(["ended before warning"]);
    expect(rig.see([breach("lasts")], 1)).toEqual(["raised lasts warning"]);
    expect(rig.see([], 5)).toEqual(["ended lasts warning"]);
    // The hub is told of all.
    const subjects = rig.book
      .changes(100)
      .map(({ subject, endedMs }) => [subject, endedMs !== null]);
    expect(subjects).toEqual([
      ["before", true],
      ["lasts", true],
      ["passes", true],
    ]);
  });

  it("what is right already when a maintenance ends is not told", () => {
    const rig = new BookRig();
    rig.see([breach()], 5, true);
    rig.see([], 0.5, true);
    expect(rig.see([], 5)).toEqual([]);
  });

  it("goes on from alerts of the process before without telling them again", () => {
    const first = new BookRig();
    first.see([breach("lasts"), breach("over")], 2);
    const open = first.book.changes(10);
    const second = new BookRig();
    second.book.adopt(open, second.now);
    expect(second.see([breach("lasts")], 5)).toEqual(["ended over warning"]);
    expect(second.book.standing().map(({ id }) => id)).toEqual([open[0]!.id]);
  });

  it("an alert of before that was raised anew meanwhile, or whose rule is no more, ends at the hub", () => {
    const old = { id: "old", subject: "hub", severity: "warning", text: "", raisedMs: 1 } as const;
    const open = { ...old, endedMs: null, acknowledgedMs: null };
    const rig = new BookRig();
    rig.see([breach()], 2);
    rig.book.changes(10);
    rig.book.adopt(
      [
        { ...open, rule: "SLOW" },
        { ...open, id: "test", rule: "TEST" },
      ],
      rig.now,
    );
    const changes = rig.book.changes(10);
    expect(changes.map(({ id, endedMs }) => [id, endedMs])).toEqual([
      ["old", rig.now.wallMs],
      ["test", rig.now.wallMs],
    ]);
    expect(rig.book.standing()).toHaveLength(1);
  });

  it("changes that nobody took come again, as they are by then", () => {
    const rig = new BookRig();
    rig.see([breach()], 2);
    const taken = rig.book.changes(10);
    rig.see([], 2);
    rig.book.again(taken);
    expect(rig.book.changes(10)).toMatchObject([
      { id: taken[0]!.id, endedMs: expect.any(Number) as number },
    ]);
    expect(rig.book.changes(10)).toEqual([]);
  });

  it("holds no more alerts than it may, and counts the others", () => {
    const rig = new BookRig({ entriesMax: 3 });
    const many = Array.from({ length: 10 }, (_, i) => breach(`s${i}`));
    rig.see(many, 2);
    expect(rig.book.standing()).toHaveLength(3);
    expect(rig.book.overflow).toBeGreaterThan(0);
  });

  it("whatever comes, each told alert has one beginning and at most one end, in turn", () => {
    const step = fc.record({
      wrong: fc.subarray(["a", "b"]),
      isBlind: fc.boolean(),
      minutes: fc.integer({ min: 1, max: 12 }),
      isQuiet: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const rig = new BookRig();
        const open = new Set<string>();
        for (const { wrong, isBlind, minutes, isQuiet } of steps) {
          const verdict = isBlind ? BLIND : { breaches: wrong.map((subject) => breach(subject)) };
          for (const told of rig.see(verdict, minutes / 2, isQuiet)) {
            const [kind, subject] = told.split(" ") as [string, string];
            expect(open.has(subject)).toBe(kind !== "raised");
            if (kind === "raised") open.add(subject);
            if (kind === "ended") open.delete(subject);
          }
        }
        rig.see([], 60);
        expect(rig.book.standing()).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });
});
