// The meters of a month, from what was counted: one reading for each meter and subject. Pure.
import { GB_BYTES, METERS } from "../../../shared/meters.ts";
import type { MeterName } from "../../../shared/meters.ts";
import { COUNTED, EDGES, HUB, limitOf, SIZES } from "./catalogue.ts";
import type { Amounts, MeterLimits } from "./catalogue.ts";
import { halfDayAt, keyOf, monthBefore, monthOf, spanOf } from "./half-day.ts";
import type { HalfDay } from "./half-day.ts";
import { shareOf } from "./judge.ts";
import type { Told } from "./judge.ts";
import { project } from "./projection.ts";
import type { Projection, Sample } from "./projection.ts";
import type { SizeRow, UseRow } from "./rows.ts";

/** One meter of one subject, in the meter's unit. */
export interface MeterReading extends Projection {
  meter: MeterName;
  /** An edge's name, `edges` for all of them, or `hub`. */
  subject: string;
  /** YYYYMM. */
  month: number;
  unit: string;
  limit: number | null;
  /** The projection's share of the limit. */
  share: number | null;
}

export interface ReadingsInput {
  nowMs: number;
  uses: readonly UseRow[];
  sizes: readonly SizeRow[];
  /** Names of edges that are configured or were heard; what others counted is not shown. */
  edges: readonly string[];
  /** Edges that nobody has heard for so long that nothing more is to be expected of them. */
  gone: ReadonlySet<string>;
  told: ReadonlyMap<string, Told>;
  limits: MeterLimits;
}

/** From when on half days are needed: last month's first day, YYYYMMDD. */
export function neededFrom(nowMs: number): number {
  return monthBefore(monthOf(halfDayAt(nowMs))) * 100 + 1;
}

export function readingsOf(input: ReadingsInput): MeterReading[] {
  const { nowMs, uses, edges, gone, told, limits } = input;
  const bySubject = Map.groupBy(uses, ({ subject }) => subject);
  const heard = edges.filter((edge) => bySubject.has(edge));
  const ofEdges = together(heard.map((edge) => bySubject.get(edge)!));
  const readings: MeterReading[] = [];
  for (const { meter, scope, amount, limit: vendors } of COUNTED) {
    const subjects = { edge: heard, edges: heard.length > 0 ? [EDGES] : [], hub: [HUB] }[scope];
    for (const subject of subjects) {
      const rows = scope === "edges" ? ofEdges : (bySubject.get(subject) ?? []);
      const samples = rows.map((row) => sampleOf(row, amount));
      const projection = project(samples, nowMs, {
        isGone: gone.has(subject),
        changedOn: told.get(subject)?.since ?? 0,
      });
      const limit = limitOf(meter, subject, vendors, limits);
      readings.push(readingOf(meter, subject, nowMs, projection, limit));
    }
  }
  return [...readings, ...sizesOf(input)];
}

function sampleOf({ day, isNight, amounts }: UseRow, amount: (of: Amounts) => number): Sample {
  const { fromMs, toMs } = spanOf({ day, isNight });
  const upSeconds = amounts.up_seconds;
  // What the ledger knows from before edges counted was counted all the time.
  const seen = upSeconds === undefined ? 1 : Math.min(1, (1_000 * upSeconds) / (toMs - fromMs));
  return { day, isNight, amount: amount(amounts), seen };
}

/** Several edges as one: what they counted together, seen as long as the one seen longest. */
function together(edges: readonly (readonly UseRow[])[]): UseRow[] {
  const all = new Map<string, UseRow>();
  for (const row of edges.flat()) {
    const sum = all.get(keyOf(row)) ?? { ...row, amounts: {} };
    all.set(keyOf(row), sum);
    for (const [name, amount] of Object.entries(row.amounts) as [keyof Amounts, number][]) {
      const before = sum.amounts[name] ?? 0;
      sum.amounts[name] = name === "up_seconds" ? Math.max(before, amount) : before + amount;
    }
  }
  return [...all.values()];
}

/** What has a size grows by the differences from one half day to the next. */
function sizesOf({ nowMs, sizes, limits }: ReadingsInput): MeterReading[] {
  return Object.entries(SIZES).flatMap(([name, vendors]) => {
    const meter = name as keyof typeof SIZES;
    const rows = sizes.filter((row) => row.meter === meter).sort((a, b) => startOf(a) - startOf(b));
    const last = rows.at(-1);
    if (!last) return [];
    const samples = rows.slice(1).map((row, at): Sample => {
      const before = rows[at]!;
      const isNext = spanOf(before).toMs === spanOf(row).fromMs;
      const { day, isNight } = row;
      return { day, isNight, amount: row.bytes - before.bytes, seen: isNext ? 1 : 0 };
    });
    const growth = project(samples, nowMs);
    const used = last.bytes / GB_BYTES;
    const projection = {
      ...growth,
      used,
      projected: used + (growth.projected - growth.used) / GB_BYTES,
      plusMinus: growth.plusMinus / GB_BYTES,
    };
    return [readingOf(meter, HUB, nowMs, projection, limitOf(meter, HUB, vendors, limits))];
  });
}

function startOf(half: HalfDay): number {
  return spanOf(half).fromMs;
}

function readingOf(
  meter: MeterName,
  subject: string,
  nowMs: number,
  projection: Projection,
  limit: number | null,
): MeterReading {
  return {
    meter,
    subject,
    month: monthOf(halfDayAt(nowMs)),
    unit: METERS[meter].unit,
    ...projection,
    limit,
    share: limit === null ? null : shareOf(projection.projected, limit),
  };
}
