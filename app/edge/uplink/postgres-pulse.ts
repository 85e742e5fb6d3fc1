// Whether the database at the end of a direct link is still there. PostgreSQL has no heartbeat of its own,
// and a statement may take its time: so one connection does nothing but ask, and any byte that comes on any
// of the link's connections is a sign of life. Promises: a dead link is found within five seconds and all
// that waits on it is told; a commit that is only slow is left alone.
import type { Socket } from "node:net";
import type pg from "pg";
import type { Clock, Timer } from "../../shared/clock.ts";
import { startHeartbeat } from "../../shared/heartbeat.ts";

export interface PulseOptions {
  pool: pg.Pool;
  clock: Clock;
  heartbeat: { tickMs: number; missesMax: number };
  /** Called once; the link's sockets are destroyed after it. */
  dead: () => void;
}

/** A client's socket, which pg's types do not show, and how much of it the kernel has not taken yet. */
interface WithSocket {
  connection?: { stream?: Socket & { _handle?: { writeQueueSize?: number } } };
}

export class PostgresPulse {
  readonly #options: PulseOptions;
  readonly #clients = new Set<pg.PoolClient>();
  #prober: pg.PoolClient | null = null;
  #isAsking = false;
  #heartbeat: Timer | null = null;

  constructor(options: PulseOptions) {
    this.#options = options;
    options.pool.on("connect", (client) => this.#clients.add(client));
    options.pool.on("remove", (client) => this.#clients.delete(client));
  }

  /** Takes a connection of the pool for itself until `stop`. Rejects with pg's error. */
  async start(): Promise<void> {
    const { pool, clock, heartbeat, dead } = this.#options;
    this.#prober = await pool.connect();
    const signs = () => this.#signsOfLife();
    this.#heartbeat = startHeartbeat({
      clock,
      ...heartbeat,
      socket: {
        get bytesRead() {
          return signs();
        },
        // Asked at each tick: on an idle link nothing else would be answered.
        bytesWritten: 0,
      },
      isPaused: () => false,
      ping: () => this.#ask(),
      dead: () => {
        dead();
        this.#destroy();
      },
    });
  }

  /** Gives the connection back. */
  stop(): void {
    this.#heartbeat?.cancel();
    this.#prober?.release();
    this.#prober = null;
  }

  #ask(): void {
    if (this.#isAsking || !this.#prober) return;
    this.#isAsking = true;
    // Whatever the answer: that one came was seen on the socket.
    const answered = () => (this.#isAsking = false);
    this.#prober.query("select").then(answered, answered);
  }

  /** Rises with every byte that comes, and while a queue that is longer than the kernel's goes down. */
  #signsOfLife(): number {
    let signs = 0;
    for (const client of this.#clients) {
      const socket = socketOf(client);
      if (!socket) continue;
      signs += socket.bytesRead;
      const unsent = socket._handle?.writeQueueSize ?? 0;
      if (unsent > 0) signs += socket.bytesWritten - unsent;
    }
    return signs;
  }

  /** What waits on them is rejected by pg, at once. */
  #destroy(): void {
    for (const client of this.#clients) socketOf(client)?.destroy();
  }
}

/** What a connection goes over. */
export function socketOf(client: pg.PoolClient) {
  return (client as unknown as WithSocket).connection?.stream;
}
