// Whether TimescaleDB would compress what a COPY brings on its way in. Where it would not, it says nothing and
// stores rows as ever, so it is said here.
import type pg from "pg";
import type { TableFacts } from "./catalog.ts";

/** The blocker is each hypertable's own. */
const FACTS = `select exists (select from pg_settings where name = 'timescaledb.enable_direct_compress_copy') as known,
    exists (select from pg_index where indrelid = to_regclass($1) and indisunique) as "isUnique",
    exists (select from pg_trigger where tgrelid = to_regclass($1) and not tgisinternal
      and tgname <> 'ts_insert_blocker') as "hasTriggers"`;
const COMPRESSION = `select compression_enabled as enabled from timescaledb_information.hypertables
  where hypertable_schema = $1 and hypertable_name = $2`;

/** What keeps it from the table, for people; null when nothing does. */
export async function directCompressObstacle(
  db: Pick<pg.Pool, "query">,
  { hypertable, qualified, schema, name }: TableFacts,
): Promise<string | null> {
  const { rows } = await db.query<{ known: boolean; isUnique: boolean; hasTriggers: boolean }>(
    FACTS,
    [qualified],
  );
  const { known, isUnique, hasTriggers } = rows[0]!;
  if (!known) return "the target has no TimescaleDB from 2.21 on";
  if (!hypertable) return "it is not a hypertable";
  const found = await db.query<{ enabled: boolean }>(COMPRESSION, [schema, name]);
  if (found.rows[0]?.enabled !== true) return "its columnstore is not enabled";
  if (isUnique) return "it has a unique index";
  return hasTriggers ? "it has triggers" : null;
}
