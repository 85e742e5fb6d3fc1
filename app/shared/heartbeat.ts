// Whether the other side of a WebSocket is still there. Both sides run one. Counted in silent ticks, not
// in elapsed time, so that our own stalled event loop is not taken for the other side's death; and in
// bytes read from the socket, so that one large message on a slow line is a sign of life. Each side owes
// the other some byte a tick and pings only when it wrote none: with traffic the heartbeat costs nothing,
// and free edges pay for what they send.
import type { Clock, Timer } from "./clock.ts";

export interface HeartbeatTimes {
  tickMs: number;
  /** Silent ticks in a row after which the other side is dead. */
  missesMax: number;
}

/** Worst case from the last byte to `dead`: `tickMs` × (`missesMax` + 1), 4.4 s as given here. */
export const HEARTBEAT = { tickMs: 1_100, missesMax: 3 } as const;

/**
 * Of a link on which bytes cost money and nothing hangs on a quick end: a dead one is found within 100 s. The
 * longest tick that NATs and proxies take for a link in use.
 */
export const LIGHT_HEARTBEAT = { tickMs: 25_000, missesMax: 3 } as const;

/** What the hub does for an edge that asks for other ticks: never quicker than its own, never slower than this. */
export const TICK_MAX_MS = 60_000;

export interface HeartbeatOptions extends HeartbeatTimes {
  clock: Clock;
  /** Its bytes so far, both ways: a `net.Socket`. */
  socket: { readonly bytesRead: number; readonly bytesWritten: number };
  /** True while we ourselves do not read: silence then says nothing. */
  isPaused: () => boolean;
  ping: () => void;
  /** Called once; the heartbeat has stopped. */
  dead: () => void;
}

/** Starts watching. Cancel the returned timer when the link closes. */
export function startHeartbeat(options: HeartbeatOptions): Timer {
  const { clock, tickMs, missesMax, socket, isPaused } = options;
  let { bytesRead, bytesWritten } = socket;
  let misses = 0;
  let timer = clock.after(tickMs, tick);
  return { cancel: () => timer.cancel() };

  function tick() {
    misses = socket.bytesRead === bytesRead && !isPaused() ? misses + 1 : 0;
    if (misses >= missesMax) {
      options.dead();
      return;
    }
    if (socket.bytesWritten === bytesWritten) options.ping();
    ({ bytesRead, bytesWritten } = socket);
    timer = clock.after(tickMs, tick);
  }
}
