// `tickhub quarantine`: what could not be read or stored, as counts, one row at a time, and read again after a
// fix. Reading again goes through the edge's own decoders and sequencer and stores a row once, however often
// it is called and wherever it is killed (docs/adr/0012-quarantine.md).
import { isUtf8 } from "node:buffer";
import type pg from "pg";
import { readSettings } from "../shared/config.ts";
import { TickhubError } from "../shared/errors.ts";
import { parseMarketClock } from "../shared/market-clock.ts";
import type { MarketClock } from "../shared/market-clock.ts";
import { openPool } from "../store/database.ts";
import { checkSchema } from "../store/migrate.ts";
import { quarantineDays, quarantineRow } from "../store/quarantine.ts";
import type { QuarantineDay, QuarantineRow } from "../store/quarantine.ts";
import { grouped, printJson, say } from "./output.ts";
import { isReadable, replayQuarantine } from "./quarantine-replay.ts";
import { openServer } from "./server.ts";

export type QuarantineAction = "list" | "show" | "replay";

export interface QuarantineOptions {
  source?: string;
  json?: boolean;
}

export async function quarantine(
  action: QuarantineAction,
  id: string | undefined,
  options: QuarantineOptions,
): Promise<number> {
  const settings = readSettings(process.env);
  const wanted = action === "show" ? rowNumber(id) : 0;
  const server = await openServer(settings.TICKHUB_STATE_DIR, settings.TICKHUB_DATABASE_URL);
  const pool = openPool(server.url, { connectionsMax: 2, name: "tickhub-quarantine" });
  try {
    await checkSchema(pool);
    if (action === "list") await list(pool, options);
    else if (action === "show") await show(pool, wanted, options);
    else await replay(pool, parseMarketClock(settings.TICKHUB_MARKET_CLOCK), options);
    return 0;
  } finally {
    await pool.end();
    await server.stop();
  }
}

function rowNumber(id: string | undefined): number {
  if (id !== undefined && /^\d{1,15}$/.test(id)) return Number(id);
  throw new TickhubError("USAGE", { problem: "show wants the number of a row" });
}

async function list(pool: pg.Pool, { source, json }: QuarantineOptions): Promise<void> {
  const days = await quarantineDays(pool, source);
  if (json) printJson({ days });
  else if (days.length === 0) say("tickhub: nothing in quarantine");
  else for (const line of table(days)) process.stdout.write(`${line}\n`);
}

function table(days: readonly QuarantineDay[]): string[] {
  const head = ["day", "source", "code", "rows", "replayed", "lost", "bytes", "last"];
  const cells = days.map(({ day, source, code, rows, replayed, lost, bytes, lastAt }) => [
    ...[day, source, code, ...[rows, replayed, lost, bytes].map(grouped)],
    lastAt?.toISOString() ?? "",
  ]);
  const widths = head.map((_, i) => Math.max(...[head, ...cells].map((row) => row[i]!.length)));
  return [head, ...cells].map((row) =>
    row
      .map((cell, i) => (i > 2 && i < 7 ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join("  ")
      .trimEnd(),
  );
}

async function show(pool: pg.Pool, id: number, { json }: QuarantineOptions): Promise<void> {
  const row = await quarantineRow(pool, id);
  if (!row) throw new TickhubError("USAGE", { problem: `quarantine has no row ${id}` });
  const { bytes, edgeRecvMs, ...facts } = row;
  const shown = {
    ...facts,
    edgeRecv: edgeRecvMs === null ? null : new Date(edgeRecvMs).toISOString(),
    replay: replayOf(row),
    ...(isUtf8(bytes) ? { text: bytes.toString() } : { hex: bytes.toString("hex") }),
  };
  if (json) printJson(shown);
  else
    for (const [name, value] of Object.entries(shown)) {
      const said = value instanceof Date ? value.toISOString() : (value ?? "-");
      process.stdout.write(`${name.padEnd(13)} ${String(said)}\n`);
    }
}

/** Whether `replay` would read the row, and why not. */
function replayOf(row: QuarantineRow): string {
  const { code, edgeRecvMs, replayedAt, isInsideLease, bytes } = row;
  if (replayedAt) return `done ${replayedAt.toISOString()}`;
  if (code === "FRAME_TOO_LARGE") return "no: only the beginning of the frame was kept";
  if (!isReadable(row)) {
    return "no: it was read; its bytes are its values, and it may not be stored";
  }
  if (edgeRecvMs === null) return "no: its time of receipt is no time";
  if (!isInsideLease) return "no: it was captured outside its sender's lease";
  return bytes.length === 0 ? "no: nothing of it was kept" : "yes";
}

async function replay(
  pool: pg.Pool,
  market: MarketClock,
  { source, json }: QuarantineOptions,
): Promise<void> {
  const isShown = process.stderr.isTTY && !json;
  const counts = await replayQuarantine(pool, market, {
    ...(source === undefined ? {} : { source }),
    onProgress(read, total) {
      if (isShown) process.stderr.write(`\r\x1b[2K${grouped(read)} of ${grouped(total)} rows`);
    },
  });
  if (isShown && counts.read > 0) process.stderr.write("\n");
  if (json) {
    printJson(counts);
    return;
  }
  const { read, replayed, left, records, committed, duplicate, quarantined, lost } = counts;
  const n = grouped;
  const sum = `${n(records)} records = ${n(committed)} committed + ${n(duplicate)} duplicate + ${n(quarantined)} quarantined + ${n(lost)} lost`;
  process.stdout.write(`${n(read)} rows read again: ${n(replayed)} replayed, ${n(left)} left\n`);
  process.stdout.write(`${sum}\n`);
}
