// One day's part of a pass, inside its transaction: judges the gaps of the symbols that may have changed, and
// writes their intervals as they are then.
import type pg from "pg";
import type { GapChange, GapRenewal, Place, Rewrite } from "./changes.ts";
import { changeGaps, insertGaps, renewGaps, rewrite } from "./changes.ts";
import type { Channel, GapRow, SymbolLedger } from "./day-ledger.ts";
import type { StoredInterval } from "./evidence.ts";
import type { FeedLife } from "./feed-life.ts";
import type { Findings } from "./findings.ts";
import type { Judgement, Moment, NewGap } from "./judge.ts";
import { judgeBooks, judgeTrades } from "./judge.ts";
import type { OpenDay } from "./open-day.ts";
import { placeKey } from "./open-day.ts";

export interface PassTime {
  /** Market time. */
  nowMs: number;
  monoMs: number;
  /** Everything the source's edges had received before is stored, by their clocks. */
  drainedMs: number;
}

/** Declares, changes and settles gaps, in the tables and in the ledger. */
export async function judgeDay(
  client: pg.PoolClient,
  open: OpenDay,
  symbols: readonly SymbolLedger[],
  time: PassTime,
  findings: Findings,
): Promise<void> {
  const { ledger } = open;
  const fresh: (Place & NewGap)[] = [];
  const changes: GapChange[] = [];
  const renewals: GapRenewal[] = [];
  const lives = livesOf(open, time.nowMs);
  for (const symbol of symbols) {
    for (const channel of symbol.channels) {
      for (const one of judgements(open, symbol, channel, time, lives(symbol))) {
        findings.note(ledger.source, symbol.symbol, one, ledger.gapsOf(symbol, channel));
        if (one.do === "declare") fresh.push({ ...placeOf(open, symbol, channel), ...one.gap });
        else if (one.do === "renew") renewals.push(one);
        else changes.push(one);
      }
    }
  }
  await changeGaps(client, changes);
  for (const change of changes) {
    const row = ledger.gap(change.id);
    if (row) ledger.setGap(changed(row, change));
  }
  const numbers = await renewGaps(client, renewals);
  for (const { id: before, kind, seqTo, fromMs, toMs } of renewals) {
    const row = ledger.takeGap(before);
    const id = numbers.get(before);
    if (!row || id === undefined) continue;
    ledger.setGap({ ...row, id, kind, seqTo, fromMs, toMs, state: "suspected", outcome: null });
  }
  for (const row of await insertGaps(client, fresh)) ledger.setGap(row);
}

function changed(row: GapRow, { state, fromMs, toMs }: GapChange): GapRow {
  return {
    ...row,
    state: state ?? row.state,
    fromMs: fromMs ?? row.fromMs,
    toMs: toMs ?? row.toMs,
    outcome: state === "suspected" ? null : row.outcome,
  };
}

/** Writes the intervals that changed. */
export async function writeDay(
  client: pg.PoolClient,
  open: OpenDay,
  symbols: readonly SymbolLedger[],
  nowMs: number,
): Promise<void> {
  const rewrites: Rewrite[] = [];
  const lives = livesOf(open, nowMs);
  for (const symbol of symbols) {
    for (const channel of symbol.channels) {
      const { venue, symbol: name } = symbol;
      const key = placeKey(channel, venue, name);
      const after = open.ledger.intervals(symbol, channel, nowMs, lives(symbol));
      const before = open.written.get(key) ?? [];
      rewrites.push({ place: placeOf(open, symbol, channel), before, after });
      open.written.set(
        key,
        after.map((one): StoredInterval => ({ ...one, venue, symbol: name, channel })),
      );
    }
  }
  await rewrite(client, rewrites);
}

function judgements(
  open: OpenDay,
  symbol: SymbolLedger,
  channel: Channel,
  { nowMs, monoMs, drainedMs }: PassTime,
  life: FeedLife,
): Judgement[] {
  const { ledger } = open;
  const rows = ledger.gapsOf(symbol, channel);
  const moment: Moment = {
    nowMs,
    isDue: (missing) => open.isDue(symbol, missing, monoMs, drainedMs),
    isLively: (outage) => ledger.isLively(outage),
    lastStoredMs: (holder, of) => open.lastStoredMs(holder, of),
  };
  return channel === "trade"
    ? judgeTrades(ledger.tradeEvidence(symbol, nowMs, life), rows, moment)
    : judgeBooks(ledger.bookEvidence(symbol, nowMs, life), rows, moment);
}

/** The feed's life is the same for all symbols of a venue. */
function livesOf({ ledger }: OpenDay, nowMs: number): (symbol: SymbolLedger) => FeedLife {
  const lives = new Map<string, FeedLife>();
  return ({ venue }) => {
    let life = lives.get(venue);
    if (!life) lives.set(venue, (life = ledger.life(venue, nowMs)));
    return life;
  };
}

function placeOf({ ledger }: OpenDay, { venue, symbol }: SymbolLedger, channel: Channel): Place {
  return { source: ledger.source, day: ledger.day, venue, symbol, channel };
}
