// The newest trades of one place. The index of trades begins with their time, so the look back widens: what
// trades often is found in the last minute, and what does not costs one look at a day.
import { originOf } from "../../shared/origin.ts";
import type { Place, TradeLine, TradeList } from "../../shared/web-api.ts";
import type { Queryable } from "./reader.ts";

const MINUTE_MS = 60_000;
const LOOKS_MS = [MINUTE_MS, 30 * MINUTE_MS, 24 * 60 * MINUTE_MS] as const;
/** What an exchange's clock may be ahead of ours. */
const AHEAD_MS = 60_000;

export interface TradeQuestion extends Place {
  limit: number;
  /** Market time. */
  nowMs: number;
}

/** Newest first. Nothing within a day: those of the last day that the place was collected on. */
export async function readTrades(db: Queryable, question: TradeQuestion): Promise<TradeList> {
  const { source, venue, symbol, limit, nowMs } = question;
  const place = { source, venue, symbol };
  let trades: TradeLine[] = [];
  for (const lookMs of LOOKS_MS) {
    trades = await readSpan(db, question, nowMs - lookMs, nowMs + AHEAD_MS);
    if (trades.length >= limit) return { ...place, trades };
  }
  if (trades.length > 0) return { ...place, trades };
  const last = await readLastDay(db, place, nowMs - LOOKS_MS[2]);
  if (last) trades = await readSpan(db, question, last.fromMs, last.toMs);
  return { ...place, trades };
}

export interface TradeRow extends Omit<TradeLine, "origin"> {
  origin: number;
}

export const TRADE_COLUMNS = `extract(epoch from ts)::float8 * 1000 as "exchangeMs", price, size::float8 as size, side,
  seq::float8 as seq, origin`;

async function readSpan(
  db: Queryable,
  { source, venue, symbol, limit }: TradeQuestion,
  fromMs: number,
  toMs: number,
): Promise<TradeLine[]> {
  const { rows } = await db.query<TradeRow>(
    `select ${TRADE_COLUMNS} from public.trade
     where ts >= to_timestamp($4::float8 / 1000) and ts < to_timestamp($5::float8 / 1000)
       and source = $1 and venue = $2 and symbol = $3
     order by ts desc, day desc, chain desc, seq desc limit $6`,
    [source, venue, symbol, fromMs, toMs, limit],
  );
  return rows.map(lineOf);
}

/** By its coverage, whose primary key finds it. */
async function readLastDay(
  db: Queryable,
  { source, venue, symbol }: Place,
  beforeMs: number,
): Promise<{ fromMs: number; toMs: number } | null> {
  const { rows } = await db.query<{ fromMs: number; toMs: number }>(
    `select extract(epoch from min(from_at))::float8 * 1000 as "fromMs",
       extract(epoch from max(to_at))::float8 * 1000 as "toMs"
     from public.coverage where source = $1 and venue = $2 and symbol = $3 and channel = 'trade'
       and state in ('verified', 'volume-verified', 'alive') and from_at < to_timestamp($4::float8 / 1000)
     group by day order by day desc limit 1`,
    [source, venue, symbol, beforeMs],
  );
  return rows[0] ?? null;
}

function lineOf(row: TradeRow): TradeLine {
  return { ...row, origin: originOf(row.origin) ?? "live" };
}
