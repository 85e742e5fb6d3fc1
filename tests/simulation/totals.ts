// What many runs come to, as one line.
import type { RunResult } from "./run.ts";

export type Totals = Omit<RunResult, "digest">;

export function addUp(results: readonly RunResult[]): Totals {
  const totals = { ...results[0]! };
  for (const result of results.slice(1)) {
    for (const [name, value] of Object.entries(result)) {
      if (typeof value === "number") totals[name as keyof Totals] += value;
    }
  }
  const { digest: _digest, ...rest } = totals;
  return rest;
}

/** `1,000 seeds | events 10,912,444 | …` */
export function totalsLine(title: string, totals: Totals): string {
  const parts = [
    ...[["events", totals.events], ["faults", totals.faults], ["rows", totals.rows]],
    ...[["overlapping sockets", totals.overlaps], ["lost", totals.lost], ["twice", totals.twice]],
    ...[["sockets", totals.sockets], ["grants", totals.grants], ["races", totals.races]],
    ...[["refused outside a lease", totals.refused], ["held at a death", totals.buried]],
  ] as const;
  const said = parts.map(([name, value]) => `${name} ${Number(value).toLocaleString("en")}`);
  return [title, ...said].join(" | ");
}
