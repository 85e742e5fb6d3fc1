// The search for the highest speed that passes: doubling until something breaks, then halving the distance.
// Pure: what was tried goes in, what to try next comes out.

export interface Try {
  speed: number;
  /** Did everything hold? Null: the generator could not keep up, so nobody knows. */
  passed: boolean | null;
}

export interface Bounds {
  first: number;
  /** Runs at most. */
  triesMax: number;
  speedMax: number;
  /** Ends when what broke is at most so many times what passed. */
  ratio: number;
}

export const BOUNDS: Bounds = { first: 1, triesMax: 10, speedMax: 64, ratio: 1.2 };

/** The next speed, or null when the search is over. A speed without a verdict counts as too high. */
export function nextSpeed(tries: readonly Try[], bounds: Bounds): number | null {
  if (tries.length >= bounds.triesMax) return null;
  const { passed, broke } = standing(tries);
  if (broke === null) {
    if (passed === null) return bounds.first;
    return passed >= bounds.speedMax ? null : Math.min(bounds.speedMax, passed * 2);
  }
  if (passed === null) return broke <= SPEED_MIN ? null : rounded(Math.max(SPEED_MIN, broke / 2));
  return broke / passed <= bounds.ratio ? null : between(passed, broke);
}

/** The highest that passed below the lowest that did not. */
export function standing(tries: readonly Try[]): { passed: number | null; broke: number | null } {
  const broken = tries.filter(({ passed }) => passed !== true).map(({ speed }) => speed);
  const broke = broken.length === 0 ? null : Math.min(...broken);
  const held = tries
    .filter(({ speed, passed }) => passed === true && (broke === null || speed < broke))
    .map(({ speed }) => speed);
  return { passed: held.length === 0 ? null : Math.max(...held), broke };
}

const SPEED_MIN = 0.1;

/** Halfway in the middle of the ratio, where the two are far apart, as in the doubling. */
function between(low: number, high: number): number {
  const middle = rounded(Math.sqrt(low * high));
  return middle > low && middle < high ? middle : (low + high) / 2;
}

function rounded(speed: number): number {
  return Number(speed.toPrecision(2));
}
