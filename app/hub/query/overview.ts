// The hub's books as the database has them: the ledger of each account, who holds which lease, what each
// edge last said. Read at most once a second however many ask; while the database is away the last good
// answer stands, marked as such.
import type pg from "pg";
import { CANARY } from "../../shared/canary.ts";
import type { Clock } from "../../shared/clock.ts";
import { codeOf } from "../../shared/errors.ts";
import { edgeStatusSchema } from "../../shared/gateway-protocol.ts";
import type { EdgeStatus } from "../../shared/gateway-protocol.ts";
import { tableOf, TABLES } from "../../shared/table.ts";
import type { Ledger } from "../../shared/tick.ts";
import { asDatabaseError } from "../../store/database.ts";

/** Records of one account's table over all its streams; `held` is always the edges' to say. */
export interface StoredLedger extends Ledger {
  account: string;
  table: string;
}

export interface LeaseRow {
  account: string;
  mode: string;
  epoch: number;
  holder: string | null;
  edge: string | null;
  seenMs: number | null;
  releasedMs: number | null;
  cap: number | null;
}

export interface StoredStatus {
  edge: string;
  seenMs: number;
  status: EdgeStatus;
}

/** Where the migration stands, in a word. */
export interface PhaseWord {
  name: string | null;
  /** `advance to dual`, while that is half done. */
  moving: string | null;
  /** open, or why this database grants no lease: shut, clearing. */
  fence: string;
}

export interface Books {
  ledgers: StoredLedger[];
  leases: LeaseRow[];
  statuses: StoredStatus[];
  /** Null where there are no phases. */
  phase: PhaseWord | null;
}

export type DatabaseHealth =
  { ok: true; checkedMs: number } | { ok: false; code: string; sinceMs: number };

const REFRESH_MS = 1_000;
/** A reading that takes longer means that the database hangs; whoever asked is told so. */
const ANSWER_MS = 2_000;

export class Overview {
  readonly #pool: pg.Pool;
  readonly #clock: Clock;
  readonly #onFailed: (code: string, reason: string) => void;
  #books: Books = { ledgers: [], leases: [], statuses: [], phase: null };
  #health: DatabaseHealth;
  #readMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | null = null;
  #isOverdue = false;

  constructor(pool: pg.Pool, clock: Clock, onFailed: (code: string, reason: string) => void) {
    this.#pool = pool;
    this.#clock = clock;
    this.#onFailed = onFailed;
    this.#health = { ok: false, code: "DATABASE_UNREACHABLE", sinceMs: clock.nowMs() };
  }

  books(): Books {
    return this.#books;
  }

  health(): DatabaseHealth {
    return this.#health;
  }

  /**
   * Reads again when the last reading is older than a second. Never throws and never waits long for a
   * database that hangs: see `health`.
   */
  async refresh(): Promise<void> {
    if (this.#isOverdue || this.#clock.monoMs() - this.#readMs < REFRESH_MS) return;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
      this.#isOverdue = false;
      this.#readMs = this.#clock.monoMs();
    });
    const reading = this.#reading;
    await new Promise<void>((resolve) => {
      const timer = this.#clock.after(ANSWER_MS, () => {
        this.#isOverdue = this.#reading === reading;
        if (this.#isOverdue) this.#failed("DATABASE_UNREACHABLE", `no answer in ${ANSWER_MS} ms`);
        resolve();
      });
      void reading.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  async #read(): Promise<void> {
    try {
      this.#books = await readBooks(this.#pool);
      this.#health = { ok: true, checkedMs: this.#clock.nowMs() };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#failed(codeOf(asDatabaseError(error)), reason);
    }
  }

  #failed(code: string, reason: string): void {
    if (!this.#health.ok) return;
    this.#health = { ok: false, code, sinceMs: this.#clock.nowMs() };
    this.#onFailed(code, reason);
  }
}

async function readBooks(pool: pg.Pool): Promise<Books> {
  const [ledgers, leases, statuses, phase] = await Promise.all([
    readLedgers(pool),
    readLeases(pool),
    readStatuses(pool),
    readPhase(pool),
  ]);
  return { ledgers, leases, statuses, phase };
}

async function readPhase(pool: pg.Pool): Promise<PhaseWord | null> {
  const { rows } = await pool.query<PhaseWord>(
    `select public.fence_state() as fence,
       (select to_name from public.phase where entered_at is not null order by id desc limit 1) as name,
       (select case when entered_at is null then verb || ' to ' || to_name end
          from public.phase order by id desc limit 1) as moving
     from public.fence`,
  );
  return rows[0] ?? null;
}

// float8 holds counts exactly up to 2^53 and reaches JavaScript as a number; bigint comes as text. Log lines are no
// records: they are about the system, not from it.
async function readLedgers(pool: pg.Pool): Promise<StoredLedger[]> {
  const { rows } = await pool.query<Omit<StoredLedger, "table"> & { table_no: number }>(
    `select account, table_no, sum(received)::float8 as received, sum(committed)::float8 as committed,
            sum(duplicate)::float8 as duplicate, sum(quarantined)::float8 as quarantined,
            sum(lost)::float8 as lost, 0::float8 as held
       from public.stream where account <> $1 and table_no <> $2 group by account, table_no order by account, table_no`,
    [CANARY, TABLES.log],
  );
  return rows.map(({ table_no, ...row }) => ({
    ...row,
    table: tableOf(table_no) ?? String(table_no),
  }));
}

async function readLeases(pool: pg.Pool): Promise<LeaseRow[]> {
  const { rows } = await pool.query<LeaseRow>(
    `select account, mode, epoch::float8 as epoch, holder, edge, cap,
            extract(epoch from seen_at)::float8 * 1000 as "seenMs",
            extract(epoch from released_at)::float8 * 1000 as "releasedMs"
       from public.lease order by account`,
  );
  return rows;
}

async function readStatuses(pool: pg.Pool): Promise<StoredStatus[]> {
  const { rows } = await pool.query<{ edge: string; status: unknown; seenMs: number }>(
    `select edge, status, extract(epoch from seen_at)::float8 * 1000 as "seenMs"
       from public.edge_status order by edge limit 200`,
  );
  // A direct edge writes its status without a gateway to check it.
  return rows.flatMap(({ edge, status, seenMs }) => {
    const parsed = edgeStatusSchema.safeParse(status);
    return parsed.success ? [{ edge, seenMs, status: parsed.data }] : [];
  });
}
