// Reads again what quarantine holds, after a fix: rows -> decoder -> sequencer -> tables, source by source, in
// the order of receipt. Nothing here knows of a broker or of SQL; it only brings the two together.
import { randomUUID } from "node:crypto";
import type pg from "pg";
import { RejectReader } from "../edge/feed/replay/rejects.ts";
import type { FrameDecoder } from "../edge/feed/replay/rejects.ts";
import type { MarketClock } from "../shared/market-clock.ts";
import type { Reject, RejectCode, Tick } from "../shared/tick.ts";
import { Rereading, unreadIds } from "../store/quarantine.ts";
import type { AskPositions, Outcome, QuarantineRow } from "../store/quarantine.ts";

/** Rows read in one transaction. */
const CHUNK = 500;

/** Codes whose rows keep a frame that can be decoded by itself. */
const READABLE: readonly RejectCode[] = [
  "FRAME_NOT_UTF8",
  "FRAME_NOT_JSON",
  "FRAME_GRAMMAR",
  "FRAME_TRUNCATED",
  "FRAME_ENCRYPTED",
  "RECORD_TYPE_UNKNOWN",
  "RECORD_WIDTH",
  "RECORD_COUNT",
  "FIELD_MISSING",
  "FIELD_MALFORMED",
];

/** Whether the row keeps a frame that can be decoded by itself, not the values of a record that was read. */
export function isReadable({ code, bytes }: Pick<QuarantineRow, "code" | "bytes">): boolean {
  const isStaleFrame =
    code === "STALE_DAY" && !bytes.subarray(0, 8).equals(Buffer.from('{"kind":'));
  return isStaleFrame || (READABLE as readonly string[]).includes(code);
}

interface ReplayCounts {
  /** Rows of quarantine that were looked at. */
  read: number;
  /** Of these: decoded, and marked as replayed. */
  replayed: number;
  /** Of these: still no record; each says why. */
  left: number;
  /** Records that came out of the replayed rows, and what became of them. */
  records: number;
  committed: number;
  duplicate: number;
  quarantined: number;
  lost: number;
}

interface ReplayOptions {
  source?: string;
  /** What reads a source's frames; default: this release's decoders. */
  decoderOf?: (source: string) => FrameDecoder;
  onProgress?: (read: number, total: number) => void;
}

/** Reads again whatever quarantine holds of frames and records, source by source, in the order of receipt. */
export async function replayQuarantine(
  pool: pg.Pool,
  market: MarketClock,
  { source, decoderOf, onProgress }: ReplayOptions = {},
): Promise<ReplayCounts> {
  const outcomes = { committed: 0, duplicate: 0, quarantined: 0, lost: 0 };
  const counts: ReplayCounts = { read: 0, replayed: 0, left: 0, records: 0, ...outcomes };
  const todo = await unreadIds(pool, READABLE, source);
  const total = [...todo.values()].reduce((sum, ids) => sum + ids.length, 0);
  let done = 0;
  for (const [name, ids] of todo) {
    const reader = new RejectReader(name, market, decoderOf?.(name));
    const rereading = new Rereading(pool, name, randomUUID);
    for (let at = 0; at < ids.length; at += CHUNK) {
      const chunk = ids.slice(at, at + CHUNK);
      const verdicts = await rereading.read(chunk, async (rows, positions) => {
        const judged = await judge(reader, rows, positions);
        count(counts, judged);
        return judged;
      });
      for (const verdict of verdicts)
        for (const outcome of ["committed", "duplicate", "quarantined", "lost"] as const)
          counts[outcome] += verdict[outcome];
      onProgress?.((done += chunk.length), total);
    }
  }
  return counts;
}

async function judge(
  reader: RejectReader,
  rows: readonly QuarantineRow[],
  positions: AskPositions,
): Promise<Outcome[]> {
  const decoded = rows.map((row) => {
    const isOut = !row.isInsideLease || row.bytes.length === 0;
    return isOut ? null : reader.decode(row.bytes, row.edgeRecvMs!);
  });
  const trades = decoded.flatMap((one) => one?.rows.filter((row) => row.kind === "trade") ?? []);
  const found = await positions(trades);
  const before = new Map(trades.map((trade, i) => [trade, found[i]]));
  return rows.map((row, i): Outcome => {
    const one = decoded[i];
    if (!one) return { id: row.id, ...outside(row) };
    return outcomeOf(
      row.id,
      reader.sequence(one, (trade) => before.get(trade)),
    );
  });
}

function outside({ code, reason, isInsideLease }: QuarantineRow) {
  if (isInsideLease) return { as: "refused", code, reason } as const;
  return { as: "refused", code: "OUTSIDE_LEASE", reason: `captured outside; ${reason}` } as const;
}

/** A frame none of whose records can be stored stays whole; of any other, each record goes where it belongs. */
function outcomeOf(id: number, rows: readonly (Tick | Reject)[]): Outcome {
  const [first] = rows;
  if (first?.kind === "reject" && rows.every(({ kind }) => kind === "reject")) {
    return { id, as: "refused", code: first.code, reason: first.reason };
  }
  return { id, as: "stored", rows };
}

function count(counts: ReplayCounts, judged: readonly Outcome[]): void {
  counts.read += judged.length;
  for (const outcome of judged) {
    if (outcome.as === "refused") counts.left++;
    else {
      counts.replayed++;
      counts.records += outcome.rows.length;
    }
  }
}
