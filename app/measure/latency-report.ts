// The report of one `tickhub latency` as a page: verdict, figures, histogram and percentile curve on
// logarithmic axes, the clocks, the pool, the tunings.
import { pageOf, paragraph, tableOf } from "../report/page.ts";
import type { Markup, ReportPage } from "../report/page.ts";
import { linePlot } from "../report/plot.ts";
import type { Series } from "../report/plot.ts";
import type { Durability } from "./latency-database.ts";
import type { MeasuredRun, Measurement } from "./latency.ts";
import { inMs, msText } from "./latency-verdict.ts";
import type { Verdict } from "./latency-verdict.ts";
import type { TuneResult } from "./latency-tune.ts";
import { kneeOf } from "./pool.ts";

export interface LatencyPage {
  subject: string;
  host: string;
  /** In words. */
  path: string;
  /** When and with which command. */
  made: string;
  verdict: Verdict;
  measured: Measurement;
  tunings: readonly TuneResult[];
}

export function latencyPage(page: LatencyPage): string {
  const { subject, host, path, made, verdict, measured, tunings } = page;
  const { runs, skipped, clock, pool, durability, hub } = measured;
  const sections: ReportPage["sections"] = [
    {
      heading: "Probes",
      content: [
        paragraph(`From ${subject} (${host}). Path: ${path}.`),
        ...(durability ? [paragraph(durabilityInWords(durability))] : []),
        ...(hub ? [paragraph(`The hub's release: ${hub}.`)] : []),
        figuresTable(runs),
        paragraph(
          "Open loop: each sample counts from when it was due. A dash is a percentile that these samples " +
            "cannot support: p99.9 needs 1,000, p99.99 needs 10,000.",
        ),
        ...skipped.map(({ probe, reason }) => paragraph(`${probe} was not measured: ${reason}.`)),
      ],
    },
    { heading: "Delays", content: [histogramPlot(runs), curvePlot(runs)] },
    ...(clock ? [{ heading: "Clocks", content: clockParagraphs(clock) }] : []),
    ...(pool.length > 0 ? [{ heading: "Connections", content: poolContent(pool) }] : []),
    ...(tunings.length > 0 ? [{ heading: "Tunings", content: [tuneTable(tunings)] }] : []),
  ];
  return pageOf({
    title: `Latency from ${subject}`,
    verdict: { ok: verdict.ok, text: verdict.text },
    made,
    sections,
  });
}

export function durabilityInWords({ version, fsync, synchronousCommit }: Durability): string {
  const state = (isOn: boolean) => (isOn ? "on" : "OFF");
  return `PostgreSQL ${version}, fsync ${state(fsync)}, synchronous_commit ${state(synchronousCommit)}.`;
}

function figuresTable(runs: readonly MeasuredRun[]): Markup {
  const shown = (value: number | null) => (value === null ? "–" : msText(value));
  const columns = ["probe", "target", "rate/s", "samples", "failed", "late"];
  const rows = runs.map(({ probe, target, ratePerS, late, figures, verdict, thresholds }) => {
    const { samples, failed, percentiles: p, maxMs } = figures;
    const limits = Object.entries(thresholds).map(([name, limit]) => `${name} ≤ ${limit}`);
    return [
      ...[probe, target, Math.round(ratePerS * 10) / 10, samples, failed, late],
      ...[p.p50, p.p90, p.p99, p["p99.9"], p["p99.99"], maxMs].map(shown),
      limits.join(", "),
      verdict,
    ];
  });
  const delays = ["p50 ms", "p90", "p99", "p99.9", "p99.99", "max"];
  return tableOf([...columns, ...delays, "threshold ms", "verdict"], rows);
}

/** Share of the samples in each bin; bins are of equal width on the logarithmic axis. */
function histogramPlot(runs: readonly MeasuredRun[]): Markup {
  const series = drawn(runs).map((run): Series => {
    const points = run.bins.flatMap(([upper, count], i) => {
      const lower = run.bins[i - 1]?.[0] ?? upper / STEP;
      const share = (100 * count) / run.figures.samples;
      // Bins that are empty are not in the list: the line goes down to zero between neighbours apart.
      const isApart = upper / lower > STEP * 1.01;
      return [
        ...(isApart ? [{ x: lower, y: 0 }] : []),
        { x: isApart ? upper / STEP : lower, y: isApart ? 0 : share },
        ...(isApart ? [{ x: upper / STEP, y: share }] : []),
        { x: upper, y: share },
      ];
    });
    const [first, last] = [points[0], points.at(-1)];
    return {
      name: run.probe,
      points: first && last ? [{ x: first.x, y: 0 }, ...points, { x: last.x, y: 0 }] : [],
    };
  });
  return linePlot({
    caption: "How many samples took how long.",
    x: { label: "delay, ms", scale: "log" },
    y: { label: "samples, %" },
    series,
  });
}

/** Twelve bins a decade (histogram.ts). */
const STEP = 10 ** (1 / 12);

/** Delay over how rare it is: one in 10, in 100, in 1,000 samples is slower. */
function curvePlot(runs: readonly MeasuredRun[]): Markup {
  const series = drawn(runs).map((run): Series => {
    const known = run.curve.filter(
      ({ share }) => share < 1 && 1 / (1 - share) <= run.figures.samples,
    );
    const points = known.map(({ share, delayMs }) => ({ x: 1 / (1 - share), y: delayMs }));
    return { name: run.probe, points };
  });
  return linePlot({
    caption: "Percentiles: the delay that one sample in so many exceeds.",
    x: {
      label: "percentile",
      scale: "log",
      format: (one) => `${Number((100 * (1 - 1 / one)).toPrecision(6))} %`,
    },
    y: { label: "delay, ms", scale: "log" },
    series,
  });
}

/** One line a probe, so that each has a colour of its own: of two connections the first. */
function drawn(runs: readonly MeasuredRun[]): MeasuredRun[] {
  return runs.filter((run) => runs.find(({ probe }) => probe === run.probe) === run);
}

export function clockInWords(clock: NonNullable<Measurement["clock"]>): string[] {
  const { of, offsetMs, boundMs, delayMinMs, exchanges, isStepped, upMs, downMs } = clock;
  const direction = offsetMs < 0 ? "behind" : "ahead of";
  const bound = inMs(boundMs);
  return [
    `The clock of ${of} is ${inMs(Math.abs(offsetMs))} ${direction} this machine's, ± ${bound}` +
      ` (${exchanges} exchanges, the fastest ${inMs(delayMinMs)}).`,
    `One way by that offset: to the hub p50 ${inMs(upMs)}, back p50 ${inMs(downMs)}, each ± ${bound}:` +
      " nothing measured from one end can tell an offset from two ways that differ.",
    ...(isStepped ? ["A clock was set meanwhile; only what came after counts."] : []),
  ];
}

function clockParagraphs(clock: NonNullable<Measurement["clock"]>): Markup[] {
  return clockInWords(clock).map(paragraph);
}

export function kneeInWords(pool: Measurement["pool"]): string {
  const knee = kneeOf(pool);
  return knee === null
    ? `No knee up to ${pool.at(-1)?.connections ?? 0} connections.`
    : `The knee is at ${knee}: twice as many bring less than a quarter more.`;
}

function poolContent(pool: Measurement["pool"]): Markup[] {
  const rows = pool.map(({ connections, commitsPerS, p50Ms, p99Ms, failed }) => [
    ...[connections, Math.round(commitsPerS)],
    ...[p50Ms, p99Ms].map((value) => (value === null ? "–" : msText(value))),
    failed,
  ]);
  return [
    tableOf(["connections", "commits/s", "p50 ms", "p99 ms", "failed"], rows),
    linePlot({
      caption: `Commits a second by connections. ${kneeInWords(pool)} Closed loop.`,
      x: { label: "connections", scale: "log" },
      y: { label: "commits/s" },
      series: [
        {
          name: "commits/s",
          points: pool.map(({ connections, commitsPerS }) => ({ x: connections, y: commitsPerS })),
        },
      ],
    }),
  ];
}

function tuneTable(tunings: readonly TuneResult[]): Markup {
  const rows = tunings.map((one) => {
    const { name, probe, without, with: after } = one.tuning;
    const [before, then] = [one.before.figures.percentiles.p50, one.after.figures.percentiles.p50];
    return [`${name} (${probe})`, without, inMs(before), after, inMs(then), changeInWords(one)];
  });
  return tableOf(["tuning", "before", "p50", "after", "p50", "change"], rows);
}

export function changeInWords({ before, after, isClear }: TuneResult): string {
  const [from, to] = [before.figures.percentiles.p50, after.figures.percentiles.p50];
  if (from === null || to === null) return "too few samples";
  const change = `${to < from ? "-" : "+"}${msText(Math.abs(to - from))} ms`;
  return isClear ? change : `${change}, within the noise`;
}
