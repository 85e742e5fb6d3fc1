// Finds a socket that lives and brings nothing, and a registration that the broker has forgotten. Beside the
// tick's path: told of what came, asked once a second. Pure: both clocks are arguments. Learns how often each
// registration brings something, in this session of its venue, and says when silence is no chance any more:
// less than 1e-9 by what came lately (docs/adr/0015-silent-sockets.md has how real days behave). Where
// nothing is due (auctions, VI, halts, between sessions, a calendar that does not reach), silence says
// nothing; nor does it for symbols that are quiet anyway, or while the market's clock stands.
import { phaseAt } from "../../shared/calendar.ts";
import type { Tick, Venue } from "../../shared/tick.ts";
import { registrationKey } from "./feed.ts";
import type { Registration } from "./feed.ts";
import { Pace } from "./pace.ts";

/** -ln(1e-9). */
const WEIGHT_MAX = 20.7;
/** However dense the feed: hiccups of a few seconds heal by themselves. */
const SILENT_S_MIN = 10;
/** Something else came so lately that the socket brings what it is asked for. */
const OTHERS_S_MAX = 4;
const SECOND_MS = 1_000;
/** The market between continuous sessions, as a book says it (KIS HOUR_CLS_CODE): anything but these. */
const CONTINUOUS = new Set(["", "0"]);

/** What silence means. `sinceMs`: market time of the last record of what is silent. */
export type Silence =
  | { name: "socket"; silentS: number; sinceMs: number }
  | { name: "registrations"; silentS: number; sinceMs: number; lost: Registration[] };

interface Entry {
  registration: Registration;
  pace: Pace;
  came: boolean;
  lastMs: number;
}

/** What was said of a symbol that makes its silence natural; ends with its next trade. */
type Pause = "phase" | "status";

export class SilenceWatch {
  readonly #entries = new Map<string, Entry>();
  readonly #paused = new Map<string, Pause>();
  /** The start of the continuous session a venue was in at the last look; null outside. */
  readonly #began = new Map<Venue, number | null>();
  #came = false;
  #silentS = 0;
  #lastMs = 0;
  #before: { monoMs: number; marketMs: number } | null = null;

  /** What is registered now. What stays keeps what was learned of it. */
  plan(registrations: readonly Registration[]): void {
    const keys = new Set(registrations.map(registrationKey));
    for (const key of this.#entries.keys()) if (!keys.has(key)) this.#entries.delete(key);
    for (const registration of registrations) {
      const key = registrationKey(registration);
      // Status comes when something happens, not at a pace.
      if (registration.channel === "status" || this.#entries.has(key)) continue;
      this.#entries.set(key, { registration, pace: new Pace(), came: false, lastMs: 0 });
    }
  }

  /** Forgets all: another socket has to be learned anew. */
  forget(): void {
    this.#entries.clear();
    this.#paused.clear();
    this.#began.clear();
    this.#came = false;
    this.#silentS = 0;
    this.#before = null;
  }

  /** Records came. */
  take(ticks: readonly Tick[], marketMs: number): void {
    for (const tick of ticks) {
      const { venue, symbol } = tick;
      if (tick.kind === "trade") {
        if (this.#paused.size > 0) this.#paused.delete(`${venue}:${symbol}`);
      } else if (tick.kind === "book") this.#phase(venue, symbol, tick.phase);
      else if (this.#said(venue, symbol, tick.what)) continue;
      this.#mark(`${venue}:${symbol}:${tick.kind === "book" ? "book" : "trade"}`, marketMs);
    }
  }

  /** Looks, once a second. Speaks of the same silence once: what was lost is learned anew. */
  look(monoMs: number, marketMs: number): Silence | null {
    const before = this.#before;
    const passedMs = before && Math.min(monoMs - before.monoMs, marketMs - before.marketMs);
    // A look that comes early waits; one that comes late (the process stood still) counts as one second,
    // because what came meanwhile may not have been read yet.
    if (passedMs !== null && passedMs < SECOND_MS / 2) return null;
    this.#before = { monoMs, marketMs };
    if (passedMs === null) return null;
    this.#changeSessions(marketMs);
    this.#silentS = this.#came ? 0 : this.#silentS + 1;
    this.#came = false;
    for (const entry of this.#entries.values()) {
      if (this.#isDue(entry)) entry.pace.second(entry.came);
      entry.came = false;
    }
    return this.#judge();
  }

  #judge(): Silence | null {
    const due = [...this.#entries.values()].filter((entry) => this.#isDue(entry));
    if (this.#silentS >= SILENT_S_MIN && this.#silentS * weightOf(due) >= WEIGHT_MAX) {
      const silence = { name: "socket", silentS: this.#silentS, sinceMs: this.#lastMs } as const;
      this.forget();
      return silence;
    }
    // If nothing else comes either, the socket is what is asked about.
    if (this.#silentS > OTHERS_S_MAX) return null;
    const lost = due.filter(
      ({ pace: { silentS, weight } }) => silentS >= SILENT_S_MIN && silentS * weight >= WEIGHT_MAX,
    );
    if (lost.length === 0) return null;
    const silentS = Math.max(...lost.map(({ pace }) => pace.silentS));
    const sinceMs = Math.min(...lost.map(({ lastMs }) => lastMs));
    for (const entry of lost) entry.pace = new Pace();
    return { name: "registrations", silentS, sinceMs, lost: lost.map((one) => one.registration) };
  }

  /** What is learned of one session says nothing about the next. */
  #changeSessions(marketMs: number): void {
    const venues = new Set<Venue>();
    for (const { registration } of this.#entries.values()) venues.add(registration.venue);
    for (const venue of venues) {
      const { session, isCertain } = phaseAt(venue, marketMs);
      const began = session?.continuous && isCertain ? session.fromMs : null;
      if (began === (this.#began.get(venue) ?? null)) continue;
      this.#began.set(venue, began);
      for (const entry of this.#entries.values()) {
        if (entry.registration.venue === venue) entry.pace = new Pace();
      }
    }
  }

  #isDue({ registration: { venue, symbol } }: Entry): boolean {
    return (this.#began.get(venue) ?? null) !== null && !this.#paused.has(`${venue}:${symbol}`);
  }

  #mark(key: string, marketMs: number): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    entry.came = true;
    entry.lastMs = marketMs;
    this.#came = true;
    this.#lastMs = marketMs;
  }

  #phase(venue: Venue, symbol: string, phase: string): void {
    if (this.#paused.size === 0 && CONTINUOUS.has(phase)) return;
    const key = `${venue}:${symbol}`;
    if (!CONTINUOUS.has(phase)) this.#paused.set(key, "phase");
    else if (this.#paused.get(key) === "phase") this.#paused.delete(key);
  }

  /** True for what is no sign that a registration lives. */
  #said(venue: Venue, symbol: string, what: string): boolean {
    if (what === "price") return false;
    if (what === "clock") return true;
    const pause = what === "expected" ? "phase" : "status";
    if (symbol !== "") this.#paused.set(`${venue}:${symbol}`, pause);
    else {
      for (const { registration } of this.#entries.values()) {
        if (registration.venue !== venue) continue;
        this.#paused.set(`${venue}:${registration.symbol}`, pause);
      }
    }
    return what !== "expected";
  }
}

/** Of one second in which nothing at all comes. A symbol's trades and books come together: the denser counts. */
function weightOf(entries: readonly Entry[]): number {
  const bySymbol = new Map<string, number>();
  for (const { registration, pace } of entries) {
    const before = bySymbol.get(registration.symbol) ?? 0;
    bySymbol.set(registration.symbol, Math.max(before, pace.weight));
  }
  return [...bySymbol.values()].reduce((sum, weight) => sum + weight, 0);
}
