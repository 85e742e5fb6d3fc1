// Conservation, always on: once a second the hub asks its database whether every record is accounted for,
// stream by stream and against what the edges say. Each reading is one statement and so one snapshot; what
// is under way is in all of its sums or in none. Reads only; nothing on the way in waits for it.
import type pg from "pg";
import { every } from "../../shared/clock.ts";
import type { Clock, Timer } from "../../shared/clock.ts";
import type { Emit } from "../../shared/events.ts";
import { edgeStatusSchema } from "../../shared/gateway-protocol.ts";
import { tableOf } from "../../shared/table.ts";
import { HolderAudit } from "./holder-audit.ts";
import type { HolderReading } from "./holder-audit.ts";
import { StreamAudit } from "./stream-audit.ts";
import type { AuditLimits, Counts, Imbalance, StreamReading } from "./stream-audit.ts";

const CHECK_MS = 1_000;
/** Streams never checked that one reading takes: after a start there are many, each with its batches. */
const FRESH_MAX = 64;
/** Three hours of trades at a batch each 100 ms; some 30 ms of the database's time. */
const LIMITS: AuditLimits = { batchesMax: 100_000, againEvery: 10 };

export interface ConservationOptions {
  pool: pg.Pool;
  clock: Clock;
  emit: Emit;
  limits?: Partial<AuditLimits>;
}

export class Conservation {
  readonly #options: ConservationOptions;
  readonly #limits: AuditLimits;
  readonly #streams: StreamAudit;
  readonly #holders = new HolderAudit();
  #wrong: readonly Imbalance[] = [];
  #checking: Promise<void> | null = null;
  #timer: Timer | null = null;

  constructor(options: ConservationOptions) {
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#streams = new StreamAudit(this.#limits);
  }

  start(): void {
    this.#timer = every(this.#options.clock, CHECK_MS, () => void this.check());
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    await this.#checking;
  }

  /** What was wrong at the last check; nothing, unless something is. */
  wrong(): readonly Imbalance[] {
    return this.#wrong;
  }

  /** Checks now, or joins the check that runs. A database that is away proves nothing: the last word stands. */
  check(): Promise<void> {
    this.#checking ??= this.#check()
      .catch(() => undefined)
      .finally(() => (this.#checking = null));
    return this.#checking;
  }

  async #check(): Promise<void> {
    const { pool } = this.#options;
    const { batchesMax } = this.#limits;
    const readings = await readStreams(pool, this.#streams.question(), batchesMax);
    const streams = this.#streams.hear(readings);
    const { nowMs, readings: holders } = await readHolders(pool);
    const found = [...streams, ...this.#holders.hear(nowMs, holders)];
    const known = new Set(this.#wrong.map(keyOf));
    for (const imbalance of found) {
      if (!known.has(keyOf(imbalance))) {
        this.#options.emit({ event: "ledger_unbalanced", ...imbalance });
      }
    }
    this.#wrong = found;
  }
}

function keyOf({ account, check, detail }: Imbalance): string {
  return `${account} ${check} ${detail.split(":")[0] ?? ""}`;
}

const COUNTS = ["received", "committed", "duplicate", "quarantined", "lost"] as const;
type CountColumn = (typeof COUNTS)[number];

interface StreamRow extends Record<CountColumn | `b_${CountColumn}`, number> {
  no: number;
  account: string;
  table_no: number;
  last_number: number;
  age_ms: number;
  since: number;
  batches: number;
}

// float8 holds counts exactly up to 2^53 and reaches JavaScript as a number; bigint comes as text.
async function readStreams(
  pool: pg.Pool,
  { nos, sinces }: { nos: number[]; sinces: number[] },
  batchesMax: number,
): Promise<StreamReading[]> {
  const { rows } = await pool.query<StreamRow>(
    `with known as (
       select * from unnest($1::int[], $2::bigint[]) as k (no, since)
     ), due as (
       select s.*, k.since from public.stream s join known k using (no)
       where s.last_number <> k.since
         or s.received <> s.committed + s.duplicate + s.quarantined + s.lost
       union all
       (select s.*, greatest(0, s.last_number - $4) from public.stream s where not exists (select from known k where k.no = s.no)
        order by s.no desc limit $3)
     )
     select d.no, d.account, d.table_no, d.last_number::float8 as last_number, d.since::float8 as since,
       extract(epoch from clock_timestamp() - d.opened_at)::float8 * 1000 as age_ms,
       d.received::float8 as received, d.committed::float8 as committed,
       d.duplicate::float8 as duplicate, d.quarantined::float8 as quarantined, d.lost::float8 as lost,
       b.*
     from due d cross join lateral (
       select count(*)::float8 as batches,
         coalesce(sum(rows + b.lost), 0)::float8 as b_received,
         coalesce(sum(b.committed), 0)::float8 as b_committed,
         coalesce(sum(b.duplicate), 0)::float8 as b_duplicate,
         coalesce(sum(b.quarantined), 0)::float8 as b_quarantined,
         coalesce(sum(b.lost), 0)::float8 as b_lost
       from public.ingest_batch b
       where b.stream = d.no and b.number > d.since and b.number <= d.last_number
     ) b`,
    [nos, sinces, FRESH_MAX, batchesMax],
  );
  return rows.map((row) => ({
    no: row.no,
    account: row.account,
    table: tableOf(row.table_no) ?? String(row.table_no),
    lastNumber: row.last_number,
    ageMs: row.age_ms,
    books: countsOf((part) => row[part]),
    since: row.since,
    batches: row.batches,
    sums: countsOf((part) => row[`b_${part}`]),
  }));
}

interface HolderRow extends Record<CountColumn, number> {
  now_ms: number;
  edge: string;
  seen_ms: number;
  status: unknown;
  account: string;
  holder: string;
}

async function readHolders(pool: pg.Pool): Promise<{ nowMs: number; readings: HolderReading[] }> {
  // A direct edge writes its status without a gateway to check it: nothing here may trip over its form.
  const { rows } = await pool.query<HolderRow>(
    `select extract(epoch from clock_timestamp())::float8 * 1000 as now_ms,
       e.edge, extract(epoch from e.seen_at)::float8 * 1000 as seen_ms, e.status,
       s.account, s.holder::text as holder,
       sum(s.received)::float8 as received, sum(s.committed)::float8 as committed,
       sum(s.duplicate)::float8 as duplicate, sum(s.quarantined)::float8 as quarantined,
       sum(s.lost)::float8 as lost
     from public.edge_status e
     join public.stream s on e.status -> 'accounts' -> s.account ->> 'holder' = s.holder::text
     group by e.edge, s.account, s.holder`,
  );
  const readings = rows.flatMap((row): HolderReading[] => {
    const { edge, account, holder, seen_ms: seenMs } = row;
    const status = edgeStatusSchema.safeParse(row.status);
    const said = status.data?.accounts?.[account]?.ledger;
    return said
      ? [{ edge, account, holder, seenMs, said, stored: countsOf((part) => row[part]) }]
      : [];
  });
  return { nowMs: rows[0]?.now_ms ?? 0, readings };
}

function countsOf(valueOf: (part: CountColumn) => number): Counts {
  return Object.fromEntries(COUNTS.map((part) => [part, valueOf(part)])) as unknown as Counts;
}
