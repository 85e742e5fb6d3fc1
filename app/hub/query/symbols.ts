// What is collected: the assignments of all accounts, and what else the day's coverage knows, with names where
// the instrument master has them.
import { zoneOf } from "../../shared/market-time.ts";
import type { SymbolList } from "../../shared/web-api.ts";
import type { Queryable } from "./reader.ts";

interface Row {
  venue: string;
  symbol: string;
  name: string | null;
  sources: string[];
}

/** `day` is Korea's. One name for all of a country's venues: the master knows the exchange of listing alone. */
export async function readSymbols(db: Queryable, day: number): Promise<SymbolList> {
  const { rows } = await db.query<Row>(
    `with known as (
       select venue, symbol, account as source from public.assignment where symbol <> ''
       union select venue, symbol, source from public.coverage where day = to_date($1::text, 'YYYYMMDD')
     ), places as (
       select venue, symbol, array_agg(source order by source) as sources from known group by venue, symbol
     )
     select p.venue, p.symbol, p.sources,
       (select i.name from public.instrument i where i.symbol = p.symbol and (i.venue = p.venue
          or (i.venue in ('KRX', 'NXT', 'UN')) = (p.venue in ('KRX', 'NXT', 'UN')))
        order by i.venue <> p.venue limit 1) as name
     from places p order by p.venue, p.symbol`,
    [day],
  );
  return { day, symbols: rows.map((row) => ({ ...row, zone: zoneOf(row.venue) })) };
}
