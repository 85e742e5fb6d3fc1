// The migration's history in a database: table phase, one row a transition. Read before anything is decided;
// written when a transition begins and when it has led somewhere.
import type { History, Phase, Verb } from "./phases.ts";
import type { Queryable } from "./world.ts";
import type { Condition } from "./gate.ts";

/** A row of the table. */
export interface PhaseRow {
  run: string;
  verb: Verb | "adopt";
  from: Phase | null;
  to: Phase;
  begunMs: number;
  begunBy: string;
  forced: string | null;
  skipped: string[];
  enteredMs: number | null;
}

/** What a transition is begun with. */
export interface Beginning {
  run: string;
  verb: PhaseRow["verb"];
  from: Phase | null;
  to: Phase;
  by: string;
  forced: string | null;
  skipped: readonly string[];
  gate: readonly Condition[];
}

/** Newest first. */
export async function readHistory(database: Queryable, rowsMax = 100): Promise<PhaseRow[]> {
  const { rows } = await database.query<PhaseRow>(
    `select run, verb, from_name as from, to_name as to, begun_by as "begunBy", forced, skipped,
       (extract(epoch from begun_at) * 1000)::float8 as "begunMs",
       (extract(epoch from entered_at) * 1000)::float8 as "enteredMs"
     from public.phase order by id desc limit $1`,
    [rowsMax],
  );
  return rows;
}

/** Where the migration stands, by its rows, newest first. */
export function historyOf(rows: readonly PhaseRow[]): History {
  const phase = rows.find(({ enteredMs }) => enteredMs !== null)?.to ?? null;
  const [newest] = rows;
  if (!newest || newest.enteredMs !== null || newest.verb === "adopt")
    return { phase, underway: null };
  const { run, verb, from, to } = newest;
  return { phase, underway: { run, verb, from, to } };
}

/** Of a transition that goes on, only what is forced now is added. */
export async function beginRun(database: Queryable, beginning: Beginning): Promise<void> {
  const { run, verb, from, to, by, forced, skipped, gate } = beginning;
  await database.query(
    `insert into public.phase (run, verb, from_name, to_name, begun_by, forced, skipped, gate)
     values ($1, $2, $3, $4, $5, $6, $7, $8)
     on conflict (run) do update set
       forced = coalesce(excluded.forced, phase.forced), skipped = phase.skipped || excluded.skipped`,
    [run, verb, from, to, by, forced, JSON.stringify(skipped), JSON.stringify(gate)],
  );
}

/** The transition has led where it goes. In a second database it is one row, written at once. */
export async function enterPhase(database: Queryable, one: Beginning): Promise<void> {
  await beginRun(database, one.verb === "adopt" ? one : { ...one, skipped: [] });
  await database.query(
    "update public.phase set entered_at = clock_timestamp() where run = $1 and entered_at is null",
    [one.run],
  );
}

export async function noteStep(
  database: Queryable,
  run: string,
  step: string,
  says: string,
): Promise<void> {
  await database.query("insert into public.phase_step (run, step, says) values ($1, $2, $3)", [
    ...[run, step, says],
  ]);
}

export async function noteSkipped(
  database: Queryable,
  run: string,
  skipped: string,
): Promise<void> {
  await database.query(
    "update public.phase set skipped = skipped || to_jsonb(array[$2::text]) where run = $1",
    [run, skipped],
  );
}
