// The hub's side of leases: makes the accounts of its configuration known to the database, plans which
// account registers what, and replans when a broker allows less than planned. Granting is the database's
// own (`where_am_i`), so that direct edges and the gateway's get it from one place.
// Promises: a plan changes only where it must, and every change raises the account's assignment epoch.
import type pg from "pg";
import type { Emit } from "../../shared/events.ts";
import type { Ask, Standing } from "../../shared/gateway-protocol.ts";
import { standingSchema } from "../../shared/gateway-protocol.ts";
import { planAssignments } from "./planner.ts";
import type { Assignment, PlanAccount, PlanSymbol } from "./planner.ts";

export interface LeasesOptions {
  pool: pg.Pool;
  emit: Emit;
  accounts: readonly PlanAccount[];
  symbols: readonly PlanSymbol[];
  channels: readonly ("trade" | "book")[];
  /** Pause between two holders, and how long a silent one counts as alive. */
  timings: { quietMs: number; killGraceMs: number };
}

/** What one account registers, and the epoch that says how often that changed. */
interface AccountPlan {
  epoch: number;
  registrations: Assignment[];
}

export class Leases {
  readonly #options: LeasesOptions;
  /** Registrations a broker was found to allow, where fewer than configured. */
  #learned = new Map<string, number>();
  #plans = new Map<string, AccountPlan>();
  #planning: Promise<void> = Promise.resolve();

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  /** Writes accounts and plan. Throws CAP_TOO_SMALL when the configuration itself cannot hold the symbols. */
  async prepare(): Promise<void> {
    const { pool, accounts, symbols, channels, timings } = this.#options;
    planAssignments({ symbols, channels, accounts });
    await upsertLeases(
      pool,
      accounts.map(({ account }) => account),
      timings,
    );
    this.#learned = await readCaps(pool);
    const previous = await readAssignments(pool);
    this.#plans = grouped(previous);
    await this.#replan();
    await markStarted(pool);
  }

  /** Asks the database, then adds the assignment where the edge runs an older one. */
  async ask(edge: string, question: Ask): Promise<Standing> {
    const { account, holder, wish, status } = question;
    const { rows } = await this.#options.pool.query<{ standing: unknown }>(
      "select public.where_am_i($1, $2, $3, $4, $5) as standing",
      [account, holder, edge, wish, JSON.stringify(status)],
    );
    const standing = standingSchema.parse(rows[0]?.standing);
    const told = status.accounts?.[account];
    if (told?.cap !== undefined) await this.#learn(account, told.cap);
    const plan = this.#plans.get(account);
    if (standing.lease.state !== "granted" || !plan) return standing;
    const { assignment, ...rest } = standing;
    const isKnown = told?.assignmentEpoch === plan.epoch && !assignment;
    const registrations = plan.registrations.map(({ venue, symbol, channel }) => ({
      venue,
      symbol,
      channel,
    }));
    return isKnown
      ? { ...rest, assignmentEpoch: plan.epoch }
      : { ...rest, assignment: registrations, assignmentEpoch: plan.epoch };
  }

  /** Registrations planned for each account. */
  planned(): ReadonlyMap<string, number> {
    return new Map([...this.#plans].map(([account, plan]) => [account, plan.registrations.length]));
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
    const before = [...this.#plans.values()].flatMap((plan) => plan.registrations);
    const plans = grouped(this.#planAsLearned(before));
    const epoch = 1 + Math.max(0, ...[...this.#plans.values()].map((plan) => plan.epoch));
    const accounts = new Set([...plans.keys(), ...this.#plans.keys()]);
    for (const account of accounts) {
      const registrations = plans.get(account)?.registrations ?? [];
      const known = this.#plans.get(account);
      if (known && sameRegistrations(known.registrations, registrations)) continue;
      await writeAssignment(this.#options.pool, account, epoch, registrations);
      this.#plans.set(account, { epoch, registrations });
    }
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

function grouped(
  assignments: readonly (Assignment & { epoch?: number })[],
): Map<string, AccountPlan> {
  const plans = new Map<string, AccountPlan>();
  for (const { epoch = 0, ...registration } of assignments) {
    const plan = plans.get(registration.account) ?? { epoch, registrations: [] };
    plan.epoch = Math.max(plan.epoch, epoch);
    plan.registrations.push(registration);
    plans.set(registration.account, plan);
  }
  return plans;
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
  timings: { quietMs: number; killGraceMs: number },
): Promise<void> {
  await pool.query(
    `insert into public.lease (account, quiet_ms, kill_grace_ms)
     select account, $2, $3 from unnest($1::text[]) as account
     on conflict (account) do update
        set quiet_ms = excluded.quiet_ms, kill_grace_ms = excluded.kill_grace_ms`,
    [accounts, timings.quietMs, timings.killGraceMs],
  );
}

async function readCaps(pool: pg.Pool): Promise<Map<string, number>> {
  const { rows } = await pool.query<{ account: string; cap: number }>(
    "select account, cap from public.lease where cap is not null",
  );
  return new Map(rows.map(({ account, cap }) => [account, cap]));
}

async function readAssignments(pool: pg.Pool): Promise<(Assignment & { epoch: number })[]> {
  const { rows } = await pool.query<Assignment & { epoch: number }>(
    `select account, venue, symbol, channel, epoch::float8 as epoch
       from public.assignment order by account, venue, symbol, channel`,
  );
  return rows;
}

/** Replaces one account's rows in one statement. */
async function writeAssignment(
  pool: pg.Pool,
  account: string,
  epoch: number,
  registrations: readonly Assignment[],
): Promise<void> {
  await pool.query(
    `with wanted as (
       select * from unnest($3::text[], $4::text[], $5::text[]) as w (venue, symbol, channel)
     ), gone as (
       delete from public.assignment a where account = $1 and not exists (
         select from wanted w
          where (w.venue, w.symbol, w.channel) = (a.venue, a.symbol, a.channel))
     )
     insert into public.assignment (account, venue, symbol, channel, epoch)
     select $1, venue, symbol, channel, $2 from wanted
     on conflict (account, venue, symbol, channel) do update set epoch = excluded.epoch`,
    [
      account,
      epoch,
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
