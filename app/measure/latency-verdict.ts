// Is the path good enough: figures against thresholds. Pure. Promises: what was not measured, or not often
// enough to know, is never accepted.
import type { LatencyFigures, LatencyRun, Threshold } from "../shared/latency-run.ts";
import { samplesFor } from "./histogram.ts";

export type Judged = Pick<LatencyRun, "verdict" | "over" | "thresholds">;

export function judge(
  probe: LatencyRun["probe"],
  figures: LatencyFigures,
  accept: readonly Threshold[],
): Judged {
  const own = accept.filter((threshold) => threshold.probe === probe);
  const thresholds = Object.fromEntries(own.map((one) => [one.percentile, one.limitMs]));
  if (own.length === 0) return { verdict: "unjudged", over: [], thresholds };
  const over = own.flatMap(({ percentile, limitMs }) => {
    const isMax = percentile === "max";
    const measuredMs = isMax ? figures.maxMs : figures.percentiles[percentile];
    const name = `${probe}.${percentile}`;
    if (measuredMs === null) {
      const needed = isMax ? 1 : samplesFor(percentile);
      return [`${name} needs ${needed} samples and has ${figures.samples}`];
    }
    return measuredMs > limitMs ? [`${name} is ${inMs(measuredMs)}, over ${inMs(limitMs)}`] : [];
  });
  return { verdict: over.length === 0 ? "accepted" : "over", over, thresholds };
}

export interface Verdict {
  ok: boolean;
  /** Every reason why not; empty when ok. */
  reasons: string[];
  /** One line for people. */
  text: string;
}

/** Over all probes; `faults` are reasons that no threshold has, such as a database without fsync. */
export function verdictOn(
  runs: readonly Pick<LatencyRun, "probe" | "verdict" | "over" | "figures">[],
  faults: readonly string[],
): Verdict {
  const judged = runs.filter(({ verdict }) => verdict !== "unjudged");
  const reasons = [
    ...faults,
    ...judged.flatMap(({ over }) => over),
    ...(judged.length === 0 ? ["nothing was measured that a threshold names"] : []),
  ];
  const ok = reasons.length === 0;
  const shown = judged
    .map(({ probe, figures }) => {
      const { p50, p99 } = figures.percentiles;
      return `${probe} p50 ${inMs(p50)}, p99 ${inMs(p99)}`;
    })
    .join(" · ");
  return { ok, reasons, text: ok ? `accepted: ${shown}` : `not accepted: ${reasons.join("; ")}` };
}

/** `0.213 ms`, `12.4 ms`, `1,204 ms`; a dash for what is not known. */
export function inMs(value: number | null): string {
  return value === null ? "–" : `${msText(value)} ms`;
}

/** Three figures that count. */
export function msText(value: number): string {
  const digits = value < 1 ? 3 : value < 10 ? 2 : value < 100 ? 1 : 0;
  return value.toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}
