// What `tickhub latency` prints for people.
import { grouped } from "./output.ts";
import type { LatencyFound } from "./latency.ts";
import {
  changeInWords,
  clockInWords,
  durabilityInWords,
  kneeInWords,
} from "../measure/latency-report.ts";
import type { MeasuredRun } from "../measure/latency.ts";
import { inMs, msText } from "../measure/latency-verdict.ts";

export function latencyLines(found: LatencyFound): string[] {
  const { subject, host, path, measured, tunings, verdict } = found;
  const { runs, skipped, clock, pool, durability } = measured;
  return [
    `latency from ${subject} (${host}); path: ${path}`,
    ...(durability ? [durabilityInWords(durability)] : []),
    ...table([HEAD, ...runs.map(rowOf)]),
    ...skipped.map(({ probe, reason }) => `${probe}: not measured, ${reason}`),
    ...notesOn(runs),
    ...(clock ? clockInWords(clock) : []),
    ...(pool.length > 0
      ? [
          `commits/s by connections: ${pool
            .map(
              ({ connections, commitsPerS }) =>
                `${connections}: ${grouped(Math.round(commitsPerS))}`,
            )
            .join(" · ")}`,
          kneeInWords(pool),
        ]
      : []),
    ...tunings.map((one) => {
      const { name, without, with: after } = one.tuning;
      const [from, to] = [one.before.figures.percentiles.p50, one.after.figures.percentiles.p50];
      return `${name}: ${without} p50 ${inMs(from)} → ${after} p50 ${inMs(to)} (${changeInWords(one)})`;
    }),
    verdict.text,
  ];
}

const HEAD = [
  ...["probe", "to", "rate/s", "samples", "failed"],
  ...["p50", "p90", "p99", "p99.9", "p99.99", "max", "ms"],
];

function rowOf({ probe, target, ratePerS, figures, over, verdict }: MeasuredRun): string[] {
  const { samples, failed, percentiles: p, maxMs } = figures;
  const delays = [p.p50, p.p90, p.p99, p["p99.9"], p["p99.99"], maxMs];
  return [
    ...[probe, target, String(Math.round(ratePerS)), grouped(samples), grouped(failed)],
    ...delays.map((value) => (value === null ? "–" : msText(value))),
    verdict === "over" ? `OVER: ${over.join("; ")}` : verdict,
  ];
}

/** Numbers to the right, names to the left. */
function table(rows: readonly string[][]): string[] {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) => {
    const cells = row.map((cell, i) => {
      if (i === row.length - 1) return cell;
      return i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!);
    });
    return `  ${cells.join("  ")}`;
  });
}

function notesOn(runs: readonly MeasuredRun[]): string[] {
  const late = runs.reduce((sum, one) => sum + one.late, 0);
  const isShort = (name: "p99.9" | "p99.99") =>
    runs.some(({ figures }) => figures.percentiles[name] === null);
  return [
    ...(isShort("p99.9") ? ["p99.9 needs 1,000 samples: --samples 1000 and more --seconds"] : []),
    ...(isShort("p99.99") ? ["p99.99 needs 10,000 samples: --samples 10000 --seconds 300"] : []),
    ...(late > 0 ? [`${grouped(late)} samples began late: this machine was busy`] : []),
  ];
}
