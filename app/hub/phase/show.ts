// What a person sees of the migration: the phase and how it was entered, who holds what and where, and what
// stands between it and the next phase. Reads only.
import { readFacts } from "./facts.ts";
import { gateOf } from "./gate.ts";
import type { Condition } from "./gate.ts";
import { historyOf, readHistory } from "./history.ts";
import type { PhaseRow } from "./history.ts";
import type { MachineOptions } from "./machine.ts";
import { edgesOf, transitionOf } from "./phases.ts";
import type { Phase, Run, Side, SiteRule, Transition } from "./phases.ts";
import { readPlace } from "./world.ts";
import type { Fence, Place } from "./world.ts";

export interface ShownAccount {
  account: string;
  placed: readonly string[];
  edge: string | null;
  side: Side | null;
  feed: string | null;
  code: string | null;
  seenAgeMs: number | null;
  /** An edge of its placement holds it, and its feed is live. */
  isCollected: boolean;
}

export interface Shown {
  /** The phase stands, no transition is half done, and each account is collected where it is placed. */
  ok: boolean;
  phase: Phase | null;
  underway: Run | null;
  /** The transition that led here, or that is under way. */
  since: PhaseRow | null;
  database: string;
  fence: Fence;
  accounts: ShownAccount[];
  gate: { to: Phase; open: boolean; conditions: Condition[] } | null;
  history: PhaseRow[];
}

export async function show(options: MachineOptions): Promise<Shown> {
  const place = await readPlace(options.here);
  const rows = await readHistory(options.here);
  const { phase, underway } = historyOf(rows);
  const accounts = [...place.leases.keys()].sort().map((account) => shownOf(account, place));
  const grants = place.fence.state === "open" || place.fence.state === "none";
  const isWhole = !grants || accounts.every(({ isCollected }) => isCollected);
  return {
    ok: phase !== null && underway === null && isWhole,
    ...{ phase, underway, accounts },
    since: rows.find(({ enteredMs }) => enteredMs !== null || underway !== null) ?? null,
    database: place.identity,
    fence: place.fence,
    gate: await nextGate(options, phase, underway),
    history: rows,
  };
}

async function nextGate(
  options: MachineOptions,
  phase: Phase | null,
  underway: Run | null,
): Promise<Shown["gate"]> {
  const next = transitionOf({ phase, underway: null }, "advance");
  if (underway || "refused" in next) return null;
  const transition: Transition = next;
  const conditions = gateOf(transition, await readFacts(options, transition));
  return { to: next.to, open: conditions.every(({ open }) => open), conditions };
}

function shownOf(account: string, { placement, leases, edges, sites }: Place): ShownAccount {
  const { holder, edge, seenAgeMs } = leases.get(account)!;
  const placed = placement.get(account) ?? [];
  const holding = holder === null ? null : edge;
  const said = edges.find((one) => one.edge === holding)?.accounts.get(account);
  return {
    ...{ account, placed, edge: holding, feed: said?.feed ?? null, code: said?.code ?? null },
    side: holding === null ? null : sideOf(sites, account, holding),
    seenAgeMs: holding === null ? null : seenAgeMs,
    isCollected: holding !== null && placed.includes(holding) && said?.feed === "live",
  };
}

function sideOf(sites: readonly SiteRule[], account: string, edge: string): Side | null {
  for (const side of ["home", "cloud"] as const) {
    if (edgesOf(sites, account, side).includes(edge)) return side;
  }
  return null;
}
