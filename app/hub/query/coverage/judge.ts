// Decides what becomes of gaps: which have to be declared, what has to be asked of the broker about the
// day's ends, and what an answer, or rows that came, mean for those that are open. Pure: the ledger of one
// symbol in, changes to rows of the table `gap` out; the keeper makes them.
//
//   (missing volume) --persists, older outboxes drained--> suspected --an edge takes it--> refilling
//   refilling --its rows are here--> refilled    --the broker shows nothing either--> explained
//             --some are, no more to be had--> partial    --nothing of it to be had--> lost
//             --the asking failed--> suspected
// A hole may be filled without any asking, by rows that came late: refilled, too. A tail is explained when the
// next trade goes on from it, and becomes a hole when that trade shows that volume is missing: another question,
// suspected anew.
import type { GapKind, GapState } from "./gap-row.ts";
import { isFinal, REASON } from "./gap-row.ts";
import type { Channel, GapRow } from "./day-ledger.ts";
import type { Outage } from "./feed-life.ts";
import type { Span } from "./spans.ts";
import { clip } from "./spans.ts";
import type { ChannelEvidence, Missing, TradeEvidence } from "./timeline.ts";
import { gapOf, headProof, missingOf, tailOf, tailProvedMs } from "./timeline.ts";

/** A row to be made. */
export interface NewGap extends Span {
  channel: Channel;
  kind: GapKind;
  chain: number | null;
  seqFrom: number | null;
  seqTo: number | null;
  state: GapState;
  reason: string;
}

export type Judgement =
  | { do: "declare"; gap: NewGap }
  /** Sets what is given, and leaves the rest. */
  | { do: "change"; id: number; state?: GapState; fromMs?: number; toMs?: number }
  /**
   * Its other side is known now: to be asked anew under a number of its own. What an edge has found out about
   * the old question, or still says of it, is no answer to this one.
   */
  | { do: "renew"; id: number; kind: GapKind; seqTo: number; fromMs: number; toMs: number };

export interface Moment {
  /** Market time. */
  nowMs: number;
  /**
   * Whether missing volume may be declared: it has been seen for a while, and whatever edges had received
   * before it showed is stored.
   */
  isDue: (missing: Missing) => boolean;
  /** Whether ticks came right before the outage, so that a closed calendar does not excuse it. */
  isLively: (outage: Outage) => boolean;
  /** Market time of the last row stored of a process that vanished; null where none is. */
  lastStoredMs: (holder: string, channel: Channel) => number | null;
}

/** After the last session, brokers' figures are awaited for so long. */
const DAY_END_MS = 60_000;
/** Of a day that is over for longer brokers are not asked. */
const ASK_MS_MAX = 12 * 3_600_000;

export function judgeTrades(
  evidence: TradeEvidence,
  rows: readonly GapRow[],
  moment: Moment,
): Judgement[] {
  const open = rows.filter(({ state, kind }) => !isFinal(state) && kind !== "time");
  const changes = open.flatMap((row) => judged(row, evidence) ?? []);
  return [
    ...changes,
    ...holes(evidence, rows, moment),
    ...head(evidence, rows, moment),
    ...tail(evidence, rows, moment),
    ...outages(evidence, rows, moment),
  ];
}

/** What the evidence and the broker's answer make of an open row; null while there is nothing new. */
function judged(row: GapRow, evidence: TradeEvidence): Judgement | null {
  // Whoever was given it has stored its rows before it says what they are; without a word it is given again.
  if (row.state === "refilling" && row.outcome === null) return null;
  switch (row.kind) {
    case "head":
      if (headProof(evidence) !== null) return settled(row, true);
      break;
    case "tail": {
      const moved = tailMoved(row, evidence);
      if (moved) return moved;
      break;
    }
    case "hole":
      if (remaining(row, evidence) === 0) return { do: "change", id: row.id, state: "refilled" };
      break;
    case "time":
      return null;
  }
  return answered(row, evidence);
}

/** Proved complete: by rows that were fetched, or because there was nothing to fetch. */
function settled({ id, refilledRows }: GapRow, isProved: boolean): Judgement | null {
  if (!isProved) return null;
  return { do: "change", id, state: refilledRows > 0 ? "refilled" : "explained" };
}

function tailMoved(row: GapRow, evidence: TradeEvidence): Judgement | null {
  const seq = row.seqFrom ?? 0;
  const chain = evidence.chains.find((one) => one.chain === (row.chain ?? 0));
  if (chain?.runs.some(({ seqFrom, seqTo }) => seqFrom <= seq && seq < seqTo)) {
    return settled(row, true);
  }
  const { id } = row;
  const hole = chain?.holes.find(({ seqFrom }) => seqFrom === seq);
  if (hole) {
    const { seqTo, fromMs, toMs } = hole;
    return { do: "renew", id, kind: "hole", seqTo, fromMs, toMs };
  }
  const first = chain?.runs[0];
  if (first && seq < first.seqFrom) {
    const { seqFrom: seqTo, firstMs: toMs } = first;
    return { do: "renew", id, kind: "head", seqTo, fromMs: row.fromMs, toMs };
  }
  return settled(row, tailProvedMs(evidence) >= row.toMs && tailOf(evidence).seqTo === seq);
}

function answered(row: GapRow, evidence: TradeEvidence): Judgement | null {
  const { id, outcome } = row;
  const state = (name: GapState): Judgement => ({ do: "change", id, state: name });
  switch (outcome) {
    case null:
      return null;
    case "failed":
      return state("suspected");
    case "explained":
      // A trade that the broker counts is no volume without one, whether its list shows it or not.
      return state(countedIn(row, evidence) > 0 ? "lost" : "explained");
    case "missing":
    case "partial":
    case "filled": {
      // Of a day's end no volume says what is left: then the broker's word has to do.
      const isKnown = row.kind === "hole" && row.seqFrom !== null && row.seqTo !== null;
      if (!isKnown) return state(WORD[outcome]);
      const isUntouched = remaining(row, evidence) === row.seqTo! - row.seqFrom!;
      return state(isUntouched ? "lost" : "partial");
    }
  }
}

const WORD = { missing: "lost", partial: "partial", filled: "refilled" } as const;

/** Trades that the broker counted in the row's interval and that are not here; 0 where it counts none. */
function countedIn({ chain, seqFrom, seqTo }: GapRow, { chains }: TradeEvidence): number {
  const { holes = [] } = chains.find((one) => one.chain === chain) ?? {};
  return holes
    .filter((hole) => hole.seqFrom >= (seqFrom ?? 0) && hole.seqTo <= (seqTo ?? Infinity))
    .reduce((sum, { trades }) => sum + Math.max(0, trades ?? 0), 0);
}

/** Missing volume inside the row's interval. */
function remaining(row: GapRow, evidence: TradeEvidence): number {
  const [from, to] = [row.seqFrom ?? 0, row.seqTo ?? Infinity];
  return missingOf(evidence)
    .filter(({ kind, chain }) => kind === "hole" && chain === row.chain)
    .reduce(
      (sum, one) => sum + Math.max(0, Math.min(to, one.seqTo) - Math.max(from, one.seqFrom)),
      0,
    );
}

/** Missing volume nobody has declared. */
export function undeclared(evidence: TradeEvidence, rows: readonly GapRow[]): Missing[] {
  return missingOf(evidence).filter((missing) => !gapOf(missing, rows));
}

function holes(evidence: TradeEvidence, rows: readonly GapRow[], moment: Moment): Judgement[] {
  return undeclared(evidence, rows)
    .filter((missing) => moment.isDue(missing))
    .map(({ kind, chain, seqFrom, seqTo, fromMs, toMs }) => {
      const reason = reasonOf(evidence, { fromMs, toMs: toMs + 1_000 });
      return declare({ kind, chain, seqFrom, seqTo, fromMs, toMs, reason });
    });
}

/** What happened to the feed meanwhile; else only the volume says that something is missing. */
function reasonOf({ outages, losses }: ChannelEvidence, within: Span): string {
  const [cause] = [...clip(outages, within), ...clip(losses, within)];
  return cause?.reason ?? REASON.volume;
}

/** Was there anything before the day's first trade? Only who listened has missed it. */
function head(evidence: TradeEvidence, rows: readonly GapRow[], moment: Moment): Judgement[] {
  const { chains, alive, outages, expected, figure, day } = evidence;
  const chain = chains[0];
  const first = chain?.runs[0];
  if (!chain || !first || headProof(evidence) !== null || !mayAsk(evidence, moment)) return [];
  if ((figure?.seqFirst ?? Infinity) < first.seqFrom) return [];
  const { seqFrom: seqTo, firstMs: toMs, arrivedMs } = first;
  if (![...alive, ...outages].some(({ fromMs }) => fromMs <= toMs)) return [];
  const missing = { kind: "head", chain: chain.chain, seqFrom: 0, seqTo } as const;
  if (rows.some((row) => row.kind === "head" && row.seqTo === seqTo)) return [];
  if (!moment.isDue({ ...missing, fromMs: toMs, toMs, arrivedMs })) return [];
  const startMs = expected[0]?.fromMs ?? day.fromMs;
  const fromMs = Math.min(startMs, toMs);
  return [declare({ ...missing, seqFrom: null, fromMs, toMs, reason: REASON.dayStart })];
}

/** Was there anything after the last trade? Asked when the day, or a recording of it, is over. */
function tail(evidence: TradeEvidence, rows: readonly GapRow[], moment: Moment): Judgement[] {
  const { alive, expected, recorded } = evidence;
  const { chain, seqTo: seqFrom, lastMs: fromMs } = tailOf(evidence);
  if (alive.length === 0 || !mayAsk(evidence, moment)) return [];
  const closeMs = expected.at(-1)?.toMs ?? evidence.day.toMs;
  const isDayOver = moment.nowMs >= closeMs + DAY_END_MS;
  const recording = recorded.find(({ toMs }) => fromMs < toMs && toMs - 1_000 <= moment.nowMs);
  const toMs = isDayOver ? Math.max(closeMs, fromMs) : recording?.toMs;
  if (toMs === undefined || tailProvedMs(evidence) >= (recording?.toMs ?? toMs)) return [];
  const isAsked = rows.some(({ kind, reason, ...row }) => {
    return kind === "tail" && reason === REASON.dayEnd && row.seqFrom === seqFrom;
  });
  if (isAsked) return [];
  return [
    declare({ kind: "tail", chain, seqFrom, seqTo: null, fromMs, toMs, reason: REASON.dayEnd }),
  ];
}

/**
 * The feed was away, and no trade since says whether one is missing: a span of unknown size. Of a process
 * that vanished, what it had received and not sent is in it.
 */
function outages(evidence: TradeEvidence, rows: readonly GapRow[], moment: Moment): Judgement[] {
  const { chain, seqTo: seqFrom, lastMs } = tailOf(evidence);
  if (!mayAsk(evidence, moment)) return [];
  const provedMs = tailProvedMs(evidence);
  return missedBy(evidence, "trade", moment).flatMap(({ reason, ...span }): Judgement[] => {
    const { toMs } = span;
    if (toMs <= lastMs || toMs <= provedMs) return [];
    // Of the time before the last trade it says nothing, whatever becomes of it.
    const fromMs = Math.max(span.fromMs, lastMs);
    const known = rows.find((row) => {
      return row.kind === "tail" && row.seqFrom === seqFrom && row.reason !== REASON.dayEnd;
    });
    if (known && known.toMs >= toMs) return [];
    if (known && !isFinal(known.state)) return [{ do: "change", id: known.id, toMs }];
    return [declare({ kind: "tail", chain, seqFrom, seqTo: null, fromMs, toMs, reason })];
  });
}

/** Books cannot be had again, so their gaps are final as they are declared. */
export function judgeBooks(
  evidence: ChannelEvidence,
  rows: readonly GapRow[],
  moment: Moment,
): Judgement[] {
  const missed = missedBy(evidence, "book", moment).map((span) => ({
    ...span,
    // It ends with the next session; another one may begin in that very second.
    known: rows.find((row) => row.toMs === span.toMs),
  }));
  const lost = gathered(evidence.losses).map((span) => ({
    ...span,
    known: rows.find((row) => {
      return row.reason === span.reason && row.fromMs <= span.toMs && span.fromMs <= row.toMs;
    }),
  }));
  return [...missed, ...lost].flatMap(({ fromMs, toMs, reason, known }): Judgement[] => {
    if (!known) {
      const span = { fromMs, toMs, seqFrom: null, seqTo: null, chain: null, reason };
      return [{ do: "declare", gap: { ...span, channel: "book", kind: "time", state: "lost" } }];
    }
    if (known.fromMs === fromMs && known.toMs === toMs) return [];
    return [{ do: "change", id: known.id, fromMs, toMs }];
  });
}

/** Outages that are over, where something was to be expected; seconds as exchanges count them. */
function missedBy(
  { outages, expected, day }: ChannelEvidence,
  channel: Channel,
  moment: Moment,
): (Span & { reason: string })[] {
  return outages.flatMap((outage) => {
    if (!outage.isOver) return [];
    const { reason, toMs, holder, sessionMs } = outage;
    // A process that vanished before it had stored anything took all of its session along.
    const storedMs =
      reason === "KILLED" ? (moment.lastStoredMs(holder, channel) ?? sessionMs) : Infinity;
    const startMs = Math.floor(Math.min(outage.fromMs, storedMs) / 1_000) * 1_000;
    const [span] = clip([{ fromMs: startMs, toMs, reason }], day);
    const isDue = span && (clip(expected, span).length > 0 || moment.isLively(outage));
    return isDue ? [span] : [];
  });
}

/** Losses of one reason that follow each other closely are one gap. */
function gathered(losses: ChannelEvidence["losses"]): (Span & { reason: string })[] {
  const joined: (Span & { reason: string })[] = [];
  for (const { fromMs, toMs, reason } of [...losses].sort((a, b) => a.fromMs - b.fromMs)) {
    const last = joined.at(-1);
    const isNext = last?.reason === reason && fromMs <= last.toMs + 5_000;
    if (isNext) last.toMs = Math.max(last.toMs, toMs);
    else joined.push({ fromMs, toMs, reason });
  }
  return joined;
}

function mayAsk({ day }: ChannelEvidence, { nowMs }: Moment): boolean {
  return nowMs < day.toMs + ASK_MS_MAX;
}

function declare(gap: Omit<NewGap, "channel" | "state">): Judgement {
  return { do: "declare", gap: { ...gap, channel: "trade", state: "suspected" } };
}
