// How an error reaches the person at `pulumi up`: as its message and its hint, without a stack trace.
import * as pulumi from "@pulumi/pulumi";
import { TickhubError } from "../../app/shared/errors.ts";

/** Ours become Pulumi's own kind, which it prints as text; anything else is a bug and keeps its trace. */
export function forPulumi(error: unknown): unknown {
  if (!(error instanceof TickhubError)) return error;
  const cause = error.cause instanceof Error ? `\n  ${error.cause.message}` : "";
  return new pulumi.RunError(`${error.message}${cause}\n  ${error.hint}`);
}
