// What each table takes on disk, with indexes, TOAST and, where there is TimescaleDB, chunks. Read at most once
// a minute however often it is asked: sizes of thousands of chunks are thousands of looks at files.
import type pg from "pg";
import type { Clock } from "../../shared/clock.ts";

export interface TableSize {
  table: string;
  bytes: number;
}

const REFRESH_MS = 60_000;

export class TableSizes {
  readonly #pool: Pick<pg.Pool, "query">;
  readonly #clock: Clock;
  #sizes: readonly TableSize[] = [];
  #readMs = Number.NEGATIVE_INFINITY;
  #isReading = false;

  constructor(pool: Pick<pg.Pool, "query">, clock: Clock) {
    this.#pool = pool;
    this.#clock = clock;
  }

  /** The last reading, none before the first; begins the next when it is due. Waits for nothing. */
  known(): readonly TableSize[] {
    const isDue = this.#clock.monoMs() - this.#readMs >= REFRESH_MS;
    if (isDue && !this.#isReading) void this.#look();
    return this.#sizes;
  }

  async #look(): Promise<void> {
    this.#isReading = true;
    try {
      this.#sizes = await readTableSizes(this.#pool);
    } catch {
      // The overview tells that the database is away; what was read last stands.
    }
    this.#readMs = this.#clock.monoMs();
    this.#isReading = false;
  }
}

/**
 * Tables of ours, the largest first. Chunks hang below their hypertable in pg_inherits, in a schema of the
 * extension's; compressed ones hang below a table of its own, and are counted under that table's name.
 */
async function readTableSizes(pool: Pick<pg.Pool, "query">): Promise<TableSize[]> {
  const { rows } = await pool.query<TableSize>(
    `select t.relname as table,
            (pg_total_relation_size(t.oid) + coalesce(sum(pg_total_relation_size(i.inhrelid)), 0))::float8 as bytes
       from pg_class t
       join pg_namespace n on n.oid = t.relnamespace
       left join pg_inherits i on i.inhparent = t.oid
      where t.relkind in ('r', 'p') and n.nspname in ('public', '_timescaledb_internal')
        and (n.nspname = 'public' or t.relname like '\\_%hypertable\\_%' and not exists (
              select from pg_inherits c where c.inhrelid = t.oid))
      group by t.oid, t.relname order by bytes desc limit 64`,
  );
  return rows;
}
