// The heat strip of one place as a background and as words. Pure.
import type { StripCell } from "../../../../shared/web-api.ts";

const COLOURS: Record<StripCell, string> = {
  v: "var(--cell-verified)",
  w: "var(--cell-volume)",
  a: "var(--cell-alive)",
  s: "var(--cell-suspected)",
  g: "var(--cell-gap)",
  r: "var(--cell-refilled)",
  n: "var(--cell-unrecorded)",
  ".": "transparent",
  " ": "transparent",
};

export interface Run {
  cell: StripCell;
  from: number;
  to: number;
}

/** Neighbours that are alike, as one. */
export function runsOf(cells: string): Run[] {
  const runs: Run[] = [];
  for (let at = 0; at < cells.length; at++) {
    const cell = cells[at] as StripCell;
    const last = runs.at(-1);
    if (last?.cell === cell) last.to = at + 1;
    else runs.push({ cell, from: at, to: at + 1 });
  }
  return runs;
}

/** One gradient with hard stops: a strip is one element, however many changes it has. */
export function gradientOf(cells: string): string {
  const at = (index: number) => `${((index / cells.length) * 100).toFixed(2)}%`;
  const stops = runsOf(cells).map(({ cell, from, to }) => `${COLOURS[cell]} ${at(from)} ${at(to)}`);
  return stops.length === 0 ? "none" : `linear-gradient(90deg, ${stops.join(", ")})`;
}

/** Spans that a person should look at, in epoch ms. */
export function findingsOf(cells: string, fromMs: number, stepMs: number): [number, number][] {
  return runsOf(cells)
    .filter(({ cell }) => cell === "g" || cell === "s" || cell === "r")
    .map(({ from, to }) => [fromMs + from * stepMs, fromMs + to * stepMs]);
}
