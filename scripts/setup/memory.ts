// What was answered, so that the wizard can be left and begun again: one small file, no secret in it. Secrets
// go where they belong at once (the stack's encrypted config, a key file), and are never asked twice.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

export class Memory {
  readonly #path: string;
  readonly #answers: Record<string, string>;

  constructor(path: string) {
    this.#path = path;
    this.#answers = existsSync(path)
      ? (JSON.parse(readFileSync(path, "utf8")) as Record<string, string>)
      : {};
  }

  get(name: string): string | undefined {
    return this.#answers[name];
  }

  /** Throws when it was never answered: a step asked for what an earlier one has to know. */
  need(name: string): string {
    const answer = this.#answers[name];
    if (answer === undefined) throw new Error(`the wizard does not know ${name} yet`);
    return answer;
  }

  set(name: string, answer: string): void {
    this.#answers[name] = answer;
    mkdirSync(dirname(this.#path), { recursive: true });
    writeFileSync(`${this.#path}.new`, `${JSON.stringify(this.#answers, null, 2)}\n`, {
      mode: 0o600,
    });
    renameSync(`${this.#path}.new`, this.#path);
  }
}
