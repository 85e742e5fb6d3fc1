// What the doctor finds: a check that is in order, or something wrong with its code, its cause, and the next
// command. Each check is small, asks one thing, and changes nothing.
import type { Clock } from "../../shared/clock.ts";
import type { Settings } from "../../shared/config.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import { codeOf, TickhubError } from "../../shared/errors.ts";

/** What was asked, and how it stands. */
export interface Finding {
  check: string;
  ok: boolean;
  /** Present when it is not. A warning is to be known; what is broken has to be mended. */
  severity?: "broken" | "warning";
  code?: ErrorCode;
  cause?: string;
  /** A command that mends it, or shows what does, between backticks. */
  next?: string;
}

export type Trouble = Required<Omit<Finding, "check" | "ok">>;

/** What every check may look at. */
export interface Look {
  /** As if what is broken were not set. */
  settings: Settings;
  clock: Clock;
  /** Names of settings that are set and broken: what hangs on them is not asked. */
  broken: ReadonlySet<string>;
  tailscaleSocket: string;
}

export interface Check {
  name: string;
  /** Settings that it stands on. */
  needs?: readonly string[];
  /** Whatever is wrong; or throws a TickhubError, which is one thing wrong. */
  run(look: Look): Trouble[] | undefined | Promise<Trouble[] | undefined>;
}

type Facts = Record<string, string | number | boolean | null>;

/** Something broken. `next` has the command. */
export function broken(code: ErrorCode, facts: Facts, next: string): Trouble {
  return { severity: "broken", code, cause: new TickhubError(code, facts).message, next };
}

export function warning(code: ErrorCode, facts: Facts, next: string): Trouble {
  return { ...broken(code, facts, next), severity: "warning" };
}

/** An error as a trouble. A bug of ours is none, and goes on its way. */
export function troubleOf(error: unknown, next: string): Trouble {
  if (!(error instanceof TickhubError)) throw error;
  const { cause } = error;
  const why = cause instanceof Error && cause.message ? `: ${cause.message}` : "";
  return { severity: "broken", code: error.code, cause: `${error.message}${why}`, next };
}

/** For a reason in a trouble: the system's code, or what was said. */
export function reasonOf(error: unknown): string {
  const code = codeOf(error);
  return code === "Error" && error instanceof Error ? error.message : code;
}
