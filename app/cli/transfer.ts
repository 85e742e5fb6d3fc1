// `tickhub transfer`: tables from another database into tickhub's, or any two tables of two databases. Exits
// with 0 when every chunk of every table is equal on both sides, with 1 when not, or when it was stopped: then
// the same command goes on where it stood.
import { systemClock } from "../shared/clock.ts";
import { readSettings } from "../shared/config.ts";
import { TickhubError } from "../shared/errors.ts";
import { asDatabaseError } from "../store/database.ts";
import { recordEvidence } from "../store/evidence.ts";
import { checkSchema } from "../store/migrate.ts";
import { directCompressObstacle } from "../transfer/direct-compress.ts";
import { estimate } from "../transfer/estimate.ts";
import type { Estimate } from "../transfer/estimate.ts";
import { readMap } from "../transfer/map-file.ts";
import { prepare } from "../transfer/passage.ts";
import { Throttle } from "../transfer/pipe.ts";
import { openSide } from "../transfer/sides.ts";
import type { Side } from "../transfer/sides.ts";
import type { Shape } from "../transfer/statements.ts";
import { transfer } from "../transfer/transfer.ts";
import type { RunPassage, TransferReport } from "../transfer/transfer.ts";
import { grouped, printJson, say } from "./output.ts";
import { openServer } from "./server.ts";
import { clockOf, size, TransferProgress } from "./transfer-progress.ts";

export interface TransferCommand {
  from: string;
  to?: string;
  /** `source` or `source:target`. */
  table: string[];
  map?: string;
  by?: string;
  chunkRows: number;
  parallel: number;
  /** Bytes a second. */
  maxRate?: number;
  polite?: boolean;
  create?: boolean;
  dryRun?: boolean;
  verifyOnly?: boolean;
  untilCaughtUp?: boolean;
  follow?: boolean;
  /** Seconds. */
  behind: number;
  repair?: boolean;
  maxDifferences: number;
  directCompress?: boolean;
  json?: boolean;
}

export async function transferTables(command: TransferCommand): Promise<number> {
  checkUse(command);
  const settings = readSettings(process.env);
  const to = command.to === undefined ? settings.TICKHUB_DATABASE_URL : urlOf("--to", command.to);
  const server = await openServer(settings.TICKHUB_STATE_DIR, to);
  const sides: Side[] = [];
  try {
    const connections = 2 * command.parallel + 2;
    const source = await openSide("source", urlOf("--from", command.from), connections);
    sides.push(source);
    const target = await openSide("target", server.url, connections);
    sides.push(target);
    await checkSchema(target.pool);
    return await moveAll(command, source, target);
  } catch (error) {
    throw asDatabaseError(error);
  } finally {
    await Promise.all(sides.map(({ pool }) => pool.end()));
    await server.stop();
  }
}

function checkUse({ table, map, follow, verifyOnly, dryRun, repair }: TransferCommand): void {
  const refuse = (problem: string): never => {
    throw new TickhubError("USAGE", { problem });
  };
  if (map !== undefined && table.length > 1) refuse("a map belongs to one table");
  if ([follow, verifyOnly, dryRun].filter(Boolean).length > 1)
    refuse("--follow, --verify-only and --dry-run exclude each other");
  if (repair && (verifyOnly || dryRun)) refuse("--repair copies; leave --verify-only or --dry-run");
}

/** `env:NAME` keeps a password off the command line, where every user of the machine can read it. */
function urlOf(option: string, text: string): string {
  if (!text.startsWith("env:")) return text;
  const url = process.env[text.slice(4)];
  if (url) return url;
  throw new TickhubError("USAGE", { problem: `${option} ${text}: that variable is not set` });
}

async function moveAll(command: TransferCommand, source: Side, target: Side): Promise<number> {
  const stop = stopping(command);
  const progress = new TransferProgress(systemClock, command.json ?? false);
  const results: (Outcome | Estimate)[] = [];
  try {
    for (const table of command.table)
      results.push(await moveOne(command, source, target, table, progress, stop));
  } catch (error) {
    progress.end();
    if (!stop.abort.aborted) throw error;
    say("tickhub: stopped; the same command goes on where it stood");
    if (command.json) printJson({ ok: false, stopped: true, tables: results });
    return 1;
  }
  progress.end();
  const ok = results.every((result) => !("ok" in result) || result.ok);
  if (command.json) printJson({ ok, tables: results });
  else for (const result of results) print(result);
  return ok ? 0 : 1;
}

interface Stopping {
  /** Now: what is under way is rolled back. */
  abort: AbortSignal;
  /** After the round that is under way. */
  end: AbortSignal;
}

/** Ctrl-C: a copy stops at once, --follow ends its round; the second one stops that as well. */
function stopping({ follow }: TransferCommand): Stopping {
  const [abort, end] = [new AbortController(), new AbortController()];
  let asked = 0;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      asked++;
      end.abort();
      if (!follow || asked > 1) abort.abort(new Error("stopped"));
      if (asked > 2) process.exit(130);
    });
  }
  return { abort: abort.signal, end: end.signal };
}

type Outcome = TransferReport & { rowsPerS: number; source: string; target: string };

async function moveOne(
  command: TransferCommand,
  source: Side,
  target: Side,
  table: string,
  progress: TransferProgress,
  { abort, end }: Stopping,
): Promise<Outcome | Estimate> {
  const [sourceTable = table, targetTable = sourceTable] = table.split(":");
  const map = command.map === undefined ? null : await readMap(command.map);
  const { by, create = false } = command;
  const prepared = await prepare(source, target, { sourceTable, targetTable, map, by, create });
  if (!command.json) for (const notice of prepared.notices) say(`tickhub: ${table}: ${notice}`);
  const { shape, settings, job } = prepared;
  const chunkRows = Math.round(command.chunkRows);
  const parallel = Math.max(1, Math.floor(command.parallel));
  const passage: RunPassage = {
    ...{ source, target, job, shape, settings, clock: systemClock, signal: abort },
    throttle: new Throttle(systemClock, command.maxRate ?? null),
    repair: command.repair ?? false,
    directCompress: (command.directCompress ?? false) && (await mayCompress(target, shape)),
    onBytes: (count) => progress.bytes(count),
  };
  if (command.dryRun) {
    return await estimate(passage, { chunkRows, parallel, maxRate: command.maxRate ?? null });
  }
  const report = await transfer(passage, prepared, {
    ...{ chunkRows, parallel, end, polite: command.polite ?? false },
    mode: command.verifyOnly ? "verify" : command.follow ? "follow" : "copy",
    behindMaxMs: command.behind * 1_000,
    differencesMax: command.maxDifferences,
    onEvent: (event) => progress.hear(event),
  });
  const rowsPerS = Math.round(report.inserted / Math.max(0.001, report.tookMs / 1_000));
  const outcome = { ...report, rowsPerS, source: source.label, target: target.label };
  await leaveEvidence(target, outcome);
  return outcome;
}

async function mayCompress({ pool }: Side, { target }: Shape): Promise<boolean> {
  const obstacle = await directCompressObstacle(pool, target);
  if (obstacle !== null)
    say(`tickhub: ${target.title}: --direct-compress is left out: ${obstacle}`);
  return obstacle === null;
}

async function leaveEvidence(target: Side, outcome: Outcome): Promise<void> {
  const { ok, table, source, job, rows, inserted, bytes, rowsPerS, chunks } = outcome;
  const { differing, behindMs, tookMs } = outcome;
  await recordEvidence(target.pool, {
    ...{ kind: "transfer", subject: table, ok, summary: summaryOf(outcome) },
    atMs: systemClock.nowMs(),
    detail: { job, source, rows, inserted, bytes, rowsPerS, chunks, differing, behindMs, tookMs },
  });
}

function summaryOf({ ok, rows, chunks, behindMs, differing }: Outcome): string {
  const near = behindMs === 0 ? "" : `, ${(behindMs / 1_000).toFixed(1)} s behind the source`;
  return ok
    ? `equal on both sides: ${grouped(rows)} rows in ${chunks} chunks${near}`
    : `NOT EQUAL: ${differing} of ${chunks} chunks differ, ${grouped(rows)} rows are equal`;
}

function print(result: Outcome | Estimate): void {
  const write = (line: string) => process.stdout.write(`${line}\n`);
  if (!("ok" in result)) {
    write(estimateLine(result));
    const free = result.freeBytes === null ? "not known here" : size(result.freeBytes);
    write(
      `  free on the target's disk: ${free}; the copy needs ${size(result.targetBytes)} and WAL`,
    );
    if (result.freeBytes !== null && result.freeBytes < 1.2 * result.targetBytes)
      write("  NOT ENOUGH ROOM: free some, or move less");
    return;
  }
  const { table, inserted, bytes, rowsPerS, tookMs, others, differences } = result;
  for (const { side, row } of differences) write(`  ${table}, ${side} only: ${row.slice(0, 300)}`);
  const seconds = (tookMs / 1_000).toFixed(1);
  write(`${table} ${summaryOf(result)}`);
  write(
    `  ${grouped(inserted)} rows copied, ${size(bytes)} in ${seconds} s (${grouped(rowsPerS)} rows/s)`,
  );
  if (others > 0) write(`  ${grouped(others)} rows there are not from this source; left alone`);
  if (!result.ok) write("  to make the target's rows as the source's: the same with --repair");
}

function estimateLine(estimate: Estimate): string {
  const { table, rows, sourceBytes, wireBytes, targetBytes, chunks, tookMs, sampleRows, sampleMs } =
    estimate;
  return (
    `${table}: about ${grouped(rows)} rows in ${chunks} chunks, ${size(sourceBytes)} at the source,` +
    ` ${size(wireBytes)} to send, ${size(targetBytes)} on the target\n` +
    `  about ${clockOf(tookMs / 1_000)} (a chunk of ${grouped(sampleRows)} rows took ${(sampleMs / 1_000).toFixed(1)} s)`
  );
}
