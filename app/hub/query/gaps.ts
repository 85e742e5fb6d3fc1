// Gaps of a day, whatever became of them: what the page lists and draws over a chart. The questions about a
// day's ends are left out while they are asked: they say nothing yet.
import { kstDay, newYorkDay, venueDay } from "../../shared/market-time.ts";
import { GAPS_MAX } from "../../shared/web-api.ts";
import type { GapLine, GapList, Place } from "../../shared/web-api.ts";
import { REASON } from "./coverage/gap-row.ts";
import type { Queryable } from "./reader.ts";

/** `day` null: today, each venue by its own. */
export type GapFilter = { [part in keyof Place]?: string | undefined } & { day: number | null };

export async function readGapLines(
  db: Queryable,
  { source, venue, symbol, day }: GapFilter,
  nowMs: number,
): Promise<GapList> {
  const days = day === null ? [...new Set([kstDay(nowMs), newYorkDay(nowMs)])] : [day];
  const { rows } = await db.query<GapLine & { day: number }>(
    `select id::float8 as id, source, venue, symbol, channel, kind, state, reason,
       to_char(day, 'YYYYMMDD')::int as day,
       extract(epoch from from_at)::float8 * 1000 as "fromMs",
       extract(epoch from coalesce(to_at, from_at))::float8 * 1000 as "toMs",
       (seq_to - seq_from)::float8 as "missingVolume"
     from public.gap
     where day = any (select to_date(d::text, 'YYYYMMDD') from unnest($1::int[]) d)
       and ($2::text is null or source = $2) and ($3::text is null or venue = $3)
       and ($4::text is null or symbol = $4)
       and not (reason = any ($5) and state in ('suspected', 'refilling'))
     order by from_at desc, id desc limit $6`,
    [
      ...[days, source ?? null, venue ?? null, symbol ?? null],
      ...[[REASON.dayStart, REASON.dayEnd], GAPS_MAX],
    ],
  );
  const isMeant = (row: { day: number; venue: string }) =>
    day !== null || row.day === venueDay(row.venue, nowMs);
  const gaps = rows.filter(isMeant).map((row): GapLine => {
    const { id, source: from, channel, kind, state, reason, fromMs, toMs, missingVolume } = row;
    const place = { source: from, venue: row.venue, symbol: row.symbol };
    return { id, ...place, channel, kind, state, reason, fromMs, toMs, missingVolume };
  });
  return { day: day ?? kstDay(nowMs), gaps };
}
