// The proof that an alert reaches a person and comes back: a test alert goes out over the real channels with a
// code that only its message has, and whoever reads it gives the code back. Pure but for the codes; one at a time.
import type { Evidence } from "../shared/evidence.ts";
import type { Now } from "./alert-book.ts";
import { spanText } from "./message.ts";
import type { Language } from "./rule.ts";

/** Long enough to find the phone. */
export const ROUND_TRIP_MS = 30 * 60_000;

interface Trip {
  code: string;
  startedMs: number;
  startedMonoMs: number;
  /** Channels that took the message. */
  taken: Set<string>;
}

export class RoundTrip {
  #trip: Trip | null = null;

  /** Begins anew; a test that was under way is forgotten. Returns the message. */
  start(code: string, now: Now, language: Language): string {
    this.#trip = { code, startedMs: now.wallMs, startedMonoMs: now.monoMs, taken: new Set() };
    return language === "ko"
      ? `🟠 시험 경보입니다. 30분 안에 다음으로 답하세요: /ack ${code}`
      : `🟠 TEST alert. Give its code back within 30 minutes: /ack ${code}`;
  }

  taken(code: string, channel: string): void {
    if (this.#trip?.code === code) this.#trip.taken.add(channel);
  }

  get isOpen(): boolean {
    return this.#trip !== null;
  }

  /** Channels that took the test's message so far. */
  get reached(): string[] {
    return [...(this.#trip?.taken ?? [])].sort();
  }

  /** The evidence, when this is the code and a messenger had taken it; null otherwise. */
  acknowledge(code: string, by: string, now: Now): Evidence | null {
    const trip = this.#trip;
    if (trip?.code !== code.trim().toUpperCase() || trip.taken.size === 0) return null;
    this.#trip = null;
    const tookMs = now.monoMs - trip.startedMonoMs;
    const channels = [...trip.taken].sort();
    const summary = `test alert told by ${channels.join(" and ")}, acknowledged by ${by} after ${spanText(tookMs)}`;
    return evidenceOf(true, summary, now, { channels, by, tookMs });
  }

  /** The evidence of a failure, when nobody gave the code back in time; null otherwise. */
  expire(now: Now): Evidence | null {
    const trip = this.#trip;
    if (trip === null || now.monoMs - trip.startedMonoMs < ROUND_TRIP_MS) return null;
    this.#trip = null;
    const channels = [...trip.taken].sort();
    const summary =
      channels.length === 0
        ? "no messenger took the test alert"
        : `test alert told by ${channels.join(" and ")}, not acknowledged in ${spanText(ROUND_TRIP_MS)}`;
    return evidenceOf(false, summary, now, { channels });
  }
}

function evidenceOf(ok: boolean, summary: string, now: Now, detail: Evidence["detail"]): Evidence {
  return { kind: "alert", subject: "sentinel", ok, summary, atMs: now.wallMs, detail };
}
