// Streams of a transfer, where the target is one of the hub's tables: rows belong to a stream there, and a
// stream's books are the sum of its batches. A transfer is a sender of its own, as a replay is: one stream for
// each stream of the source (or each account, where the source has none), one batch for each chunk. So the
// hub's sums hold, and a book keeps its identity (stream, capture).
import type pg from "pg";
import { TABLES } from "../shared/table.ts";
import type { Table } from "../shared/table.ts";
import { uuidOf } from "./jobs.ts";

/** What one stream holds: `kis:1 17`, account and the source's stream. */
export type Lane = string;

/** Makes the streams that are missing; empty ones do no harm. Returns each lane's number. */
export async function openStreams(
  pool: pg.Pool,
  job: string,
  table: string,
  lanes: readonly Lane[],
): Promise<Map<Lane, number>> {
  const ids = lanes.map((lane) => uuidOf(["transfer stream", job, lane]));
  const accounts = lanes.map((lane) => lane.slice(0, lane.lastIndexOf(" ")));
  await pool.query(
    `insert into public.stream (id, account, table_no, edge, holder)
     select id, account, $4, 'transfer', $3
     from unnest($1::uuid[], $2::text[]) as l (id, account) on conflict (id) do nothing`,
    [ids, accounts, job, TABLES[table as Table]],
  );
  const { rows } = await pool.query<{ id: string; no: number }>(
    "select id, no from public.stream where id = any ($1::uuid[])",
    [ids],
  );
  const numbers = new Map(rows.map(({ id, no }) => [id, no]));
  return new Map(lanes.map((lane, i) => [lane, numbers.get(ids[i]!)!]));
}

/** What one chunk brought to a stream. */
export interface LaneCount {
  stream: number;
  committed: number;
  duplicate: number;
}

/** Books it as the stream's next batch, in the transaction that stores the rows. */
export async function bookBatches(
  client: pg.ClientBase,
  counts: readonly LaneCount[],
  { crc, bytes }: { crc: number; bytes: number },
): Promise<void> {
  const booked = counts
    .filter(({ committed, duplicate }) => committed + duplicate > 0)
    // One order for all, so that two chunks never wait for each other.
    .toSorted((a, b) => a.stream - b.stream);
  if (booked.length === 0) return;
  await client.query(
    `with b as (
       select * from unnest($1::int[], $2::int[], $3::int[]) as b (no, committed, duplicate)
     ), locked as (
       select s.no from public.stream s join b using (no) order by s.no for update of s
     ), moved as (
       update public.stream s set last_number = s.last_number + 1, last_crc = $4,
         received = s.received + b.committed + b.duplicate,
         committed = s.committed + b.committed, duplicate = s.duplicate + b.duplicate
       from b join locked using (no) where s.no = b.no
       returning s.no, s.last_number
     )
     insert into public.ingest_batch (stream, number, crc, rows, bytes, committed, duplicate)
     select m.no, m.last_number, $4, b.committed + b.duplicate, $5, b.committed, b.duplicate
     from moved m join b using (no)`,
    [
      booked.map(({ stream }) => stream),
      booked.map(({ committed }) => committed),
      booked.map(({ duplicate }) => duplicate),
      ...[crc, Math.min(bytes, 2 ** 31 - 1)],
    ],
  );
}
