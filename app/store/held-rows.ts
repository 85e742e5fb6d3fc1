// Rows by who captured them: what SQL finds of some holders' streams, whatever anybody counted.
import type pg from "pg";

/** Live rows of these holders' streams in trade, book and status. */
export async function countHeldRows(
  pool: Pick<pg.Pool, "query">,
  { edge, holders }: { edge: string; holders: readonly string[] },
): Promise<number> {
  // Arrival is indexed and a stream is not. A row's arrival is its transaction's begin, a little before the
  // moment at which that transaction opened the stream.
  const { rows } = await pool.query<{ rows: number }>(
    `with mine as materialized (
       select no, opened_at from public.stream where edge = $1 and holder = any($2::uuid[])
     ), since as materialized (
       select min(opened_at) - interval '2 minutes' as at from mine
     )
     select ((select count(*) from public.trade where origin = 0
         and hub_recv >= (select at from since) and stream in (select no from mine))
       + (select count(*) from public.book where origin = 0
         and hub_recv >= (select at from since) and stream in (select no from mine))
       + (select count(*) from public.status where origin = 0
         and hub_recv >= (select at from since) and stream in (select no from mine)))::float8 as rows`,
    [edge, holders],
  );
  return rows[0]!.rows;
}
