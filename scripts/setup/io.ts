// The wizard's ear and mouth: lines in, words out. Lines that come faster than the questions wait for them,
// so that a file of answers works as well as a person; a secret is not echoed on a terminal.
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { PassThrough } from "node:stream";
import type { Language, Words } from "./words.ts";

export interface Question {
  secret?: boolean;
  /** Taken for an empty line. */
  default?: string;
  /** What is wrong with an answer, or null. Asked again until it is null. */
  check?: (answer: string) => Words | null | Promise<Words | null>;
}

/** The input ended before the questions did. What was answered is kept. */
export class InputEnded extends Error {}

export class Io {
  language: Language = "en";
  readonly #out: Writable;
  readonly #isTerminal: boolean;
  readonly #lines: string[] = [];
  readonly #close: () => void;
  #waiting: ((line: string | null) => void) | null = null;
  #ended = false;

  constructor(input: Readable & { isTTY?: boolean }, out: Writable) {
    this.#out = out;
    this.#isTerminal = input.isTTY === true;
    // On a terminal readline draws the line being typed, unless it is a secret.
    const echo = new PassThrough();
    echo.on("data", (chunk: Buffer) => {
      if (!this.#isSecret) out.write(chunk);
    });
    const reader = createInterface({ input, output: echo, terminal: this.#isTerminal });
    reader.on("line", (line) => this.#heard(line));
    reader.on("close", () => this.#heard(null));
    reader.on("SIGINT", () => reader.close());
    this.#close = () => reader.close();
  }

  #isSecret = false;

  #heard(line: string | null): void {
    if (line === null) this.#ended = true;
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting) waiting(line);
    else if (line !== null) this.#lines.push(line);
  }

  #line(): Promise<string | null> {
    const next = this.#lines.shift();
    if (next !== undefined) return Promise.resolve(next);
    if (this.#ended) return Promise.resolve(null);
    return new Promise((resolve) => (this.#waiting = resolve));
  }

  words(words: Words): string {
    return words[this.language];
  }

  say(words: Words): void {
    this.#out.write(`${this.words(words)}\n`);
  }

  /** Asks until the answer is good. Throws InputEnded. */
  async ask(question: Words, options: Question = {}): Promise<string> {
    const hint = options.default === undefined ? "" : ` [${options.default}]`;
    for (;;) {
      this.#out.write(`? ${this.words(question)}${hint} `);
      this.#isSecret = options.secret === true && this.#isTerminal;
      const line = await this.#line();
      if (this.#isSecret || !this.#isTerminal) this.#out.write("\n");
      this.#isSecret = false;
      if (line === null) throw new InputEnded();
      const answer = line.trim() || (options.default ?? "");
      const wrong = answer === "" ? NOTHING : await options.check?.(answer);
      if (!wrong) return answer;
      this.#out.write(`  ${this.words(wrong)}\n`);
    }
  }

  /** One of several, by its number or its name. Throws InputEnded. */
  async choose<T extends string>(
    question: Words,
    choices: readonly { name: T; words: Words }[],
  ): Promise<T> {
    this.say(question);
    choices.forEach(({ words }, index) => {
      this.#out.write(`  ${index + 1}) ${this.words(words)}\n`);
    });
    const find = (answer: string) =>
      choices.find(({ name }, index) => answer === name || answer === String(index + 1));
    const answer = await this.ask(
      { en: "Which?", ko: "번호:" },
      {
        default: "1",
        check: (text) =>
          find(text) ? null : { en: `1 to ${choices.length}.`, ko: `1~${choices.length} 중에서.` },
      },
    );
    return find(answer)!.name;
  }

  /** Throws InputEnded. */
  async confirm(question: Words): Promise<boolean> {
    const answer = await this.ask(
      { en: `${question.en} (yes/no)`, ko: `${question.ko} (예/아니오)` },
      {
        check: (text) =>
          /^(y|yes|n|no|예|네|아니오)$/i.test(text)
            ? null
            : { en: "yes or no.", ko: "예 또는 아니오." },
      },
    );
    return /^(y|yes|예|네)$/i.test(answer);
  }

  close(): void {
    this.#close();
  }
}

const NOTHING: Words = { en: "An answer is needed.", ko: "답이 필요합니다." };
