// The hub's side of leases: makes accounts and placement of its configuration known to the database, plans
// which account registers what, and replans when a broker allows less than planned. Granting, and telling
// a holder of a new assignment, is the database's own (`where_am_i`), so that direct edges and the
// gateway's get it from one place.
// Promises: a plan changes only where it must; every change raises the account's assignment epoch at once,
// and its lease's with the holder's next heartbeat.
import type pg from "pg";
import type { Emit } from "../../shared/events.ts";
import type { Ask, Standing } from "../../shared/gateway-protocol.ts";
import type { Venue } from "../../shared/tick.ts";
import { whereAmI } from "../../store/standing.ts";
import type { SiteRule } from "../phase/phases.ts";
import { settlePhase } from "../phase/settle.ts";
import { planAssignments } from "./planner.ts";
import type { Assignment, PlanAccount, PlanSymbol } from "./planner.ts";

export interface LeasesOptions {
  pool: pg.Pool;
  emit: Emit;
  accounts: readonly PlanAccount[];
  symbols: readonly PlanSymbol[];
  channels: readonly ("trade" | "book")[];
  /** Edges that may hold an account; any, where none are given. Several: failover. */
  placement?: ReadonlyMap<string, readonly string[]>;
  /** Which edges stand at home and which in the cloud, where the migration's phases place the accounts. */
  sites?: readonly SiteRule[];
  timings: LeaseTimings;
}

export interface LeaseTimings {
  /** Pause between two holders. */
  quietMs: number;
  /** How long a silent holder counts as alive. */
  killGraceMs: number;
  /** Failover: how long a grant is good. */
  ttlMs?: number;
}

const TTL_MS = 60_000;

export class Leases {
  readonly #options: LeasesOptions;
  /** Registrations a broker was found to allow, where fewer than configured. */
  #learned = new Map<string, number>();
  #plans = new Map<string, Assignment[]>();
  #planning: Promise<void> = Promise.resolve();

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  /** Writes accounts and plan. Throws CAP_TOO_SMALL when the configuration itself cannot hold the symbols, and as settlePhase. */
  async prepare(): Promise<void> {
    const { pool, accounts, symbols, channels, timings, placement = new Map() } = this.#options;
    const { sites = [] } = this.#options;
    const ttlMs = timings.ttlMs ?? TTL_MS;
    planAssignments({ symbols, channels, accounts });
    await upsertLeases(
      pool,
      accounts.map(({ account }) => account),
      timings,
    );
    const isPhased = await settlePhase(pool, {
      ...{ sites, ttlMs, isPlaced: placement.size > 0 },
      accounts: accounts.map(({ account }) => account),
    });
    if (!isPhased) await writePlacement(pool, placement, ttlMs);
    this.#learned = await readCaps(pool);
    const previous = await readAssignments(pool);
    this.#plans = grouped(previous);
    await this.#replan();
    await markStarted(pool);
  }

  /** Asks the database for an edge; a cap it was taught by its broker is planned with first. */
  async ask(edge: string, question: Ask): Promise<Standing> {
    const { account, holder, wish, status } = question;
    const cap = status.accounts?.[account]?.cap;
    if (cap !== undefined) await this.#learn(account, cap);
    return await whereAmI(this.#options.pool, { account, holder, edge, wish, status });
  }

  /** Registrations planned for each account. */
  planned(): ReadonlyMap<string, number> {
    return new Map([...this.#plans].map(([account, plan]) => [account, plan.length]));
  }

  /** Whether each account's plan has a venue for which `isDue` holds. */
  due(isDue: (venue: Venue) => boolean): ReadonlyMap<string, boolean> {
    return new Map(
      [...this.#plans].map(([account, plan]) => [
        account,
        [...new Set(plan.map(({ venue }) => venue))].some(isDue),
      ]),
    );
  }

  async #learn(account: string, cap: number): Promise<void> {
    const configured = this.#options.accounts.find((one) => one.account === account);
    if (!configured || cap >= Math.min(configured.cap, this.#learned.get(account) ?? Infinity))
      return;
    this.#learned.set(account, cap);
    this.#planning = this.#planning.then(async () => {
      await this.#options.pool.query("update public.lease set cap = $2 where account = $1", [
        account,
        cap,
      ]);
      await this.#replan();
    });
    await this.#planning;
  }

  async #replan(): Promise<void> {
    const before = this.#plans;
    const after = grouped(this.#planAsLearned([...before.values()].flat()));
    for (const account of new Set([...after.keys(), ...before.keys()])) {
      const registrations = after.get(account) ?? [];
      if (sameRegistrations(before.get(account) ?? [], registrations)) continue;
      await writeAssignment(this.#options.pool, account, registrations);
    }
    this.#plans = after;
  }

  /** What no longer fits under the caps the brokers taught us is left out and alarmed, not the rest with it. */
  #planAsLearned(previous: readonly Assignment[]): Assignment[] {
    const { accounts, symbols, channels, emit } = this.#options;
    const capped = accounts.map((one) => ({
      ...one,
      cap: Math.min(one.cap, this.#learned.get(one.account) ?? Infinity),
    }));
    const { assignments, unplaced } = planAssignments({
      ...{ symbols, channels, previous },
      accounts: capped,
      allowPartial: true,
    });
    for (const { broker, cap, account } of unplaced.length > 0 ? capped : []) {
      const left = unplaced.filter((one) => one.broker === broker);
      if (left.length === 0 || !this.#learned.has(account)) continue;
      const names = left.map(({ venue, symbol }) => `${venue}:${symbol}`).join(" ");
      const reason = `the broker allows ${cap}; no room for ${names}`;
      emit({ event: "feed_alarmed", source: account, code: "CAP_TOO_SMALL", reason });
    }
    return assignments;
  }
}

function grouped(assignments: readonly Assignment[]): Map<string, Assignment[]> {
  return Map.groupBy(assignments, ({ account }) => account);
}

function sameRegistrations(a: readonly Assignment[], b: readonly Assignment[]): boolean {
  const keys = (list: readonly Assignment[]) =>
    list
      .map(({ venue, symbol, channel }) => `${venue}/${symbol}/${channel}`)
      .sort()
      .join(" ");
  return keys(a) === keys(b);
}

async function upsertLeases(
  pool: pg.Pool,
  accounts: readonly string[],
  timings: LeaseTimings,
): Promise<void> {
  await pool.query(
    `insert into public.lease (account, quiet_ms, kill_grace_ms)
     select account, $2, $3 from unnest($1::text[]) as account
     on conflict (account) do update
        set quiet_ms = excluded.quiet_ms, kill_grace_ms = excluded.kill_grace_ms`,
    [accounts, timings.quietMs, timings.killGraceMs],
  );
}

/**
 * Without phases the configuration's placement is the whole of it. Running leases keep the terms they were
 * granted under; a holder that is not placed any more is called back once another edge stands ready.
 */
async function writePlacement(
  pool: pg.Pool,
  placement: ReadonlyMap<string, readonly string[]>,
  ttlMs: number,
): Promise<void> {
  await pool.query(
    `with wanted as (
       select key as account, array(select jsonb_array_elements_text(value)) as sites from jsonb_each($1)
     ), gone as (
       delete from public.placement where account not in (select account from wanted)
     )
     insert into public.placement as p (account, sites, ttl_ms) select account, sites, $2 from wanted
     on conflict (account) do update
        set sites = excluded.sites, ttl_ms = excluded.ttl_ms, changed_at = now()
      where (p.sites, p.ttl_ms) <> (excluded.sites, excluded.ttl_ms)`,
    [JSON.stringify(Object.fromEntries(placement)), ttlMs],
  );
}

async function readCaps(pool: pg.Pool): Promise<Map<string, number>> {
  const { rows } = await pool.query<{ account: string; cap: number }>(
    "select account, cap from public.lease where cap is not null",
  );
  return new Map(rows.map(({ account, cap }) => [account, cap]));
}

async function readAssignments(pool: pg.Pool): Promise<Assignment[]> {
  const { rows } = await pool.query<Assignment>(
    `select account, venue, symbol, channel
       from public.assignment order by account, venue, symbol, channel`,
  );
  return rows;
}

/** Replaces one account's rows and raises its assignment epoch, in one statement. */
async function writeAssignment(
  pool: pg.Pool,
  account: string,
  registrations: readonly Assignment[],
): Promise<void> {
  await pool.query(
    `with raised as (
       update public.lease set plan_epoch = public.next_epoch(plan_epoch)
        where account = $1 returning plan_epoch
     ), wanted as (
       select * from unnest($2::text[], $3::text[], $4::text[]) as w (venue, symbol, channel)
     ), gone as (
       delete from public.assignment a where account = $1 and not exists (
         select from wanted w
          where (w.venue, w.symbol, w.channel) = (a.venue, a.symbol, a.channel))
     )
     insert into public.assignment (account, venue, symbol, channel, epoch)
     select $1, venue, symbol, channel, coalesce((select plan_epoch from raised), 0) from wanted
     on conflict (account, venue, symbol, channel) do update set epoch = excluded.epoch`,
    [
      account,
      registrations.map(({ venue }) => venue),
      registrations.map(({ symbol }) => symbol),
      registrations.map(({ channel }) => channel),
    ],
  );
}

/** Silence of an edge counts from here: a hub that was away heard nobody. */
async function markStarted(pool: pg.Pool): Promise<void> {
  await pool.query(
    `insert into public.hub_start (started_at) values (clock_timestamp())
     on conflict (one) do update set started_at = excluded.started_at`,
  );
}
