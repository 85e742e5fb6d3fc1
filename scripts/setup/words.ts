// What the wizard says, in both languages at the place where it is said: one pair a sentence, so that neither
// language can be forgotten.

export type Language = "en" | "ko";

/** The same in both languages. */
export interface Words {
  en: string;
  ko: string;
}

/** For names, commands and figures, which are the same everywhere. */
export const same = (text: string): Words => ({ en: text, ko: text });
