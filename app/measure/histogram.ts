// Delays in constant memory, over Node's HDR histogram: percentiles to four figures, and bins for a plot.
// Promises: a percentile that the samples cannot support is null, not a guess.
import { createHistogram } from "node:perf_hooks";
import { PERCENTILES } from "../shared/latency-run.ts";
import type { LatencyFigures, PercentileName } from "../shared/latency-run.ts";

/** In microseconds, as everything inside; a delay of an hour is no delay any more. */
const HIGHEST_US = 3_600_000_000;
const FIGURES = 4;
/** Of the plot: twelve a decade are a fifth apart. */
const BINS_A_DECADE = 12;

export class DelayHistogram {
  readonly #delays = createHistogram({ lowest: 1, highest: HIGHEST_US, figures: FIGURES });
  /** Samples by the index of their bin; see binOf. */
  readonly #bins = new Map<number, number>();
  #failed = 0;

  /** Below one microsecond counts as one. */
  record(delayMs: number): void {
    const delayUs = Math.min(HIGHEST_US, Math.max(1, Math.round(delayMs * 1_000)));
    this.#delays.record(delayUs);
    const bin = binOf(delayUs);
    this.#bins.set(bin, (this.#bins.get(bin) ?? 0) + 1);
  }

  /** One without an answer: as slow as anybody waited. */
  fail(patienceMs: number): void {
    this.#failed++;
    this.record(patienceMs);
  }

  get samples(): number {
    return this.#delays.count;
  }

  /** Null where fewer samples are there than `samplesFor` asks. */
  percentile(name: PercentileName): number | null {
    if (this.samples < samplesFor(name)) return null;
    return this.#delays.percentile(PERCENTILES[name] * 100) / 1_000;
  }

  figures(): LatencyFigures {
    const isEmpty = this.samples === 0;
    const names = Object.keys(PERCENTILES) as PercentileName[];
    return {
      samples: this.samples,
      failed: this.#failed,
      minMs: isEmpty ? null : this.#delays.min / 1_000,
      percentiles: Object.fromEntries(
        names.map((name) => [name, this.percentile(name)]),
      ) as LatencyFigures["percentiles"],
      maxMs: isEmpty ? null : this.#delays.max / 1_000,
    };
  }

  /** Upper bounds in ms and counts, ascending, empty ones left out. */
  bins(): [number, number][] {
    return [...this.#bins]
      .sort(([a], [b]) => a - b)
      .map(([bin, count]) => [upperOf(bin), count] as [number, number]);
  }

  /** Share of samples and the delay in ms that so many are at or below: what a percentile curve is made of. */
  curve(): { share: number; delayMs: number }[] {
    return [...this.#delays.percentiles].map(([percent, delayUs]) => ({
      share: percent / 100,
      delayMs: delayUs / 1_000,
    }));
  }
}

/** How many samples a percentile needs, so that at least one lies above it: 10,000 for p99.99. */
export function samplesFor(name: PercentileName): number {
  return Math.round(1 / (1 - PERCENTILES[name]));
}

function binOf(delayUs: number): number {
  return Math.ceil(Math.log10(delayUs) * BINS_A_DECADE - 1e-9);
}

function upperOf(bin: number): number {
  return Number((10 ** (bin / BINS_A_DECADE) / 1_000).toPrecision(5));
}
