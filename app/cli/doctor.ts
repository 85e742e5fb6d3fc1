// `tickhub doctor`: asks every precondition of a run on this machine, side by side and each within a limit, and
// for everything wrong says what it is and which command comes next. Changes nothing. Exits with 1 when
// something is broken; a warning alone leaves it at 0.
import { systemClock } from "../shared/clock.ts";
import type { Clock } from "../shared/clock.ts";
import { surveySettings } from "../shared/config.ts";
import { tailscaledSocket } from "../shared/tailscaled.ts";
import { DATABASE_CHECKS } from "./doctor/database.ts";
import { broken, troubleOf } from "./doctor/finding.ts";
import type { Check, Finding, Look, Trouble } from "./doctor/finding.ts";
import { LINK_CHECKS } from "./doctor/links.ts";
import { MACHINE_CHECKS } from "./doctor/machine.ts";
import { PLAN_CHECKS } from "./doctor/plan.ts";
import { SETTING_CHECKS, settingTroubles } from "./doctor/settings.ts";
import { printJson } from "./output.ts";

const CHECKS: readonly Check[] = [
  ...SETTING_CHECKS,
  ...PLAN_CHECKS,
  ...MACHINE_CHECKS,
  ...DATABASE_CHECKS,
  ...LINK_CHECKS,
];

/** Of one check; all together take no longer than the slowest. */
const CHECK_MS = 12_000;

export interface DoctorOptions {
  clock: Clock;
  /** Default: where this machine's tailscaled listens. */
  tailscaleSocket: string;
  checkMs: number;
}

export async function doctor(options: { json?: boolean }): Promise<number> {
  const findings = await examine(process.env);
  const isSound = findings.every(({ severity }) => severity !== "broken");
  if (options.json) printJson({ ok: isSound, findings });
  else process.stdout.write(inWords(findings, process.stdout.isTTY));
  return isSound ? 0 : 1;
}

/** All checks against one environment. A broken setting hides only what stands on it. */
export async function examine(
  env: NodeJS.ProcessEnv,
  options: Partial<DoctorOptions> = {},
): Promise<Finding[]> {
  const { clock = systemClock, tailscaleSocket = tailscaledSocket() } = options;
  const { checkMs = CHECK_MS } = options;
  const { settings, errors } = surveySettings(env);
  const names = new Set(errors.map(({ context }) => String(context["name"])));
  const look: Look = { settings, clock, broken: names, tailscaleSocket };
  const asked = CHECKS.filter(({ needs = [] }) => !needs.some((name) => names.has(name)));
  const answers = await Promise.all(
    asked.map(async (check) => findingsOf(check.name, await answer(check, look, checkMs))),
  );
  return [findingsOf("settings", settingTroubles(errors)), ...answers].flat();
}

/** What the check finds, or that it did not come to an end. */
async function answer(check: Check, look: Look, checkMs: number): Promise<Trouble[]> {
  const overdue = Promise.withResolvers<Trouble[]>();
  const timer = look.clock.after(checkMs, () => {
    const facts = { check: check.name, waitedMs: checkMs };
    overdue.resolve([broken("DOCTOR_TIMEOUT", facts, "`npx tickhub doctor --json`, once more.")]);
  });
  try {
    return (await Promise.race([run(check, look), overdue.promise])) ?? [];
  } finally {
    timer.cancel();
  }
}

async function run(check: Check, look: Look): Promise<Trouble[] | undefined> {
  try {
    return await check.run(look);
  } catch (error) {
    return [
      troubleOf(error, "`npx tickhub doctor --json`, and look the code up in docs/errors.md."),
    ];
  }
}

function findingsOf(check: string, troubles: readonly Trouble[]): Finding[] {
  if (troubles.length === 0) return [{ check, ok: true }];
  return troubles.map((trouble) => ({ check, ok: false, ...trouble }));
}

/** What is wrong first, then warnings, then what is in order on one line. */
function inWords(findings: readonly Finding[], isTerminal: boolean): string {
  const paint = (code: number, text: string) =>
    isTerminal ? `\u001B[${code}m${text}\u001B[0m` : text;
  const blockOf = ({ check, severity, code, cause, next }: Finding) => {
    const mark = severity === "broken" ? paint(31, "BROKEN ") : paint(33, "warning");
    return `  ${mark}  ${check}: ${code!}\n           ${cause!}\n           next: ${next!}\n`;
  };
  const of = (severity: Finding["severity"]) =>
    findings.filter((finding) => !finding.ok && finding.severity === severity);
  const [isBroken, warned] = [of("broken"), of("warning")];
  const sound = findings.filter(({ ok }) => ok).map(({ check }) => check);
  return [
    ...[...isBroken, ...warned].map(blockOf),
    `  ${paint(32, "ok     ")}  ${sound.join(", ")}\n`,
    `broken: ${isBroken.length}, warnings: ${warned.length}, in order: ${sound.length}\n`,
  ].join("");
}
