// tickhub's own tapes: frames that a broker has sent once are sent again byte for byte, at the pace at
// which they were read. Kept in memory as packed as they are on disk, and unpacked batch by batch.
import { open } from "node:fs/promises";
import { decodeBatch, readHeader, ticksOf } from "../../shared/batch.ts";
import type { RawFrame } from "../../shared/batch.ts";
import { TickhubError } from "../../shared/errors.ts";
import { openTape } from "../../shared/tape-file.ts";
import { readKisFrame } from "../kis/recorded.ts";
import { readKiwoomFrame } from "../kiwoom/recorded.ts";
import type { BrokerName, Market, RecordedFrame, Registration } from "./event.ts";
import { merge } from "./merge.ts";

const MAGIC = "TKTAPE";
/** Of one tape, packed: more than a busy account's day. */
const BYTES_MAX = 512 * 2 ** 20;
const BATCH_LIMITS = { rowsMax: 1_000_000, rawBytesMax: 256 * 2 ** 20 };
const READERS = { kis: readKisFrame, kiwoom: readKiwoomFrame };

/** A market that was heard by tickhub itself. */
export interface FrameMarket extends Market<RecordedFrame> {
  /** In the form of TICKHUB_SYMBOLS. */
  readonly watchlist: readonly string[];
  /** What has to be registered at each broker to be sent all of it. */
  readonly registrations: Readonly<Record<BrokerName, readonly Registration[]>>;
}

/** One account's batches on one tape, in order. */
interface Lane {
  broker: BrokerName;
  batches: Uint8Array[];
}

/** Is it one of tickhub's own, and no recording of somebody else's? False when it cannot be read. */
export async function isFrameTape(path: string): Promise<boolean> {
  const file = await open(path).catch(() => undefined);
  if (!file) return false;
  const { buffer } = await file.read(Buffer.alloc(MAGIC.length)).finally(() => file.close());
  return buffer.toString("latin1") === MAGIC;
}

/** Opens tapes that play together. Throws TAPE_UNREADABLE, BATCH_CORRUPT or BATCH_TOO_LARGE. */
export async function openFrameTapes(paths: readonly string[]): Promise<FrameMarket> {
  const lanes: Lane[] = [];
  for (const path of paths) lanes.push(...(await readLanes(path)));
  const wanted = { kis: new Map<string, Registration>(), kiwoom: new Map<string, Registration>() };
  let endMs = -Infinity;
  for (const lane of lanes) {
    for (const { bytes, marketMs } of rawFramesOf(lane)) {
      endMs = Math.max(endMs, marketMs);
      for (const one of READERS[lane.broker](bytes).registrations) {
        wanted[lane.broker].set(`${one.type} ${one.key}`, one);
      }
    }
  }
  const registrations = { kis: [...wanted.kis.values()], kiwoom: [...wanted.kiwoom.values()] };
  const watchlist = watchlistOf([...registrations.kis, ...registrations.kiwoom]);
  if (watchlist.length === 0) throw unreadable(paths.join(" "), "no frame names a symbol");
  return {
    instruments: [],
    watchlist,
    registrations,
    time: "tape",
    endMs,
    play: () => merge(lanes.map(framesOf)),
    closing: () => [],
  };
}

async function readLanes(path: string): Promise<Lane[]> {
  const { meta, batches } = await openTape(path);
  const { broker } = meta;
  const lanes = new Map<string, Lane>();
  let bytes = 0;
  for await (const batch of batches) {
    const { account, table } = readHeader(batch);
    if (broker !== "kis" && broker !== "kiwoom") throw unreadable(path, "it names no broker");
    if (table !== "frame") throw unreadable(path, `a batch of ${table}, not frames`);
    bytes += batch.length;
    if (bytes > BYTES_MAX) throw unreadable(path, `more than ${BYTES_MAX} bytes`);
    const lane = lanes.get(account) ?? { broker, batches: [] };
    lane.batches.push(batch);
    lanes.set(account, lane);
  }
  return [...lanes.values()];
}

/**
 * Those with a status first: a broker may have room for few, and the first of the list get it, as they did
 * when the tape was made.
 */
function watchlistOf(registrations: readonly Registration[]): string[] {
  const statusFirst = registrations.toSorted(
    (a, b) => Number(b.kind === "status") - Number(a.kind === "status"),
  );
  return [...new Set(statusFirst.map((one) => one.symbol))].filter((symbol) => symbol !== "");
}

function* framesOf(lane: Lane): Generator<RecordedFrame, void> {
  const { broker } = lane;
  for (const { bytes, edgeRecvMs: marketMs } of rawFramesOf(lane)) {
    yield { kind: "frame", broker, marketMs, bytes, ...READERS[broker](bytes) };
  }
}

function* rawFramesOf({ batches }: Lane): Generator<RawFrame, void> {
  for (const batch of batches) yield* ticksOf(decodeBatch(batch, BATCH_LIMITS)) as RawFrame[];
}

function unreadable(path: string, what: string): TickhubError {
  return new TickhubError("TAPE_UNREADABLE", { path, what });
}
