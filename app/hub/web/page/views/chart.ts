// Candles, volume and the gaps drawn over them, on a canvas. Knows the chart library; nobody else does.
// Promises: times are shown in KST, and colours follow the page's scheme.
import {
  CandlestickSeries,
  createChart,
  CrosshairMode,
  HistogramSeries,
  TickMarkType,
} from "lightweight-charts";
import type {
  IChartApi,
  IPrimitivePaneView,
  ISeriesApi,
  ISeriesPrimitive,
  MouseEventParams,
  SeriesAttachedParameter,
  Time,
  UTCTimestamp,
} from "lightweight-charts";
import type { Candle } from "../state/candles.ts";
import { kstDate, kstMinute, kstTime, price } from "../format.ts";

export interface Band {
  fromMs: number;
  toMs: number;
  /** A colour of the page's: `--cell-gap`. */
  colour: string;
}

export interface ChartHandle {
  setCandles(candles: readonly Candle[], stepMs: number): void;
  /** The newest candle, changed or new. */
  update(candle: Candle): void;
  setBands(bands: readonly Band[]): void;
  /** After the scheme changed. */
  restyle(): void;
  onHover(heard: (candle: Candle | null) => void): void;
  remove(): void;
}

const timeOf = (ms: number) => Math.floor(ms / 1_000) as UTCTimestamp;
const msOf = (time: Time) => Number(time) * 1_000;

export function openChart(container: HTMLElement): ChartHandle {
  const chart = createChart(container, {
    autoSize: true,
    // Its logo would need an inline style, which the content security policy refuses; the page's foot credits.
    layout: { attributionLogo: false, panes: { enableResize: false } },
    crosshair: { mode: CrosshairMode.Normal },
    localization: {
      timeFormatter: (time: Time) => `${kstDate(msOf(time))} ${kstTime(msOf(time))}`,
      priceFormatter: price,
    },
    timeScale: {
      timeVisible: true,
      secondsVisible: true,
      rightOffset: 4,
      tickMarkFormatter: (time: Time, type: TickMarkType) =>
        type <= TickMarkType.DayOfMonth ? kstDate(msOf(time)).slice(5) : kstMinute(msOf(time)),
    },
  });
  const candles = chart.addSeries(CandlestickSeries, { borderVisible: false });
  const volume = chart.addSeries(
    HistogramSeries,
    { priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false },
    1,
  );
  chart.panes()[1]?.setStretchFactor(0.25);
  const bands = new Bands();
  candles.attachPrimitive(bands);
  const known = new Map<number, Candle>();
  restyle(chart, candles);
  const bar = (candle: Candle) => {
    known.set(timeOf(candle.timeMs), candle);
    const { timeMs, ...prices } = candle;
    return { time: timeOf(timeMs), ...prices };
  };
  const column = ({ timeMs, open, close, volume: value }: Candle) => ({
    ...{ time: timeOf(timeMs), value },
    color: colour(close >= open ? "--rise-soft" : "--fall-soft"),
  });
  return {
    setCandles(all, stepMs) {
      known.clear();
      chart.applyOptions({ timeScale: { secondsVisible: stepMs < 60_000 } });
      candles.setData(all.map(bar));
      volume.setData(all.map(column));
    },
    update(candle) {
      candles.update(bar(candle));
      volume.update(column(candle));
    },
    setBands: (all) => bands.set(all),
    restyle() {
      restyle(chart, candles);
      volume.setData([...known.values()].map(column));
      bands.set(null);
    },
    onHover(heard) {
      chart.subscribeCrosshairMove(({ time }: MouseEventParams) =>
        heard(time === undefined ? null : (known.get(Number(time)) ?? null)),
      );
    },
    remove: () => chart.remove(),
  };
}

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function restyle(chart: IChartApi, candles: ISeriesApi<"Candlestick">): void {
  const [text, line, rise, fall] = ["--quiet", "--line", "--rise", "--fall"].map(colour) as [
    string,
    string,
    string,
    string,
  ];
  chart.applyOptions({
    layout: {
      background: { color: "transparent" },
      textColor: text,
      fontFamily: getComputedStyle(document.body).fontFamily,
      panes: { separatorColor: line },
    },
    grid: { vertLines: { color: line }, horzLines: { color: line } },
    rightPriceScale: { borderColor: line },
    timeScale: { borderColor: line },
  });
  candles.applyOptions({
    ...{ upColor: rise, downColor: fall, wickUpColor: rise, wickDownColor: fall },
  });
}

/** Spans over the whole height, behind the candles. */
class Bands implements ISeriesPrimitive {
  #bands: readonly Band[] = [];
  #attached: SeriesAttachedParameter | null = null;
  readonly #view: IPrimitivePaneView = {
    zOrder: () => "bottom",
    renderer: () => ({
      draw: (target) => {
        target.useBitmapCoordinateSpace(({ context, bitmapSize, horizontalPixelRatio }) => {
          for (const band of this.#bands) {
            const [from, to] = [this.#x(band.fromMs), this.#x(band.toMs)];
            if (from === null || to === null) continue;
            context.fillStyle = colour(band.colour);
            context.globalAlpha = 0.28;
            // A gap shorter than a pixel is still one.
            const width = Math.max(2, to - from) * horizontalPixelRatio;
            context.fillRect(from * horizontalPixelRatio, 0, width, bitmapSize.height);
          }
          context.globalAlpha = 1;
        });
      },
    }),
  };

  attached(parameter: SeriesAttachedParameter): void {
    this.#attached = parameter;
  }

  detached(): void {
    this.#attached = null;
  }

  /** Null: the same, drawn again. */
  set(bands: readonly Band[] | null): void {
    if (bands) this.#bands = bands;
    this.#attached?.requestUpdate();
  }

  paneViews(): readonly IPrimitivePaneView[] {
    return [this.#view];
  }

  /**
   * The scale knows moments that have a candle: what lies between two is put between them, and what lies outside
   * of all at their edges.
   */
  #x(ms: number): number | null {
    const { chart, series } = this.#attached ?? {};
    if (!chart || !series) return null;
    const scale = chart.timeScale();
    const data = series.data();
    if (data.length === 0) return null;
    const wanted = ms / 1_000;
    let [low, high] = [0, data.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (Number(data[middle]!.time) <= wanted) low = middle + 1;
      else high = middle;
    }
    const [before, next] = [data[low - 1], data[low]];
    const x = (time: Time | undefined) =>
      time === undefined ? null : scale.timeToCoordinate(time);
    const [left, right] = [x(before?.time), x(next?.time)];
    if (left === null || right === null) return left ?? right;
    const [from, to] = [Number(before!.time), Number(next!.time)];
    return left + ((wanted - from) / (to - from)) * (right - left);
  }
}
