// `tickhub replay`: decodes tapes again, through the same code as live, into an empty database, and prints
// the digest of what is stored then. The same tapes give the same digest; one flipped price another one.
import { randomBytes } from "node:crypto";
import type pg from "pg";
import { replayTape } from "../edge/feed/replay/tape.ts";
import { Outbox, OUTBOX_DEFAULTS } from "../edge/outbox/outbox.ts";
import { systemClock } from "../shared/clock.ts";
import { readSettings } from "../shared/config.ts";
import { TickhubError } from "../shared/errors.ts";
import { tapeSha256, tapeStream } from "../shared/tape-file.ts";
import { sumOf } from "../shared/tick.ts";
import type { Ledger } from "../shared/tick.ts";
import { openPool } from "../store/database.ts";
import { digestDatabase } from "../store/digest.ts";
import type { DatabaseDigest } from "../store/digest.ts";
import { rowsTotal } from "../store/ledger.ts";
import { migrate } from "../store/migrate.ts";
import { createDatabase, dropDatabase } from "../store/scratch.ts";
import { BatchWriter } from "../store/writer.ts";
import { grouped, printJson, say } from "./output.ts";
import { Recording } from "./recording.ts";
import { openServer } from "./server.ts";

/** Far more than a tape's batches need: replay waits for the database, it does not trim. */
const OUTBOX_BYTES = 1024 * 1024 * 1024;
const WRITERS = 2;
/** Batches handed to the database and not yet committed. */
const UNDER_WAY_MAX = 64;

export interface ReplayReport extends Ledger {
  tapes: string[];
  rows: number;
  digest: DatabaseDigest;
}

export interface ReplayOptions {
  into?: string;
  append?: boolean;
  json?: boolean;
}

export async function replay(tapes: string[], options: ReplayOptions): Promise<number> {
  const report = options.into
    ? await replayInto(options.into, tapes, options.append ?? false)
    : await replayIntoScratch(tapes);
  if (options.json) printJson(report);
  else {
    say(
      `tickhub: ${grouped(report.received)} records replayed, ${grouped(report.rows)} rows stored`,
    );
    process.stdout.write(`${report.digest.sha256}\n`);
  }
  return report.received === report.committed + report.duplicate + report.quarantined ? 0 : 1;
}

/** A database of its own on the embedded server, gone afterwards. */
async function replayIntoScratch(tapes: string[]): Promise<ReplayReport> {
  const { TICKHUB_STATE_DIR } = readSettings(process.env);
  const server = await openServer(TICKHUB_STATE_DIR);
  const name = `replay_${randomBytes(6).toString("hex")}`;
  try {
    return await replayInto(await createDatabase(server.url, name), tapes, false);
  } finally {
    await dropDatabase(server.url, name);
    await server.stop();
  }
}

/** Throws TAPE_NOT_EMPTY unless the database is empty or `append`; what it has already is not stored again. */
export async function replayInto(
  url: string,
  tapes: string[],
  append: boolean,
): Promise<ReplayReport> {
  const pool = openPool(url, { connectionsMax: WRITERS + 1, name: "tickhub-replay" });
  try {
    await migrate(pool, { clock: systemClock });
    const rowsBefore = await rowsTotal(pool);
    if (rowsBefore > 0 && !append) throw new TickhubError("TAPE_NOT_EMPTY", { rows: rowsBefore });
    const ledgers: Ledger[] = [];
    for (const tape of tapes) ledgers.push(await replayOne(pool, tape));
    const rows = (await rowsTotal(pool)) - rowsBefore;
    return { tapes, ...sumOf(ledgers), rows, digest: await digestDatabase(pool) };
  } finally {
    await pool.end();
  }
}

/**
 * One tape. Time for the outbox is the tape's own, and every due batch leaves at once, so batches and their
 * numbers come out the same each time: that is what makes a second replay a set of duplicates.
 */
async function replayOne(pool: pg.Pool, path: string): Promise<Ledger> {
  const sha256 = await tapeSha256(path);
  const sender = { edge: "replay", holder: tapeStream(sha256, "holder") };
  let streams = 0;
  const outbox = new Outbox({
    ...OUTBOX_DEFAULTS,
    bytesMax: OUTBOX_BYTES,
    mintStream: () => tapeStream(sha256, String(++streams)),
  });
  const writer = new BatchWriter({
    pool,
    clock: systemClock,
    connectionsMax: WRITERS,
    unleased: true,
  });
  const underWay = new Set<Promise<void>>();
  const sendDue = (nowMs: number) => {
    for (let batch = outbox.next(nowMs, Infinity); batch; batch = outbox.next(nowMs, Infinity)) {
      const stored = writer.write(batch.bytes, sender).then((verdict) => {
        outbox.settle(verdict);
        underWay.delete(stored);
      });
      underWay.add(stored);
    }
  };
  const recording = new Recording();
  let nowMs = 0;
  for await (const { account, row, readMs } of replayTape(path)) {
    recording.note(account, row);
    nowMs = Math.max(nowMs, readMs);
    outbox.push(account, 0, row, nowMs);
    sendDue(nowMs);
    if (underWay.size >= UNDER_WAY_MAX) await Promise.race(underWay);
  }
  outbox.flush(nowMs);
  sendDue(nowMs);
  await Promise.all(underWay);
  await recording.declare(pool, sha256);
  return outbox.ledger();
}
