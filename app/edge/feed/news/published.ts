// When a feed says that an item was published. Pure: the machine's own time zone has no say.

/** The hosts that leave the zone out are Korean ones. */
const ZONE_DEFAULT = "+0900";
const ZONE = /(z|gmt|utc?|[ecmp][sd]t|[+-]\d{2}:?\d{2})$/i;
/** What is dated later than this after it was read is a mistake, not news. */
const AHEAD_MAX_MS = 86_400_000;

/**
 * Epoch ms of an RFC 822 or ISO 8601 date; without a zone it is Korean time. NaN for anything else, and for what
 * is dated in the future.
 */
export function publishedMs(text: string | undefined, nowMs: number): number {
  const trimmed = (text ?? "").trim().replace(/\s*\(?\bKST\)?$/i, "");
  const isDate = /\d:\d/.test(trimmed) || /^\d{4}-\d{2}-\d{2}$/.test(trimmed);
  if (!isDate || trimmed.length > 64) return NaN;
  const ms = ZONE.test(trimmed) ? Date.parse(trimmed) : Date.parse(zoned(trimmed));
  return ms > 0 && ms <= nowMs + AHEAD_MAX_MS ? ms : NaN;
}

function zoned(text: string): string {
  if (/^\d{4}-\d{2}-\d{2}$/.test(text)) return `${text}T00:00:00+09:00`;
  const iso = /^(\d{4})[-./](\d{2})[-./](\d{2})[ T](\d{2}:\d{2}(?::\d{2})?(?:\.\d+)?)$/.exec(text);
  return iso ? `${iso[1]}-${iso[2]}-${iso[3]}T${iso[4]}+09:00` : `${text} ${ZONE_DEFAULT}`;
}
