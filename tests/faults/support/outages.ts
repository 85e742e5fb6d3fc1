// The rows of the outage matrix: what each fault does to a cell, and how it ends.
import type { OutageCell } from "./outage-cell.ts";
import type { SmallDisk } from "../../support/small-disk.ts";

export interface Outage {
  says: string;
  /** Its database has a disk of its own. */
  onDisk?: boolean;
  /** Breaks something that stays broken until `end`. */
  begin(cell: OutageCell): Promise<void>;
  end(cell: OutageCell): Promise<void>;
  /** Strikes again while the backlog drains. */
  again?(cell: OutageCell): Promise<void>;
}

/** So much of a link passes before it is reset: greetings, and a part of the first batches. */
const TORN_AFTER_BYTES = 2_000;
const SLOW_BYTES_PER_SECOND = 1_000;
/** Market that makes the hub copy without a pause. */
const BUSY_MS = 20_000;

export const OUTAGES = {
  hub: {
    says: "hub kill -9",
    begin: (cell) => cell.killHub(),
    end: (cell) => cell.startHub(),
    async again(cell) {
      await cell.flow(2_000);
      await cell.killHub();
      await cell.startHub();
    },
  },
  postgres: {
    says: "PostgreSQL kill -9 mid-COPY",
    begin: killInCopy,
    end: (cell) => cell.server.restart(),
    async again(cell) {
      for (let i = 0; i < 2; i++) {
        await killInCopy(cell);
        await cell.server.restart();
        await cell.flow(1);
      }
    },
  },
  reset: {
    says: "connection reset",
    begin: (cell) => Promise.resolve(cell.proxy.tear(TORN_AFTER_BYTES)),
    end: (cell) => cell.proxy.heal(),
    async again(cell) {
      await cell.flow(1_000);
      cell.proxy.reset();
    },
  },
  loss: {
    says: "total packet loss",
    begin: (cell) => Promise.resolve(cell.proxy.stall()),
    end: (cell) => cell.proxy.heal(),
  },
  slow: {
    says: "1 kB/s link",
    begin: (cell) => Promise.resolve(cell.proxy.slow(SLOW_BYTES_PER_SECOND)),
    end: (cell) => cell.proxy.heal(),
  },
  disk: {
    says: "disk full (tables)",
    onDisk: true,
    begin: (cell) => Promise.resolve(cell.disk!.fill()),
    end: (cell) => Promise.resolve(cell.disk!.free()),
  },
} as const satisfies Record<string, Outage>;

/** Of a disk of its own, before it fills up. */
export const ROOMY_BYTES = 3 * 2 ** 30;

/** The disk with everything on it, WAL included: PostgreSQL may give up altogether. */
export function wholeDiskFull(disk: SmallDisk): Outage {
  return {
    says: "disk full (tables and WAL)",
    begin: () => Promise.resolve(disk.fill()),
    async end({ server, notes }) {
      disk.free();
      notes.push(server.isRunning() ? "PostgreSQL lived on" : "PostgreSQL had given up");
      await server.restart();
    },
  };
}

/** While the edge has more to send than the hub can copy at once. */
async function killInCopy(cell: OutageCell): Promise<void> {
  const killed = cell.server.killInCopy(cell.database);
  let isOver = false;
  const busy = (async () => {
    while (!isOver) await cell.edge.order({ do: "fastForward", ms: BUSY_MS });
  })();
  const rows = await killed.finally(() => (isOver = true));
  await busy;
  cell.notes.push(`killed at row ${rows} of a COPY`);
}
