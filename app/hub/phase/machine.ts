// The migration's state machine on real databases: decides which transition is meant, asks its gate, and goes
// through its steps under a lock that one command has at a time. State, history and evidence are in the hub's
// database; the home database keeps the same rows of the transitions that concern it.
import type pg from "pg";
import type { Clock } from "../../shared/clock.ts";
import { sleep } from "../../shared/clock.ts";
import { TickhubError } from "../../shared/errors.ts";
import { fence, keepClearing, meet, open, PHASE_LOCK, place, unprovedTables } from "./acts.ts";
import { tablesWithRows } from "./acts.ts";
import { gateOf } from "./gate.ts";
import type { Condition, ParityVerdict } from "./gate.ts";
import { readFacts } from "./facts.ts";
import { beginRun, enterPhase, historyOf, noteSkipped, noteStep, readHistory } from "./history.ts";
import type { Beginning } from "./history.ts";
import { isSwitch, placementOf, transitionOf } from "./phases.ts";
import type { History, Phase, Transition, Verb } from "./phases.ts";
import { judge, nameOf, planOf } from "./plan.ts";
import type { At, Step, World } from "./plan.ts";
import { runSteps } from "./steps.ts";
import type { Hands, StepProgress } from "./steps.ts";
import { readPlace } from "./world.ts";
import type { Place } from "./world.ts";

export interface MachineOptions {
  /** The database whose phase is meant: one connection, because it holds the lock. */
  here: pg.ClientBase;
  /** The home database, for the step between home and local. */
  home?: pg.ClientBase | undefined;
  clock: Clock;
  /** Market time. */
  marketMs: number;
  parity: (database: Pick<pg.Pool, "query">) => Promise<ParityVerdict>;
}

export interface MoveOptions extends MachineOptions {
  verb: Verb;
  /** Where it is to lead: a command that is run again after its end then does nothing more. */
  to?: Phase | undefined;
  mintRun: () => string;
  /** Who asks. */
  by: string;
  /** The reason of --force. */
  forced: string | null;
  waitMs: number;
  tell: (progress: StepProgress) => void;
  /** Goes around what the steps do: tests break them off there. */
  around?: (hands: Hands) => Hands;
}

export interface Planned {
  transition: Transition & { run?: string };
  gate: Condition[];
  steps: { step: string; state: "done" | "act" | "wait"; says: string; next?: string }[];
}

export type Moved =
  | { ok: true; phase: Phase; run: string | null; skipped: string[] }
  | { ok: false; refused: Condition[] };

const LOCK_TRIES = 40;
const LOCK_LOOK_MS = 250;

/** What `advance` or `rollback` would do now, and what may keep it from doing so. Changes nothing. */
export async function plan(options: MachineOptions, verb: Verb): Promise<Planned> {
  const prepared = await prepare(options, verb);
  const { transition, steps, places } = prepared;
  const hands = handsOf(options, transition, places);
  const looked: Planned["steps"] = [];
  for (const step of steps) {
    const { state, says, next } = judge(step, await hands.look(step), false);
    looked.push({ step: nameOf(step), state, says, ...(next ? { next } : {}) });
  }
  return {
    transition,
    steps: looked,
    gate: await askGate(options, prepared),
  };
}

/** Throws PHASE_*; returns the closed conditions when the gate is shut. */
export async function move(options: MoveOptions): Promise<Moved> {
  const { here, home, clock, verb, by, forced, mintRun, waitMs, tell } = options;
  for (const database of [here, home]) if (database) await lock(database, clock);
  if (options.to !== undefined && (await isThere(options, options.to))) {
    return { ok: true, phase: options.to, run: null, skipped: [] };
  }
  const prepared = await prepare(options, verb, options.to);
  const { transition, steps, places } = prepared;
  const gate = await askGate(options, prepared);
  const closed = gate.filter((condition) => !condition.open);
  if (closed.length > 0 && forced === null) return { ok: false, refused: closed };
  const skipped = closed.map(({ name, says }) => `${name}: ${says}`);
  const run = transition.run ?? mintRun();
  const beginning: Beginning = { ...transition, run, by, forced, skipped, gate };
  await beginRun(here, beginning);
  if (isSwitch(transition)) {
    await meet(here, { role: "hub", peer: places.home!.identity, by });
    await meet(home!, { role: "home", peer: places.hub!.identity, by });
  }
  const hands = handsOf(options, transition, places, beginning, skipped);
  await runSteps(steps, {
    hands: options.around?.(hands) ?? hands,
    ...{ clock, waitMs, tell, isForced: forced !== null },
  });
  return { ok: true, phase: transition.to, run, skipped };
}

/**
 * The gate of a transition that goes on was open when it began, and what is half done is not left so because a
 * measurement has aged; and none stands before the phase that was never left. The trading session always counts.
 */
async function askGate(options: MachineOptions, prepared: Prepared): Promise<Condition[]> {
  const { transition, isReturn } = prepared;
  const gate = gateOf(transition, await readFacts(options, transition));
  return transition.run !== undefined || isReturn ? gate.slice(-1) : gate;
}

/** Waits a little: the connection of a command that was killed is noticed by the server within moments. */
export async function lock(database: pg.ClientBase, clock: Clock): Promise<void> {
  for (let tried = 1; ; tried++) {
    const { rows } = await database.query<{ got: boolean }>(
      "select pg_try_advisory_lock($1, $2) as got",
      [...PHASE_LOCK],
    );
    if (rows[0]!.got) return;
    if (tried >= LOCK_TRIES) throw new TickhubError("PHASE_BUSY", {});
    await sleep(clock, LOCK_LOOK_MS);
  }
}

interface Prepared {
  transition: Transition & { run?: string };
  /** It leads back to the phase that was never left: there is nothing to be measured for that. */
  isReturn: boolean;
  steps: Step[];
  places: Partial<Record<At, Place>>;
}

/** Which transition it is, whether these databases are the right ones for it, and its steps. */
async function prepare(options: MachineOptions, verb: Verb, to?: Phase): Promise<Prepared> {
  const here = await readPlace(options.here);
  const home = options.home ? await readPlace(options.home) : undefined;
  const { transition, phase } = await decide(options, verb);
  if (to !== undefined && to !== transition.to) {
    const reason = `${verb} leads to ${transition.to} from here, not to ${to}`;
    throw new TickhubError("PHASE_ORDER", { reason });
  }
  if (isSwitch(transition)) checkPair(here, home);
  else checkAlone(transition, here, home);
  const accounts = [...here.leases.keys()];
  const sites = here.sites;
  const { missing } = placementOf(transition.to, accounts, sites);
  if (missing.length > 0 || accounts.length === 0) {
    throw new TickhubError("PHASE_SITES", { phase: transition.to, missing: missing.join(", ") });
  }
  const places = isSwitch(transition)
    ? { hub: here, home }
    : { [transition.from === null ? "home" : "hub"]: here };
  return {
    transition,
    isReturn: transition.to === phase,
    steps: planOf(transition, accounts, sites),
    places: places as Prepared["places"],
  };
}

async function decide(
  { here, home }: MachineOptions,
  verb: Verb,
): Promise<Pick<Prepared, "transition"> & Pick<History, "phase">> {
  let history = historyOf(await readHistory(here));
  if (home && history.phase === null && !history.underway) history = await homeHistory(home);
  const decided = transitionOf(history, verb);
  if ("refused" in decided) throw new TickhubError("PHASE_ORDER", { reason: decided.refused });
  return { transition: decided, phase: history.phase };
}

async function isThere({ here, home }: MachineOptions, to: Phase): Promise<boolean> {
  const { phase, underway } = historyOf(await readHistory(here));
  if (phase === null && home && !underway)
    return to === "home" && (await homeHistory(home)).phase === to;
  return phase === to && underway === null;
}

/** The hub's database knows of no phase yet: then it is the home database's. */
async function homeHistory(home: pg.ClientBase): Promise<History> {
  const history = historyOf(await readHistory(home));
  if (history.phase === "home" && !history.underway) return history;
  const is = history.underway
    ? `on its way to ${history.underway.to}`
    : (history.phase ?? "none yet");
  const reason = `the home database has to be in the phase home; it is ${is}`;
  throw new TickhubError("PHASE_ORDER", { reason });
}

function checkPair(here: Place, home: Place | undefined): void {
  const refuse = (reason: string) => new TickhubError("PHASE_ORDER", { reason });
  if (!home) {
    throw refuse(
      "between home and local the database changes: run this on the hub's database (TICKHUB_DATABASE_URL) with --from and the home one's URL",
    );
  }
  if (home.identity === here.identity)
    throw refuse("--from and TICKHUB_DATABASE_URL are one database");
  const known = here.fence.peer;
  if (known !== null && known !== home.identity) {
    throw refuse(`--from is ${home.identity}, and the move is from ${known}`);
  }
  if (home.fence.state === "clearing" && home.fence.peer !== here.identity) {
    throw refuse(
      `the home database was handed to ${home.fence.peer ?? "another one"}, not to this one`,
    );
  }
  const strangers = [...home.leases.keys()].filter((account) => !here.leases.has(account));
  if (strangers.length > 0) {
    throw refuse(`the hub's TICKHUB_ACCOUNTS lacks ${strangers.join(", ")}, which home collects`);
  }
  if (home.fence.isCopy) throw new TickhubError("PHASE_COPIED", { database: home.identity });
}

function checkAlone({ from }: Transition, here: Place, home: Place | undefined): void {
  const { state, isCopy, peer } = here.fence;
  if (home) {
    const reason = "--from is for the step between home and local only";
    throw new TickhubError("PHASE_ORDER", { reason });
  }
  if (isCopy) throw new TickhubError("PHASE_COPIED", { database: here.identity });
  if (from === null ? state !== "clearing" : state === "open") return;
  const reason = `this database grants no leases (its fence is ${state}); ${peer ?? "another one"} does`;
  throw new TickhubError("PHASE_ORDER", { reason });
}

function handsOf(
  options: MachineOptions & Partial<MoveOptions>,
  transition: Transition,
  places: Prepared["places"],
  beginning?: Beginning,
  skipped: string[] = [],
): Hands {
  const { here, home } = options;
  const at = (name: At): pg.ClientBase => (isSwitch(transition) && name === "home" ? home! : here);
  const by = beginning?.by ?? "";
  const reason = `${transition.verb} to ${transition.to}`;
  const peerOf = (name: At) => places[name === "hub" ? "home" : "hub"]?.identity ?? "";
  return {
    async look(step): Promise<World> {
      const names = Object.keys(places) as At[];
      const seen = await Promise.all(
        names.map(async (name) => [name, await readPlace(at(name))] as const),
      );
      const now: Prepared["places"] = Object.fromEntries(seen);
      const { phase, underway } = historyOf(await readHistory(here));
      const unproved = step.kind === "verify" ? await unprovedOf(step, now, at) : [];
      return { places: now, unproved, phase, isUnderway: underway !== null };
    },
    async act(step, world) {
      switch (step.kind) {
        case "place":
          return await place(at(step.at), step.account, step.edges);
        case "fence":
          return await fence(at(step.at), { by, reason, peer: peerOf(step.at) });
        case "clear": {
          const { identity, fence: cleared } = world.places[step.at]!;
          return await keepClearing(at(step.other), identity, cleared.openings);
        }
        case "open": {
          const peer = step.other === null ? null : peerOf(step.at);
          return await open(at(step.at), step.placement, { by, reason, peer, role: step.at });
        }
        case "enter": {
          // The home database first: while its row is missing, the transition is under way.
          if (isSwitch(transition)) await enterPhase(home!, beginning!);
          return await enterPhase(here, beginning!);
        }
        case "ready":
        case "collect":
        case "verify":
      }
    },
    async note(step, verdict) {
      await noteStep(here, beginning!.run, nameOf(step), verdict.says);
      if (!verdict.skipped) return;
      skipped.push(verdict.skipped);
      await noteSkipped(here, beginning!.run, verdict.skipped);
    },
  };
}

async function unprovedOf(
  step: Step & { kind: "verify" },
  places: Prepared["places"],
  at: (name: At) => pg.ClientBase,
): Promise<string[]> {
  const from = places[step.at]!;
  const tables = await tablesWithRows(at(step.at));
  return await unprovedTables(at(step.other), tables, from.identity, from.fence.openings);
}
