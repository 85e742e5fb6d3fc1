// Which instruments a text names. Pure. The longest name at a place wins (삼성전자우 is not 삼성전자), a name is a
// word of its own or one with a particle (삼성전자가, but not 카카오톡), and a name that is also a common word counts
// only where something beside it says that the company is meant. Better a tag too few than a wrong one.
import type { InstrumentName } from "../../../shared/instruments.ts";
import { isWeakName, NICKNAMES } from "./weak-names.ts";

/** An item that names more is a list, and about none of them. */
const SYMBOLS_MAX = 20;
/** One-word English names shorter than this are words or abbreviations. */
const ENGLISH_WORD_MIN = 6;
const ENGLISH_WORDS_MAX = 5;

/** Korean particles and endings that stand on a noun, longest first where one begins another. */
const PARTICLES = [
  ...[
    "으로부터",
    "에서는",
    "에게서",
    "이라고",
    "이라는",
    "으로",
    "에서",
    "에게",
    "까지",
    "부터",
    "보다",
  ],
  ...[
    "처럼",
    "만큼",
    "이나",
    "라고",
    "라는",
    "에는",
    "에도",
    "와의",
    "과의",
    "로",
    "은",
    "는",
    "이",
    "가",
  ],
  ...[
    "을",
    "를",
    "의",
    "에",
    "와",
    "과",
    "도",
    "만",
    "측",
    "발",
    "株",
    "주",
    "나",
    "엔",
    "선",
    "서",
  ],
];
const PARTICLE = new RegExp(`^(?:${PARTICLES.join("|")})(?![가-힣])`, "u");
const LETTER = /[\p{L}\p{N}]/u;
const HANGUL = /[가-힣]/u;

interface Name {
  text: string;
  symbol: string;
  isWeak: boolean;
}

export class Tagger {
  /** By first character, longest first. */
  readonly #names = new Map<string, Name[]>();
  /** English names by their letters alone: `skhynix`. */
  readonly #english = new Map<string, Name>();
  readonly #symbols = new Set<string>();
  readonly count: number;

  constructor(instruments: readonly InstrumentName[]) {
    this.count = instruments.length;
    // A listed name is its own company's, whatever another's nickname is.
    for (const { name, symbol } of instruments) {
      this.#symbols.add(symbol);
      this.#add(name, symbol);
    }
    for (const { name, symbol, kind, aliases } of instruments) {
      if (kind !== "stock") continue;
      for (const alias of [...aliases, ...(NICKNAMES[name] ?? [])]) this.#addAlias(alias, symbol);
    }
    for (const names of this.#names.values()) names.sort((a, b) => b.text.length - a.text.length);
  }

  /** Symbols that title and summary name, in the order of their first naming; none where they are too many. */
  tag(title: string, summary: string): string[] {
    const codes = this.#codesIn(`${title}\n${summary}`);
    const found = new Set<string>();
    for (const text of [title, summary]) {
      this.#korean(text, text === title, codes, found);
      this.#inEnglish(text, found);
    }
    for (const code of codes) found.add(code);
    return found.size > SYMBOLS_MAX ? [] : [...found];
  }

  #add(text: string, symbol: string): void {
    const first = text.charAt(0).toUpperCase();
    const known = this.#names.get(first) ?? [];
    if (known.some((name) => name.text.toUpperCase() === text.toUpperCase())) return;
    this.#names.set(first, [...known, { text, symbol, isWeak: isWeakName(text) }]);
  }

  #addAlias(text: string, symbol: string): void {
    if (HANGUL.test(text)) {
      // A company's whole name of two characters is a word more often than a name.
      if (text.length > 2 || Object.values(NICKNAMES).some((all) => all.includes(text))) {
        this.#add(text, symbol);
      }
      return;
    }
    const key = lettersOf(text);
    if (key.length < ENGLISH_WORD_MIN || this.#english.has(key)) return;
    this.#english.set(key, { text: key, symbol, isWeak: isWeakName(key) });
  }

  /** `(005930)`, `[005930]`, `005930.KS`, where the code is of an instrument. */
  #codesIn(text: string): Set<string> {
    const written = text.matchAll(
      /[([]\s*(?:KRX\s*[:：]\s*|A)?([0-9][0-9A-Z]{5})\s*[)\],]|\b([0-9][0-9A-Z]{5})\.(?:KS|KQ)\b/g,
    );
    const codes = [...written].map(([, inBrackets, withVenue]) => inBrackets ?? withVenue ?? "");
    return new Set(codes.filter((code) => this.#symbols.has(code)));
  }

  #korean(text: string, isTitle: boolean, codes: ReadonlySet<string>, found: Set<string>): void {
    for (let at = 0; at < text.length;) {
      const isStart = at === 0 || !LETTER.test(text.charAt(at - 1));
      const name = isStart ? this.#nameAt(text, at) : null;
      if (name === null) {
        at++;
        continue;
      }
      const end = at + name.text.length;
      const counts = !name.isWeak || codes.has(name.symbol) || isMeant(text, at, end, isTitle);
      if (counts) found.add(name.symbol);
      at = end;
    }
  }

  #nameAt(text: string, at: number): Name | null {
    for (const name of this.#names.get(text.charAt(at).toUpperCase()) ?? []) {
      const end = at + name.text.length;
      const written = text.slice(at, end);
      // Latin letters in any case, but a word of small letters is a word: `new`, `next`.
      const isSame =
        written === name.text ||
        (written.toUpperCase() === name.text.toUpperCase() && written !== written.toLowerCase());
      if (isSame && isWordEnd(text, end)) return name;
    }
    return null;
  }

  #inEnglish(text: string, found: Set<string>): void {
    const words = [...text.matchAll(/[A-Za-z][A-Za-z0-9&+-]*/g)].map(([word]) => word);
    for (let at = 0; at < words.length; at++) {
      // The longest run of words wins; a sentence's words are small, a name's are not.
      for (let length = Math.min(ENGLISH_WORDS_MAX, words.length - at); length > 0; length--) {
        const run = words.slice(at, at + length);
        if (!/^[A-Z]/.test(run[0]!)) break;
        const name = this.#english.get(lettersOf(run.join("")));
        if (name === undefined || (length === 1 && name.isWeak)) continue;
        found.add(name.symbol);
        at += length - 1;
        break;
      }
    }
  }
}

/** A name ends where no letter follows, or a particle does. */
function isWordEnd(text: string, end: number): boolean {
  const rest = text.slice(end, end + 8);
  return rest === "" || !LETTER.test(rest.charAt(0)) || PARTICLE.test(rest);
}

/**
 * Of a weak name: `(주)대상`, `대상(주)`, `대상 주가`, and the form of a headline, `대상, 3분기 영업이익 …`, also behind a
 * tag in brackets.
 */
function isMeant(text: string, start: number, end: number, isTitle: boolean): boolean {
  const before = text.slice(0, start);
  const after = text.slice(end, end + 8);
  if (/(\(주\)|㈜|주식회사)\s?$/.test(before) || /^\s?(\(주\)|㈜)/.test(after)) return true;
  if (/^\s?(주가|주식|株)/.test(after)) return true;
  return isTitle && /^\s*(\[[^\]]*\]\s*)?$/.test(before) && /^[,，]\s/.test(after);
}

function lettersOf(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9]/g, "");
}
