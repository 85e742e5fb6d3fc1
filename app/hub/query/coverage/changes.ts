// What the keeper writes: gaps declared and changed, intervals that moved, and how far it has read. All of a
// pass in one transaction, so that no interval stands for trades that were not read, nor the other way round.
import type pg from "pg";
import type { Venue } from "../../../shared/tick.ts";
import type { Channel, GapRow } from "./day-ledger.ts";
import type { StoredInterval } from "./evidence.ts";
import type { Judgement, NewGap } from "./judge.ts";
import type { Interval } from "./timeline.ts";

/** Whose gap or interval it is. */
export interface Place {
  source: string;
  day: number;
  venue: Venue;
  symbol: string;
  channel: Channel;
}

export type GapChange = Extract<Judgement, { do: "change" }>;
export type GapRenewal = Extract<Judgement, { do: "renew" }>;

/** Runs `work` in a transaction. */
export async function inTransaction<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let failed = true;
  try {
    await client.query("begin");
    const result = await work(client);
    await client.query("commit");
    failed = false;
    return result;
  } finally {
    // A connection in an aborted or unknown transaction is not one to lend out again.
    client.release(failed);
  }
}

/** Makes the rows and returns them as they are then. */
export async function insertGaps(
  client: pg.PoolClient,
  gaps: readonly (Place & NewGap)[],
): Promise<GapRow[]> {
  if (gaps.length === 0) return [];
  const { rows } = await client.query<{ id: number }>(
    `insert into public.gap (source, venue, symbol, day, channel, kind, from_at, to_at, chain,
            seq_from, seq_to, reason, state)
     select source, venue, symbol, to_date(day::text, 'YYYYMMDD'), channel, kind,
            to_timestamp("fromMs" / 1000), to_timestamp("toMs" / 1000), chain, "seqFrom", "seqTo", reason, state
       from jsonb_to_recordset($1) as g (source text, venue text, symbol text, day int, channel text,
            kind text, "fromMs" float8, "toMs" float8, chain smallint, "seqFrom" bigint,
            "seqTo" bigint, reason text, state text)
     returning id::float8`,
    [JSON.stringify(gaps)],
  );
  return gaps.map((gap, index) => ({
    ...gap,
    id: rows[index]!.id,
    outcome: null,
    refilledRows: 0,
  }));
}

export async function changeGaps(
  client: pg.PoolClient,
  changes: readonly GapChange[],
): Promise<void> {
  if (changes.length === 0) return;
  await client.query(
    `update public.gap g set
            state = coalesce(c.state, g.state),
            from_at = coalesce(to_timestamp(c."fromMs" / 1000), g.from_at),
            to_at = coalesce(to_timestamp(c."toMs" / 1000), g.to_at),
            outcome = case when c.state = 'suspected' then null else g.outcome end,
            changed_at = now()
       from jsonb_to_recordset($1) as c (id bigint, state text, "fromMs" float8, "toMs" float8)
      where g.id = c.id`,
    [JSON.stringify(changes)],
  );
}

/** Returns the number that each has now, by the one that it had. */
export async function renewGaps(
  client: pg.PoolClient,
  renewals: readonly GapRenewal[],
): Promise<Map<number, number>> {
  if (renewals.length === 0) return new Map();
  const { rows } = await client.query<{ before: number; id: number }>(
    `update public.gap g set
            id = default, kind = r.kind, seq_to = r."seqTo",
            from_at = to_timestamp(r."fromMs" / 1000), to_at = to_timestamp(r."toMs" / 1000),
            state = 'suspected', outcome = null, asked_at = null, answered_at = null, tries = 0,
            changed_at = now()
       from jsonb_to_recordset($1) as r (id bigint, kind text, "seqTo" bigint, "fromMs" float8, "toMs" float8)
      where g.id = r.id
     returning r.id::float8 as before, g.id::float8 as id`,
    [JSON.stringify(renewals)],
  );
  return new Map(rows.map(({ before, id }) => [before, id]));
}

/** One symbol's channel: what is stored of it, and what it is now. */
export interface Rewrite {
  place: Place;
  before: readonly StoredInterval[];
  after: readonly Interval[];
}

/** Writes only rows that changed. Returns how many. */
export async function rewrite(
  client: pg.PoolClient,
  rewrites: readonly Rewrite[],
): Promise<number> {
  const gone: (Place & { fromMs: number })[] = [];
  const fresh: (Place & Omit<Interval, "reason">)[] = [];
  for (const { place, before, after } of rewrites) {
    const known = new Map(before.map((one) => [one.fromMs, one]));
    for (const one of after) {
      const old = known.get(one.fromMs);
      known.delete(one.fromMs);
      if (!old || !isSame(old, one)) fresh.push({ ...one, ...place });
    }
    for (const fromMs of known.keys()) gone.push({ ...place, fromMs });
  }
  if (gone.length > 0) {
    await client.query(
      `delete from public.coverage c using jsonb_to_recordset($1) as g (source text, venue text,
              symbol text, day int, channel text, "fromMs" float8)
        where (c.source, c.venue, c.symbol, c.channel) = (g.source, g.venue, g.symbol, g.channel)
          and c.day = to_date(g.day::text, 'YYYYMMDD') and c.from_at = to_timestamp(g."fromMs" / 1000)`,
      [JSON.stringify(gone)],
    );
  }
  if (fresh.length > 0) {
    await client.query(
      `insert into public.coverage (source, venue, symbol, day, channel, from_at, to_at, state, chain,
              seq_from, seq_to)
       select source, venue, symbol, to_date(day::text, 'YYYYMMDD'), channel,
              to_timestamp("fromMs" / 1000), to_timestamp("toMs" / 1000), state, chain, "seqFrom", "seqTo"
         from jsonb_to_recordset($1) as f (source text, venue text, symbol text, day int, channel text,
              "fromMs" float8, "toMs" float8, state text, chain smallint, "seqFrom" bigint,
              "seqTo" bigint)
       on conflict (source, venue, symbol, day, channel, from_at) do update set
              to_at = excluded.to_at, state = excluded.state, chain = excluded.chain,
              seq_from = excluded.seq_from, seq_to = excluded.seq_to`,
      [JSON.stringify(fresh)],
    );
  }
  return gone.length + fresh.length;
}

/** Whether the table says the same. */
export function isSame(one: Omit<Interval, "reason">, other: Omit<Interval, "reason">): boolean {
  return (
    one.fromMs === other.fromMs &&
    one.toMs === other.toMs &&
    one.state === other.state &&
    one.chain === other.chain &&
    one.seqFrom === other.seqFrom &&
    one.seqTo === other.seqTo
  );
}

export async function moveCursors(
  client: pg.PoolClient,
  cursors: ReadonlyMap<number, number>,
): Promise<void> {
  if (cursors.size === 0) return;
  await client.query(
    `insert into public.coverage_cursor as c (stream, number)
     select * from unnest($1::int[], $2::bigint[])
     on conflict (stream) do update set number = greatest(c.number, excluded.number)`,
    [[...cursors.keys()], [...cursors.values()]],
  );
}
