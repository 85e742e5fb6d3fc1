// Asks several questions of one vendor at once, a few at a time, and keeps apart what was not answered.
import PQueue from "p-queue";
import { AskError } from "./ask.ts";
import type { Unanswered } from "./refusal.ts";

/** Below every vendor's limit on requests of one client. */
const AT_ONCE = 6;

export class Gatherer {
  readonly unanswered: Unanswered[] = [];
  readonly #queue = new PQueue({ concurrency: AT_ONCE });

  /** The answer, or undefined with the question noted. Throws what is not the vendor's doing. */
  async try<T>(what: string, question: () => Promise<T>): Promise<T | undefined> {
    return await this.#queue.add(async () => {
      try {
        return await question();
      } catch (error) {
        if (!(error instanceof AskError)) throw error;
        this.unanswered.push({ what, error });
        return undefined;
      }
    });
  }

  /** The same question of many; undefined when any was not answered, because a part of a sum is none. */
  async each<S, T>(
    what: (of: S) => string,
    all: readonly S[],
    question: (of: S) => Promise<T[]>,
  ): Promise<T[] | undefined> {
    const parts = await Promise.all(all.map((of) => this.try(what(of), () => question(of))));
    return parts.some((part) => part === undefined) ? undefined : parts.flatMap((part) => part!);
  }
}
