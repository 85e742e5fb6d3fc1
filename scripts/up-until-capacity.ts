// `npm run up-until-capacity -- --stack oci [--attempts 300] [--hours 12] [--half-after 60]`: runs pulumi up again
// and again while Oracle has no free machine to give, and stops by itself. What earlier attempts made (network,
// volume, bucket) stays and is not made again. The availability domain is not changed on the way: the data
// volume is in it already, and a region with one free domain is the usual case.
import { spawn } from "node:child_process";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { CAPACITY_LIMITS, untilCapacity } from "./until-capacity.ts";

const { values } = parseArgs({
  options: {
    stack: { type: "string", default: "oci" },
    attempts: { type: "string", default: String(CAPACITY_LIMITS.attemptsMax) },
    hours: { type: "string", default: String(CAPACITY_LIMITS.hoursMax) },
    "half-after": { type: "string", default: "0" },
  },
});
const say = (line: string) => void process.stderr.write(`${line}\n`);

/** Shows the output as it comes, and keeps its end. */
function pulumi(
  args: string[],
  { isShown } = { isShown: true },
): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = spawn("pulumi", args, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const take = (chunk: Buffer) => {
      if (isShown) process.stderr.write(chunk);
      output = (output + chunk.toString()).slice(-200_000);
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.on("error", (error) => resolve({ code: 127, output: error.message }));
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

const stack = ["--stack", values.stack];

/**
 * The machine's tailnet key lives an hour and is not renewed by itself: while the machine does not exist, each
 * attempt after the first takes a new one along.
 */
async function freshKey(): Promise<string[]> {
  const { output } = await pulumi(["stack", ...stack, "--show-urns"], { isShown: false });
  const urns = output.match(/urn:pulumi:\S+/g) ?? [];
  if (urns.some((urn) => urn.includes("$oci:Core/instance:Instance::"))) return [];
  const key = urns.find((urn) => urn.includes("tailscale:index/tailnetKey:TailnetKey::hub-key"));
  return key === undefined ? [] : ["--replace", key];
}

const ended = await untilCapacity(
  {
    ...CAPACITY_LIMITS,
    attemptsMax: Number(values.attempts),
    hoursMax: Number(values.hours),
    halfAfter: Number(values["half-after"]),
  },
  {
    async up(machine) {
      const size = machine === "half" ? ["--config", "ocpus=1", "--config", "memoryGb=6"] : [];
      const key = await freshKey();
      return await pulumi(["up", "--yes", "--non-interactive", ...stack, ...size, ...key]);
    },
    sleep: (ms) => wait(ms),
    nowMs: () => Date.now(),
    random: () => Math.random(),
    say,
  },
);
const ENDS = {
  failed: "pulumi failed for another reason: see above.",
  attempts:
    "no capacity after all attempts. Run it again, at night in the region, or with --half-after 1.",
  hours: "no capacity in the hours allowed. Run it again, or with --half-after 1.",
};
if (ended.then === "give-up") say(`up-until-capacity: ${ENDS[ended.why]}`);
process.exitCode = ended.then === "done" ? 0 : 1;
