// Numbers, spans and times as the page writes them. Korea has had no summer time since 1988, so KST is
// arithmetic; other exchanges' own time comes from Intl. Pure, but for the language.
import { messages } from "./messages/messages.ts";

const HOUR_MS = 3_600_000;
const KST_MS = 9 * HOUR_MS;
const DAY_MS = 24 * HOUR_MS;

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const exact = new Intl.NumberFormat("en-US", { maximumFractionDigits: 4 });

/** `1,234,567`. */
export function count(value: number | null | undefined): string {
  return value == null ? "–" : whole.format(value);
}

/** `71,300`, `182.04`. */
export function price(value: number): string {
  return exact.format(value);
}

/** Rounded down: 100 % is said only of the whole. */
export function percent(share: number | null, digits = 2): string {
  if (share === null) return "–";
  const scale = 10 ** digits;
  return `${(Math.floor(share * 100 * scale) / scale).toFixed(digits)} %`;
}

/** Three figures, or whole numbers from 1,000 on. */
export function amount(value: number): string {
  return Math.abs(value) >= 1_000 ? whole.format(value) : String(Number(value.toPrecision(3)));
}

export function milliseconds(value: number | null | undefined): string {
  if (value == null) return "–";
  if (value >= 10_000) return span(value);
  return `${value < 10 ? value.toFixed(1) : whole.format(value)} ms`;
}

/** `4.2 s`, `90 s`, `12 min`, `5 h`, `3 d`, in the language's units. */
export function span(ms: number): string {
  const units = messages.value.units;
  const seconds = Math.max(0, ms / 1_000);
  if (seconds < 10) return units.seconds(seconds.toFixed(1));
  if (seconds < 120) return units.seconds(whole.format(seconds));
  if (seconds < 7_200) return units.minutes(whole.format(seconds / 60));
  if (seconds < 172_800) return units.hours(whole.format(seconds / 3_600));
  return units.days(whole.format(Math.floor(seconds / 86_400)));
}

const two = (value: number) => String(value).padStart(2, "0");

/** `09:00:05` in Seoul. */
export function kstTime(ms: number): string {
  const seconds = Math.floor(((((ms + KST_MS) % DAY_MS) + DAY_MS) % DAY_MS) / 1_000);
  return `${two(Math.floor(seconds / 3_600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

/** `09:00` in Seoul. */
export function kstMinute(ms: number): string {
  return kstTime(ms).slice(0, 5);
}

/** `2026-11-27` in Seoul. */
export function kstDate(ms: number): string {
  return new Date(ms + KST_MS).toISOString().slice(0, 10);
}

const zones = new Map<string, Intl.DateTimeFormat>();

/** `19:00:05 EST` at the exchange. */
export function zoneTime(ms: number, zone: string): string {
  let format = zones.get(zone);
  if (!format) {
    const parts = { hour: "2-digit", minute: "2-digit", second: "2-digit" } as const;
    format = new Intl.DateTimeFormat("en-US", {
      ...{ timeZone: zone, hourCycle: "h23", timeZoneName: "short" },
      ...parts,
    });
    zones.set(zone, format);
  }
  return format.format(ms);
}

/** Whether the exchange's own time is another than Seoul's. */
export function isAbroad(zone: string | undefined): zone is string {
  return zone !== undefined && zone !== "Asia/Seoul";
}
