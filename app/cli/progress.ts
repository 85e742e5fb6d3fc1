// What a person sees while a run goes on: one line that says how everything is, rewritten in place on a
// terminal, every five seconds elsewhere. Silent with --json.
import { grouped, say } from "./output.ts";
import { BROKERS } from "./stack.ts";
import type { Stack } from "./stack.ts";

export class Progress {
  readonly #quiet: boolean;
  readonly #terminal = process.stderr.isTTY;
  #shown = 0;

  constructor(quiet: boolean) {
    this.#quiet = quiet;
  }

  step(text: string): void {
    if (this.#quiet) return;
    this.end();
    say(`tickhub: ${text} …`);
  }

  ready(stack: Stack, seconds: number | undefined): void {
    if (this.#quiet) return;
    say(
      `tickhub: running. Page: ${stack.hubUrl}  ${seconds ? `Ends in ${seconds} s.` : "Ctrl-C ends it."}`,
    );
  }

  /** Called twice a second. */
  async show(stack: Stack): Promise<void> {
    if (this.#quiet || (!this.#terminal && this.#shown++ % 10 !== 0)) return;
    const edges = await Promise.all(
      BROKERS.map(async (broker) => {
        const edge = await stack.edgeStatus(broker);
        if (!edge) return `${broker} no answer`;
        const { received, committed, held } = edge.ledger;
        const feed = Object.values(edge.accounts ?? {})[0]?.feed ?? "?";
        const p99 = edge.p99Ms === null ? "" : `, p99 ${edge.p99Ms.toFixed(0)} ms`;
        return `${broker} ${feed}: ${grouped(received)} received, ${grouped(committed)} stored, ${grouped(held)} held${p99}`;
      }),
    );
    const line = edges.join(" · ");
    if (this.#terminal) process.stderr.write(`\r\x1b[2K${line}`);
    else say(line);
  }

  /** Leaves the last line standing. */
  end(): void {
    if (!this.#quiet && this.#terminal && this.#shown > 0) process.stderr.write("\n");
    this.#shown = 0;
  }
}
