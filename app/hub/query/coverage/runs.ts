// Folds the trades of one symbol and chain into runs of contiguous cumulative volume: the evidence that
// none is missing. Stands behind the table `trade`, off the tick's path; pure. Promises: the result does
// not depend on the order in which trades are added, and a trade added twice changes nothing.
//
//   a trade covers the volume (seq - size, seq]          run ────────┐   hole   ┌──── run
//   trades that touch make a run; what lies                 10 20 35 │  35..90  │ 90 95
//   between two runs is a hole                              09:00:07 ┘          └ 09:00:09
import { Ends } from "./ends.ts";
import type { Side } from "../../../shared/tick.ts";

/** What a trade tells of its neighbours. Counts are NO_COUNT where the broker sent none. */
export interface RunTrade {
  /** Cumulative volume after it. */
  seq: number;
  size: number;
  /** Exchange time, epoch ms: somewhere in the second that begins here. */
  tsMs: number;
  edgeRecvMs: number;
  side: Side;
  sellCount: number;
  buyCount: number;
}

/** Seconds, by their beginnings, both included. */
export interface Seconds {
  fromMs: number;
  toMs: number;
}

export interface Run {
  seqFrom: number;
  seqTo: number;
  /** Exchange times of its first and its last trade. */
  firstMs: number;
  lastMs: number;
  /** When its first trade came to the edge: then everybody could see that there is a hole before it. */
  arrivedMs: number;
  /** Where only the volume goes on, and no count of trades bears it out; sorted, apart. */
  weak: readonly Seconds[];
}

/** Volume that no trade accounts for, between two that are stored. */
export interface Hole {
  seqFrom: number;
  seqTo: number;
  /** Seconds of the trades on both sides. */
  fromMs: number;
  toMs: number;
  arrivedMs: number;
  /** Trades in it as the broker counts them; null where it does not. An auction's print is not counted. */
  trades: number | null;
}

/** Trades that cover the same volume and are not the same; with the seconds up to their neighbours'. */
export interface Conflict extends Seconds {
  seqFrom: number;
  seqTo: number;
}

interface End {
  count: number;
  side: Side;
}

interface OpenRun extends Run {
  first: End;
  last: End;
  ends: Ends;
  weak: Seconds[];
}

/** Of a trade that is in dispute nothing can be said but that it is there. */
const UNKNOWN: End = { count: -1, side: 0 };

export class Runs {
  /** By volume; neither overlap nor touch. */
  #runs: OpenRun[] = [];
  /** By volume. Whatever overlaps one of them belongs to it. */
  #conflicts: Conflict[] = [];
  /** Where the last trade went: the next one goes on there. */
  #hint = 0;

  get runs(): readonly Run[] {
    return this.#conflicts.length === 0 ? this.#runs : this.#runs.map((run) => this.#settled(run));
  }

  add(trade: RunTrade): void {
    const { seq: to, size, tsMs } = trade;
    const from = to - size;
    if (!(size > 0)) return;
    const run = this.#runs[this.#hint];
    if (run?.seqTo === from && to < (this.#runs[this.#hint + 1]?.seqFrom ?? Infinity)) {
      const end = endOf(trade);
      if (!follows(run.last, end)) weaken(run.weak, run.lastMs, tsMs);
      run.ends.push(to, tsMs);
      run.seqTo = to;
      run.lastMs = tsMs;
      run.last = end;
      return;
    }
    this.#place(trade, from, to);
  }

  holes(): Hole[] {
    const holes: Hole[] = [];
    const { runs } = this;
    for (let i = 1; i < runs.length; i++) {
      const [before, after] = [runs[i - 1]!, runs[i]!];
      const { seqTo: seqFrom, lastMs } = before;
      const { seqFrom: seqTo, firstMs, arrivedMs } = after;
      const fromMs = Math.min(lastMs, firstMs);
      const trades = countedBetween(this.#runs[i - 1]!.last, this.#runs[i]!.first);
      holes.push({ seqFrom, seqTo, fromMs, toMs: Math.max(lastMs, firstMs), arrivedMs, trades });
    }
    return holes;
  }

  conflicts(): Conflict[] {
    return this.#conflicts.map((one, index) => {
      const { ends } = this.#runs.find((run) => run.seqTo >= one.seqTo)!;
      const widened = { ...one };
      const [before, after] = [this.#conflicts[index - 1], this.#conflicts[index + 1]];
      const previous = ends.firstBehind(one.seqFrom) - 1;
      if (before?.seqTo === one.seqFrom) stretch(widened, before.fromMs);
      else if (previous >= 0) stretch(widened, ends.timeMs(previous));
      const next = ends.firstBehind(one.seqTo);
      if (after?.seqFrom === one.seqTo) stretch(widened, after.toMs);
      else if (next < ends.length) stretch(widened, ends.timeMs(next));
      return widened;
    });
  }

  /** Where a run begins or ends in a dispute, so many seconds may be its first or its last. */
  #settled(run: Run): Run {
    const first = this.#conflicts.find(({ seqFrom }) => seqFrom === run.seqFrom);
    const last = this.#conflicts.find(({ seqTo }) => seqTo === run.seqTo);
    return { ...run, firstMs: first?.fromMs ?? run.firstMs, lastMs: last?.toMs ?? run.lastMs };
  }

  #place(trade: RunTrade, from: number, to: number): void {
    const known = this.#conflicts.find(({ seqFrom, seqTo }) => seqFrom <= from && to <= seqTo);
    if (known) return stretch(known, trade.tsMs);
    const first = this.#firstNotBefore(from);
    let behind = first;
    while (behind < this.#runs.length && this.#runs[behind]!.seqFrom <= to) behind += 1;
    const met = this.#runs.slice(first, behind);
    this.#hint = first;
    if (met.some((run) => run.seqFrom < to && from < run.seqTo)) {
      const isKnown = met.some((run) => holds(run, from, to));
      if (isKnown) return;
      this.#dispute(met, trade, from, to);
      this.#runs.splice(first, met.length, united(met, trade, from, to));
      return;
    }
    // At most two are met, one on each side.
    const [one, other] = met;
    if (!one) this.#runs.splice(first, 0, alone(trade, from, to));
    else if (one.seqTo !== from) lead(one, trade, from, to);
    else {
      follow(one, trade, to);
      if (!other) return;
      join(one, other);
      this.#runs.splice(first + 1, 1);
    }
  }

  /** Index of the first run that ends at or behind `seq`. */
  #firstNotBefore(seq: number): number {
    let [low, high] = [0, this.#runs.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#runs[middle]!.seqTo >= seq) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Puts the trade and all it overlaps into one conflict. */
  #dispute(met: readonly OpenRun[], { tsMs }: RunTrade, from: number, to: number): void {
    const hull: Conflict = { seqFrom: from, seqTo: to, fromMs: tsMs, toMs: tsMs };
    for (const { ends, seqFrom } of met) {
      for (let i = ends.firstBehind(from); i < ends.length; i++) {
        const start = i === 0 ? seqFrom : ends.seq(i - 1);
        if (start >= to) break;
        widen(hull, start, ends.seq(i));
        stretch(hull, ends.timeMs(i));
      }
    }
    const apart: Conflict[] = [];
    for (const one of this.#conflicts) {
      if (one.seqTo <= hull.seqFrom || hull.seqTo <= one.seqFrom) apart.push(one);
      else {
        widen(hull, one.seqFrom, one.seqTo);
        stretch(hull, one.fromMs);
        stretch(hull, one.toMs);
      }
    }
    this.#conflicts = [...apart, hull].sort((a, b) => a.seqFrom - b.seqFrom);
  }
}

function endOf({ side, sellCount, buyCount }: RunTrade): End {
  return { side, count: sellCount < 0 || buyCount < 0 ? -1 : sellCount + buyCount };
}

/** The counts rise by the trade itself; an auction's print has no aggressor and is not counted. */
function follows(before: End, after: End): boolean {
  return countedBetween(before, after) === 0;
}

/** How many trades the broker counted between the two; null where it does not say. */
function countedBetween(before: End, after: End): number | null {
  if (before.count < 0 || after.count < 0) return null;
  return after.count - before.count - (after.side === 0 ? 0 : 1);
}

function alone(trade: RunTrade, from: number, to: number): OpenRun {
  const { tsMs, edgeRecvMs } = trade;
  const [end, ends] = [endOf(trade), new Ends()];
  ends.push(to, tsMs);
  return {
    ...{ seqFrom: from, seqTo: to, firstMs: tsMs, lastMs: tsMs, arrivedMs: edgeRecvMs },
    ...{ first: end, last: end, ends, weak: [] },
  };
}

/** The trade goes on where the run ends. */
function follow(run: OpenRun, trade: RunTrade, to: number): void {
  const end = endOf(trade);
  if (!follows(run.last, end)) weaken(run.weak, run.lastMs, trade.tsMs);
  run.ends.push(to, trade.tsMs);
  run.seqTo = to;
  run.lastMs = trade.tsMs;
  run.last = end;
}

/** The run goes on where the trade ends. */
function lead(run: OpenRun, trade: RunTrade, from: number, to: number): void {
  const end = endOf(trade);
  if (!follows(end, run.first)) weaken(run.weak, trade.tsMs, run.firstMs);
  run.ends.unshift(to, trade.tsMs);
  run.seqFrom = from;
  run.firstMs = trade.tsMs;
  run.arrivedMs = trade.edgeRecvMs;
  run.first = end;
}

/** `after` begins where `run` ends. */
function join(run: OpenRun, after: OpenRun): void {
  if (!follows(run.last, after.first)) weaken(run.weak, run.lastMs, after.firstMs);
  for (const { fromMs, toMs } of after.weak) weaken(run.weak, fromMs, toMs);
  run.ends.append(after.ends);
  run.seqTo = after.seqTo;
  run.lastMs = after.lastMs;
  run.last = after.last;
}

/** The runs of a dispute, which the disputed trade overlaps or touches, as one. */
function united(met: readonly OpenRun[], trade: RunTrade, from: number, to: number): OpenRun {
  const run = met[0]!;
  const { tsMs } = trade;
  if (from < run.seqFrom) {
    run.seqFrom = from;
    run.firstMs = tsMs;
    run.arrivedMs = trade.edgeRecvMs;
    run.first = UNKNOWN;
  }
  for (const after of met.slice(1)) {
    if (to === after.seqFrom) run.ends.push(to, tsMs);
    run.last = UNKNOWN;
    join(run, after);
  }
  if (run.seqTo < to) {
    run.ends.push(to, tsMs);
    run.seqTo = to;
    run.lastMs = tsMs;
    run.last = UNKNOWN;
  }
  return run;
}

function holds({ seqFrom, ends }: OpenRun, from: number, to: number): boolean {
  const index = ends.firstBehind(from);
  if (index === ends.length || ends.seq(index) !== to) return false;
  return (index === 0 ? seqFrom : ends.seq(index - 1)) === from;
}

function widen(hull: Conflict, seqFrom: number, seqTo: number): void {
  hull.seqFrom = Math.min(hull.seqFrom, seqFrom);
  hull.seqTo = Math.max(hull.seqTo, seqTo);
}

function stretch(seconds: Seconds, tsMs: number): void {
  seconds.fromMs = Math.min(seconds.fromMs, tsMs);
  seconds.toMs = Math.max(seconds.toMs, tsMs);
}

/** Adds a link to the seconds that are borne out by volume alone. */
function weaken(weak: Seconds[], oneMs: number, otherMs: number): void {
  const added = { fromMs: Math.min(oneMs, otherMs), toMs: Math.max(oneMs, otherMs) };
  let at = weak.length;
  while (at > 0 && weak[at - 1]!.fromMs > added.fromMs) at -= 1;
  if (at > 0 && weak[at - 1]!.toMs >= added.fromMs - 1_000) at -= 1;
  let behind = at;
  while (behind < weak.length && weak[behind]!.fromMs <= added.toMs + 1_000) {
    stretch(added, weak[behind]!.fromMs);
    stretch(added, weak[behind]!.toMs);
    behind += 1;
  }
  // In order, the usual case: the last one grows in place.
  if (behind - at === 1) weak[at] = added;
  else weak.splice(at, behind - at, added);
}
