// The phases of the migration as data: their order, which side collects what in each, and what `advance` or
// `rollback` means from where the migration stands. Pure.
//   home (all local) -> local (database remote) -> dual (KIS in the cloud) -> cloud (all in the cloud)

export const PHASES = ["home", "local", "dual", "cloud"] as const;
export type Phase = (typeof PHASES)[number];
export type Side = "home" | "cloud";

/** Which edges stand on one side for a broker's accounts (`kis`) or for one account (`kis:2`). */
export interface SiteRule {
  target: string;
  side: Side;
  edges: readonly string[];
}

/** Account -> edges that may hold it. */
export type Placement = ReadonlyMap<string, readonly string[]>;

export type Verb = "advance" | "rollback";

/** One way between two neighbours; `from` is null when a database enters its first phase. */
export interface Transition {
  verb: Verb;
  from: Phase | null;
  to: Phase;
}

/** A transition that was begun, and its name in both databases. */
export interface Run extends Transition {
  run: string;
}

export interface History {
  /** Where the last finished transition led. */
  phase: Phase | null;
  /** The one that was begun and not finished. */
  underway: Run | null;
}

/** Of a transition that there is none: why. */
export interface Refusal {
  refused: string;
}

/** The sides that may hold an account. Accounts that are no broker's are light: both sides may in dual. */
export function sidesOf(phase: Phase, account: string): Side[] {
  if (phase === "home" || phase === "local") return ["home"];
  if (phase === "cloud") return ["cloud"];
  if (account.startsWith("kis:")) return ["cloud"];
  return account.startsWith("kiwoom:") ? ["home"] : ["home", "cloud"];
}

/** The edges that stand for an account on a side; the account's own rule goes before its broker's. */
export function edgesOf(sites: readonly SiteRule[], account: string, side: Side): string[] {
  const rule = (target: string) => sites.find((one) => one.target === target && one.side === side);
  const found = rule(account) ?? rule(account.split(":")[0]!);
  return [...(found?.edges ?? [])].sort();
}

/** Who may hold what in a phase. `missing` names what TICKHUB_SITES does not say. */
export function placementOf(
  phase: Phase,
  accounts: readonly string[],
  sites: readonly SiteRule[],
): { placement: Placement; missing: string[] } {
  const placement = new Map<string, string[]>();
  const missing: string[] = [];
  for (const account of [...accounts].sort()) {
    const edges = new Set<string>();
    for (const side of sidesOf(phase, account)) {
      const found = edgesOf(sites, account, side);
      if (found.length === 0) missing.push(`${account}@${side}`);
      for (const edge of found) edges.add(edge);
    }
    if (edges.size > 0) placement.set(account, [...edges].sort());
  }
  return { placement, missing };
}

/**
 * What a verb means now. A transition that was begun is gone on with by its own verb, and undone by the other
 * one, from wherever it stands.
 */
export function transitionOf(
  history: History,
  verb: Verb,
): (Transition & { run?: string }) | Refusal {
  const { phase, underway } = history;
  if (underway) {
    if (underway.verb === verb) return underway;
    if (underway.from === null)
      return { refused: "home is the first phase: there is nothing before it" };
    return { verb, from: underway.to, to: underway.from };
  }
  if (phase === null) {
    if (verb === "advance") return { verb, from: null, to: "home" };
    return { refused: "this database is in no phase yet" };
  }
  const to = PHASES[PHASES.indexOf(phase) + (verb === "advance" ? 1 : -1)];
  if (to) return { verb, from: phase, to };
  return { refused: `${phase} is the ${verb === "advance" ? "last" : "first"} phase` };
}

/** Between home and local the database changes, and with it who grants. */
export function isSwitch({ from, to }: Pick<Transition, "from" | "to">): boolean {
  return (from === "home" && to === "local") || (from === "local" && to === "home");
}
