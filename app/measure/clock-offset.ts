// How far the hub's clock is from this machine's, and how sure that is. Each exchange (sent, the hub's stamp,
// received) bounds the offset by itself, whatever the two ways' shares of the delay were: the stamp was made
// somewhere between. The bounds of all exchanges are intersected, which is NTP's filter for the smallest delay
// with nothing assumed of symmetry. Pure: times are arguments.
// Promises: the true offset lies within the bound, as long as no clock runs wrong by more than DRIFT_PPM.

export interface Exchange {
  /** By our monotonic clock. */
  sentMs: number;
  receivedMs: number;
  /** The other side's wall clock, epoch ms, in between. */
  theirMs: number;
}

export interface OffsetEstimate {
  /** Their wall clock minus our monotonic one, at `atMs`. */
  offsetMs: number;
  /** The offset is within ± this. */
  boundMs: number;
  /** By our monotonic clock: the last exchange. */
  atMs: number;
  /** Shortest round trip. */
  delayMinMs: number;
  /** Exchanges that agree; older ones that did not were left out: a clock was set. */
  exchanges: readonly Exchange[];
  isStepped: boolean;
}

/** Two machines under chrony differ by less than 1; without any discipline a crystal's error is below this. */
export const DRIFT_PPM = 100;
/** What a stamp in microseconds leaves out. */
const STAMP_MS = 0.001;

/** Null without an exchange. */
export function estimateOffset(
  exchanges: readonly Exchange[],
  driftPpm = DRIFT_PPM,
): OffsetEstimate | null {
  const atMs = exchanges.at(-1)?.receivedMs;
  if (atMs === undefined) return null;
  let [low, high] = [-Infinity, Infinity];
  let agreeing = exchanges.length;
  // Newest first: where the clocks stop agreeing, one was set, and what is older is of the time before.
  for (; agreeing > 0; agreeing--) {
    const [from, to] = boundsOf(exchanges[agreeing - 1]!, atMs, driftPpm);
    if (Math.max(low, from) > Math.min(high, to)) break;
    [low, high] = [Math.max(low, from), Math.min(high, to)];
  }
  const kept = exchanges.slice(agreeing);
  return {
    offsetMs: (low + high) / 2,
    boundMs: (high - low) / 2,
    atMs,
    delayMinMs: Math.min(...kept.map(({ sentMs, receivedMs }) => receivedMs - sentMs)),
    exchanges: kept,
    isStepped: agreeing > 0,
  };
}

function boundsOf(
  { sentMs, receivedMs, theirMs }: Exchange,
  atMs: number,
  driftPpm: number,
): [number, number] {
  const awayMs = Math.max(Math.abs(atMs - sentMs), Math.abs(atMs - receivedMs));
  const slackMs = (awayMs * driftPpm) / 1e6 + STAMP_MS;
  return [theirMs - receivedMs - slackMs, theirMs - sentMs + slackMs];
}

/** Delays of each exchange's two ways, by the offset; each may be wrong by the estimate's bound. */
export function oneWays({ exchanges, offsetMs }: OffsetEstimate): {
  upMs: number[];
  downMs: number[];
} {
  return {
    upMs: exchanges.map(({ sentMs, theirMs }) => theirMs - offsetMs - sentMs),
    downMs: exchanges.map(({ receivedMs, theirMs }) => receivedMs - (theirMs - offsetMs)),
  };
}
