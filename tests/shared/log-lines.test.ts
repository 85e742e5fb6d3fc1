// What becomes a line of the central log, how large it may get, and what gives way when a day's bytes are spent.
import { describe, expect, test } from "vitest";
import type { Event } from "../../app/shared/events.ts";
import { lineOf, LogSieve } from "../../app/shared/log-lines.ts";
import type { ReportedEvent } from "../../app/shared/log-lines.ts";

const told = (level: ReportedEvent["level"], event: Event): ReportedEvent => ({ level, event });
const alarm = (reason = "why"): Event => ({
  event: "feed_alarmed",
  source: "kis:1",
  code: "FEED_CLOSED",
  reason,
});

describe("a line", () => {
  test("has the event's name, its level's number and its other fields as JSON", () => {
    expect(lineOf(told("error", alarm()))).toEqual({
      level: 50,
      event: "feed_alarmed",
      fields: '{"source":"kis:1","code":"FEED_CLOSED","reason":"why"}',
    });
  });

  test("is cut where its texts are long, and a database takes what they hold", () => {
    const { fields } = lineOf(told("error", alarm(`\0\ud800${"x".repeat(5_000)}`)));
    expect(fields.length).toBeLessThan(1_200);
    const { reason } = JSON.parse(fields) as { reason: string };
    expect(reason.startsWith("\ufffd\ufffdx")).toBe(true);
    expect(reason.endsWith("…")).toBe(true);
  });
});

describe("the sieve", () => {
  const DAY_MS = 86_400_000;
  const fill = (sieve: LogSieve, level: ReportedEvent["level"], nowMs = 0) => {
    for (let i = 0; ; i++) {
      const passed = sieve.pass(told(level, alarm()), nowMs);
      if (typeof passed === "string") return { count: i, passed };
    }
  };

  test("lets the levels through that are wanted, and nothing about log lines", () => {
    const sieve = new LogSieve({ level: "info", bytesPerDay: 10_000 });
    expect(sieve.pass(told("debug", alarm()), 0)).toBe("unwanted");
    expect(sieve.pass(told("info", alarm()), 0)).toMatchObject({ event: "feed_alarmed" });
    const about = { event: "outbox_trimmed", account: "log:kis", table: "log" } as const;
    const trimmed = { ...about, count: 1, reason: "log_full" };
    expect(sieve.pass(told("error", trimmed), 0)).toBe("unwanted");
    expect(new LogSieve({ level: null, bytesPerDay: 1e6 }).pass(told("fatal", alarm()), 0)).toBe(
      "unwanted",
    );
    expect(new LogSieve({ level: "info", bytesPerDay: 0 }).pass(told("fatal", alarm()), 0)).toBe(
      "unwanted",
    );
  });

  test("sheds the lower levels first, says so once a day each, and starts anew the next day", () => {
    const sieve = new LogSieve({ level: "info", bytesPerDay: 20_000 });
    expect(fill(sieve, "info").passed).toBe("first spent");
    expect(sieve.pass(told("info", alarm()), 0)).toBe("spent");
    const warnings = fill(sieve, "warn");
    expect(warnings).toMatchObject({ passed: "first spent" });
    expect(warnings.count).toBeGreaterThan(10);
    expect(sieve.pass(told("info", alarm()), 0)).toBe("spent");
    const errors = fill(sieve, "error");
    expect(errors).toMatchObject({ passed: "first spent" });
    expect(errors.count).toBeGreaterThan(5);
    expect(sieve.pass(told("warn", alarm()), 0)).toBe("spent");
    expect(fill(sieve, "info", DAY_MS).passed).toBe("first spent");
  });

  test("is quiet while the edge is over its egress budget: warnings and worse pass", () => {
    const sieve = new LogSieve({ level: "info", bytesPerDay: 10_000 });
    sieve.quiet(true);
    expect(sieve.pass(told("info", alarm()), 0)).toBe("unwanted");
    expect(sieve.pass(told("warn", alarm()), 0)).toMatchObject({ level: 40 });
    sieve.quiet(false);
    expect(sieve.pass(told("info", alarm()), 0)).toMatchObject({ level: 30 });
  });
});
