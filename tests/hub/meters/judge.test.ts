// When a meter is an alarm, and what an edge over its budget is told.
import { describe, expect, test } from "vitest";
import { judge, shed } from "../../../app/hub/query/meters/judge.ts";
import type { Alarm, Told } from "../../../app/hub/query/meters/judge.ts";

const reading = (used: number, projected: number) => ({
  ...{ used, projected },
  limit: 100,
  isFounded: true,
});

/** The states of a run of figures on one day each, and the days on which an alarm was told. */
function run(figures: readonly (readonly [number, number])[]) {
  let alarm: Alarm | null = null;
  const states: string[] = [];
  const told: number[] = [];
  figures.forEach(([used, projected], day) => {
    const judged = judge(alarm, reading(used, projected), day);
    alarm = judged.alarm;
    states.push(judged.alarm?.state ?? "ok");
    if (judged.tell) told.push(day);
  });
  return { states, told };
}

describe("an alarm", () => {
  test("begins at 80 % of the projection, is over at 100 % of the use, and is told once a day", () => {
    const { states, told } = run([
      [10, 79],
      [20, 80],
      [30, 85],
      [99, 120],
      [100, 120],
    ]);
    expect(states).toEqual(["ok", "warn", "warn", "warn", "over"]);
    expect(told).toEqual([1, 2, 3, 4]);
    const standing = { state: "warn", toldOn: 7 } as const;
    expect(judge(standing, reading(10, 85), 7).tell).toBe(false);
    expect(judge(standing, reading(100, 110), 7)).toEqual({
      alarm: { state: "over", toldOn: 7 },
      tell: true,
    });
  });

  test("does not come and go around its limit", () => {
    expect(
      run([
        [0, 81],
        [0, 78],
        [0, 81],
        [0, 74],
        [0, 79],
      ]).states,
    ).toEqual(["warn", "warn", "warn", "ok", "ok"]);
  });

  test("waits for a trading day before it believes a projection, not before it believes the use", () => {
    const early = { limit: 100, isFounded: false };
    expect(judge(null, { ...early, used: 1, projected: 500 }, 1).alarm).toBeNull();
    expect(judge(null, { ...early, used: 80, projected: 80 }, 1).alarm?.state).toBe("warn");
    expect(judge(null, { ...early, limit: 0, used: 1e-9, projected: 1 }, 1).alarm?.state).toBe(
      "over",
    );
  });
});

describe("an edge over its budget", () => {
  test("goes one step at a time, each after an open half day that shows what the last one saved", () => {
    let told: Told | null = null;
    const levels: string[] = [];
    for (const [day, openDaysSince] of [0, 0, 1, 0, 1, 1].entries()) {
      told = shed(told, reading(50, 130), openDaysSince, day);
      levels.push(`${told.level} ${told.since}`);
    }
    expect(levels).toEqual(["logs 0", "logs 0", "batches 2", "batches 2", "books 4", "books 4"]);
  });

  test("does without all of it at once when the budget is used up, and comes back step by step", () => {
    let told = shed(null, reading(100, 101), 0, 5);
    expect(told).toEqual({ level: "books", since: 5 });
    const back = [8, 9].map((day) => (told = shed(told, reading(10, 80), 1, day)).level);
    expect(back).toEqual(["batches", "logs"]);
    expect(shed(told, reading(10, 90), 1, 10)).toBe(told);
  });
});
