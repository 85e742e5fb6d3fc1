// The table `instrument`: filled from the exchange's master by `tickhub instruments load`, read by the page for
// names and by news edges for tags.
import type pg from "pg";
import type { Instrument, InstrumentName } from "../shared/instruments.ts";

type Queryable = Pick<pg.Pool, "query">;

/** What a load did to the table. */
export interface InstrumentChanges {
  added: number;
  changed: number;
  same: number;
}

/**
 * Adds and renews instruments; none is taken out, because old trades have names too. What a file does not say
 * (finders have no English names) stays as it was.
 */
export async function saveInstruments(
  db: Queryable,
  instruments: readonly Instrument[],
): Promise<InstrumentChanges> {
  const { rows } = await db.query<{ added: number; changed: number }>(
    `with given as (
       select * from jsonb_to_recordset($1::jsonb) as g
         (venue text, symbol text, name text, kind text, isin text, "listedOn" date, aliases text[])
     ), saved as (
       insert into public.instrument as i (venue, symbol, name, kind, isin, listed_on, aliases)
       select venue, symbol, name, kind, isin, "listedOn", aliases from given
       on conflict (venue, symbol) do update set
         name = excluded.name, kind = excluded.kind, seen_at = now(),
         isin = coalesce(excluded.isin, i.isin), listed_on = coalesce(excluded.listed_on, i.listed_on),
         aliases = case when excluded.aliases = '{}' then i.aliases else excluded.aliases end
       where (i.name, i.kind, i.isin, i.listed_on, i.aliases) is distinct from
         (excluded.name, excluded.kind, coalesce(excluded.isin, i.isin), coalesce(excluded.listed_on, i.listed_on),
          case when excluded.aliases = '{}' then i.aliases else excluded.aliases end)
       returning xmax = 0 as is_new
     )
     select count(*) filter (where is_new)::int as added, count(*) filter (where not is_new)::int as changed
       from saved`,
    [JSON.stringify(instruments)],
  );
  const { added = 0, changed = 0 } = rows[0] ?? {};
  return { added, changed, same: instruments.length - added - changed };
}

/** What news are tagged by: all that is still listed in Korea. */
export async function readInstrumentNames(db: Queryable): Promise<InstrumentName[]> {
  const { rows } = await db.query<InstrumentName>(
    `select symbol, name, kind, aliases from public.instrument
      where venue = 'KRX' and delisted_on is null order by symbol limit 20000`,
  );
  return rows;
}

/** How many instruments of each kind the table has. */
export async function countInstruments(
  db: Queryable,
): Promise<{ venue: string; kind: string; count: number }[]> {
  const { rows } = await db.query<{ venue: string; kind: string; count: number }>(
    `select venue, kind, count(*)::int as count from public.instrument
      group by venue, kind order by venue, kind`,
  );
  return rows;
}
