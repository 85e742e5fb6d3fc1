// The gate to the cloud, as far as parity goes: seven KRX trading days in a row at 99.9 % or more, of which 95 %
// or more are verified live on both sides. Reads `parity_day` and the calendar, nothing else.
import type pg from "pg";
import { marketDay, previousTradingDay } from "../../../shared/calendar.ts";
import { dateOf } from "./blocks.ts";
import { shareOf } from "./tally.ts";
import { refusals } from "./verdict.ts";

type Queryable = Pick<pg.Pool, "query">;

export interface ParityGate {
  open: boolean;
  /** Why not, a day each; empty when open. */
  reasons: string[];
  /** Oldest first. Shares are cut off, never rounded up; `share` is null where there is no figure. */
  days: { day: string; share: number | null; coverage: number }[];
}

export interface ParityGateOptions {
  /** Today in Korea, YYYYMMDD: counts once its figure is final, else the days before it do. */
  nowDay: number;
  /** Default kis and kiwoom. */
  left?: string;
  right?: string;
}

const DAYS = 7;

interface StoredDay {
  day: number;
  /** bigint as text. */
  matched: string;
  joint: string;
  answered: string;
  total: string;
  unclosed: number;
  isFinal: boolean;
}

/** Whether the last seven KRX trading days all reach the figure. A day without a row breaks the row. */
export async function parityGate(
  pool: Queryable,
  { nowDay, left = "kis", right = "kiwoom" }: ParityGateOptions,
): Promise<ParityGate> {
  const stored = await readDays(pool, nowDay, left, right);
  const reasons: string[] = [];
  const days: ParityGate["days"] = [];
  for (const day of lastTradingDays(nowDay, stored.get(nowDay)?.isFinal ?? false)) {
    const row = stored.get(day);
    days.push({
      day: dateOf(day),
      share: row ? shareOf(BigInt(row.matched), BigInt(row.answered)) : null,
      coverage: row ? (shareOf(BigInt(row.joint), BigInt(row.total)) ?? 0) : 0,
    });
    const wrong = row ? wrongWith(row) : [`not computed: tickhub parity --date ${dateOf(day)}`];
    if (wrong.length > 0) reasons.push(`${dateOf(day)}: ${wrong.join("; ")}`);
  }
  if (days.length < DAYS) reasons.push(`the calendar knows only ${days.length} trading days`);
  return { open: reasons.length === 0, reasons, days };
}

function wrongWith({ matched, joint, answered, total, unclosed, isFinal }: StoredDay): string[] {
  const figures = {
    ...{ matched: Number(matched), joint: Number(joint) },
    ...{ answered: Number(answered), total: Number(total), unclosed },
  };
  return [...refusals(figures), ...(isFinal ? [] : ["computed before the day was over"])];
}

/** Oldest first. */
function lastTradingDays(nowDay: number, isToday: boolean): number[] {
  const days: number[] = [];
  let day: number | undefined = nowDay;
  if (isToday && marketDay("KRX", nowDay).isTrading) days.push(nowDay);
  while (days.length < DAYS) {
    day = previousTradingDay("KRX", day)?.day;
    if (day === undefined) break;
    days.push(day);
  }
  return days.reverse();
}

/** Korea's venues, which trade on KRX days. */
async function readDays(
  pool: Queryable,
  nowDay: number,
  left: string,
  right: string,
): Promise<Map<number, StoredDay>> {
  const { rows } = await pool.query<StoredDay>(
    `select to_char(day, 'YYYYMMDD')::int as day, sum(matched_volume)::text as matched,
            sum(joint_volume)::text as joint, sum(answered_volume)::text as answered,
            sum(total_volume)::text as total, bool_and(is_final) as "isFinal",
            (count(*) filter (where not is_closed))::int as unclosed
       from public.parity_day
      where left_source = $1 and right_source = $2 and venue in ('KRX', 'NXT', 'UN')
        and day <= $3::date and day > $3::date - 60
      group by day`,
    [left, right, dateOf(nowDay)],
  );
  return new Map(rows.map((row) => [row.day, row]));
}
