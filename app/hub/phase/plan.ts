// A transition as a list of steps, and for each step what the world says of it: done, to be done, or to be
// waited for. Pure. Promises: a list that is gone through from its start, however often it was broken off,
// ends in the same world; no database is opened before the other one is fenced and cleared; no holder is
// called back before another edge stands ready.
import { isSwitch, placementOf } from "./phases.ts";
import type { Phase, Placement, SiteRule, Transition } from "./phases.ts";
import type { EdgeView, Place } from "./world.ts";

/** Of two databases: the home one, and the hub's, which keeps the phase from `local` on. */
export type At = "home" | "hub";

export type Step =
  /** An edge of the placement is heard, and waits for the account or has it. */
  | { kind: "ready"; at: At; account: string; edges: readonly string[] }
  /** The account is placed; a holder elsewhere is called back. */
  | { kind: "place"; at: At; account: string; edges: readonly string[] }
  /** An edge of the placement holds the account, and its feed is live. */
  | { kind: "collect"; at: At; account: string; edges: readonly string[] }
  /** The database grants nothing any more and calls every holder back. */
  | { kind: "fence"; at: At }
  /** Every lease was given back, and no edge holds a record. */
  | { kind: "clear"; at: At; other: At }
  /** What the database has was transferred, and compared after it was cleared. */
  | { kind: "verify"; at: At; other: At }
  /** The database grants, by this placement, and the other one does not. */
  | { kind: "open"; at: At; other: At | null; placement: Placement }
  /** The phase is written into the history. */
  | { kind: "enter"; phase: Phase };

export interface World {
  places: Readonly<Partial<Record<At, Place>>>;
  /** Tables of the source whose transfer is not proved, with what is missing. Asked for while it matters. */
  unproved: readonly string[];
  /** Phase of the database that keeps it, and whether a transition is under way. */
  phase: Phase | null;
  isUnderway: boolean;
}

export interface Verdict {
  state: "done" | "act" | "wait";
  /** What is, or what is waited for, with names. */
  says: string;
  /** What a person can do about a wait. */
  next?: string;
  /** Only done because --force skips it. */
  skipped?: string;
}

/** An edge is heard once a second. */
const FRESH_MS = 10_000;
/** An edge of no site that was last heard longer ago is none any more. */
const GONE_MS = 3_600_000;

/** The steps, in order. `current` is who may hold what now. Throws nothing; `missing` of placementOf goes before. */
export function planOf(
  transition: Transition,
  accounts: readonly string[],
  sites: readonly SiteRule[],
): Step[] {
  const { from, to, verb } = transition;
  const { placement } = placementOf(to, accounts, sites);
  const enter: Step = { kind: "enter", phase: to };
  const each = [...placement].map(([account, edges]) => ({ account, edges }));
  if (isSwitch(transition)) {
    const [at, other] = to === "local" ? (["hub", "home"] as const) : (["home", "hub"] as const);
    return [
      { kind: "fence", at: other },
      { kind: "clear", at: other, other: at },
      { kind: "verify", at: other, other: at },
      { kind: "open", at, other, placement },
      ...each.map((one): Step => ({ kind: "collect", at, ...one })),
      enter,
    ];
  }
  if (from === null) {
    return [
      ...each.map((one): Step => ({ kind: "ready", at: "home", ...one })),
      { kind: "open", at: "home", other: null, placement },
      ...each.map((one): Step => ({ kind: "collect", at: "home", ...one })),
      enter,
    ];
  }
  const before = placementOf(from, accounts, sites).placement;
  const ordered = verb === "advance" ? each : each.reverse();
  return [
    ...ordered.flatMap((one): Step[] => {
      const place: Step = { kind: "place", at: "hub", ...one };
      if (isSame(before.get(one.account), one.edges)) return [place];
      return [{ kind: "ready", at: "hub", ...one }, place, { kind: "collect", at: "hub", ...one }];
    }),
    enter,
  ];
}

/** In a few words, for people and for the history. */
export function nameOf(step: Step): string {
  switch (step.kind) {
    case "ready":
    case "place":
    case "collect":
      return `${step.kind} ${step.account} at ${step.edges.join(" or ")}`;
    case "fence":
    case "clear":
    case "open":
      return `${step.kind} the ${step.at} database`;
    case "verify":
      return `verify the transfer from the ${step.at} database`;
    case "enter":
      return `enter ${step.phase}`;
  }
}

/** `isForced` lets what is incomplete pass; nothing that keeps two sockets apart. */
export function judge(step: Step, world: World, isForced: boolean): Verdict {
  if (step.kind === "enter") {
    const isThere = world.phase === step.phase && !world.isUnderway;
    return { state: isThere ? "done" : "act", says: `the phase is ${world.phase ?? "none"}` };
  }
  const place = world.places[step.at];
  if (!place) return { state: "wait", says: `the ${step.at} database was not given` };
  switch (step.kind) {
    case "ready":
      return judgeReady(step.account, step.edges, place);
    case "place": {
      const now = place.placement.get(step.account);
      const says = now ? `placed at ${now.join(" or ")}` : "not placed";
      return { state: isSame(now, step.edges) ? "done" : "act", says };
    }
    case "collect":
      return judgeCollect(step.account, step.edges, place);
    case "fence": {
      const isDone = place.fence.state === "clearing" || neverOpened(place);
      return { state: isDone ? "done" : "act", says: `its fence is ${place.fence.state}` };
    }
    case "clear":
      return judgeClear(place, world.places[step.other], isForced);
    case "verify":
      return judgeVerify(step.other, place, world, isForced);
    case "open":
      return judgeOpen(step, place, world);
  }
}

function judgeReady(account: string, edges: readonly string[], place: Place): Verdict {
  const lease = place.leases.get(account);
  if (lease?.holder && edges.includes(lease.edge ?? "")) {
    return {
      state: "done",
      says: `${lease.edge!} holds it${lease.isLeaving ? ", leaves and comes back" : ""}`,
    };
  }
  const named = place.edges.filter(({ edge }) => edges.includes(edge));
  const ready = named.find(
    ({ seenAgeMs, accounts }) =>
      seenAgeMs < FRESH_MS && accounts.get(account)?.lease === "claiming",
  );
  if (ready) return { state: "done", says: `${ready.edge} stands by` };
  const says = named.length === 0 ? "none of them was ever heard here" : named.map(toldOf(account));
  return {
    state: "wait",
    says: [says].flat().join("; "),
    next: `start ${edges.join(" or ")} with the app key of ${account} and this hub's address`,
  };
}

function judgeCollect(account: string, edges: readonly string[], place: Place): Verdict {
  const lease = place.leases.get(account);
  if (!lease)
    return { state: "wait", says: "the hub has no such account", next: "start the hub here once" };
  const { holder, edge, seenAgeMs } = lease;
  if (!holder) {
    return {
      state: "wait",
      says: "nobody holds it yet",
      next: `start ${edges.join(" or ")} with this hub's address (TICKHUB_HUB_URL), or wait for the broker's quiet time`,
    };
  }
  if (!edges.includes(edge ?? "")) {
    return {
      state: "wait",
      says: `${edge ?? "somebody"} holds it, heard ${age(seenAgeMs)} ago`,
      next: `if ${edge ?? "it"} is dead, start it again: its next process proves that; nobody else may take it`,
    };
  }
  if (lease.isLeaving) {
    const next = `it comes back by itself; where it does not within a minute, restart ${edge!}`;
    return { state: "wait", says: `${edge!} holds it, and was called back before`, next };
  }
  const said = place.edges.find((one) => one.edge === edge);
  const mine = said?.accounts.get(account);
  if (said && mine?.lease === "holding" && mine.feed === "live" && said.seenAgeMs < FRESH_MS) {
    return { state: "done", says: `${edge!} holds it, feed live` };
  }
  return {
    state: "wait",
    says: `${edge!} holds it, feed ${mine?.feed ?? "unknown"}${mine?.code ? ` (${mine.code})` : ""}`,
    next: `look at the log of ${edge!}; outside the broker's hours its feed cannot be live`,
  };
}

function judgeClear(place: Place, other: Place | undefined, isForced: boolean): Verdict {
  if (neverOpened(place)) return { state: "done", says: "it never granted anything" };
  const held = [...place.leases].filter(([, { holder }]) => holder !== null);
  if (held.length > 0) {
    const one = held.map(
      ([name, { edge, seenAgeMs }]) => `${edge ?? "?"} has ${name}, heard ${age(seenAgeMs)} ago`,
    );
    return {
      state: "wait",
      says: one.join("; "),
      next: "a dead edge is proved dead by its next process: start it again with the address it had",
    };
  }
  const full = place.edges.flatMap(({ edge, seenAgeMs, accounts }) => {
    const isOurs = seenAgeMs < GONE_MS || place.sites.some(({ edges }) => edges.includes(edge));
    const records = [...accounts.values()].reduce((sum, one) => sum + one.held, 0);
    return isOurs && records > 0
      ? [`${edge} holds ${records} records, heard ${age(seenAgeMs)} ago`]
      : [];
  });
  if (full.length > 0 && !isForced) {
    return {
      state: "wait",
      says: full.join("; "),
      next: "let the edge send them to the database they belong to; --force leaves them behind",
    };
  }
  const skipped = full.length > 0 ? { skipped: `drained: ${full.join("; ")}` } : {};
  const isKept = other?.clearings.has(clearingOf(place)) ?? false;
  return { state: isKept ? "done" : "act", says: "every lease was given back", ...skipped };
}

function judgeVerify(to: At, place: Place, { unproved }: World, isForced: boolean): Verdict {
  if (neverOpened(place)) return { state: "done", says: "nothing was collected in it" };
  if (unproved.length === 0)
    return { state: "done", says: "every table was compared after it was cleared" };
  const says = unproved.join("; ");
  if (isForced)
    return { state: "done", says, skipped: `transfer verified after the fence: ${says}` };
  const url = (at: At) => (at === "home" ? "HOME_URL" : "HUB_URL");
  const tables = [...new Set(unproved.map((one) => `--table ${one.split(":")[0]!}`))].join(" ");
  return {
    state: "wait",
    says: `${says}; nobody collects meanwhile`,
    next: `tickhub transfer --from ${url(to === "hub" ? "home" : "hub")} --to ${url(to)} ${tables}`,
  };
}

function judgeOpen(step: Step & { kind: "open" }, place: Place, world: World): Verdict {
  const { fence } = place;
  const isOpen = fence.state === "open" && !fence.isCopy;
  const isPlaced = [...step.placement].every(([name, edges]) =>
    isSame(place.placement.get(name), edges),
  );
  if (step.other !== null) {
    const other = world.places[step.other];
    const isFenced = other && (neverOpened(other) || other.fence.state === "clearing");
    if (!isFenced || !isFree(other))
      return { state: "wait", says: `the ${step.other} database may still grant` };
  }
  return { state: isOpen && isPlaced ? "done" : "act", says: `its fence is ${fence.state}` };
}

/** Nothing was ever granted under its fence, nobody holds anything from before it, and nothing can be granted. */
function neverOpened(place: Place): boolean {
  return place.fence.state === "shut" && place.fence.openings === 0 && isFree(place);
}

function isFree({ leases }: Place): boolean {
  return [...leases.values()].every(({ holder }) => holder === null);
}

/** Which opening of a database was cleared. */
export function clearingOf({ identity, fence }: Place): string {
  return `${identity}#${fence.openings}`;
}

export function isSame(one: readonly string[] | undefined, other: readonly string[]): boolean {
  return one?.length === other.length && other.every((edge) => one.includes(edge));
}

function toldOf(account: string) {
  return ({ edge, seenAgeMs, accounts }: EdgeView): string => {
    const one = accounts.get(account);
    const what = one
      ? `its lease is ${one.lease}, its feed ${one.feed}`
      : `it has no key of ${account}`;
    return `${edge} was heard ${age(seenAgeMs)} ago: ${what}`;
  };
}

function age(ms: number | null): string {
  return ms === null ? "never" : `${(ms / 1_000).toFixed(1)} s`;
}
