// The words that reach a person's phone: one message for all that one look has to tell. Plain text, because names
// and figures have every character that a markup would take for its own. Pure.
import { kstDay, kstTime } from "../shared/market-time.ts";
import type { Alert } from "../shared/alerts.ts";
import type { Notice } from "./alert-book.ts";
import type { Language, Rule } from "./rule.ts";
import { MINUTE } from "./rule.ts";

const HEADS = {
  en: {
    raised: "ALERT",
    worse: "WORSE",
    still: "STILL",
    ended: "OVER",
    since: "since",
    lasted: "lasted",
  },
  ko: {
    raised: "경보",
    worse: "악화",
    still: "지속",
    ended: "해제",
    since: "시작",
    lasted: "지속 시간",
  },
} as const;
const SEVERITIES = {
  en: { warning: "warning", critical: "CRITICAL" },
  ko: { warning: "주의", critical: "심각" },
} as const;
const WORDS = {
  en: { next: "Next", ack: "To acknowledge: /ack" },
  ko: { next: "조치", ack: "확인: /ack" },
} as const;

/** `2026-11-27 09:31:05` in Korea. */
export function kstText(ms: number): string {
  const day = String(kstDay(ms));
  const time = String(kstTime(ms)).padStart(6, "0");
  const date = `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}`;
  return `${date} ${time.slice(0, 2)}:${time.slice(2, 4)}:${time.slice(4)}`;
}

/** `42 s`, `12 min`, `3 h 20 min`. */
export function spanText(ms: number): string {
  if (ms < 2 * MINUTE) return `${Math.round(ms / 1_000)} s`;
  const minutes = Math.round(ms / MINUTE);
  if (minutes < 120) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function noticeText(
  { kind, alert, code }: Notice,
  language: Language,
  rules: Readonly<Record<string, Rule>>,
): string {
  const { rule, subject, severity, text, raisedMs, endedMs } = alert;
  const head = HEADS[language];
  const mark = kind === "ended" ? "🟢" : severity === "critical" ? "🔴" : "🟠";
  if (kind === "ended") {
    const lasted = `${head.lasted} ${spanText((endedMs ?? raisedMs) - raisedMs)}`;
    return `${mark} ${head.ended} ${rule} ${subject} · ${lasted}\n${text}`;
  }
  const lines = [
    `${mark} ${head[kind]} ${rule} ${subject} · ${SEVERITIES[language][severity]}`,
    `${text} (${head.since} ${kstText(raisedMs)} KST)`,
  ];
  const next = rules[rule]?.next[language];
  if (next !== undefined) lines.push(`${WORDS[language].next}: ${next}`);
  lines.push(`${WORDS[language].ack} ${code}`);
  return lines.join("\n");
}

/** Pieces of at most `charsMax` UTF-16 units, cut between lines where that is possible. */
export function pieces(text: string, charsMax: number): string[] {
  const parts: string[] = [];
  let rest = text;
  while (rest.length > charsMax) {
    const line = rest.lastIndexOf("\n", charsMax);
    // A pair of surrogates stays together.
    const hard = /[\uD800-\uDBFF]/.test(rest[charsMax - 1]!) ? charsMax - 1 : charsMax;
    const at = line > charsMax / 2 ? line : hard;
    parts.push(rest.slice(0, at));
    rest = rest.slice(at).replace(/^\n/, "");
  }
  return rest === "" ? parts : [...parts, rest];
}

/** What the hub's figures come to, for the daily word and for `tickhub sentinel check`. */
export function standingText(alerts: readonly Alert[], language: Language): string {
  if (alerts.length === 0) return language === "ko" ? "경보 없음." : "No alert stands.";
  return alerts
    .map(({ rule, subject, raisedMs }) => `- ${rule} ${subject}, ${kstText(raisedMs)} KST`)
    .join("\n");
}
