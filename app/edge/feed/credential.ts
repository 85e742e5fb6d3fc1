// A key or token that a broker gives for a while: kept until its time is over, asked for once however many
// wait for it, and dropped when the broker does not know it any more.
import type { Clock } from "../../shared/clock.ts";
import { TickhubError } from "../../shared/errors.ts";

export interface Issued {
  text: string;
  /** Wall clock. */
  untilMs: number;
}

export interface CredentialOptions {
  clock: Clock;
  /** Asks the broker for one. */
  issue: () => Promise<Issued>;
  /** Between two askings, where the broker allows no more. */
  spacingMs?: number;
}

export class Credential {
  readonly #options: CredentialOptions;
  #held: Issued | undefined;
  #asked: Promise<string> | undefined;
  #askedMs = -Infinity;

  constructor(options: CredentialOptions) {
    this.#options = options;
  }

  /** The one in force. Throws what `issue` throws, and FEED_RATE_LIMITED when it was asked for just now. */
  get(): Promise<string> {
    if (this.#held && this.#options.clock.nowMs() < this.#held.untilMs) {
      return Promise.resolve(this.#held.text);
    }
    this.#asked ??= this.#issue().finally(() => (this.#asked = undefined));
    return this.#asked;
  }

  /** The broker does not take `text` any more: the next `get` asks for another. */
  drop(text: string): void {
    if (this.#held?.text === text) this.#held = undefined;
  }

  async #issue(): Promise<string> {
    const { clock, issue, spacingMs = 0 } = this.#options;
    const waitMs = this.#askedMs + spacingMs - clock.monoMs();
    if (waitMs > 0) throw new TickhubError("FEED_RATE_LIMITED", { waitMs: Math.ceil(waitMs) });
    this.#askedMs = clock.monoMs();
    this.#held = await issue();
    return this.#held.text;
  }
}
