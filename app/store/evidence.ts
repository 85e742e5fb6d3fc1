// The table of evidence: written by commands that measure, read by the gates of the migration.
import type pg from "pg";
import type { Evidence, EvidenceKind } from "../shared/evidence.ts";

type Queryable = Pick<pg.Pool, "query">;

/** A row of the table. */
export interface StoredEvidence extends Evidence {
  id: number;
}

/** Keeps it for good. Returns its id. */
export async function recordEvidence(pool: Queryable, evidence: Evidence): Promise<number> {
  const { kind, subject, ok, summary, atMs, detail } = evidence;
  const { rows } = await pool.query<{ id: number }>(
    `insert into public.evidence (kind, subject, ok, summary, at, detail)
     values ($1, $2, $3, $4, to_timestamp($5::float8 / 1000), $6) returning id::float8 as id`,
    [kind, subject, ok, summary, atMs, JSON.stringify(detail)],
  );
  return rows[0]!.id;
}

/** The newest of each subject, good or bad: a failed measurement takes back the one before it. */
export async function latestEvidence(
  pool: Queryable,
  kind: EvidenceKind,
): Promise<Map<string, StoredEvidence>> {
  const { rows } = await pool.query<StoredEvidence>(
    `select distinct on (subject) id::float8 as id, kind, subject, ok, summary,
       (extract(epoch from at) * 1000)::float8 as "atMs", detail
     from public.evidence where kind = $1 order by subject, id desc`,
    [kind],
  );
  return new Map(rows.map((row) => [row.subject, row]));
}
