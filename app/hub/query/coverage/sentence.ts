// The day's ledger in one sentence. Made once, at the hub, so that the status line, the page and the log
// cannot say different things.
import type { Incident, Outcome } from "./incidents.ts";
import type { CoverageSummary } from "./summary.ts";

/** As much of the summary as the sentence tells. */
export type Told = Pick<CoverageSummary, "day" | "symbols" | "verifiedShare" | "aliveShare"> & {
  /** Newest first. */
  incidents: readonly Incident[];
};

/** `today: 100 symbols, 99.998 % verified, 1 gap (12 s, KIS reconnect, refilled)`. `today` is YYYYMMDD. */
export function sentenceOf(told: Told, today: number): string {
  const { day, symbols, verifiedShare, aliveShare, incidents } = told;
  const when = day === today ? "today" : dashed(day);
  const parts = [plural(symbols, "symbol")];
  if (verifiedShare === null) parts.push("nothing expected so far");
  else parts.push(`${percent(verifiedShare)} verified${andAlive(aliveShare)}`);
  if (verifiedShare !== null || incidents.length > 0) parts.push(gapsIn(incidents));
  return `${when}: ${parts.join(", ")}`;
}

/** Rounded down: 100.000 % is said only of the whole. */
function percent(share: number): string {
  return `${(Math.floor(share * 100_000) / 1_000).toFixed(3)} %`;
}

const ALIVE_SHARE_MIN = 0.000_01;

function andAlive(share: number | null): string {
  return share === null || share < ALIVE_SHARE_MIN ? "" : ` and ${percent(share)} alive`;
}

function gapsIn(incidents: readonly Incident[]): string {
  const [first, ...others] = [...incidents].sort((one, other) => lengthOf(other) - lengthOf(one));
  if (!first) return "no gap";
  const longest = [duration(lengthOf(first)), causeOf(first), fateOf(first)].join(", ");
  if (others.length === 0) return `1 gap (${longest})`;
  const open = incidents.filter(({ trades, books }) => trades === "open" || books === "open");
  const openOnes = open.length === 0 ? "" : `; ${open.length} open`;
  return `${incidents.length} gaps (longest ${longest}${openOnes})`;
}

const BROKERS: Readonly<Record<string, string>> = { kis: "KIS", kiwoom: "Kiwoom" };

function causeOf({ source, reason }: Incident): string {
  const [name = source, number = "1"] = source.split(":");
  const broker = BROKERS[name] ?? name;
  return `${number === "1" ? broker : `${broker} ${number}`} ${wordOf(reason)}`;
}

/** What a person calls it. Anything else is called by its code. */
function wordOf(reason: string): string {
  if (reason === "KILLED") return "edge killed";
  if (reason === "STOPPED") return "restart";
  if (reason === "SILENT" || reason === "FEED_SILENT") return "silence";
  if (reason === "LEASE_LOST") return "lease lost";
  if (reason.startsWith("FEED_")) return "reconnect";
  if (reason.startsWith("VOLUME_")) return "missing trades";
  if (reason.startsWith("DAY_")) return "missing trades at the day's end";
  return reason.toLowerCase().replaceAll("_", " ");
}

const FATES: Readonly<Record<Outcome, string>> = {
  open: "being refilled",
  refilled: "refilled",
  partial: "partly refilled",
  lost: "lost",
};

function fateOf({ trades, books }: Incident): string {
  if (trades === null) return books === null ? "" : `books ${FATES[books]}`;
  return books === null ? FATES[trades] : `${FATES[trades]}, books ${FATES[books]}`;
}

function lengthOf({ fromMs, toMs }: Incident): number {
  return toMs - fromMs;
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function dashed(day: number): string {
  return String(day).replace(/^(\d{4})(\d\d)/, "$1-$2-");
}
