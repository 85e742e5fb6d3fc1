// Every symbol on one line: its last trade, moving, and today's coverage as a heat strip for each source.
import { useComputed } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Place, Strip, StripCell } from "../../../../shared/web-api.ts";
import { count, kstMinute, kstTime, percent, price, zoneTime, isAbroad } from "../format.ts";
import { messages } from "../messages/messages.ts";
import { clockMs, placeKey } from "../state/live.ts";
import { symbolPath } from "../state/route.ts";
import * as symbols from "../state/symbols.ts";
import type { SymbolRow } from "../state/symbols.ts";
import { Panel } from "./parts.tsx";
import { findingsOf, gradientOf } from "./strip.ts";

const HOUR_MS = 3_600_000;
const FINDINGS_SAID = 5;

export function Symbols() {
  useEffect(() => {
    const ends = [symbols.strip.start(), symbols.symbolList.start()];
    return () => ends.forEach((end) => end());
  }, []);
  const t = messages.value.strip;
  const rows = symbols.shownRows.value;
  const failure = symbols.strip.failure.value;
  const isNone = symbols.symbolRows.value.length === 0;
  return (
    <Panel id="symbols" title={t.label} aside={<Filter />}>
      <Legend />
      {failure && (
        <p class="quiet">
          {t.unavailable}: {failure.code}
        </p>
      )}
      <div class="rows" role="table" aria-label={t.label} id="ticks">
        <Head />
        {rows.map((row) => (
          <Row key={`${row.symbol}/${row.venue}`} of={row} />
        ))}
      </div>
      {rows.length === 0 && <p class="quiet">{isNone ? t.waiting : t.none}</p>}
    </Panel>
  );
}

function Filter() {
  const t = messages.value.strip;
  const { filter, isOnlyGaps } = symbols;
  return (
    <span class="filter">
      <label class="check">
        <input
          type="checkbox"
          id="only-gaps"
          checked={isOnlyGaps.value}
          onChange={({ currentTarget }) => (isOnlyGaps.value = currentTarget.checked)}
        />
        {t.onlyGaps}
      </label>
      <input
        id="filter"
        type="search"
        placeholder={t.filter}
        aria-label={t.filter}
        value={filter.value}
        onInput={({ currentTarget }) => (filter.value = currentTarget.value)}
      />
    </span>
  );
}

const LEGEND: readonly StripCell[] = ["v", "w", "a", "s", "g", "r", "n"];

function Legend() {
  const t = messages.value.strip.cells;
  return (
    <ul class="legend">
      {LEGEND.map((cell) => (
        <li key={cell}>
          <span class={`swatch cell-${cell}`} />
          {t[cell]}
        </li>
      ))}
    </ul>
  );
}

function Head() {
  const t = messages.value.strip;
  const strip = symbols.strip.value.value;
  return (
    <div class="row head" role="row">
      <span role="columnheader">{t.symbol}</span>
      <span role="columnheader">{t.price}</span>
      <span role="columnheader" class="when">
        {t.time}
      </span>
      <span role="columnheader" class="axis">
        {strip && <Axis of={strip} />}
      </span>
      <span role="columnheader">{t.verified}</span>
    </div>
  );
}

/** Hours in KST, and where it is now. */
function Axis({ of: { fromMs, toMs } }: { of: Strip }) {
  const spanMs = toMs - fromMs;
  const every = spanMs > 14 * HOUR_MS ? 3 : 2;
  const first = Math.ceil(fromMs / HOUR_MS) * HOUR_MS;
  const hours = Array.from(
    { length: Math.max(0, Math.floor((toMs - first) / (every * HOUR_MS)) + 1) },
    (_, at) => first + at * every * HOUR_MS,
  ).filter((ms) => (ms - fromMs) / spanMs < 0.96);
  const now = (clockMs.value - fromMs) / spanMs;
  return (
    <>
      {hours.map((ms) => (
        <span key={ms} class="hour" style={{ left: `${((ms - fromMs) / spanMs) * 100}%` }}>
          {kstMinute(ms)}
        </span>
      ))}
      {now > 0 && now < 1 && <span class="now" style={{ left: `${(now * 100).toFixed(1)}%` }} />}
    </>
  );
}

const SIDES = { "1": "rise", "-1": "fall", "0": "" } as const;

/** Drawn once; from then on its texts change in place. */
function Row({ of: row }: { of: SymbolRow }) {
  const entry = symbols.entryOf(row);
  const zone = entry?.zone;
  const shownPrice = useComputed(() => (row.last.value ? price(row.last.value.trade.price) : "–"));
  const size = useComputed(() => (row.last.value ? count(row.last.value.trade.size) : ""));
  const tone = useComputed(() => `price ${SIDES[row.last.value?.direction ?? 0]}`);
  const side = useComputed(() => `size ${SIDES[row.last.value?.trade.side ?? 0]}`);
  const time = useComputed(() => (row.last.value ? kstTime(row.last.value.trade.exchangeMs) : ""));
  return (
    <div class="row" role="row" data-symbol={row.symbol} data-venue={row.venue}>
      <span role="cell" class="symbol">
        <a href={symbolPath(row.places[0]!)}>
          <b>{row.symbol}</b> <small>{entry?.name ?? row.venue}</small>
        </a>
      </span>
      <span role="cell" class="last">
        <b class={tone}>{shownPrice}</b> <small class={side}>{size}</small>
      </span>
      <span role="cell" class="when">
        {time}
        {isAbroad(zone) && <Abroad of={row} zone={zone} />}
      </span>
      <span role="cell" class="strips">
        {row.places.map((place) => (
          <StripBar key={place.source} of={place} />
        ))}
      </span>
      <span role="cell" class="share">
        <Share of={row} />
      </span>
    </div>
  );
}

function Abroad({ of: row, zone }: { of: SymbolRow; zone: string }) {
  const time = useComputed(() =>
    row.last.value ? zoneTime(row.last.value.trade.exchangeMs, zone) : "",
  );
  return <small class="abroad">{time}</small>;
}

function StripBar({ of: place }: { of: Place }) {
  const t = messages.value.strip;
  const strip = symbols.strip.value.value;
  const row = symbols.stripRows.value.get(placeKey(place));
  if (!strip || !row) return <span class="strip" title={place.source} />;
  const findings = findingsOf(row.cells, strip.fromMs, strip.stepMs)
    .slice(0, FINDINGS_SAID)
    .map(([fromMs, toMs]) => `${kstMinute(fromMs)}–${kstMinute(toMs)}`);
  const words = t.describe(place.source, percent(row.verifiedShare), findings.join(", "));
  return (
    <span
      class="strip"
      role="img"
      aria-label={words}
      title={words}
      style={{ backgroundImage: gradientOf(row.cells) }}
    />
  );
}

/** The least of its sources. */
function Share({ of: row }: { of: SymbolRow }) {
  const shares = row.places.flatMap(
    (place) => symbols.stripRows.value.get(placeKey(place))?.verifiedShare ?? [],
  );
  return <>{shares.length === 0 ? "" : percent(Math.min(...shares))}</>;
}
