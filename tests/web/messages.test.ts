// Two languages, and nothing that only one of them says.
import { describe, expect, it } from "vitest";
import type { Incident } from "../../app/hub/query/coverage/incidents.ts";
import { TROUBLE_WORDS } from "../../app/hub/query/verdict.ts";
import { en } from "../../app/hub/web/page/messages/en.ts";
import { ko } from "../../app/hub/web/page/messages/ko.ts";

/** `edges.states.ok`: what kind of thing each key has. */
function keysOf(messages: object, path = ""): Map<string, string> {
  const keys = new Map<string, string>();
  for (const [name, value] of Object.entries(messages) as [string, unknown][]) {
    const at = path === "" ? name : `${path}.${name}`;
    if (typeof value === "object" && value !== null) {
      for (const [key, kind] of keysOf(value, at)) keys.set(key, kind);
    } else keys.set(at, typeof value);
  }
  return keys;
}

const english = keysOf(en);
const korean = keysOf(ko);

describe("the page's messages", () => {
  it("are the same keys in both languages, texts and functions alike", () => {
    expect(english.size).toBeGreaterThan(150);
    expect(Object.fromEntries(korean)).toEqual(Object.fromEntries(english));
  });

  it("take no fact in Korean that they do not take in English", () => {
    const lengths = (messages: object, path = ""): [string, number][] =>
      Object.entries(messages).flatMap(([name, value]: [string, unknown]) => {
        if (typeof value === "function") return [[path + name, value.length] as [string, number]];
        return typeof value === "object" && value !== null ? lengths(value, `${path}${name}.`) : [];
      });
    const most = Object.fromEntries(lengths(en));
    for (const [key, length] of lengths(ko)) {
      expect(length, key).toBeLessThanOrEqual(most[key]!);
    }
  });

  it("are Korean in Korean", () => {
    // Names, units and what a Korean screen writes in Latin letters, too.
    const same = /^(latency\.p\d\d|symbol\.side\.none|nav\.switchLanguage|symbol\.origins\.live)$/;
    const texts = (messages: object, path = ""): [string, string][] =>
      Object.entries(messages).flatMap(([name, value]: [string, unknown]) => {
        if (typeof value === "string") return [[path + name, value] as [string, string]];
        return typeof value === "object" && value !== null ? texts(value, `${path}${name}.`) : [];
      });
    for (const [key, text] of texts(ko)) {
      if (!same.test(key)) expect(text, key).toMatch(/[가-힣]/);
    }
  });

  it("say every kind of trouble", () => {
    expect(Object.keys(ko.verdict.troubles).sort()).toEqual(Object.keys(TROUBLE_WORDS).sort());
    expect(ko.verdict.troubles.lost({ is: "lost", records: 12_345 })).toBe(
      "유실로 신고된 레코드 12,345건",
    );
  });

  it("tell the day in Korean from the hub's own figures", () => {
    const incident: Incident = {
      ...{ source: "kis:1", fromMs: 0, toMs: 12_000, reason: "FEED_CLOSED" },
      ...{ gaps: 2, symbols: 2 },
      trades: "refilled",
      books: "lost",
    };
    const told = {
      ...{ sentence: "today: …", day: 20261127, symbols: 100, verifiedShare: 0.99998 },
      ...{ aliveShare: 0, booksAliveShare: 1, gaps: [], openQuestions: 0, checkedMs: null },
      gapCounts: { suspected: 0, refilling: 0, refilled: 0, partial: 0, lost: 0 },
    };
    expect(ko.verdict.coverage({ ...told, incidents: [incident] })).toBe(
      "오늘: 100종목, 99.998 % 검증, 공백 1건 (12초, 한국투자 재접속, 체결 보충 완료, 호가 유실)",
    );
    expect(ko.verdict.coverage({ ...told, incidents: [] })).toBe(
      "오늘: 100종목, 99.998 % 검증, 공백 없음",
    );
  });
});
