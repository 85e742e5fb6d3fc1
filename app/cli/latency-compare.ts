// `tickhub latency --compare A B`: what changed between two labels, from the rows that were kept.
import { systemClock } from "../shared/clock.ts";
import type { Settings } from "../shared/config.ts";
import { required } from "../shared/config.ts";
import { routeThrough } from "../shared/dial/route.ts";
import { TickhubError } from "../shared/errors.ts";
import { asDatabaseError, openPool } from "../store/database.ts";
import { readLabelled } from "../store/latency-runs.ts";
import type { LabelledRun } from "../store/latency-runs.ts";
import { inMs, msText } from "../measure/latency-verdict.ts";
import { printJson } from "./output.ts";

interface CompareOptions {
  to?: string[];
  json?: boolean;
}

/** Exits with 0 when both labels have a probe in common. Throws USAGE, CONFIG_MISSING, DATABASE_*. */
export async function compareLabels(
  settings: Settings,
  labels: readonly string[],
  options: CompareOptions,
): Promise<number> {
  const [before, after] = labels;
  if (before === undefined || after === undefined || labels.length > 2) {
    throw new TickhubError("USAGE", { problem: "--compare takes two labels" });
  }
  const given = options.to?.find((url) => url.startsWith("postgres"));
  const url = given ?? required(settings, "TICKHUB_DATABASE_URL");
  const route = given ? routeThrough([settings.TICKHUB_UPLINK_PROXY], systemClock) : undefined;
  const pool = openPool(url, {
    ...{ connectionsMax: 1, name: "tickhub-latency" },
    ...(route ? { stream: () => route.stream() } : {}),
  });
  try {
    const rows = await readLabelled(pool, [before, after]);
    const changes = changesOf(rows, before, after);
    if (options.json) printJson({ ok: changes.length > 0, before, after, changes });
    else process.stdout.write(`${linesOf(changes, before, after).join("\n")}\n`);
    return changes.length > 0 ? 0 : 1;
  } catch (error) {
    throw asDatabaseError(error);
  } finally {
    await pool.end();
  }
}

export interface Change {
  before: LabelledRun;
  after: LabelledRun;
}

/** Of each probe and target that both labels have. */
export function changesOf(rows: readonly LabelledRun[], before: string, after: string): Change[] {
  return rows
    .filter(({ label }) => label === before)
    .flatMap((one) => {
      const other = rows.find(
        (row) => row.label === after && row.probe === one.probe && row.target === one.target,
      );
      return other ? [{ before: one, after: other }] : [];
    });
}

function linesOf(changes: readonly Change[], before: string, after: string): string[] {
  if (changes.length === 0) return [`nothing was measured under both ${before} and ${after}`];
  return changes.flatMap((change) => [
    `${change.before.probe} to ${change.before.target}, ${before} → ${after}:`,
    ...(["p50Ms", "p90Ms", "p99Ms", "p999Ms", "maxMs"] as const).flatMap((name) => {
      const [from, to] = [change.before[name], change.after[name]];
      if (from === null || to === null) return [];
      const part = `${to < from ? "-" : "+"}${msText(Math.abs(to - from))} ms`;
      const share = from > 0 ? `, ${Math.round((100 * (to - from)) / from)} %` : "";
      return [`  ${NAMES[name].padEnd(6)} ${inMs(from)} → ${inMs(to)} (${part}${share})`];
    }),
  ]);
}

const NAMES = { p50Ms: "p50", p90Ms: "p90", p99Ms: "p99", p999Ms: "p99.9", maxMs: "max" } as const;
