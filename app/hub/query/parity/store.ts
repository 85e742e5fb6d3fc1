// Keeps a day's comparison: one row per symbol in `parity_day`, and one of evidence a market. Doing it again
// replaces the day's rows.
import type pg from "pg";
import type { Evidence } from "../../../shared/evidence.ts";
import { recordEvidence } from "../../../store/evidence.ts";
import { inTransaction } from "../coverage/changes.ts";
import { dateOf } from "./blocks.ts";
import type { BookParity } from "./books.ts";
import type { DayParity } from "./day.ts";
import type { Tally } from "./tally.ts";
import { OUTCOMES, percent, volumesOf } from "./tally.ts";
import type { MarketVerdict } from "./verdict.ts";
import { verdictsOf } from "./verdict.ts";

/** Writes the rows and leaves the evidence, in one transaction. `nowMs` by the wall clock. */
export async function storeParity(
  pool: pg.Pool,
  parity: DayParity,
  books: readonly BookParity[],
  nowMs: number,
): Promise<void> {
  const { day, left, right, symbols } = parity;
  const quotes = new Map(books.map((one) => [`${one.venue}/${one.symbol}`, one]));
  const rows = symbols.map(({ venue, symbol, tally, hours, isClosed, isFinal }) => {
    const { matched, merged, joint, missingLeft, missingRight, total } = volumesOf(tally);
    const detail = {
      outcomes: countsOf(tally),
      hours: Object.fromEntries([...hours].map(([hour, one]) => [hour, countsOf(one)])),
      books: quotes.get(`${venue}/${symbol}`) ?? null,
    };
    return {
      ...{ venue, symbol, matched, merged, joint, missingLeft, missingRight, total },
      ...{ isClosed, isFinal, detail },
    };
  });
  await inTransaction(pool, async (client) => {
    await client.query(
      "delete from public.parity_day where day = $1::date and left_source = $2 and right_source = $3",
      [dateOf(day), left, right],
    );
    await client.query(
      `insert into public.parity_day (day, venue, symbol, left_source, right_source, matched_volume,
              merged_volume, joint_volume, missing_left_volume, missing_right_volume, total_volume,
              is_closed, is_final, detail)
       select $1::date, venue, symbol, $2, $3, matched, merged, joint, "missingLeft", "missingRight",
              total, "isClosed", "isFinal", detail
         from jsonb_to_recordset($4) as p (venue text, symbol text, matched bigint, merged bigint,
              joint bigint, "missingLeft" bigint, "missingRight" bigint, total bigint,
              "isClosed" boolean, "isFinal" boolean, detail jsonb)`,
      [dateOf(day), left, right, JSON.stringify(rows)],
    );
    for (const verdict of verdictsOf(parity)) {
      await recordEvidence(client, evidenceOf(parity, verdict, nowMs));
    }
  });
}

function evidenceOf(
  { day, left, right }: DayParity,
  { market, share, coverage, refusals, volumes, unclosed, isFinal, symbols }: MarketVerdict,
  atMs: number,
): Evidence {
  const figures = `${percent(share)} of what both had to have, joint coverage ${percent(coverage)}`;
  return {
    kind: "parity",
    subject: `${left}/${right}`,
    ok: refusals.length === 0 && isFinal,
    summary: `${market} ${dateOf(day)}: ${figures}`,
    atMs,
    detail: {
      day: dateOf(day),
      market,
      share,
      coverage,
      symbols,
      unclosed,
      isFinal,
      ...volumes,
      refusals,
    },
  };
}

/** Without what there was none of. */
export function countsOf(tally: Tally): Partial<Tally> {
  return Object.fromEntries(
    OUTCOMES.filter((one) => tally[one].volume > 0 || tally[one].count > 0).map((one) => [
      one,
      tally[one],
    ]),
  );
}
