// Rows on their way to quarantine: those of a batch that their table must not or cannot take, and batches of
// rejects whole. As arrays, for `ingest_merge`, which keeps them within the day's budget.
import type { Batch, QuarantineColumns } from "../shared/batch.ts";
import { ticksOf } from "../shared/batch.ts";
import type { Value } from "./exchange.ts";
import type { RowBatch } from "./rows.ts";

/** Why a row of a batch goes to quarantine instead of its table. */
export interface Refusal {
  row: number;
  code: "ROW_INVALID" | "OUTSIDE_LEASE";
  reason: string;
}

/** Years 1930 to 2285: what fits microseconds since 2000 exactly. */
const TIME_MIN_MS = -1.2e12;
const TIME_MAX_MS = 9.9e12;

export function isTime(epochMs: number): boolean {
  return epochMs > TIME_MIN_MS && epochMs < TIME_MAX_MS;
}

/** Refused rows of a batch, each with its values as JSON: the arguments of `ingest_merge` after the stream. */
export function refusalValues(batch: RowBatch, refusals: readonly Refusal[]): Value[] {
  const ticks = refusals.length > 0 ? ticksOf(batch) : [];
  const { edgeRecvMs, capture } = batch.columns;
  return valuesOf(
    refusals.map(({ row, code, reason }) => ({
      ...{ code, reason },
      bytes: Buffer.from(JSON.stringify(ticks[row], plain)),
      ...{ edgeRecvMs: edgeRecvMs[row]!, capture: capture[row]! },
    })),
  );
}

/** The same of a batch of rejects: all its rows. */
export function rejectValues({ columns: c }: Extract<Batch, { kind: "quarantine" }>): Value[] {
  return valuesOf(Array.from({ length: c.rows }, (_, row) => rejectAt(c, row)));
}

interface Refused {
  code: string;
  reason: string;
  bytes: Uint8Array;
  edgeRecvMs: number;
  capture: number;
}

function rejectAt(c: QuarantineColumns, row: number): Refused {
  return {
    code: c.codes[c.code[row]!]!,
    reason: c.reasons[c.reason[row]!]!,
    bytes: c.bytes[row]!,
    edgeRecvMs: c.edgeRecvMs[row]!,
    capture: c.capture[row]!,
  };
}

/** Never refused itself: what quarantine cannot hold either becomes null, or loses its NULs. */
function valuesOf(rows: readonly Refused[]): Value[] {
  return [
    rows.map(({ code }) => withoutNul(code)),
    rows.map(({ reason }) => withoutNul(reason)),
    rows.map(({ bytes }) => `\\x${Buffer.from(bytes).toString("hex")}`),
    rows.map(({ edgeRecvMs }) => (isTime(edgeRecvMs) ? edgeRecvMs : null)),
    rows.map(({ capture }) => (Number.isSafeInteger(capture) ? capture : null)),
  ];
}

/** Numbers JSON does not have keep their name; levels become a plain list. */
function plain(_key: string, value: unknown): unknown {
  if (value instanceof Float64Array) return [...value];
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

function withoutNul(text: string): string {
  return text.replaceAll("\0", "\ufffd");
}
