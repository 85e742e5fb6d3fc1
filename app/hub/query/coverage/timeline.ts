// What is known of one symbol's trading day, as intervals that partition it: what trades prove, what only a
// living feed speaks for, what is missing, what was never to be expected. Pure; layers of evidence are
// painted one over another, the strongest last. Promises: the lengths sum to the day's, to the millisecond.
import type { Hole, Run, Seconds } from "./runs.ts";
import type { Gap } from "./gap-row.ts";
import { isFinal, REASON } from "./gap-row.ts";
import type { Outage } from "./feed-life.ts";
import type { Span } from "./spans.ts";
import { clip, common, overlay, stacked, union, without } from "./spans.ts";

export type CoverageState =
  "verified" | "volume-verified" | "alive" | "suspected" | "gap" | "not recorded" | "not expected";

export interface Interval extends Span {
  state: CoverageState;
  /** Of what is suspected or a gap: why. Else empty. */
  reason: string;
  chain: number | null;
  /** Cumulative volume on both sides of what is missing. */
  seqFrom: number | null;
  seqTo: number | null;
}

/** The broker's own figures of the day. */
export interface Figure {
  /** Cumulative volume before the first trade, and after the last. */
  seqFirst: number | null;
  seqFinal: number | null;
  /** When the figures were true. */
  askedMs: number;
}

/** Given up under the overload policy. */
export interface Loss extends Span {
  reason: string;
}

/** What both channels are judged by. */
export interface ChannelEvidence {
  day: Span;
  /** Sorted, apart; as all lists of spans here. */
  expected: readonly Span[];
  /** Sessions and recordings. */
  alive: readonly Span[];
  outages: readonly Outage[];
  losses: readonly Loss[];
  gaps: readonly Gap[];
}

export interface ChainEvidence {
  chain: number;
  runs: readonly Run[];
  holes: readonly Hole[];
  conflicts: readonly (Seconds & { seqFrom: number; seqTo: number })[];
}

export interface TradeEvidence extends ChannelEvidence {
  /** In the order of their numbers, none empty. */
  chains: readonly ChainEvidence[];
  figure: Figure | null;
  /** What recordings declare to hold. */
  recorded: readonly Span[];
  /** Halts and volatility interruptions. */
  quiet: readonly Span[];
}

/** Volume that is known to be missing. */
export interface Missing extends Span {
  kind: "hole" | "head" | "tail";
  chain: number;
  seqFrom: number;
  seqTo: number;
  arrivedMs: number;
}

const SECOND_MS = 1_000;
/** A stretch with counts between stretches without is told apart from them when it lasts so long. */
const VERIFIED_MS_MIN = 60_000;

/** Of a trade channel. */
export function tradeTimeline(evidence: TradeEvidence): Interval[] {
  const { day, expected, quiet, chains, gaps } = evidence;
  const idle = stacked([...without(day, expected), ...quiet]);
  const ofRow = (gap: Gap) => ofGap(gap, evidence.alive);
  const inside = gaps.filter((gap) => !isBeyond(gap, evidence)).flatMap(ofRow);
  const calendar = idle.map((span) => interval(span, "not expected"));
  const feed = [
    [interval(day, "not recorded")],
    evidence.outages.map((outage) => interval(outage, "suspected", outage.reason)),
    evidence.alive.map((span) => interval(span, "alive")),
    evidence.losses.map((loss) => interval(loss, "suspected", loss.reason)),
    inside,
  ];
  const painted = paint(day, [
    ...feed,
    proofs(evidence),
    calendar,
    gaps.filter((gap) => isBeyond(gap, evidence)).flatMap(ofRow),
    chains.flatMap((one, index) => runsOf(one, index === 0 && headProof(evidence) !== null)),
    holesOf(evidence),
    chains.flatMap((one) => one.conflicts.map((conflict) => ofConflict(one.chain, conflict))),
  ]);
  const doubtful = common(union(seams(evidence)), painted.filter(isProven));
  return finished(overlay(painted, common(paint(day, [...feed, calendar]), doubtful)));
}

/** Of a book channel: no number says that a book is missing, so the feed's life is all the evidence. */
export function bookTimeline(evidence: ChannelEvidence): Interval[] {
  const { day, expected, gaps } = evidence;
  const ofRow = (gap: Gap) => interval(gap, "gap", gap.reason);
  const painted = paint(day, [
    [interval(day, "not recorded")],
    evidence.outages.map((outage) =>
      interval(
        outage,
        outage.isOver || outage.reason !== "SILENT" ? "gap" : "suspected",
        outage.reason,
      ),
    ),
    evidence.alive.map((span) => interval(span, "alive")),
    evidence.losses.map((loss) => interval(loss, "gap", loss.reason)),
    gaps.filter((gap) => !isBeyond(gap, evidence)).map(ofRow),
    without(day, expected).map((span) => interval(span, "not expected")),
    gaps.filter((gap) => isBeyond(gap, evidence)).map(ofRow),
  ]);
  return finished(painted);
}

/**
 * All volume that is known to be missing: between runs, between the broker's figures and the runs, and
 * before a chain that did not begin at 0.
 */
export function missingOf(evidence: TradeEvidence): Missing[] {
  const { chains, figure, day, expected } = evidence;
  const missing: Missing[] = [];
  for (const [index, { chain, runs, holes }] of chains.entries()) {
    const first = runs[0]!;
    const { seqFrom: seqTo, firstMs, arrivedMs } = first;
    const seqFrom = index === 0 ? (figure?.seqFirst ?? Infinity) : 0;
    if (seqFrom < seqTo) {
      const startMs =
        index === 0 ? (expected[0]?.fromMs ?? day.fromMs) : lastOf(chains[index - 1]!).lastMs;
      const fromMs = Math.min(startMs, firstMs);
      const kind = index === 0 ? "head" : "hole";
      missing.push({ kind, chain, seqFrom, seqTo, fromMs, toMs: firstMs, arrivedMs });
    }
    for (const hole of holes) missing.push({ kind: "hole", chain, ...hole });
  }
  const { chain, seqTo: seqFrom, lastMs: fromMs } = tailOf(evidence);
  if (figure?.seqFinal != null && figure.seqFinal > seqFrom) {
    const { seqFinal: seqTo, askedMs } = figure;
    const toMs = Math.max(fromMs, askedMs);
    missing.push({ kind: "tail", chain, seqFrom, seqTo, fromMs, toMs, arrivedMs: askedMs });
  }
  return missing;
}

/** What follows the last trade is proved up to here; before the day where nothing is. */
export function tailProvedMs(evidence: TradeEvidence): number {
  const { figure, recorded } = evidence;
  const { seqTo } = tailOf(evidence);
  if (figure?.seqFinal !== seqTo) return Number.NEGATIVE_INFINITY;
  // A recording's last second is over when nothing more of it comes.
  const { askedMs } = figure;
  const end = recorded.find(({ toMs }) => toMs - SECOND_MS <= askedMs && askedMs <= toMs);
  return end?.toMs ?? Math.floor(askedMs / SECOND_MS) * SECOND_MS;
}

/** What precedes the first trade is proved from here; null where it is not. */
export function headProof({ chains, figure, day, recorded }: TradeEvidence): number | null {
  const first = chains[0]?.runs[0];
  if (!first) return null;
  if (first.seqFrom === 0) return day.fromMs;
  if (figure?.seqFirst !== first.seqFrom) return null;
  const { firstMs } = first;
  const recording = recorded.find(({ fromMs, toMs }) => fromMs <= firstMs && firstMs < toMs);
  return recording?.fromMs ?? day.fromMs;
}

/** Where the day's trades end so far. */
export function tailOf({ chains, day, figure }: TradeEvidence) {
  const last = chains.at(-1);
  if (!last) return { chain: 0, seqTo: figure?.seqFirst ?? 0, lastMs: day.fromMs };
  const { seqTo, lastMs } = lastOf(last);
  return { chain: last.chain, seqTo, lastMs };
}

function lastOf({ runs }: ChainEvidence): Run {
  return runs.at(-1)!;
}

/** Before the first trade and after the last, by the broker's figures. */
function proofs(evidence: TradeEvidence): Interval[] {
  const { chains, alive, gaps } = evidence;
  const proved: Interval[] = [];
  const first = chains[0]?.runs[0];
  const headMs = headProof(evidence);
  if (first && headMs !== null) {
    const head = { fromMs: headMs, toMs: first.firstMs };
    // A figure is the broker's view of what it shows; from 0 on there is nothing that could be missing.
    const spans = first.seqFrom === 0 ? [head] : common([head], alive);
    proved.push(...spans.map((span) => interval(span, "volume-verified")));
  }
  const { lastMs } = tailOf(evidence);
  const tail = { fromMs: lastMs, toMs: tailProvedMs(evidence) };
  proved.push(interval(tail, "volume-verified"));
  for (const one of missingOf(evidence)) {
    if (one.kind === "hole") continue;
    const shown = ofMissing(one, gaps);
    // Where nobody listened, the feed has not missed it.
    proved.push(...(one.kind === "head" ? common([shown], alive) : [shown]));
  }
  return proved;
}

/**
 * A run speaks for the time between its first and its last trade. The seconds of these two may hold others
 * that do not belong to it.
 */
function runsOf({ chain, runs }: ChainEvidence, isHeadProved: boolean): Interval[] {
  return runs.flatMap(({ firstMs, lastMs, weak }, index) => {
    const fromMs = index === 0 && isHeadProved ? firstMs : firstMs + SECOND_MS;
    if (fromMs >= lastMs) return [];
    const whole = { ...interval({ fromMs, toMs: lastMs }, "verified"), chain };
    const links = weak.map((one) => ({
      ...whole,
      fromMs: one.fromMs,
      toMs: one.toMs + SECOND_MS,
      state: "volume-verified" as const,
    }));
    return overlay([whole], clip(stacked(links), whole));
  });
}

/** Where two of them share a second, the one that is not explained has it. */
function holesOf(evidence: TradeEvidence): Interval[] {
  const holes = missingOf(evidence)
    .filter(({ kind }) => kind === "hole")
    .map((hole) => ofMissing(hole, evidence.gaps));
  const isExplained = ({ state }: Interval) => state === "volume-verified";
  return [...holes.filter(isExplained), ...holes.filter((hole) => !isExplained(hole))];
}

function ofMissing(missing: Missing, gaps: readonly Gap[]): Interval {
  const { chain, seqFrom, seqTo, fromMs, toMs } = missing;
  const gap = gapOf(missing, gaps);
  const state = gap ? stateOf(gap) : "suspected";
  const reason = gap?.reason ?? REASON.volume;
  return { fromMs, toMs: toMs + SECOND_MS, state, reason, chain, seqFrom, seqTo };
}

/** The row that speaks for `missing`: its own, or that of a gap of which it is what is left. */
export function gapOf<G extends Gap>(missing: Missing, gaps: readonly G[]): G | undefined {
  const around = gaps.filter((gap) => gap.state !== "refilled" && isAround(gap, missing));
  return around.find(({ state }) => !isFinal(state)) ?? around.at(-1);
}

/**
 * Of an end whose other side nobody knew: what lies in its time. Where that end was explained, trades go on
 * from it, or the broker showed none: that says nothing of volume that is missing further on.
 */
function isAround({ kind, chain, state, ...gap }: Gap, missing: Missing): boolean {
  if (kind === "time" || chain !== missing.chain) return false;
  const [from, to] = [gap.seqFrom ?? Infinity, gap.seqTo ?? -Infinity];
  const isExplained = state === "explained";
  if (kind === "head") return isExplained ? to === missing.seqTo : to >= missing.seqTo;
  if (kind === "hole") return from <= missing.seqFrom && missing.seqTo <= to;
  // What the broker showed nothing of is over with the gap: volume may have gone missing after it.
  const isOver = missing.kind === "hole" && missing.toMs > gap.toMs;
  if (isExplained) return from === missing.seqFrom && !isOver;
  const isIn = missing.fromMs < gap.toMs || missing.fromMs === gap.fromMs;
  return from <= missing.seqFrom && isIn;
}

function stateOf({ state }: Gap): CoverageState {
  if (state === "explained") return "volume-verified";
  return state === "lost" || state === "partial" ? "gap" : "suspected";
}

/**
 * Where it lies in time; that of a hole is said by the trades around it. A row proves something only where the
 * broker has said so: one that the next trade closed leaves the proof to that trade.
 */
function ofGap(gap: Gap, alive: readonly Span[]): Interval[] {
  const { kind, state, reason, outcome } = gap;
  if (kind === "hole" || state === "refilled") return [];
  if (state === "explained" && outcome !== "explained") return [];
  // A day's head and tail stay what the feed makes them until somebody knows better.
  const isAsked = reason === REASON.dayStart || reason === REASON.dayEnd;
  if (isAsked && !isFinal(state)) return [];
  const shown = [interval(gap, stateOf(gap), reason)];
  // Before a feed was alive it has missed nothing.
  return kind === "head" ? common(shown, alive) : shown;
}

/** A gap outside all sessions was declared because ticks came all the same. */
function isBeyond(gap: Gap, { expected }: ChannelEvidence): boolean {
  return clip(expected, gap).length === 0;
}

function ofConflict(chain: number, conflict: ChainEvidence["conflicts"][number]): Interval {
  const { fromMs, toMs, seqFrom, seqTo } = conflict;
  const span = { fromMs, toMs: toMs + SECOND_MS };
  return { ...interval(span, "suspected", REASON.conflict), chain, seqFrom, seqTo };
}

function interval({ fromMs, toMs }: Span, state: CoverageState, reason = ""): Interval {
  return { fromMs, toMs, state, reason, chain: null, seqFrom: null, seqTo: null };
}

/**
 * Seconds in which something unproven may lie beside what is proved: that of a first trade before which
 * nobody knows the volume, that of a last one which no figure closes.
 */
function seams(evidence: TradeEvidence): Span[] {
  const times = evidence.chains.flatMap((one, index) => {
    const isLast = index === evidence.chains.length - 1;
    const { firstMs } = one.runs[0]!;
    const { lastMs } = lastOf(one);
    const isHeadProved = index === 0 && headProof(evidence) !== null;
    const isTailProved = isLast && tailProvedMs(evidence) > lastMs;
    return [...(isHeadProved ? [] : [firstMs]), ...(isTailProved ? [] : [lastMs])];
  });
  return times.map((fromMs) => ({ fromMs, toMs: fromMs + SECOND_MS }));
}

/** Whether nothing can be missing in it. */
export function isProven({ state }: { state: CoverageState }): boolean {
  return state === "verified" || state === "volume-verified";
}

/** The layers one over another, the last on top, inside the day. */
function paint(day: Span, layers: readonly (readonly Interval[])[]): Interval[] {
  return layers.reduce<Interval[]>((below, layer) => overlay(below, clip(stacked(layer), day)), []);
}

/** Joins neighbours that say the same. */
function finished(painted: readonly Interval[]): Interval[] {
  return joined(coarse(joined(painted)));
}

function joined(intervals: readonly Interval[]): Interval[] {
  const merged: Interval[] = [];
  for (const one of intervals) {
    const last = merged.at(-1);
    if (last && saysTheSame(last, one)) last.toMs = one.toMs;
    else merged.push(isMissing(one) ? { ...one } : interval(one, one.state));
  }
  return merged;
}

function isMissing({ state }: Interval): boolean {
  return state === "suspected" || state === "gap";
}

function saysTheSame(one: Interval, other: Interval): boolean {
  if (one.state !== other.state) return false;
  if (!isMissing(one)) return true;
  return one.reason === other.reason && one.seqFrom === other.seqFrom && one.chain === other.chain;
}

/** A moment with counts between two without is not worth an interval: the weaker word stands for it. */
function coarse(intervals: readonly Interval[]): Interval[] {
  return intervals.map((one, index) => {
    const isShort = one.state === "verified" && one.toMs - one.fromMs < VERIFIED_MS_MIN;
    const isBetween =
      intervals[index - 1]?.state === "volume-verified" &&
      intervals[index + 1]?.state === "volume-verified";
    return isShort && isBetween ? { ...one, state: "volume-verified" } : one;
  });
}
