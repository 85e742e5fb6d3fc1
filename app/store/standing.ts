// An edge's heartbeat, as the database answers it: the one call of `where_am_i`, for the hub's gateway and an
// edge's direct uplink alike.
import type pg from "pg";
import { TickhubError } from "../shared/errors.ts";
import { standingSchema } from "../shared/gateway-protocol.ts";
import type { EdgeStatus, Standing, Wish } from "../shared/gateway-protocol.ts";
import { asStoreError } from "./database.ts";

export interface Heartbeat {
  account: string;
  /** UUID of the asking process. */
  holder: string;
  edge: string;
  wish: Wish;
  /** Empty: says nothing of the edge, and what another process of that name has said stays. */
  status: EdgeStatus;
}

/** A probe asks in an edge's name, and is not that edge. */
export function isBare(status: EdgeStatus): boolean {
  return Object.keys(status).length === 0;
}

/**
 * Asks for an account. A status that finds no room on a full disk is left out, so that the lease is kept: it
 * is one small row, written where it stands.
 * @throws TickhubError DATABASE_*.
 */
export async function whereAmI(pool: pg.Pool, heartbeat: Heartbeat): Promise<Standing> {
  try {
    const { status } = heartbeat;
    return await ask(pool, heartbeat, isBare(status) ? null : JSON.stringify(status));
  } catch (error) {
    if (!(error instanceof TickhubError) || error.code !== "DATABASE_FULL") throw error;
    return await ask(pool, heartbeat, null);
  }
}

async function ask(
  pool: pg.Pool,
  { account, holder, edge, wish }: Heartbeat,
  status: string | null,
): Promise<Standing> {
  try {
    const { rows } = await pool.query<{ standing: unknown }>(
      "select public.where_am_i($1, $2, $3, $4, $5) as standing",
      [account, holder, edge, wish, status],
    );
    return standingSchema.parse(rows[0]?.standing);
  } catch (error) {
    throw asStoreError(error);
  }
}
