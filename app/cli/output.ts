// How every command speaks: results on stdout, the rest on stderr, errors with their code and next step.
import { codeOf, TickhubError } from "../shared/errors.ts";

/** One JSON object on stdout; the last thing a command with --json prints. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** For people: on stderr, so that stdout stays machine-readable. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Exit code 2 is for what only the caller can mend: usage and settings. */
export function exitCodeOf(error: unknown): number {
  return /^(USAGE|CONFIG_)/.test(codeOf(error)) ? 2 : 1;
}

/** Prints an error as code, facts and next step: no stack trace unless it is a bug of ours. */
export function printError(error: unknown, json: boolean): void {
  if (error instanceof TickhubError) {
    if (json) printJson({ ok: false, code: error.code, context: error.context, next: error.hint });
    say(`tickhub: ${error.message}`);
    if (error.cause instanceof Error && error.cause.message) say(`  cause: ${error.cause.message}`);
    say(`  next:  ${error.hint}`);
    return;
  }
  if (json)
    printJson({ ok: false, code: codeOf(error), context: {}, next: "This is a bug of tickhub." });
  say(
    `tickhub: a bug of tickhub, please report it: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  );
}

/** 45617 → "45,617". */
export function grouped(count: number): string {
  return count.toLocaleString("en-US");
}
