// The hub's /live as signals, one a section of the picture, so that a view is drawn again only when its own
// section changed. Promises: reconnects for as long as the page is open, says when it has heard nothing, and
// does not draw while nobody looks.
import { batch, computed, signal } from "@preact/signals";
import type { ReadonlySignal, Signal } from "@preact/signals";
import type { LastTrade } from "../../../query/live.ts";
import type { Picture } from "../../../query/picture.ts";
import { every, nowMs } from "../clock.ts";

/** The hub says something each second. */
const STALE_MS = 3_500;
/** A line that is silent for so long is given up: a browser does not notice a dead one, nor retries a 503. */
const RETRY_MS = 6_000;
/** Without a picture to go along with. */
const CLOCK_MS = 1_600;
const LATENCY_SAMPLES = 150;

export interface LatencySample {
  atMs: number;
  p50Ms: number | null;
  p99Ms: number | null;
}

const whole = signal<Picture | null>(null);
/** The picture as last heard; null before the first. */
export const picture: ReadonlySignal<Picture | null> = whole;

/** One section of the picture, of which the hub says when it changed. */
export function section<K extends keyof Picture>(name: K): ReadonlySignal<Picture[K] | null> {
  return computed(() => whole.value?.[name] ?? null);
}

/** Of the last minutes, oldest first. */
export const latencies = signal<readonly LatencySample[]>([]);

export type Connection = { state: "connecting" | "live" } | { state: "lost"; sinceMs: number };
export const connection = signal<Connection>({ state: "connecting" });
/** This browser's wall clock, each second. */
export const clockMs = signal(nowMs());

/** A place's last trade, and which way its price went. */
export interface Tick {
  trade: LastTrade;
  direction: -1 | 0 | 1;
}
const ticks = new Map<string, Signal<Tick>>();
/** Rises when a place appears. */
export const placesVersion = signal(0);

export function placeKey(place: { source: string; venue: string; symbol: string }): string {
  return `${place.source}/${place.venue}/${place.symbol}`;
}

export function tickOf(key: string): ReadonlySignal<Tick> | undefined {
  return ticks.get(key);
}

export function places(): IterableIterator<ReadonlySignal<Tick>> {
  return ticks.values();
}

let source: EventSource | null = null;
let heardMs = 0;
let openedMs = 0;
/** What came while the page was hidden. */
let missed: Picture | null = null;
const missedTrades = new Map<string, LastTrade>();

export function start(): void {
  connect();
  every(500, watch);
  document.addEventListener("visibilitychange", catchUp);
}

function connect(): void {
  source?.close();
  openedMs = nowMs();
  source = new EventSource("/live");
  source.addEventListener("picture", ({ data }) => heard(JSON.parse(String(data)) as Picture));
  source.addEventListener("change", ({ data }) => {
    const known = missed ?? whole.peek();
    if (known) heard(changed(known, JSON.parse(String(data)) as Change));
  });
  source.addEventListener("trades", ({ data }) => took(JSON.parse(String(data)) as LastTrade[]));
}

/** Of coverage its own fields come alone. */
type Change = Partial<Omit<Picture, "coverage">> & { coverage?: Partial<Picture["coverage"]> };

function changed(known: Picture, change: Change): Picture {
  const coverage = change.coverage ? { ...known.coverage, ...change.coverage } : known.coverage;
  return { ...known, ...change, coverage };
}

function heard(next: Picture): void {
  heardMs = nowMs();
  if (document.hidden) {
    missed = next;
    return;
  }
  batch(() => {
    const { p50Ms, p99Ms } = next.latencyNow;
    const last = latencies.peek().at(-1);
    if (last === undefined || next.nowMs - last.atMs >= 900) {
      const sample = { atMs: next.nowMs, p50Ms, p99Ms };
      latencies.value = [...latencies.peek().slice(1 - LATENCY_SAMPLES), sample];
    }
    whole.value = next;
    // With the picture, so that a second costs one drawing and not two.
    clockMs.value = heardMs;
    if (connection.peek().state !== "live") connection.value = { state: "live" };
  });
}

function took(trades: readonly LastTrade[]): void {
  heardMs = nowMs();
  if (document.hidden) {
    for (const trade of trades) missedTrades.set(placeKey(trade), trade);
    return;
  }
  batch(() => {
    for (const trade of trades) keep(trade);
  });
}

function keep(trade: LastTrade): void {
  const key = placeKey(trade);
  const known = ticks.get(key);
  if (known) {
    const before = known.peek();
    const step = Math.sign(trade.price - before.trade.price);
    known.value = { trade, direction: step === 0 ? before.direction : (step as -1 | 1) };
    return;
  }
  ticks.set(key, signal<Tick>({ trade, direction: 0 }));
  placesVersion.value += 1;
}

function catchUp(): void {
  if (document.hidden) return;
  if (missed) heard(missed);
  missed = null;
  took([...missedTrades.values()]);
  missedTrades.clear();
}

/** The browser reconnects by itself, but not after an HTTP error, and does not notice a dead line. */
function watch(): void {
  const at = nowMs();
  if (!document.hidden && at - clockMs.peek() > CLOCK_MS) clockMs.value = at;
  const silentMs = at - Math.max(heardMs, openedMs);
  const lastMs = heardMs === 0 ? openedMs : heardMs;
  if (at - lastMs > STALE_MS && connection.peek().state !== "lost") {
    connection.value = { state: "lost", sinceMs: heardMs };
  }
  if (silentMs > RETRY_MS) connect();
}
