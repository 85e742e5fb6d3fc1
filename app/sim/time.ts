// The simulator's own calendar arithmetic: what a broker prints for an instant. Kept apart from the
// decoders' on purpose, so that both sides cannot share a mistake.

/** An instant as brokers write it. */
export interface Stamp {
  /** YYYYMMDD. */
  date: string;
  /** HHMMSS. */
  time: string;
  /** Whole seconds since that zone's midnight. */
  secondOfDay: number;
}

const HOUR_MS = 3_600_000;
const DAY_S = 86_400;
const KST_OFFSET_MS = 9 * HOUR_MS;
/** Stamps remembered: an event writes itself, the day's open, high and low. */
const STAMPS_KEPT = 256;

/** `ms` (epoch) in Korea. */
export const kst = zone(() => KST_OFFSET_MS);

/** `ms` (epoch) in New York, daylight saving included. */
export const newYork = zone(newYorkOffsetMs());

/** Epoch ms of a Korean YYYYMMDDHHMMSS. NaN when it is none. */
export function kstMs(stamp: string): number {
  return Date.parse(isoOf(stamp)) - KST_OFFSET_MS;
}

/** Epoch ms of midnight in New York on YYYYMMDD; good on every day on which the market opens. */
export function newYorkMidnightMs(date: string): number {
  const noonUtcMs = Date.parse(isoOf(`${date}120000`));
  return noonUtcMs - newYork(noonUtcMs).secondOfDay * 1000;
}

function isoOf(stamp: string): string {
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(stamp) ?? [];
  return y === undefined ? "" : `${y}-${mo!}-${d!}T${h!}:${mi!}:${s!}Z`;
}

function zone(offsetMsAt: (ms: number) => number): (ms: number) => Stamp {
  const kept = new Array<{ second: number; stamp: Stamp } | undefined>(STAMPS_KEPT);
  return (ms) => {
    const second = Math.floor(ms / 1000);
    const known = kept[second % STAMPS_KEPT];
    if (known?.second === second) return known.stamp;
    const localMs = second * 1000 + offsetMsAt(ms);
    const iso = new Date(localMs).toISOString();
    const stamp = {
      date: iso.slice(0, 10).replaceAll("-", ""),
      time: iso.slice(11, 19).replaceAll(":", ""),
      secondOfDay: (localMs / 1000) % DAY_S,
    };
    kept[second % STAMPS_KEPT] = { second, stamp };
    return stamp;
  };
}

function newYorkOffsetMs(): (ms: number) => number {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: "America/New_York",
    timeZoneName: "longOffset",
  });
  let hour = Number.NaN;
  let offsetMs = 0;
  return (ms) => {
    const asked = Math.floor(ms / HOUR_MS);
    if (asked !== hour) {
      hour = asked;
      const name = format.formatToParts(ms).find((part) => part.type === "timeZoneName")!.value;
      offsetMs = Number(/GMT([+-]\d\d)/.exec(name)![1]) * HOUR_MS;
    }
    return offsetMs;
  };
}
