// A transition on behalf of somebody who has no shell here: the hub goes through the same steps as `tickhub phase`,
// on a connection of its own, because the connection holds the lock. A hub that stops in the middle leaves what a
// killed command leaves: run again, it goes on.
import pg from "pg";
import type { Clock } from "../../shared/clock.ts";
import { asDatabaseError } from "../../store/database.ts";
import { move } from "./machine.ts";
import type { MachineOptions, Moved } from "./machine.ts";
import type { Verb } from "./phases.ts";
import type { StepProgress } from "./steps.ts";

export interface ErrandOptions {
  databaseUrl: string;
  clock: Clock;
  marketMs: number;
  parity: MachineOptions["parity"];
  verb: Verb;
  /** Kept in the history. */
  by: string;
  /** Why its gate is passed by; null: it is not. */
  forced: string | null;
  /** How long one step may wait for others. */
  waitMs: number;
  /** A fresh UUID. */
  mintRun: () => string;
}

/** Patience over HTTP; the next act goes on where this one stood. */
export const ERRAND_STEP_MS = 60_000;
const CONNECT_MS = 5_000;
const STATEMENT_MS = 30_000;

/** Throws PHASE_*, DATABASE_*. The step between home and local has two databases: it is the command's. */
export async function runErrand(
  options: ErrandOptions,
): Promise<{ moved: Moved; lines: string[] }> {
  const { databaseUrl, ...asked } = options;
  const here = new pg.Client({
    ...{ connectionString: databaseUrl, application_name: "tickhub-phase", keepAlive: true },
    ...{ connectionTimeoutMillis: CONNECT_MS, statement_timeout: STATEMENT_MS },
  });
  here.on("error", () => undefined);
  const lines: string[] = [];
  const tell = ({ no, of, step, state, says }: StepProgress) =>
    void lines.push(`${no}/${of} ${step}: ${state}${says ? `, ${says}` : ""}`);
  try {
    await here.connect();
    const moved = await move({ ...asked, here, tell });
    return { moved, lines };
  } catch (error) {
    throw asDatabaseError(error);
  } finally {
    await here.end().catch(() => undefined);
  }
}
