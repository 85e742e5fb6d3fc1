// A book with rules of a test's own, and a clock to look by.
import { AlertBook } from "../../../app/sentinel/alert-book.ts";
import type { AlertBookOptions } from "../../../app/sentinel/alert-book.ts";
import type { Breach, Rule, Verdict } from "../../../app/sentinel/rule.ts";
import { BLIND } from "../../../app/sentinel/rule.ts";

export const MINUTE_MS = 60_000;

const rule = (fields: Partial<Rule> = {}): Rule => ({
  forMs: MINUTE_MS,
  clearMs: MINUTE_MS,
  repeatMs: 30 * MINUTE_MS,
  next: { en: "do", ko: "하세요" },
  judge: () => BLIND,
  ...fields,
});

export const BOOK_RULES = { SLOW: rule(), FAST: rule({ forMs: 0, clearMs: 0 }) };

export const breach = (subject = "hub", fields: Partial<Breach> = {}): Breach => ({
  subject,
  severity: "warning",
  words: { en: `${subject} is wrong`, ko: `${subject} 이상` },
  ...fields,
});

/** Looks every ten seconds. */
export class BookRig {
  readonly book: AlertBook;
  #ms = 0;
  #ids = 0;

  constructor(options: Partial<AlertBookOptions> = {}) {
    this.book = new AlertBook({
      language: "en",
      rules: BOOK_RULES,
      mintId: () => `id-${this.#ids++}`,
      mintCode: () => `CODE${this.#ids}`,
      ...options,
    });
  }

  get now() {
    return { wallMs: 1_000_000 + this.#ms, monoMs: this.#ms };
  }

  /** Looks for `minutes` with the same verdict of SLOW; returns what was told. */
  see(verdict: Verdict | readonly Breach[], minutes: number, isQuiet = false, name = "SLOW") {
    const one: Verdict = "breaches" in verdict ? verdict : { breaches: verdict };
    const told: string[] = [];
    for (let left = minutes * 6; left > 0; left--) {
      const notices = this.book.look(new Map([[name, one]]), this.now, isQuiet);
      told.push(...notices.map(({ kind, alert }) => `${kind} ${alert.subject} ${alert.severity}`));
      this.#ms += 10_000;
    }
    return told;
  }
}
