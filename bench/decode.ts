// Nanoseconds from a frame's bytes to its records, for the frames that make up the load, against JSON.parse
// of the same frames (Kiwoom) or a split of them (KIS) in the same run.
import { KisDecoder } from "../app/edge/feed/kis/decode.ts";
import { KiwoomDecoder } from "../app/edge/feed/kiwoom/decode.ts";
import { makeFrames } from "./frames.ts";
import type { FrameKind } from "./frames.ts";
import { median } from "./median.ts";

const RECORDS = 40_000;
const ROUNDS = 7;
const START_MS = Date.UTC(2026, 10, 23, 1, 0, 0);

interface DecodeFigures {
  nsPerRecord: number;
  nsPerRecordBaseline: number;
  /** Below 1: faster than the baseline. */
  ratio: number;
  bytesPerRecord: number;
}

export function run(): Promise<Record<FrameKind, DecodeFigures>> {
  const kis = (bytes: Buffer) => bytes.toString("latin1").split("^").length;
  const kiwoom = (bytes: Buffer) =>
    (JSON.parse(bytes.toString()) as { data: unknown[] }).data.length;
  return Promise.resolve({
    kisTrade: measure("kisTrade", new KisDecoder(), kis),
    kisBook: measure("kisBook", new KisDecoder(), kis),
    kiwoomTrade: measure("kiwoomTrade", new KiwoomDecoder(), kiwoom),
    kiwoomBook: measure("kiwoomBook", new KiwoomDecoder(), kiwoom),
  });
}

interface Decoder {
  decode(frame: Uint8Array, at: { edgeRecvMs: number; marketMs: number }): { kind: string };
}

function measure(
  kind: FrameKind,
  decoder: Decoder,
  baseline: (bytes: Buffer) => number,
): DecodeFigures {
  const { frames, records, lastMs } = makeFrames(kind, RECORDS, START_MS);
  const at = { edgeRecvMs: lastMs, marketMs: lastMs };
  const time = (each: (frame: Buffer) => unknown) => {
    const startedNs = process.hrtime.bigint();
    for (const frame of frames) each(frame);
    return Number(process.hrtime.bigint() - startedNs) / records;
  };
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(time((frame) => decoder.decode(frame, at)));
    theirs.push(time(baseline));
  }
  const bytes = frames.reduce((sum, frame) => sum + frame.length, 0);
  return {
    nsPerRecord: Math.round(median(ours)),
    nsPerRecordBaseline: Math.round(median(theirs)),
    ratio: Number((median(ours) / median(theirs)).toFixed(2)),
    bytesPerRecord: Math.round(bytes / records),
  };
}
