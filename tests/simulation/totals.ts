// What many runs come to, as one line.
import type { RunResult } from "./run.ts";

/** Digests are not added. */
export type Totals = RunResult;

export function addUp(results: readonly RunResult[]): Totals {
  const totals = { ...results[0]!, digest: "" };
  for (const result of results.slice(1)) {
    for (const [name, value] of Object.entries(result)) {
      if (typeof value === "number") totals[name as Exclude<keyof Totals, "digest">] += value;
    }
  }
  return totals;
}

/** `1,000 seeds | events 10,912,444 | …` */
export function totalsLine(title: string, totals: Totals): string {
  const parts = [
    ...[
      ["events", totals.events],
      ["faults", totals.faults],
      ["rows", totals.rows],
    ],
    ...[
      ["overlapping sockets", totals.overlaps],
      ["lost", totals.lost],
      ["twice", totals.twice],
    ],
    ...[
      ["sockets", totals.sockets],
      ["grants", totals.grants],
      ["races", totals.races],
    ],
    ...[
      ["refused outside a lease", totals.refused],
      ["held at a death", totals.buried],
    ],
  ] as const;
  const said = parts.map(([name, value]) => `${name} ${value.toLocaleString("en")}`);
  return [title, ...said].join(" | ");
}
