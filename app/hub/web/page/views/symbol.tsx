// One symbol from one source: candles and volume with its gaps drawn over them, the ladder, the trades.
import { effect, useSignal } from "@preact/signals";
import type { Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { GapLine, GapList, Place } from "../../../../shared/web-api.ts";
import { every, nowMs } from "../clock.ts";
import { count, isAbroad, kstTime, price, span, zoneTime } from "../format.ts";
import { messages } from "../messages/messages.ts";
import { ask, search } from "../state/api.ts";
import { carriedOn, readCandles } from "../state/candles.ts";
import type { Candle } from "../state/candles.ts";
import { heed } from "../state/heed.ts";
import { placeKey, tickOf, placesVersion } from "../state/live.ts";
import { route, setQuery, symbolPath } from "../state/route.ts";
import { colours, isDark } from "../state/settings.ts";
import { entryOf, symbolList } from "../state/symbols.ts";
import { watch } from "../state/watch.ts";
import { openChart } from "./chart.ts";
import type { Band, ChartHandle } from "./chart.ts";
import { LadderPanel } from "./ladder.tsx";
import { Pill } from "./parts.tsx";
import type { Tone } from "./parts.tsx";
import { TradesPanel } from "./trades.tsx";

const STEPS_MS = [5_000, 15_000, 60_000, 300_000, 900_000, 3_600_000, 86_400_000] as const;
const STEP_MS = 60_000;
const REFRESH_MS = 20_000;
const BANDS: Record<string, string> = {
  refilled: "--cell-refilled",
  explained: "--cell-alive",
  suspected: "--cell-suspected",
  refilling: "--cell-suspected",
};
const TONES: Record<string, Tone> = {
  refilled: "good",
  explained: "quiet",
  suspected: "warn",
  refilling: "warn",
};

export function SymbolView() {
  useEffect(() => symbolList.start(), []);
  const now = route.value;
  if (now.view !== "symbol") return null;
  const step = Number(now.query.get("step"));
  const stepMs = STEPS_MS.find((one) => one === step) ?? STEP_MS;
  // Another place or step starts from nothing.
  return <OfPlace key={`${placeKey(now.place)}/${stepMs}`} place={now.place} stepMs={stepMs} />;
}

function OfPlace({ place, stepMs }: { place: Place; stepMs: number }) {
  const gaps = useSignal<readonly GapLine[]>([]);
  const shown = useSignal<Candle | null>(null);
  const failure = useSignal("");
  const container = useRef<HTMLDivElement>(null);
  useEffect(() => draw({ container: container.current!, place, stepMs, gaps, shown, failure }), []);
  const t = messages.value.symbol;
  return (
    <div class="symbol-view">
      <Title place={place} />
      <section class="panel chart-panel" aria-label={t.chart(place.symbol)}>
        <div class="title">
          <Steps stepMs={stepMs} />
          <Hovered of={shown} />
        </div>
        {failure.value && <p class="quiet">{failure.value}</p>}
        <div ref={container} class="chart" role="img" aria-label={t.chart(place.symbol)} />
        <GapNotes of={gaps} />
      </section>
      <div class="beside">
        <LadderPanel />
        <TradesPanel zone={entryOf(place)?.zone} />
      </div>
    </div>
  );
}

function Title({ place }: { place: Place }) {
  const t = messages.value.symbol;
  heed(placesVersion);
  const entry = entryOf(place);
  const tick = tickOf(placeKey(place))?.value;
  const others = entry?.sources ?? [place.source];
  const direction = tick?.direction ?? 0;
  const tone = direction > 0 ? "rise" : direction < 0 ? "fall" : "";
  return (
    <div class="symbol-title">
      <a href="#/">← {t.back}</a>
      <h1>
        {entry?.name ?? place.symbol}{" "}
        <small>
          {place.symbol} · {place.venue}
        </small>
      </h1>
      {tick && (
        <p class="now-price">
          <b class={tone}>{price(tick.trade.price)}</b>
          <span class="quiet">
            {kstTime(tick.trade.exchangeMs)} KST
            {isAbroad(entry?.zone) && ` · ${zoneTime(tick.trade.exchangeMs, entry.zone)}`}
          </span>
        </p>
      )}
      <nav class="tabs" aria-label={t.sources}>
        {others.map((source) => (
          <a
            key={source}
            href={symbolPath({ ...place, source })}
            aria-current={source === place.source ? "page" : undefined}
          >
            {source}
          </a>
        ))}
      </nav>
    </div>
  );
}

function Steps({ stepMs }: { stepMs: number }) {
  const t = messages.value.symbol;
  return (
    <div class="tabs" role="group" aria-label={t.step}>
      {STEPS_MS.map((one) => (
        <button
          key={one}
          type="button"
          aria-pressed={one === stepMs}
          onClick={() => setQuery(new URLSearchParams({ step: String(one) }))}
        >
          {t.steps[one]}
        </button>
      ))}
    </div>
  );
}

function Hovered({ of }: { of: Signal<Candle | null> }) {
  const t = messages.value.symbol.ohlc;
  const candle = of.value;
  if (!candle) return null;
  return (
    <p class="ohlc" id="ohlc">
      <span class="quiet">{kstTime(candle.timeMs)}</span>
      {(["open", "high", "low", "close"] as const).map((part) => (
        <span key={part}>
          <span class="quiet">{t[part]}</span> {price(candle[part])}
        </span>
      ))}
      <span>
        <span class="quiet">{t.volume}</span> {count(candle.volume)}
      </span>
    </p>
  );
}

function GapNotes({ of }: { of: Signal<readonly GapLine[]> }) {
  const t = messages.value.gaps;
  const gaps = of.value;
  return (
    <details class="gap-notes" open={gaps.length > 0 && gaps.length < 6}>
      <summary>
        {t.onChart} ({gaps.length})
      </summary>
      <ul class="gap-list">
        {gaps.map(({ id, fromMs, toMs, state, reason, channel, missingVolume }) => (
          <li key={id} class="gap" data-state={state}>
            <span class="when">
              {kstTime(fromMs)} – {kstTime(toMs)} · {span(toMs - fromMs)}
            </span>
            <Pill tone={TONES[state] ?? "bad"}>{t.states[state] ?? state}</Pill>
            <span class="what">
              {channel === "book" ? t.books : t.trades} · {reason}
              {missingVolume !== null && ` · ${t.shares(count(missingVolume))}`}
            </span>
          </li>
        ))}
      </ul>
    </details>
  );
}

interface Drawing {
  container: HTMLElement;
  place: Place;
  stepMs: number;
  gaps: Signal<readonly GapLine[]>;
  shown: Signal<Candle | null>;
  failure: Signal<string>;
}

/** The chart's life: bars at first and now and then, trades in between, gaps over both. */
function draw({ container, place, stepMs, gaps, shown, failure }: Drawing): () => void {
  const chart: ChartHandle = openChart(container);
  let last: Candle | null = null;
  let isHovering = false;
  let isOver = false;
  const show = (candle: Candle | null) => (shown.value = candle);
  const look = async () => {
    const [candles, found] = await Promise.all([
      readCandles(place, stepMs, nowMs()),
      ask<GapList>(`/api/gaps${search({ ...place })}`),
    ]);
    if (isOver) return;
    failure.value = candles.ok ? "" : `${candles.code} ${candles.hint}`;
    if (candles.ok) {
      chart.setCandles(candles.value, stepMs);
      last = candles.value.at(-1) ?? null;
      if (!isHovering) show(last);
    }
    if (found.ok) {
      gaps.value = found.value.gaps;
      chart.setBands(found.value.gaps.filter(({ channel }) => channel !== "book").map(bandOf));
    }
  };
  const stopWatching = watch(place, (trades) => {
    for (const trade of trades) {
      const next = carriedOn(last, trade, stepMs);
      if (next) last = next;
    }
    if (last) chart.update(last);
    if (!isHovering) show(last);
  });
  const stopRestyling = effect(() => {
    heed(isDark, colours);
    chart.restyle();
  });
  chart.onHover((candle) => {
    isHovering = candle !== null;
    show(candle ?? last);
  });
  void look();
  const stopLooking = every(REFRESH_MS, () => void look());
  return () => {
    isOver = true;
    stopWatching();
    stopRestyling();
    stopLooking();
    chart.remove();
  };
}

function bandOf({ fromMs, toMs, state }: GapLine): Band {
  return { fromMs, toMs, colour: BANDS[state] ?? "--cell-gap" };
}
