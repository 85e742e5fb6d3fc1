// What a stress run stands on: a database and a hub made for it, or a hub of simulated brokers that runs already.
// Either way simulated brokers and edges of our own play into it, and it tells how hub and database do.
import { randomBytes } from "node:crypto";
import type { EdgeReport } from "../edge/core.ts";
import type { Picture } from "../hub/query/picture.ts";
import { systemClock } from "../shared/clock.ts";
import { codeOf } from "../shared/errors.ts";
import { openPool } from "../store/database.ts";
import { DatabaseWatch } from "../store/database-watch.ts";
import type { DatabaseLook, DatabasePlace } from "../store/database-watch.ts";
import { createDatabase, dropDatabase } from "../store/scratch.ts";
import { fetchJson } from "./http.ts";
import { Stack } from "./stack.ts";
import type { StackOptions, StackTarget } from "./stack.ts";
import type { StressHub } from "./stress-hub.ts";

/** What is seen of hub and database in one look; null or unknown where they do not say. */
export interface Figures {
  hub: Pick<Picture, "loop" | "latency" | "latencyNow"> | null;
  database: DatabaseLook;
}

export interface Ground {
  stack: Stack;
  place: DatabasePlace;
  /** How long edges may wait for their accounts. */
  openMs: number;
  figures(): Promise<Figures>;
  /** What could not be had of the database's host, and why. */
  unknown(): Record<string, string>;
  /** Live rows of the run as SQL finds them, whatever anybody counted. */
  countRows(edges: readonly EdgeReport[]): Promise<number>;
}

export interface Play {
  /** What the brokers play, as arguments of the simulator. */
  simArgs: readonly string[];
  stateDir: string;
}

/** Prepares a ground, hands it to `use`, and takes it away again, however that ends. */
export type WithGround = <T>(play: Play, use: (ground: Ground) => Promise<T>) => Promise<T>;

const OPEN_MS = 90_000;

/** On a scratch database of `serverUrl`, which is dropped at the end. */
export function onScratch(serverUrl: string): WithGround {
  return async (play, use) => {
    const database = `stress_${randomBytes(6).toString("hex")}`;
    try {
      const databaseUrl = await createDatabase(serverUrl, database);
      const pool = openPool(databaseUrl, { connectionsMax: 6, name: "tickhub-stress" });
      try {
        // Of ours alone, for the connections to come; takes a superuser, else flushes have a count but no time.
        await pool
          .query(`alter database ${database} set track_wal_io_timing = on`)
          .catch(() => undefined);
        const stack = await Stack.start({ ...optionsOf(play), databaseUrl, enoughKeys: true });
        try {
          const watch = new DatabaseWatch(pool, systemClock);
          return await use({
            ...{ stack, place: await watch.place(), openMs: OPEN_MS },
            async figures() {
              const [hub, look] = await Promise.all([
                fetchJson<Picture>(`${stack.hubUrl}/status`),
                watch.look(),
              ]);
              return { hub, database: look };
            },
            unknown: () => watch.refusals(),
            countRows: () => countAll(pool),
          });
        } finally {
          await stack.stop();
        }
      } finally {
        await pool.end();
      }
    } finally {
      await dropDatabase(serverUrl, database);
    }
  };
}

/** A holder that was killed is waited for by the hub's own settings: kill grace and quiet time, 130 s by default. */
const HUB_OPEN_MS = 180_000;
const ELSEWHERE: DatabasePlace = { isLocal: false, postmaster: null };
const NOTHING: DatabaseLook = {
  ...{ connections: null, locksWaiting: null, commitMs: null },
  ...{ cpu: null, ioStallMs: null },
};

/** Into a hub that runs already. Its rows stay there. */
export function onHub(hub: StressHub, target: StackTarget): WithGround {
  return async (play, use) => {
    const stack = await Stack.start({ ...optionsOf(play), target });
    let unknown: Record<string, string> = {};
    try {
      return await use({
        ...{ stack, place: ELSEWHERE, openMs: HUB_OPEN_MS },
        async figures() {
          const look = await hub.look("kis").catch((error: unknown) => error as Error);
          if (look instanceof Error) {
            // A hub that is too busy to say is unknown for this second; one that changed is left at once.
            if (codeOf(look) === "STRESS_TARGET_REAL") throw look;
            unknown = { ...unknown, hub: codeOf(look) };
            return { hub: null, database: NOTHING };
          }
          unknown = { ...unknown, ...look.unknown };
          return { hub: look, database: look.database as DatabaseLook };
        },
        unknown: () => unknown,
        countRows: (edges) => hub.countRows(edges),
      });
    } finally {
      await stack.stop();
    }
  };
}

function optionsOf({ simArgs, stateDir }: Play): StackOptions {
  return {
    ...{ stateDir, simArgs, port: 0, logLevel: "info", simFirst: true },
    ...{ uplink: "gateway", quietMs: 500, killGraceMs: 5_000 },
  };
}

async function countAll(pool: ReturnType<typeof openPool>): Promise<number> {
  const { rows } = await pool.query<{ rows: number }>(
    `select ((select count(*) from trade where origin = 0) + (select count(*) from book where origin = 0)
       + (select count(*) from status where origin = 0))::float8 as rows`,
  );
  return rows[0]!.rows;
}
