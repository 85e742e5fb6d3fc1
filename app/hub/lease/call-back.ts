// A person calls an account back from its holder (`lease.release` of the page). The same way as a phase does it:
// the holder is told with its next heartbeat, closes its socket, drains, and gives the lease back. Nothing is taken
// from it here: a holder that does not answer keeps the account until it is proved dead, because its socket may be
// open. Promises: never two sockets.
import type pg from "pg";
import { sleep } from "../../shared/clock.ts";
import type { Clock } from "../../shared/clock.ts";
import { TickhubError } from "../../shared/errors.ts";

export interface CallBackOptions {
  pool: Pick<pg.Pool, "query">;
  clock: Clock;
  account: string;
  /** How long to wait for the holder. */
  waitMs: number;
}

/** Somewhat longer than an edge may drain. */
export const CALL_BACK_MS = 30_000;
const LOOK_MS = 250;

interface Row {
  holder: string | null;
  edge: string | null;
  quietMs: number;
}

/**
 * Resolves once the holder has given it back, with a line a step.
 * @throws TickhubError LEASE_UNKNOWN, LEASE_FREE, LEASE_HELD when it did not leave in time: it stays called back.
 */
export async function callBack(options: CallBackOptions): Promise<string[]> {
  const { pool, clock, account, waitMs } = options;
  const before = await readLease(pool, account);
  if (before.holder === null) throw new TickhubError("LEASE_FREE", { account });
  const edge = before.edge ?? "unknown";
  // Only from the holder that was seen: another one may have been granted it meanwhile.
  await pool.query(
    `update public.lease set revoked_at = coalesce(revoked_at, clock_timestamp())
      where account = $1 and holder = $2`,
    [account, before.holder],
  );
  const startMs = clock.monoMs();
  while ((await readLease(pool, account)).holder === before.holder) {
    const waitedMs = clock.monoMs() - startMs;
    if (waitedMs >= waitMs) {
      throw new TickhubError("LEASE_HELD", {
        account,
        edge,
        waitedS: Math.round(waitedMs / 1_000),
      });
    }
    await sleep(clock, LOOK_MS);
  }
  const tookS = ((clock.monoMs() - startMs) / 1_000).toFixed(1);
  return [
    `${account}: called back from edge ${edge}`,
    `${account}: its socket is closed, given back after ${tookS} s`,
    `${account}: free for whoever stands ready after ${before.quietMs / 1_000} s of quiet`,
  ];
}

async function readLease(pool: Pick<pg.Pool, "query">, account: string): Promise<Row> {
  const { rows } = await pool.query<Row>(
    `select holder::text as holder, edge, quiet_ms as "quietMs" from public.lease where account = $1`,
    [account],
  );
  if (!rows[0]) throw new TickhubError("LEASE_UNKNOWN", { account });
  return rows[0];
}
