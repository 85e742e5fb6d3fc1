// Plots as SVG text for a report: lines over a linear, logarithmic or time axis, and bars. Scales and paths
// are d3's; nothing here needs a browser.
import { scaleLinear, scaleLog, scaleTime } from "d3-scale";
import { line } from "d3-shape";
import { escaped } from "./page.ts";
import type { Markup } from "./page.ts";

export type ScaleKind = "linear" | "log" | "time";

export interface Axis {
  label: string;
  /** Default linear. `time`: epoch ms, shown in UTC. On `log` values of 0 and less are left out. */
  scale?: ScaleKind;
  /** Default: what the data spans; linear axes of y start at 0. */
  domain?: readonly [number, number];
  /** Of a tick; default d3's own for the scale. */
  format?: (value: number) => string;
}

export interface Series {
  name: string;
  points: readonly { x: number; y: number }[];
}

/** A horizontal line with a name: a threshold. */
export interface Rule {
  y: number;
  label: string;
}

export interface LinePlot {
  caption: string;
  x: Axis;
  y: Axis;
  series: readonly Series[];
  rules?: readonly Rule[];
}

export interface BarPlot {
  caption: string;
  x: string;
  y: Axis;
  bars: readonly { name: string; value: number }[];
}

const WIDTH = 860;
const HEIGHT = 300;
const MARGIN = { top: 12, right: 16, bottom: 44, left: 64 };
const TICKS = 6;
const COLOURS = 6;

/** A line each series, with a legend where there are several. */
export function linePlot({ caption, x, y, series, rules = [] }: LinePlot): Markup {
  const points = series.flatMap((one) => one.points);
  const xScale = scaleOf(
    x,
    points.map((point) => point.x),
    [MARGIN.left, WIDTH - MARGIN.right],
    false,
  );
  const yValues = [...points.map((point) => point.y), ...rules.map((rule) => rule.y)];
  const yScale = scaleOf(y, yValues, [HEIGHT - MARGIN.bottom, MARGIN.top], true);
  const isShown = (point: { x: number; y: number }) =>
    (x.scale !== "log" || point.x > 0) && (y.scale !== "log" || point.y > 0);
  const path = line<{ x: number; y: number }>(
    (point) => xScale.at(point.x),
    (point) => yScale.at(point.y),
  ).digits(1);
  const paths = series.map(
    ({ points: own }, i) =>
      `<path d="${path(own.filter(isShown)) ?? ""}" fill="none" stroke="${colour(i)}" stroke-width="1.5"/>`,
  );
  const marks = rules.map(({ y: at, label }) => {
    const height = yScale.at(at).toFixed(1);
    return (
      `<line x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${height}" y2="${height}" stroke="var(--bad)" stroke-dasharray="4 4"/>` +
      `<text x="${WIDTH - MARGIN.right}" y="${height}" dy="-4" text-anchor="end">${escaped(label)}</text>`
    );
  });
  return figure(caption, [...axes(xScale, yScale, x.label, y.label), ...paths, ...marks], {
    names: series.length > 1 ? series.map(({ name }) => name) : [],
  });
}

/** One bar a name, left to right. */
export function barPlot({ caption, x, y, bars }: BarPlot): Markup {
  const yScale = scaleOf(
    y,
    bars.map(({ value }) => value),
    [HEIGHT - MARGIN.bottom, MARGIN.top],
    true,
  );
  const step = (WIDTH - MARGIN.left - MARGIN.right) / Math.max(1, bars.length);
  const floor = HEIGHT - MARGIN.bottom;
  // As many names as find room beside each other.
  const every = Math.ceil(60 / step);
  const drawn = bars.map(({ name, value }, i) => {
    const left = MARGIN.left + i * step;
    const top = yScale.at(value);
    const title = `<title>${escaped(`${name}: ${yScale.text(value)}`)}</title>`;
    const bar = `<rect x="${(left + step * 0.1).toFixed(1)}" y="${top.toFixed(1)}" width="${(step * 0.8).toFixed(1)}" height="${Math.max(0, floor - top).toFixed(1)}" fill="${colour(0)}">${title}</rect>`;
    const text = `<text x="${(left + step / 2).toFixed(1)}" y="${floor + 16}" text-anchor="middle">${escaped(name)}</text>`;
    return i % every === 0 ? bar + text : bar;
  });
  return figure(caption, [...axes(null, yScale, x, y.label), ...drawn], { names: [] });
}

interface Scale {
  at(value: number): number;
  ticks: readonly number[];
  text(value: number): string;
}

function scaleOf(
  { scale = "linear", domain, format }: Axis,
  values: readonly number[],
  range: [number, number],
  fromZero: boolean,
): Scale {
  const [low, high] =
    domain ?? extentOf(scale === "log" ? values.filter((one) => one > 0) : values);
  if (scale === "time") {
    const time = scaleTime([low, high], range);
    const text = format ?? ((value: number) => new Date(value).toISOString().slice(11, 19));
    return { at: (value) => time(value), ticks: time.ticks(TICKS).map(Number), text };
  }
  if (scale === "log") {
    const log = scaleLog([low, high], range).nice();
    const text = format ?? ((value: number) => String(value));
    // Powers of ten and their halves are enough to read by.
    const ticks = log.ticks(TICKS).filter((tick) => /^[15]/.test(tick.toExponential()));
    return { at: (value) => log(value), ticks, text };
  }
  const isGiven = domain !== undefined;
  const linear = scaleLinear([!isGiven && fromZero ? Math.min(0, low) : low, high], range).nice();
  return {
    at: (value) => linear(value),
    ticks: linear.ticks(TICKS),
    text: format ?? linear.tickFormat(TICKS),
  };
}

/** Never empty, so that a scale over nothing, or over one value, is still one. */
function extentOf(values: readonly number[]): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return [1, 10];
  return low === high ? [low, high === 0 ? 1 : high * 1.1] : [low, high];
}

function axes(x: Scale | null, y: Scale, xLabel: string, yLabel: string): string[] {
  const [left, right, floor] = [MARGIN.left, WIDTH - MARGIN.right, HEIGHT - MARGIN.bottom];
  const rows = y.ticks.map((tick) => {
    const at = y.at(tick).toFixed(1);
    return (
      `<line class="axis" x1="${left}" x2="${right}" y1="${at}" y2="${at}"/>` +
      `<text x="${left - 8}" y="${at}" dy="4" text-anchor="end">${escaped(y.text(tick))}</text>`
    );
  });
  const columns = (x?.ticks ?? []).map(
    (tick) =>
      `<text x="${x!.at(tick).toFixed(1)}" y="${floor + 16}" text-anchor="middle">${escaped(x!.text(tick))}</text>`,
  );
  return [
    ...rows,
    ...columns,
    `<text x="${(left + right) / 2}" y="${HEIGHT - 6}" text-anchor="middle">${escaped(xLabel)}</text>`,
    `<text transform="translate(12 ${(MARGIN.top + floor) / 2}) rotate(-90)" text-anchor="middle">${escaped(yLabel)}</text>`,
  ];
}

function figure(caption: string, drawn: readonly string[], { names }: { names: string[] }): Markup {
  const legend = names.map(
    (name, i) => `<span style="color:${colour(i)}">●</span> ${escaped(name)}`,
  );
  const words = [escaped(caption), ...(legend.length > 0 ? [legend.join(" &nbsp; ")] : [])];
  return {
    markup: `<figure>\n<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(caption)}">\n${drawn.join("\n")}\n</svg>\n<figcaption>${words.join("<br>")}</figcaption>\n</figure>`,
  };
}

function colour(i: number): string {
  return `var(--c${i % COLOURS})`;
}
