// The table quarantine from the side of whoever looks into it or reads it again. Promise: what is read again
// is stored and marked in one transaction, so that a second reading, or one that was killed, finds either
// both or neither.
import assert from "node:assert/strict";
import type pg from "pg";
import { decodeBatch, encodeBatch } from "../shared/batch.ts";
import type { Rows } from "../shared/batch.ts";
import type { Reject, Tick } from "../shared/tick.ts";
import type { Verdict } from "../shared/tick.ts";
import { asDatabaseError } from "./database.ts";
import { incoming, type Sender, storeCarefully } from "./transaction.ts";

/** Refused records of one source, reason and day in Korea. */
export interface QuarantineDay {
  day: string;
  source: string;
  code: string;
  /** In the table, and how many of them were read again and stored. */
  rows: number;
  replayed: number;
  /** Beyond the budget: only counted. */
  lost: number;
  bytes: number;
  lastAt: Date | null;
}

export interface QuarantineRow {
  id: number;
  at: Date;
  source: string;
  code: string;
  reason: string;
  bytes: Buffer;
  /** Null where it was no time. */
  edgeRecvMs: number | null;
  capture: number | null;
  edge: string;
  replayedAt: Date | null;
  /** Captured while its sender held the account. */
  isInsideLease: boolean;
}

/** Newest day first. */
export async function quarantineDays(pool: pg.Pool, source = ""): Promise<QuarantineDay[]> {
  return await select(
    pool,
    `select coalesce(q.day, d.day)::text as day, source, code, coalesce(q.rows, 0)::float8 as rows,
       coalesce(q.replayed, 0)::float8 as replayed, coalesce(d.lost, 0)::float8 as lost,
       coalesce(q.bytes, 0)::float8 as bytes, q.last_at as "lastAt"
     from (
       select (at at time zone 'Asia/Seoul')::date as day, source, code, count(*) as rows,
         count(replayed_at) as replayed, sum(octet_length(bytes)) as bytes, max(at) as last_at
       from public.quarantine group by 1, 2, 3
     ) q full join public.quarantine_day d using (source, day, code)
     where $1 in ('', source) and (q.rows > 0 or d.lost > 0)
     order by day desc, source, code`,
    [source],
  );
}

const ROW = `select q.id::float8 as id, q.at, q.source, q.code, q.reason, q.bytes,
    (extract(epoch from q.edge_recv) * 1000)::float8 as "edgeRecvMs", q.capture::float8 as capture, s.edge,
    q.replayed_at as "replayedAt",
    s.edge = 'replay' or not exists (select from public.lease l where l.account = q.source)
      or exists (select from public.lease_epoch e where e.account = q.source and e.holder = s.holder
        and q.edge_recv <= coalesce(e.ended_at, 'infinity')) as "isInsideLease"
  from public.quarantine q join public.stream s on s.no = q.stream`;

export async function quarantineRow(pool: pg.Pool, id: number): Promise<QuarantineRow | undefined> {
  return (await select<QuarantineRow>(pool, `${ROW} where q.id = $1`, [id]))[0];
}

/**
 * Rows with one of `codes` that were not read again yet, and frames that a reading found stale: with another
 * market clock they may not be. By source, each in the order of their receipt.
 */
export async function unreadIds(
  pool: pg.Pool,
  codes: readonly string[],
  source = "",
): Promise<Map<string, number[]>> {
  const rows = await select<{ source: string; ids: number[] }>(
    pool,
    `select source, array_agg(id::float8 order by edge_recv, capture, id) as ids from public.quarantine
     where replayed_at is null and edge_recv is not null and $2 in ('', source)
       and (code = any ($1) or code = 'STALE_DAY' and substr(bytes, 1, 8) <> '{"kind":')
     group by source order by source`,
    [codes, source],
  );
  return new Map(rows.map(({ source: name, ids }) => [name, ids]));
}

/** The trade stored last before another, as the sequencer takes it. */
export interface PositionBefore {
  symbol: string;
  venue: string;
  day: number;
  chain: number;
  seq: number;
  price: number;
  exchangeMs: number;
  size: number;
  session: number;
}

/** What became of one row that was read again. */
export type Outcome =
  | { id: number; as: "stored"; rows: readonly (Tick | Reject)[] }
  /** Still no record: it stays, with today's reason. */
  | { id: number; as: "refused"; code: string; reason: string };

/** What `judge` may ask of the database, in the same transaction. */
export type AskPositions = (
  trades: readonly { symbol: string; venue: string; exchangeMs: number; edgeRecvMs: number }[],
) => Promise<(PositionBefore | undefined)[]>;

const TABLES = ["trade", "book", "status", "quarantine"] as const;
type TableOfRow = (typeof TABLES)[number];
const LIMITS = { rowsMax: Infinity, rawBytesMax: Infinity };

/**
 * One reading of a source's quarantine: a sender of its own, whose streams hold what could be read. So the
 * books of the stream that brought a row stay as they were (quarantined), and each sum holds.
 */
export class Rereading {
  readonly #pool: pg.Pool;
  readonly #source: string;
  readonly #mint: () => string;
  readonly #from: Sender;
  readonly #streams = new Map<TableOfRow, { id: string; number: number }>();

  /** `mint` makes UUIDs: for the holder, and for each stream. */
  constructor(pool: pg.Pool, source: string, mint: () => string) {
    this.#pool = pool;
    this.#source = source;
    this.#mint = mint;
    this.#from = { edge: "replay", holder: mint() };
  }

  /**
   * Locks those of `ids` that nobody has read meanwhile, lets `judge` read them, stores and marks, all in one
   * transaction. @returns the verdict on each batch that was stored.
   */
  async read(
    ids: readonly number[],
    judge: (rows: QuarantineRow[], positions: AskPositions) => Promise<Outcome[]>,
  ): Promise<Verdict[]> {
    const client = await this.#pool.connect();
    try {
      await client.query("begin");
      const { rows } = await client.query<QuarantineRow>(
        `${ROW} where q.id = any ($1::bigint[]) and q.replayed_at is null
         order by q.edge_recv, q.capture, q.id for update of q`,
        [ids],
      );
      const outcomes = await judge(rows, (trades) => positionsBefore(client, this.#source, trades));
      const verdicts = await this.#store(client, outcomes);
      await mark(client, outcomes);
      await client.query("commit");
      for (const { stream } of verdicts) this.#advance(stream);
      client.release();
      return verdicts;
    } catch (error) {
      client.release(true); // And with it the transaction.
      throw asDatabaseError(error);
    }
  }

  async #store(client: pg.PoolClient, outcomes: readonly Outcome[]): Promise<Verdict[]> {
    const rows = outcomes.flatMap((outcome) => (outcome.as === "stored" ? outcome.rows : []));
    const byTable = Map.groupBy(rows, (row): TableOfRow =>
      row.kind === "reject" ? "quarantine" : row.kind,
    );
    const verdicts: Verdict[] = [];
    for (const table of TABLES) {
      const batchRows = byTable.get(table);
      if (!batchRows) continue;
      const stream = this.#streamOf(table);
      const address = { table, stream: stream.id, number: stream.number, account: this.#source };
      const bytes = encodeBatch({ ...address, epoch: 0 }, batchRows as Rows);
      const batch = decodeBatch(bytes, LIMITS);
      assert(batch.kind !== "frame");
      const item = incoming(batch, bytes.length, this.#from);
      const { verdict } = await storeCarefully(client, item, {
        ...{ unleased: true, first: [], last: [] },
      });
      verdicts.push(verdict);
    }
    return verdicts;
  }

  #streamOf(table: TableOfRow): { id: string; number: number } {
    const known = this.#streams.get(table) ?? { id: this.#mint(), number: 1 };
    this.#streams.set(table, known);
    return known;
  }

  #advance(id: string): void {
    for (const stream of this.#streams.values()) if (stream.id === id) stream.number++;
  }
}

async function mark(client: pg.PoolClient, outcomes: readonly Outcome[]): Promise<void> {
  const stored = outcomes.filter(({ as }) => as === "stored").map(({ id }) => id);
  const refused = outcomes.flatMap((outcome) => (outcome.as === "refused" ? [outcome] : []));
  await client.query(
    "update public.quarantine set replayed_at = now() where id = any ($1::bigint[])",
    [stored],
  );
  await client.query(
    `update public.quarantine q set code = r.code, reason = r.reason
     from unnest($1::bigint[], $2::text[], $3::text[]) as r (id, code, reason)
     where q.id = r.id and (q.code, q.reason) <> (r.code, r.reason)`,
    [refused.map(({ id }) => id), refused.map(({ code }) => code), refused.map((r) => r.reason)],
  );
}

/** For each trade, the last one of its symbol that was received no later and stamped no later. */
async function positionsBefore(
  client: pg.PoolClient,
  source: string,
  trades: readonly { symbol: string; venue: string; exchangeMs: number; edgeRecvMs: number }[],
): Promise<(PositionBefore | undefined)[]> {
  const { rows } = await client.query<PositionBefore & { i: number }>(
    `select i.i::int as i, t.symbol, t.venue, to_char(t.day, 'YYYYMMDD')::int as day, t.chain,
       t.seq::float8 as seq, t.price, (extract(epoch from t.ts) * 1000)::float8 as "exchangeMs",
       t.size::float8 as size, t.session
     from unnest($2::text[], $3::text[], $4::float8[], $5::float8[]) with ordinality
       as i (symbol, venue, exchange_ms, edge_recv_ms, i)
     cross join lateral (
       select * from public.trade
       where source = $1 and venue = i.venue and symbol = i.symbol
         and ts <= to_timestamp(i.exchange_ms / 1000)
         and ts > to_timestamp(i.exchange_ms / 1000) - interval '7 days'
         and edge_recv <= to_timestamp(i.edge_recv_ms / 1000)
       order by ts desc, day desc, chain desc, seq desc limit 1
     ) t`,
    [
      source,
      trades.map(({ symbol }) => symbol),
      trades.map(({ venue }) => venue),
      trades.map(({ exchangeMs }) => exchangeMs),
      trades.map(({ edgeRecvMs }) => edgeRecvMs),
    ],
  );
  const found = new Map(rows.map(({ i, ...position }) => [i - 1, position]));
  return trades.map((_, i) => found.get(i));
}

async function select<Row extends object>(
  pool: pg.Pool,
  sql: string,
  values: unknown[],
): Promise<Row[]> {
  try {
    return (await pool.query<Row>(sql, values)).rows;
  } catch (error) {
    throw asDatabaseError(error);
  }
}
