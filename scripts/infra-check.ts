// `npm run infra:check`: the month of the planned stacks, line by line, ending in
// `known 0.00 + unconfirmed <= N USD a month`. Exits with 1 when something is known to bill, a limit is passed
// or a bill rule refuses the plan; with 2 when there is no plan to look at.
//
//   npm run infra:check                         production, from the committed configuration
//   npm run infra:check -- oci oci-staging      these stacks
//   npm run infra:check -- --preview plan.json  what `pulumi preview --json > plan.json` wrote; again for more
//   npm run infra:check -- --json
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { TickhubError } from "../app/shared/errors.ts";
import { project, projectionText } from "../infra/lib/projection.ts";
import type { StackPlan } from "../infra/lib/projection.ts";
import { planFromPreview, planFromProgram, PRODUCTION_STACKS } from "./infra-plans.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    preview: { type: "string", multiple: true, default: [] },
  },
});

try {
  const projection = project(await plans());
  process.stdout.write(
    values.json ? `${JSON.stringify(projection)}\n` : projectionText(projection),
  );
  process.exitCode = projection.ok ? 0 : 1;
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  const next = error instanceof TickhubError ? `\n  next: ${error.hint}` : "";
  process.stderr.write(`infra:check: no plan to look at: ${message}${next}\n`);
  process.exitCode = 2;
}
// Pulumi's runtime keeps the process alive.
process.exit();

async function plans(): Promise<StackPlan[]> {
  const found = values.preview.map((file) => planFromPreview(readFileSync(file, "utf8")));
  if (found.length > 0) return found;
  const stacks = positionals.length > 0 ? positionals : PRODUCTION_STACKS;
  // One after the other: a program has the process's runtime to itself.
  for (const stack of stacks) found.push(await planFromProgram(stack));
  return found;
}
