// The table of what `tickhub latency` measured: one row a probe and run, beside the evidence of the run.
import type pg from "pg";
import { latencyReportSchema } from "../shared/latency-run.ts";
import type { LatencyProbe, LatencyReport } from "../shared/latency-run.ts";
import type { Evidence } from "../shared/evidence.ts";
import { recordEvidence } from "./evidence.ts";

/**
 * Keeps evidence with all that belongs to it: of latency a row for each probe, taken out of `detail.report`,
 * in the same transaction. Returns the evidence's id.
 */
export async function keepEvidence(pool: pg.Pool, evidence: Evidence): Promise<number> {
  const { report: carried, ...detail } = evidence.detail;
  const report =
    evidence.kind === "latency" ? latencyReportSchema.safeParse(carried).data : undefined;
  if (!report) return await recordEvidence(pool, evidence);
  const client = await pool.connect();
  let isDone = false;
  try {
    await client.query("begin");
    const id = await recordEvidence(client, { ...evidence, detail });
    await insertRuns(client, id, evidence.subject, report);
    await client.query("commit");
    isDone = true;
    return id;
  } finally {
    // Ends the connection, and with it the transaction.
    client.release(!isDone);
  }
}

async function insertRuns(
  client: pg.ClientBase,
  evidence: number,
  subject: string,
  { runs, ...common }: LatencyReport,
): Promise<void> {
  await client.query(
    `insert into public.latency_run (run, evidence, subject, host, probe, target, label, started_at,
       ended_at, rate_per_s, samples, failed, late, p50_ms, p90_ms, p99_ms, p999_ms, p9999_ms, min_ms,
       max_ms, bins, thresholds, verdict, over_what, path, offset_ms, offset_bound_ms, up_ms, down_ms)
     select c.run, $1, $2, c.host, r.probe, r.target, r.label,
       to_timestamp(r."startedMs" / 1000), to_timestamp(r."endedMs" / 1000), r."ratePerS",
       (r.figures ->> 'samples')::bigint, (r.figures ->> 'failed')::bigint, r.late,
       (p ->> 'p50')::float8, (p ->> 'p90')::float8, (p ->> 'p99')::float8, (p ->> 'p99.9')::float8,
       (p ->> 'p99.99')::float8, (r.figures ->> 'minMs')::float8, (r.figures ->> 'maxMs')::float8,
       r.bins, r.thresholds, r.verdict, array(select jsonb_array_elements_text(r.over)),
       c.path, c."offsetMs", c."offsetBoundMs", c."upMs", c."downMs"
     from jsonb_to_record($3::jsonb) as c (run uuid, host text, path text, "offsetMs" float8,
         "offsetBoundMs" float8, "upMs" float8, "downMs" float8)
     cross join jsonb_to_recordset($4::jsonb) as r (probe text, target text, label text,
         "startedMs" float8, "endedMs" float8, "ratePerS" float8, late bigint, figures jsonb,
         bins jsonb, thresholds jsonb, verdict text, over jsonb)
     cross join lateral (select r.figures -> 'percentiles') as f (p)`,
    [evidence, subject, JSON.stringify(common), JSON.stringify(runs)],
  );
}

/** One side of a comparison. */
export interface LabelledRun {
  label: string;
  probe: LatencyProbe;
  subject: string;
  target: string;
  startedMs: number;
  samples: number;
  failed: number;
  p50Ms: number | null;
  p90Ms: number | null;
  p99Ms: number | null;
  p999Ms: number | null;
  maxMs: number | null;
}

/** The newest run of each probe and target under each of these labels. */
export async function readLabelled(
  pool: Pick<pg.Pool, "query">,
  labels: readonly string[],
): Promise<LabelledRun[]> {
  const { rows } = await pool.query<LabelledRun>(
    `select distinct on (label, probe, target) label, probe, subject, target,
       (extract(epoch from started_at) * 1000)::float8 as "startedMs",
       samples::float8 as samples, failed::float8 as failed, p50_ms as "p50Ms", p90_ms as "p90Ms",
       p99_ms as "p99Ms", p999_ms as "p999Ms", max_ms as "maxMs"
     from public.latency_run where label = any ($1::text[])
     order by label, probe, target, id desc`,
    [labels],
  );
  return rows;
}
