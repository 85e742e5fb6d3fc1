// How long a collector that is told to end needs to send what it holds, and what whoever stops it has to grant.
// Pure. The outbox is in memory: a container killed before the end of its drain loses the rest.

/**
 * Outbox of an edge in the smallest container (256 MB): Node takes about 110 MB of it, tailscaled up to 64.
 * At 2,000 records a second that is some four minutes of a hub that is away.
 */
export const SMALL_OUTBOX_MB = 64;

/** The slowest uplink planned for: userspace WireGuard on a tenth of a core. An assumption, not a measurement. */
const UPLINK_FLOOR_BITS_PER_SECOND = 5_000_000;
/** Closing the broker's socket in order, before the drain begins. */
const FEED_STOP_SECONDS = 5;
/** Answers that are still under way, and the release of the account (RELEASE_MS in app/edge/edge.ts). */
const RELEASE_SECONDS = 5;
/** The entrypoint's `tailscale logout`, and the end of its processes. */
const LOGOUT_SECONDS = 10;

export interface DrainPlan {
  /** TICKHUB_DRAIN_SECONDS. */
  drainSeconds: number;
  /** From SIGTERM to SIGKILL. */
  gracePeriodSeconds: number;
}

/** A full outbox over the slowest link, in whole tens of seconds. */
export function drainPlan(outboxMb: number): DrainPlan {
  const bits = outboxMb * 1024 * 1024 * 8;
  const drainSeconds = Math.ceil(bits / UPLINK_FLOOR_BITS_PER_SECOND / 10) * 10;
  const around = FEED_STOP_SECONDS + RELEASE_SECONDS + LOGOUT_SECONDS;
  return { drainSeconds, gracePeriodSeconds: drainSeconds + around };
}
