// `tickhub latency`: how good the path to a hub is, from here, with a verdict. Measures what the addresses
// allow, prints percentiles, leaves a row a probe and the evidence that the migration's gates read. Exits with
// 0 when every threshold holds and the result was kept, with 1 when not (docs/latency.md).
import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { systemClock } from "../shared/clock.ts";
import { readSettings } from "../shared/config.ts";
import type { Settings } from "../shared/config.ts";
import { TickhubError } from "../shared/errors.ts";
import type { Evidence } from "../shared/evidence.ts";
import type { LatencyRun } from "../shared/latency-run.ts";
import { tailscaledSocket } from "../shared/tailscaled.ts";
import { asDatabaseError } from "../store/database.ts";
import { LATENCY_LIMITS, measureLatency } from "../measure/latency.ts";
import type { LatencyOptions, Measurement } from "../measure/latency.ts";
import { latencyPage } from "../measure/latency-report.ts";
import { databaseTunings, gatewayTunings, tune } from "../measure/latency-tune.ts";
import type { TuneResult } from "../measure/latency-tune.ts";
import { verdictOn } from "../measure/latency-verdict.ts";
import type { Verdict } from "../measure/latency-verdict.ts";
import { findPath, pathInWords } from "../measure/path.ts";
import { kneeOf } from "../measure/pool.ts";
import { deliverEvidence } from "./evidence.ts";
import { compareLabels } from "./latency-compare.ts";
import { latencyLines } from "./latency-lines.ts";
import { openTargets } from "./latency-targets.ts";
import type { OpenTargets } from "./latency-targets.ts";
import { printJson, say } from "./output.ts";

export interface LatencyCommand {
  /** Default: TICKHUB_HUB_URL and TICKHUB_DATABASE_URL, as far as they are set. */
  to?: string[];
  /** Whose measurement it is; default TICKHUB_EDGE_ID, else `home`. */
  from?: string;
  label?: string;
  samples?: number;
  seconds?: number;
  tune?: boolean;
  /** False by --no-pool. */
  pool: boolean;
  /** Two labels. */
  compare?: string[];
  report?: string;
  /** False by --no-store. */
  store: boolean;
  json?: boolean;
}

/** Everything that one command found. */
export interface LatencyFound {
  subject: string;
  host: string;
  run: string;
  path: string;
  measured: Measurement;
  tunings: TuneResult[];
  verdict: Verdict;
}

/** What the hub's door takes, and room for what is around the runs. */
const EVIDENCE_BYTES_MAX = 60_000;

export async function latency(options: LatencyCommand): Promise<number> {
  const settings = readSettings(process.env);
  if (options.compare) return await compareLabels(settings, options.compare, options);
  const run = randomUUID();
  const targets = await openTargets(settings, { to: options.to ?? [], run });
  const subject = options.from ?? settings.TICKHUB_EDGE_ID ?? "home";
  const progress = bar(options.json ?? false);
  let found: LatencyFound;
  try {
    found = await measure(targets, settings, { ...options, subject, run, progress });
  } catch (error) {
    throw asDatabaseError(error);
  } finally {
    progress.end();
    await targets.close();
  }
  if (options.report !== undefined) await writeFile(options.report, pageFor(found));
  const stored = options.store ? await keep(settings, targets, found) : null;
  if (options.json) printJson(jsonOf(found, stored));
  else print(found, stored);
  return found.verdict.ok && stored?.ok !== false ? 0 : 1;
}

interface MeasureOptions extends LatencyCommand {
  subject: string;
  run: string;
  progress: Bar;
}

async function measure(
  targets: OpenTargets,
  settings: Settings,
  { subject, run, samples, seconds, label, pool, progress, ...options }: MeasureOptions,
): Promise<LatencyFound> {
  const limits: LatencyOptions = {
    ...LATENCY_LIMITS,
    ...(samples === undefined ? {} : { samples }),
    ...(seconds === undefined ? {} : { secondsMax: seconds }),
    ...(pool ? {} : { poolSeconds: 0 }),
    accept: settings.TICKHUB_LATENCY_ACCEPT,
    label: label ?? null,
    clock: systemClock,
    onProgress: progress.show,
  };
  const measured = await measureLatency(targets, limits);
  const tunings: TuneResult[] = [];
  for (const one of options.tune ? tuningsOf(targets) : []) tunings.push(await tune(one, limits));
  await targets.database?.clear();
  const { host, address } = targets.place;
  const question = { host, address, socketPath: tailscaledSocket(), clock: systemClock };
  return {
    ...{ subject, host: hostname(), run, measured, tunings },
    path: pathInWords(await findPath(question)),
    verdict: verdictOn(measured.runs, faultsOf(measured, settings)),
  };
}

function tuningsOf({ database, gateway }: OpenTargets) {
  return [
    ...(database ? databaseTunings(database) : []),
    ...(gateway ? gatewayTunings(gateway) : []),
  ];
}

/** Reasons against a good verdict that no threshold names. */
function faultsOf({ durability, skipped }: Measurement, settings: Settings): string[] {
  const wanted = new Set<string>(settings.TICKHUB_LATENCY_ACCEPT.map(({ probe }) => probe));
  return [
    ...(durability && !durability.fsync ? ["fsync is off there, so no commit is on disk"] : []),
    ...(durability && !durability.synchronousCommit
      ? ["synchronous_commit is off there, so no commit is on disk when it is answered"]
      : []),
    ...skipped
      .filter(({ probe, isFault }) => isFault && wanted.has(probe))
      .map(({ probe, reason }) => `${probe} could not be measured: ${reason}`),
  ];
}

/** Whether the result was kept; with --json part of the one object. */
export type Kept = { ok: true } | { ok: false; code: string; message: string; next: string };

/** A result that could not be kept is still shown. */
async function keep(settings: Settings, targets: OpenTargets, found: LatencyFound): Promise<Kept> {
  try {
    await deliverEvidence(whereTo(settings, targets), evidenceOf(found));
    return { ok: true };
  } catch (error) {
    if (!(error instanceof TickhubError)) throw error;
    return { ok: false, code: error.code, message: error.message, next: error.hint };
  }
}

/** Where nothing is set, the hub that was measured keeps it. */
function whereTo(settings: Settings, { urls }: OpenTargets): Settings {
  if (settings.TICKHUB_DATABASE_URL ?? settings.TICKHUB_HUB_URL) return settings;
  return { ...settings, TICKHUB_DATABASE_URL: urls.database, TICKHUB_HUB_URL: urls.gateway };
}

function evidenceOf(found: LatencyFound): Evidence {
  const { subject, host, run, path, measured, tunings, verdict } = found;
  const { clock } = measured;
  const plain = measured.runs.map(withoutCurve);
  const tuned = tunings.flatMap(({ before, after }) => [before, after]).map(withoutCurve);
  const common = {
    ...{ run, host, path, offsetMs: clock?.offsetMs ?? null },
    offsetBoundMs: clock?.boundMs ?? null,
    ...{ upMs: clock?.upMs ?? null, downMs: clock?.downMs ?? null },
  };
  const evidence = (runs: typeof plain): Evidence => ({
    ...{ kind: "latency", subject, ok: verdict.ok, atMs: measured.endedMs },
    summary: verdict.text.slice(0, 1_000),
    detail: {
      ...common,
      reasons: verdict.reasons,
      probes: Object.fromEntries(
        measured.runs.map(({ probe, target, figures }) => [
          probe,
          { target, samples: figures.samples, failed: figures.failed, ...figures.percentiles },
        ]),
      ),
      pool: measured.pool.map(({ connections, commitsPerS }) => ({ connections, commitsPerS })),
      report: { ...common, runs },
    },
  });
  const whole = evidence([...plain, ...tuned]);
  if (JSON.stringify(whole).length <= EVIDENCE_BYTES_MAX) return whole;
  return evidence([...plain, ...tuned].map((one) => ({ ...one, bins: [] })));
}

function withoutCurve(run: Measurement["runs"][number]): LatencyRun {
  const kept: LatencyRun & { curve?: unknown } = { ...run };
  delete kept.curve;
  return kept;
}

function jsonOf({ measured, tunings, verdict, ...found }: LatencyFound, stored: Kept | null) {
  const { runs, pool, ...rest } = measured;
  return {
    ...{ ok: verdict.ok, reasons: verdict.reasons, ...found, ...rest },
    runs: runs.map(withoutCurve),
    ...{ pool, knee: kneeOf(pool) },
    tunings: tunings.map(({ before, after, ...one }) => ({
      ...one,
      ...{ before: withoutCurve(before), after: withoutCurve(after) },
    })),
    stored,
  };
}

function print(found: LatencyFound, stored: Kept | null): void {
  process.stdout.write(`${latencyLines(found).join("\n")}\n`);
  if (stored?.ok !== false) return;
  say(`tickhub: the result was not kept: ${stored.message}`);
  say(`  next:  ${stored.next}`);
}

function pageFor(found: LatencyFound): string {
  const { startedMs } = found.measured;
  // What a person typed may hold a password, so the command is told without its addresses.
  const made = `${new Date(startedMs).toISOString()} · tickhub latency, run ${found.run}`;
  return latencyPage({ ...found, made });
}

interface Bar {
  show: (what: string, done: number, of: number) => void;
  end: () => void;
}

const BAR_WIDTH = 30;
/** Often enough to be watched, too seldom to disturb what is measured. */
const BAR_MS = 250;

function bar(isQuiet: boolean): Bar {
  if (isQuiet || !process.stderr.isTTY) return { show: () => undefined, end: () => undefined };
  let shownMs = 0;
  return {
    show(what, done, of) {
      const nowMs = systemClock.monoMs();
      if (done < of && nowMs - shownMs < BAR_MS) return;
      shownMs = nowMs;
      const filled = Math.round((BAR_WIDTH * done) / of);
      const drawn = "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
      process.stderr.write(`\r\x1b[2K${what.padEnd(10)} ${drawn} ${done}/${of}`);
    },
    end: () => void process.stderr.write("\r\x1b[2K"),
  };
}
