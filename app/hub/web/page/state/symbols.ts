// The list of symbols: what the hub collects, joined with what trades right now and how complete the day is.
import { computed, signal } from "@preact/signals";
import type { ReadonlySignal } from "@preact/signals";
import type { Place, Strip, SymbolEntry, SymbolList } from "../../../../shared/web-api.ts";
import { heed } from "./heed.ts";
import { placeKey, places, placesVersion, tickOf } from "./live.ts";
import type { Tick } from "./live.ts";
import { polled } from "./polled.ts";

export const strip = polled<Strip>("/api/strip", 10_000);
export const symbolList = polled<SymbolList>("/api/symbols", 60_000);

export interface SymbolRow {
  venue: string;
  symbol: string;
  places: Place[];
  /** The newest trade over its sources. */
  last: ReadonlySignal<Tick | null>;
}

const rowsByKey = new Map<string, SymbolRow>();

/** By symbol; a row stays the same object for as long as its sources do. */
export const symbolRows = computed<readonly SymbolRow[]>(() => {
  heed(placesVersion);
  const found = new Map<string, Place[]>();
  const add = ({ source, venue, symbol }: Place) => {
    const key = `${symbol}/${venue}`;
    const own = found.get(key) ?? [];
    if (!own.some((other) => other.source === source)) own.push({ source, venue, symbol });
    found.set(key, own);
  };
  for (const row of strip.value.value?.rows ?? []) add(row);
  for (const tick of places()) add(tick.peek().trade);
  return [...found.keys()].sort().map((key) => rowOf(key, found.get(key)!));
});

function rowOf(key: string, own: Place[]): SymbolRow {
  own.sort((one, other) => one.source.localeCompare(other.source));
  const { venue, symbol } = own[0]!;
  const keys = own.map(placeKey);
  const known = rowsByKey.get(key);
  if (known && known.places.map(placeKey).join() === keys.join()) return known;
  const last = computed(() => {
    heed(placesVersion);
    let newest: Tick | null = null;
    for (const at of keys) {
      const tick = tickOf(at)?.value;
      if (tick && tick.trade.edgeRecvMs >= (newest?.trade.edgeRecvMs ?? 0)) newest = tick;
    }
    return newest;
  });
  const row = { venue, symbol, places: own, last };
  rowsByKey.set(key, row);
  return row;
}

const entries = computed(
  () =>
    new Map(
      symbolList.value.value?.symbols.map((entry) => [`${entry.symbol}/${entry.venue}`, entry]),
    ),
);

export function entryOf(of: { venue: string; symbol: string }): SymbolEntry | undefined {
  return entries.value.get(`${of.symbol}/${of.venue}`);
}

export const stripRows = computed(
  () => new Map(strip.value.value?.rows.map((row) => [placeKey(row), row])),
);

export const filter = signal("");
export const isOnlyGaps = signal(false);

/** Cells that a person should look at. */
const FINDINGS = /[sgr]/;

export const shownRows = computed(() => {
  const words = filter.value.toLowerCase().trim();
  return symbolRows.value.filter((row) => {
    if (isOnlyGaps.value) {
      const cells = row.places.map((place) => stripRows.value.get(placeKey(place))?.cells ?? "");
      if (!cells.some((one) => FINDINGS.test(one))) return false;
    }
    if (words === "") return true;
    const { name } = entryOf(row) ?? {};
    const said = [row.symbol, row.venue, name ?? "", ...row.places.map(({ source }) => source)];
    return said.join(" ").toLowerCase().includes(words);
  });
});
