// `tickhub backup verify`: brings a copy of the database up on its files and its archived WAL, and compares
// it with the database in use, table by table and day by day. Exits with 0 when the copy holds the same, with
// 1 when not; then it shows rows that differ. The copy is a scratch: it is written to while it recovers.
import type pg from "pg";
import { systemClock } from "../shared/clock.ts";
import { readSettings } from "../shared/config.ts";
import { TickhubError } from "../shared/errors.ts";
import type { Evidence } from "../shared/evidence.ts";
import { TABLES } from "../shared/table.ts";
import { differingRows, sumDays } from "../store/checksum.ts";
import type { DaySum, DifferingRow } from "../store/checksum.ts";
import { asDatabaseError, openPool } from "../store/database.ts";
import { recordEvidence } from "../store/evidence.ts";
import { startRestored } from "../store/restore.ts";
import { grouped, printJson, say } from "./output.ts";
import { openServer } from "./server.ts";
import type { Server } from "./server.ts";

export interface BackupOptions {
  /** A restored copy that runs already; or the folders to bring one up from. */
  copy?: string;
  /** The same, on another host: user, password and database as in use. */
  copyHost?: string;
  restored?: string;
  wal?: string;
  /** Seconds of the newest rows that are left out; see MARGIN_S. */
  margin?: number;
  /** Seconds that the copy's end may lie before the newest commit; see BEHIND_MAX_S. */
  behind?: number;
  json?: boolean;
}

export interface BackupReport {
  ok: boolean;
  /** Rows committed later are not compared: the archive may end within them. */
  cutMs: number;
  rows: number;
  days: number;
  /** How far the copy's last commit lies before the last one in use. */
  behindMs: number;
  /** Of `behindMs`, what is still good: segments end after five minutes and are uploaded each minute. */
  behindMaxMs: number;
  /** Days that differ: as the original has them, and as the copy has. */
  wrong: { table: string; day: string; original: DaySum | null; copy: DaySum | null }[];
  /** Days that the copy has and the original has let go of since, by age. */
  expired: number;
  differing: DifferingRow[];
  tookMs: number;
}

/**
 * A row carries the time its transaction began, and the archive ends between two commits: a transaction of
 * up to this long may have begun before the copy's last one and be missing from it. Statements of the
 * hub are cut off after 30 s.
 */
export const MARGIN_S = 120;
/** An archive that lacks a segment ends there, and a copy of it equals the original as far as it goes. */
export const BEHIND_MAX_S = 900;
/** A day of ten million rows is summed in one statement. */
const STATEMENT_MS = 3_600_000;
const RECOVERY_MS = 6 * 3_600_000;
const ROWS_SHOWN_MAX = 10;

export async function backupVerify(options: BackupOptions): Promise<number> {
  if (!options.copy && !options.copyHost && !(options.restored && options.wal)) {
    const problem = "say --copy URL, --copy-host HOST, or --restored DIR and --wal DIR";
    throw new TickhubError("USAGE", { problem });
  }
  const settings = readSettings(process.env);
  const original = await openServer(settings.TICKHUB_STATE_DIR, settings.TICKHUB_DATABASE_URL);
  let copy: Server | undefined;
  const pools: pg.Pool[] = [];
  const open = (url: string, name: string) => {
    const pool = openPool(url, { connectionsMax: 2, name, statementTimeoutMs: STATEMENT_MS });
    pools.push(pool);
    return pool;
  };
  try {
    const url = options.copy ?? (options.copyHost && onHost(original.url, options.copyHost));
    copy = url
      ? { url, stop: () => Promise.resolve() }
      : await bringUp(options.restored!, options.wal!);
    const inUse = open(original.url, "tickhub-backup-original");
    const report = await compare(
      inUse,
      open(copy.url, "tickhub-backup-copy"),
      (options.margin ?? MARGIN_S) * 1_000,
      (options.behind ?? BEHIND_MAX_S) * 1_000,
    );
    await recordEvidence(inUse, evidenceOf(report));
    if (options.json) printJson(report);
    else print(report);
    return report.ok ? 0 : 1;
  } catch (error) {
    throw asDatabaseError(error);
  } finally {
    await Promise.all(pools.map((pool) => pool.end()));
    await copy?.stop();
    await original.stop();
  }
}

/** What the gates of the migration read of it (docs/phases.md). */
function evidenceOf(report: BackupReport): Evidence {
  const { ok, rows, days, behindMs, cutMs, wrong, tookMs } = report;
  return {
    ...{ kind: "backup", subject: "hub", ok, summary: verdictOf(report) },
    atMs: systemClock.nowMs(),
    detail: { rows, days, behindMs, cutMs, wrongDays: wrong.length, tookMs },
  };
}

/** `host` may have a port; without one it is PostgreSQL's usual one. */
function onHost(url: string, host: string): string {
  const other = new URL(url);
  other.port = "5432";
  other.host = host;
  return other.href;
}

/** `restored` is a copy of the embedded database's folder (data, password); `wal` holds archived segments. */
async function bringUp(restored: string, wal: string): Promise<Server> {
  say("tickhub: the copy recovers from its archive …");
  return await startRestored({
    directory: restored,
    walDirectory: wal,
    clock: systemClock,
    timeoutMs: RECOVERY_MS,
  });
}

async function compare(
  original: pg.Pool,
  copy: pg.Pool,
  marginMs: number,
  behindMaxMs: number,
): Promise<BackupReport> {
  const startedMs = systemClock.monoMs();
  const [end, newest] = [await lastCommitMs(copy), await lastCommitMs(original)];
  const [cutMs, behindMs] = [end - marginMs, Math.max(0, newest - end)];
  const [ours, theirs] = await Promise.all([sumDays(original, cutMs), sumDays(copy, cutMs)]);
  const { wrong, expired } = compareDays(ours, theirs);
  const differing: DifferingRow[] = [];
  for (const day of wrong) {
    if (differing.length >= ROWS_SHOWN_MAX) break;
    const limits = { cutMs, rowsMax: ROWS_SHOWN_MAX };
    differing.push(...(await differingRows(original, copy, day, limits)));
  }
  return {
    // A copy of nothing proves nothing.
    ok: wrong.length === 0 && theirs.length > 0 && behindMs <= behindMaxMs,
    cutMs,
    behindMs,
    behindMaxMs,
    rows: theirs.reduce((sum, { rows }) => sum + rows, 0),
    days: theirs.length,
    wrong,
    expired,
    differing,
    tookMs: Math.round(systemClock.monoMs() - startedMs),
  };
}

/**
 * When the last batch was committed, as the hub's clock said; log lines, which come at any hour, aside. Throws
 * BACKUP_EMPTY.
 */
async function lastCommitMs(database: pg.Pool): Promise<number> {
  const { rows } = await database.query<{ ms: number | null }>(
    `select (extract(epoch from max(committed_at)) * 1000)::float8 as ms
     from public.ingest_batch join public.stream on no = stream where table_no <> $1`,
    [TABLES.log],
  );
  const ms = rows[0]?.ms;
  if (ms === null || ms === undefined) throw new TickhubError("BACKUP_EMPTY", {});
  return ms;
}

/**
 * Joins both lists by table and day. A day that only the copy has is `expired` when the original's first day
 * of that table is later (retention dropped it since), and wrong otherwise.
 */
export function compareDays(
  originals: readonly DaySum[],
  copies: readonly DaySum[],
): Pick<BackupReport, "wrong" | "expired"> {
  const key = ({ table, day }: DaySum) => `${table} ${day}`;
  const [ours, theirs] = [originals, copies].map((sums) => new Map(sums.map((s) => [key(s), s])));
  const firstDay = new Map<string, string>();
  for (const { table, day } of originals) {
    const first = firstDay.get(table);
    if (first === undefined || day < first) firstDay.set(table, day);
  }
  const wrong: BackupReport["wrong"] = [];
  let expired = 0;
  for (const name of new Set([...ours!.keys(), ...theirs!.keys()])) {
    const [original = null, copy = null] = [ours!.get(name), theirs!.get(name)];
    if (original?.rows === copy?.rows && original?.sum === copy?.sum) continue;
    const { table, day } = (original ?? copy)!;
    const first = firstDay.get(table);
    if (!original && first !== undefined && day < first) expired++;
    else wrong.push({ table, day, original, copy });
  }
  return { wrong, expired };
}

function print(report: BackupReport): void {
  const { wrong, differing, behindMs, tookMs } = report;
  for (const { table, day, original, copy } of wrong) {
    const side = (sum: DaySum | null) => (sum ? `${grouped(sum.rows)} rows` : "nothing");
    process.stdout.write(`${table} ${day}: ${side(original)} in use, ${side(copy)} in the copy\n`);
  }
  for (const { table, side, row } of differing) {
    const where = side === "copy" ? "in the copy only" : "in use only";
    process.stdout.write(`  ${table}, ${where}: ${row.slice(0, 300)}\n`);
  }
  if (behindMs > report.behindMaxMs) {
    const minutes = Math.round(behindMs / 60_000);
    process.stdout.write(`the copy ends ${minutes} min early: its archive lacks what came later\n`);
  }
  const seconds = (tookMs / 1_000).toFixed(1);
  process.stdout.write(`${verdictOf(report)} (${seconds} s)\n`);
}

function verdictOf({ ok, rows, days, cutMs, expired }: BackupReport): string {
  const until = new Date(cutMs).toISOString();
  const verdict = ok ? "the copy holds the same" : "the copy differs";
  const gone = expired > 0 ? `, ${expired} days let go of since` : "";
  return `${verdict}: ${grouped(rows)} rows of ${days} days compared, up to ${until}${gone}`;
}
