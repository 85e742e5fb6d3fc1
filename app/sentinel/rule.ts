// What a rule is: a small pure function from what was seen to what is wrong, and how patient the book is with it.
import type { Severity } from "../shared/alerts.ts";
import type { Observation } from "./observation.ts";

export type Language = "en" | "ko";
/** The same in both languages. */
export type Words = Record<Language, string>;

/** One thing that is wrong now. */
export interface Breach {
  subject: string;
  severity: Severity;
  words: Words;
}

/** What is wrong, and of whom this look can say nothing: an alert of theirs neither begins nor ends. */
export interface Verdict {
  breaches: readonly Breach[];
  isBlind?: (subject: string) => boolean;
}

export interface Rule {
  /** How long it has to be wrong before somebody is called, and how long right before it is over. */
  forMs: number;
  clearMs: number;
  /** Unless acknowledged it is told again after so long, then in growing steps, and a warning becomes critical. */
  repeatMs: number;
  /** What to do, beside docs/alerts.md. */
  next: Words;
  judge: (seen: Observation) => Verdict;
}

/** Nothing can be said of anybody. */
export const BLIND: Verdict = { breaches: [], isBlind: () => true };

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

export const breaches = (list: readonly (Breach | null)[]): Verdict => ({
  breaches: list.filter((one) => one !== null),
});
