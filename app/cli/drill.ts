// `tickhub drill NAME`: pulls a plug on purpose and proves what happened. A whole tickhub of its own (real
// processes, simulated brokers, a database made for it and dropped afterwards) collects, the fault is
// injected, and the books before and after are printed with PASS or FAIL. Touches nothing that runs already,
// so it may be run beside a hub in use, on that hub's own database server; Ctrl-C leaves nothing behind.
import { randomBytes } from "node:crypto";
import { join, resolve } from "node:path";
import { readSettings } from "../shared/config.ts";
import { sumOf } from "../shared/tick.ts";
import type { Ledger } from "../shared/tick.ts";
import { openPool } from "../store/database.ts";
import { createDatabase, dropDatabase } from "../store/scratch.ts";
import { DRILLS } from "./drills.ts";
import type { DrillName } from "./drills.ts";
import { grouped, printJson, say } from "./output.ts";
import { openServer } from "./server.ts";
import { untilSignal } from "./signal.ts";
import { Scene } from "./scene.ts";
import type { Check } from "./scene.ts";
import { Stack } from "./stack.ts";

export interface DrillOptions {
  /** How long the fault lasts, where it has a length. */
  seconds?: number;
  json?: boolean;
}

export interface DrillReport {
  drill: DrillName;
  pass: boolean;
  before: Ledger;
  after: Ledger;
  checks: Check[];
}

const OUTAGE_S = 60;
/** Of a shell, for what was ended by Ctrl-C. */
const EXIT_ENDED = 130;

export async function drill(name: DrillName, options: DrillOptions): Promise<number> {
  const settings = readSettings(process.env);
  const tell = options.json ? () => undefined : say;
  const ended = untilSignal().then(() => null);
  const server = await openServer(settings.TICKHUB_STATE_DIR, settings.TICKHUB_DATABASE_URL);
  const database = `drill_${randomBytes(6).toString("hex")}`;
  try {
    const databaseUrl = await createDatabase(server.url, database);
    const stateDir = join(settings.TICKHUB_STATE_DIR, "drill");
    const report = await perform(name, options.seconds ?? OUTAGE_S, {
      ...{ databaseUrl, stateDir, tell, ended },
    });
    if (report === null) return EXIT_ENDED;
    if (options.json) printJson(report);
    else show(report);
    return report.pass ? 0 : 1;
  } finally {
    await dropDatabase(server.url, database);
    await server.stop();
  }
}

interface Where {
  databaseUrl: string;
  stateDir: string;
  tell: (text: string) => void;
  /** Resolves when the operator wants it to end. */
  ended: Promise<null>;
}

/** The whole drill on a stack of its own. null when it was ended before it was over. */
async function perform(
  name: DrillName,
  seconds: number,
  where: Where,
): Promise<DrillReport | null> {
  const { says } = DRILLS[name];
  where.tell(`tickhub: drill ${name}: ${says}`);
  const stack = await Stack.start({
    stateDir: resolve(where.stateDir),
    databaseUrl: where.databaseUrl,
    port: 0,
    logLevel: "info",
    simArgs: ["--rate", "300", "--slot-hold-ms", "500", "--expect", "kis,kiwoom"],
    uplink: "gateway",
    quietMs: 500,
    killGraceMs: 5_000,
  });
  const pool = openPool(where.databaseUrl, { connectionsMax: 2, name: "tickhub-drill" });
  try {
    const drilled = strike(name, new Scene(stack, pool), seconds, where.tell);
    // Ended, it comes to nothing: its processes are taken from it.
    drilled.catch(() => undefined);
    return await Promise.race([drilled, where.ended]);
  } finally {
    await pool.end();
    await stack.stop();
  }
}

async function strike(
  name: DrillName,
  scene: Scene,
  seconds: number,
  tell: (text: string) => void,
): Promise<DrillReport> {
  const { faultSays, run } = DRILLS[name];
  await scene.flow(1_000);
  const before = await scene.ledger();
  tell(`tickhub: ${faultSays} …`);
  const checks = await run(scene, seconds);
  const after = sumOf(await scene.edgeLedgers());
  return { drill: name, pass: checks.every((check) => check.ok), before, after, checks };
}

function show({ drill: name, pass, before, after, checks }: DrillReport): void {
  say(`before: ${lineOf(before)}`);
  say(`after:  ${lineOf(after)}`);
  for (const { says, ok, facts } of checks) say(`  ${ok ? "ok  " : "FAIL"} ${says} (${facts})`);
  process.stdout.write(`${pass ? "PASS" : "FAIL"} ${name}\n`);
}

function lineOf(ledger: Ledger): string {
  const { received, ...parts } = ledger;
  const sum = Object.entries(parts).map(([name, count]) => `${grouped(count)} ${name}`);
  return `${grouped(received)} received = ${sum.join(" + ")}`;
}
