// `tickhub stress`: the market's open at N times its rate, through the whole path, with a verdict, and evidence of
// it with what was loaded: a database server or, with --to, a hub of simulated brokers (stress-target.ts).
import { createReadStream, existsSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join, resolve } from "node:path";
import { BOUNDS, nextSpeed, standing } from "../measure/stress-limit.ts";
import type { Try } from "../measure/stress-limit.ts";
import { stressReport } from "../measure/stress-report.ts";
import { amount, judge, LIMITS, THRESHOLDS } from "../measure/stress.ts";
import type { Limits, Sample, ThresholdName, Verdict } from "../measure/stress.ts";
import { systemClock } from "../shared/clock.ts";
import { readSettings } from "../shared/config.ts";
import { TickhubError } from "../shared/errors.ts";
import { lengthMs, readProfile } from "../sim/market/profile.ts";
import type { Profile } from "../sim/market/profile.ts";
import { asDatabaseError } from "../store/database.ts";
import { grouped, printJson, say } from "./output.ts";
import { untilSignal } from "./signal.ts";
import { runStress } from "./stress-run.ts";
import type { StressRun } from "./stress-run.ts";
import { openHubTarget, openServerTarget } from "./stress-target.ts";
import type { StressTarget } from "./stress-target.ts";

export interface StressOptions {
  /** A staging hub's gateway, instead of a hub and a database of the run's own. */
  to?: string;
  /** krx-open, us-open, or a file: a profile or a tape. */
  profile: string;
  speed: number;
  findLimit?: boolean;
  seconds?: number;
  /** Of a threshold: `name=value`. */
  limit?: string[];
  report?: string;
  /** Why a server in use is loaded all the same. */
  force?: string;
  json?: boolean;
}

export interface StressReport {
  ok: boolean;
  /** False: the generator could not keep up, and there is no verdict. */
  valid: boolean;
  summary: string;
  profile: string;
  speed: number;
  seconds: number;
  symbols: number;
  accounts: number;
  /** The hub that was loaded; null: one of the run's own. */
  target: string | null;
  /** Is the database on this machine, with everything else? */
  local: boolean;
  records: StressRun["sums"];
  recordsPerSecond: number;
  receiveToCommit: { p50Ms: number | null; p99Ms: number | null; p999Ms: number | null };
  checks: Verdict["checks"];
  losses: Verdict["losses"];
  /** What could not be had of the database's host, and why. */
  unknown: StressRun["unknown"];
  /** Row of the table `evidence`; null where that database has no such table. */
  evidence: number | null;
}

const PROFILES = fileURLToPath(new URL("../sim/profiles/", import.meta.url));
const BUILT_IN = ["krx-open", "us-open"];
/** Of a tape; a profile has its own length. */
const TAPE_S = 60;
/** Of one run of a search: the open's hardest part. */
const SEARCH_S = 15;
/** Trades of a symbol that the simulated REST remembers; nobody asks for more. */
const HISTORY = 500;
/** What a broker keeps for a client that does not read: enough to see how far behind it falls. */
const UNREAD_BYTES_MAX = 512 * 2 ** 20;
const EXIT_ENDED = 130;

export async function stress(options: StressOptions): Promise<number> {
  const limits = limitsOf(options.limit ?? []);
  const source = await sourceOf(options);
  const settings = readSettings(process.env);
  const ending = { asked: false };
  void untilSignal().then(() => (ending.asked = true));
  const target =
    options.to === undefined
      ? await openServerTarget(settings, options.force)
      : await openHubTarget(options.to, settings, { force: options.force, market: source.market });
  const command: Command = {
    ...{ options, limits, source, target },
    stateDir: resolve(join(settings.TICKHUB_STATE_DIR, "stress")),
    isEnded: () => ending.asked,
  };
  try {
    return await (options.findLimit ? search(command) : single(command));
  } catch (error) {
    throw asDatabaseError(error);
  } finally {
    await target.close();
  }
}

interface Command {
  options: StressOptions;
  limits: Limits;
  source: Source;
  target: StressTarget;
  stateDir: string;
  isEnded: () => boolean;
}

interface Source {
  name: string;
  lengthMs: number;
  /** Of a profile; a tape's is in the tape. */
  market: Profile["market"] | null;
  args: (speed: number) => string[];
}

/** Throws PROFILE_UNREADABLE, TAPE_UNREADABLE later. */
async function sourceOf({ profile, seconds }: StressOptions): Promise<Source> {
  const path = BUILT_IN.includes(profile) ? join(PROFILES, `${profile}.json`) : resolve(profile);
  const common = [
    ...["--expect", "kis,kiwoom", "--history-max", String(HISTORY)],
    ...["--buffered-bytes-max", String(UNREAD_BYTES_MAX)],
  ];
  if (!(await isJson(path))) {
    return {
      name: profile,
      lengthMs: (seconds ?? TAPE_S) * 1_000,
      market: null,
      args: (speed) => ["--tape", path, "--speed", String(speed), ...common],
    };
  }
  const read = readProfile(path);
  return {
    name: read.name,
    lengthMs: Math.min(lengthMs(read), seconds === undefined ? Infinity : seconds * 1_000),
    market: read.market,
    args: (speed) => ["--profile", path, "--times", String(speed), ...common],
  };
}

/** A profile begins with a brace, a tape with something else. Throws PROFILE_UNREADABLE. */
async function isJson(path: string): Promise<boolean> {
  if (!existsSync(path)) {
    throw new TickhubError("PROFILE_UNREADABLE", { path, reason: "there is no such file" });
  }
  for await (const chunk of createReadStream(path, { end: 0 })) return String(chunk) === "{";
  return false;
}

/** Throws USAGE. */
function limitsOf(texts: readonly string[]): Limits {
  const limits = { ...LIMITS };
  for (const text of texts) {
    const [, name, value] = /^([a-z0-9-]+)=(\d+(?:\.\d+)?)$/.exec(text) ?? [];
    if (name === undefined || !(name in THRESHOLDS)) {
      const wanted = `NAME=NUMBER with a name of ${Object.keys(THRESHOLDS).join(", ")}`;
      throw new TickhubError("USAGE", { problem: `--limit ${text}`, wanted });
    }
    limits[name as ThresholdName] = Number(value);
  }
  return limits;
}

/** One run and its verdict. */
async function single(command: Command): Promise<number> {
  const { options, source } = command;
  const run = await once(command, options.speed, source.lengthMs);
  if (run === null) return EXIT_ENDED;
  const report = reportOf(command, options.speed, run);
  if (options.report) {
    const path = resolve(options.report);
    writeFileSync(
      path,
      stressReport({ ...report, samples: run.samples, madeMs: systemClock.nowMs() }),
    );
    say(`tickhub: report ${path}`);
  }
  report.evidence = await keep(command, report);
  if (options.json) printJson(report);
  else show(report);
  return report.ok ? 0 : 1;
}

/** Null when the operator ended it. */
async function once(command: Command, speed: number, length: number): Promise<StressRun | null> {
  const { options, source, stateDir, target, isEnded } = command;
  const bar = new Bar(options.json ?? false, `${source.name} x${speed}`, length);
  bar.begin();
  try {
    const run = await runStress({
      ...{ stateDir, isEnded, lengthMs: length, withGround: target.withGround },
      simArgs: [...source.args(speed), ...target.simArgs],
      look: (sample) => bar.show(sample),
    });
    return run.ended === "operator" ? null : run;
  } finally {
    bar.end();
  }
}

function reportOf(
  { source, limits, target }: Command,
  speed: number,
  run: StressRun,
): StressReport {
  const verdict = judge(run.samples, run.lateness, run.sums, limits);
  const last = run.samples.at(-1);
  const most = (name: "p50Ms" | "p99Ms" | "p999Ms") =>
    run.samples.reduce<number | null>(
      (found, { [name]: value }) => (value === null ? found : Math.max(found ?? 0, value)),
      null,
    );
  const seconds = run.playedMs / 1_000;
  return {
    ...{ ok: verdict.ok, valid: verdict.valid, summary: verdict.summary },
    ...{ profile: source.name, speed, seconds, symbols: run.symbols, accounts: run.accounts },
    ...{ target: target.shown, local: run.place.isLocal },
    records: run.sums,
    recordsPerSecond: seconds === 0 ? 0 : run.sums.sent / seconds,
    receiveToCommit: { p50Ms: last?.p50Ms ?? null, p99Ms: most("p99Ms"), p999Ms: most("p999Ms") },
    ...{ checks: verdict.checks, losses: verdict.losses },
    unknown: run.unknown,
    evidence: null,
  };
}

/** With the target; null where that has no tickhub in it. */
async function keep({ target, options }: Command, report: StressReport): Promise<number | null> {
  const { ok, valid, summary, profile, speed, seconds, records, recordsPerSecond } = report;
  const figures = Object.fromEntries(report.checks.map(({ name, value }) => [name, value]));
  return await target.keep({
    ...{ kind: "stress", subject: "hub", ok, atMs: systemClock.nowMs() },
    summary: `${profile} at ${speed}: ${summary}`.slice(0, 1_000),
    detail: {
      ...{ valid, profile, speed, seconds, records, recordsPerSecond, figures },
      ...(target.shown === null ? {} : { through: "gateway" }),
      ...(options.force === undefined ? {} : { forced: options.force }),
    },
  });
}

interface Found {
  ok: boolean;
  profile: string;
  /** Highest speed that passed; null when none did. */
  limit: number | null;
  /** Lowest that did not; null when the search met no end. */
  above: number | null;
  /** What was over there first, or that the generator could not keep up. */
  broke: string | null;
  /** Was it the generator that ended the search? Then the hub's own limit is higher. */
  generator: boolean;
  runs: (Try & { summary: string; recordsPerSecond: number })[];
}

/** Short runs at more and more, then less and less, until the limit lies between two. */
async function search(command: Command): Promise<number> {
  const { options, source } = command;
  const length = Math.min(source.lengthMs, (options.seconds ?? SEARCH_S) * 1_000);
  const runs: Found["runs"] = [];
  for (;;) {
    const speed = nextSpeed(runs, { ...BOUNDS, first: options.speed });
    if (speed === null) break;
    const run = await once(command, speed, length);
    if (run === null) return EXIT_ENDED;
    const { ok, valid, summary, recordsPerSecond } = reportOf(command, speed, run);
    runs.push({
      speed,
      passed: valid ? ok : null,
      summary,
      recordsPerSecond,
    });
    if (!options.json) say(`  ${ok ? "held" : valid ? "over" : "late"}  x${speed}: ${summary}`);
  }
  const { passed, broke } = standing(runs);
  const above = runs.find(({ speed }) => speed === broke);
  const found: Found = {
    ...{ ok: passed !== null, profile: source.name, limit: passed, above: broke, runs },
    ...{ broke: above?.summary ?? null, generator: above?.passed === null },
  };
  if (options.json) printJson(found);
  else showFound(found);
  return found.ok ? 0 : 1;
}

function showFound({ profile, limit, above, broke, generator }: Found): void {
  const from = above === null ? "no end was met" : `at ${above}: ${broke!}`;
  const whose = generator ? "; the generator's limit, not the hub's" : "";
  process.stdout.write(
    limit === null
      ? `NONE ${profile}: not even the slowest speed passes; ${from}\n`
      : `LIMIT ${profile}: ${limit} passes; ${from}${whose}\n`,
  );
}

function show(report: StressReport): void {
  const { profile, speed, records, recordsPerSecond, receiveToCommit, checks, local } = report;
  say(
    `tickhub: ${grouped(records.sent)} records in ${report.seconds.toFixed(0)} s ` +
      `(${grouped(Math.round(recordsPerSecond))}/s) of ${report.symbols} symbols over ${report.accounts} accounts`,
  );
  const { sent, received, committed, rows } = records;
  say(
    `  sent ${grouped(sent)} · received ${grouped(received)} · committed ${grouped(committed)} · SQL finds ${grouped(rows)}`,
  );
  const ms = (value: number | null) => (value === null ? "?" : `${Math.round(value)} ms`);
  const { p50Ms, p99Ms, p999Ms } = receiveToCommit;
  say(`  receive to commit: p50 ${ms(p50Ms)}, p99 ${ms(p99Ms)}, p99.9 ${ms(p999Ms)}`);
  if (report.target !== null) {
    say(`  into ${report.target}: its ${grouped(rows)} rows stay in that hub's database`);
  }
  if (local) say("  everything runs on this machine; CPU is that of the run's own processes");
  for (const { says, value, limit, unit, over } of checks) {
    const found = value === null ? "unknown" : amount(value, unit);
    const mark = over ? "OVER" : value === null ? "-   " : "ok  ";
    say(`  ${mark} ${says.padEnd(52)} ${found.padStart(12)}   limit ${amount(limit, unit)}`);
  }
  for (const loss of report.losses) say(`  LOST ${loss}`);
  if (report.evidence === null)
    say("tickhub: no evidence kept: that database has no tickhub in it");
  const word = report.ok ? "PASS" : report.valid ? "FAIL" : "INVALID";
  process.stdout.write(`${word} ${profile} at ${speed}: ${report.summary}\n`);
}

const BAR_CELLS = 20;

/** One line that a terminal sees rewritten; elsewhere nothing. */
class Bar {
  readonly #isShown: boolean;
  readonly #title: string;
  readonly #lengthMs: number;
  #last: Sample | undefined;

  constructor(quiet: boolean, title: string, lengthMs: number) {
    this.#isShown = !quiet && process.stderr.isTTY;
    this.#title = title;
    this.#lengthMs = lengthMs;
  }

  begin(): void {
    this.#write(`${this.#title}: database, brokers, hub, edges …`);
  }

  show(sample: Sample): void {
    const { atMs, sent, held, p99NowMs } = sample;
    const last = this.#last ?? { atMs: 0, sent: 0 };
    const perSecond = ((sent - last.sent) / Math.max(1, atMs - last.atMs)) * 1_000;
    this.#last = sample;
    const cells = Math.min(BAR_CELLS, Math.round((atMs / this.#lengthMs) * BAR_CELLS));
    const bar = "#".repeat(cells).padEnd(BAR_CELLS, ".");
    const p99 = p99NowMs === null ? "" : `, p99 ${Math.round(p99NowMs)} ms`;
    this.#write(
      `${this.#title} [${bar}] ${Math.round(atMs / 1_000)} s, ${grouped(Math.round(perSecond))}/s, ` +
        `${grouped(held)} held${p99}`,
    );
  }

  end(): void {
    if (this.#isShown) process.stderr.write("\r\x1b[2K");
  }

  #write(text: string): void {
    if (this.#isShown) process.stderr.write(`\r\x1b[2K${text}`);
  }
}
