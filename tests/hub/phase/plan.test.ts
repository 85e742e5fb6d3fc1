// The planner against a model of the world: whatever is begun, broken off, gone back from and begun again ends
// in exactly a phase's placement, granted by exactly one database, and nobody ever collects an account twice.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PHASES, placementOf, transitionOf, isSwitch } from "../../../app/hub/phase/phases.ts";
import type { Phase, Run, SiteRule, Verb } from "../../../app/hub/phase/phases.ts";
import { clearingOf, judge, planOf } from "../../../app/hub/phase/plan.ts";
import type { At, Step, World } from "../../../app/hub/phase/plan.ts";
import type { Fence, Place } from "../../../app/hub/phase/world.ts";

const ACCOUNTS = ["kis:1", "kis:2", "kiwoom:1", "news:1"];
const SITES: SiteRule[] = [
  { target: "kis", side: "home", edges: ["home-kis"] },
  { target: "kis", side: "cloud", edges: ["kis"] },
  { target: "kis:2", side: "cloud", edges: ["kis2"] },
  { target: "kiwoom", side: "home", edges: ["home-kiwoom"] },
  { target: "kiwoom", side: "cloud", edges: ["kiwoom"] },
  { target: "news", side: "home", edges: ["home-news"] },
  { target: "news", side: "cloud", edges: ["light"] },
];

interface Database {
  identity: string;
  fence: Fence;
  placement: Map<string, string[]>;
  holders: Map<string, string>;
  clearings: Set<string>;
}

/** Both databases and every edge of both sites, each a process a database; time is one heartbeat. */
class Model {
  readonly databases: Record<At, Database> = { home: database("home"), hub: database("hub") };
  phase: Phase | null = null;
  underway: Run | null = null;
  /** Openings whose transfer was compared. */
  readonly #compared = new Set<string>();
  doubles = 0;

  placeOf(at: At): Place {
    const { identity, fence, placement, holders, clearings } = this.databases[at];
    const edges = SITES.flatMap(({ edges: names }) => names);
    return {
      ...{ identity, fence, placement, clearings, sites: SITES },
      leases: new Map(
        ACCOUNTS.map((name) => {
          const edge = holders.get(name) ?? null;
          return [name, { holder: edge, edge, seenAgeMs: 100, isLeaving: false }];
        }),
      ),
      edges: edges.map((edge) => ({
        edge,
        seenAgeMs: 100,
        accounts: new Map(
          ACCOUNTS.map((name) => {
            const isHolder = holders.get(name) === edge;
            const lease = isHolder ? "holding" : "claiming";
            return [name, { lease, feed: isHolder ? "live" : "idle", code: null, held: 0 }];
          }),
        ),
      })),
    };
  }

  /** Every edge asks once: who has to leave leaves, and what is free is granted. */
  beat(): void {
    for (const one of Object.values(this.databases)) {
      for (const account of ACCOUNTS) {
        const placed = one.placement.get(account) ?? [];
        const holder = one.holders.get(account);
        if (
          holder &&
          (one.fence.state === "clearing" ||
            (one.fence.state === "open" && !placed.includes(holder)))
        ) {
          one.holders.delete(account);
        } else if (!holder && one.fence.state === "open" && placed[0])
          one.holders.set(account, placed[0]);
      }
    }
    for (const account of ACCOUNTS) {
      if (this.databases.home.holders.has(account) && this.databases.hub.holders.has(account))
        this.doubles++;
    }
  }

  look(transition: Run): World {
    const places = isSwitch(transition)
      ? { home: this.placeOf("home"), hub: this.placeOf("hub") }
      : { [this.#main]: this.placeOf(this.#main) };
    const cleared = transition.to === "local" ? "home" : "hub";
    const source = this.placeOf(cleared);
    const isCompared = this.#compared.has(clearingOf(source));
    return {
      places,
      unproved: isCompared ? [] : ["trade: never transferred"],
      ...{ phase: this.phase, isUnderway: this.underway !== null },
    };
  }

  /** Which database the command works with. */
  get #main(): At {
    const to = this.underway?.to ?? this.phase;
    return this.underway?.from === null || to === null || to === "home" ? "home" : "hub";
  }

  act(step: Step, transition: Run): void {
    if (step.kind === "enter") {
      [this.phase, this.underway] = [step.phase, null];
      return;
    }
    const main = isSwitch(transition) ? step.at : this.#main;
    const one = this.databases[main];
    if (step.kind === "place") one.placement.set(step.account, [...step.edges]);
    if (step.kind === "fence") one.fence = { ...one.fence, state: "clearing" };
    if (step.kind === "clear")
      this.databases[step.other].clearings.add(clearingOf(this.placeOf(step.at)));
    if (step.kind === "open") {
      for (const [account, edges] of step.placement) one.placement.set(account, [...edges]);
      const openings = one.fence.openings + (one.fence.state === "open" ? 0 : 1);
      one.fence = { ...one.fence, state: "open", openings };
    }
  }

  /** One command; broken off after `actsMax` acts and heartbeats. False when it was, or when there is no such way. */
  command(verb: Verb, actsMax: number): boolean {
    const decided = transitionOf({ phase: this.phase, underway: this.underway }, verb);
    if ("refused" in decided) return false;
    const transition: Run = { run: "run", ...decided };
    this.underway = transition;
    let acts = 0;
    for (const step of planOf(transition, ACCOUNTS, SITES)) {
      for (;;) {
        const { state } = judge(step, this.look(transition), false);
        if (state === "done") break;
        if (++acts > actsMax) return false;
        if (state === "act") this.act(step, transition);
        else {
          this.beat();
          if (step.kind === "verify") this.#compared.add(clearingOf(this.placeOf(step.at)));
        }
      }
    }
    return true;
  }
}

function database(identity: string): Database {
  const fence: Fence = { state: "shut", isCopy: false, openings: 0, peer: null, role: null };
  return { identity, fence, placement: new Map(), holders: new Map(), clearings: new Set() };
}

function check(model: Model): void {
  const { phase, databases } = model;
  if (phase === null) return;
  const [granting, other] =
    phase === "home" ? (["home", "hub"] as const) : (["hub", "home"] as const);
  const wanted = placementOf(phase, ACCOUNTS, SITES).placement;
  expect(databases[granting].fence.state).toBe("open");
  expect(databases[other].fence.state).not.toBe("open");
  expect(databases[other].holders.size).toBe(0);
  expect(new Map(databases[granting].placement)).toEqual(new Map(wanted));
  for (const [account, edges] of wanted)
    expect(edges).toContain(databases[granting].holders.get(account));
}

describe("the plan", () => {
  it("of any sequence of advance, rollback and kill ends in exactly a phase, with one database that grants", () => {
    const command = fc.record({
      verb: fc.constantFrom<Verb>("advance", "advance", "rollback"),
      actsMax: fc.oneof(fc.nat({ max: 12 }), fc.constant(1_000)),
    });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
        const model = new Model();
        for (const { verb, actsMax } of commands) {
          if (model.command(verb, actsMax)) check(model);
          expect(model.doubles).toBe(0);
        }
        while (model.underway !== null)
          expect(model.command(model.underway.verb, 1_000)).toBe(true);
        check(model);
        expect(model.doubles).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  it("goes the whole way and back", () => {
    const model = new Model();
    for (const phase of PHASES) {
      expect(model.command("advance", 1_000)).toBe(true);
      expect(model.phase).toBe(phase);
      check(model);
    }
    expect(model.command("advance", 1_000)).toBe(false);
    for (const phase of ["dual", "local", "home"]) {
      expect(model.command("rollback", 1_000)).toBe(true);
      expect(model.phase).toBe(phase);
      check(model);
    }
  });

  it("puts KIS in the cloud and Kiwoom at home in dual, and what is no broker's on both sides", () => {
    const { placement, missing } = placementOf("dual", ACCOUNTS, SITES);
    expect(Object.fromEntries(placement)).toEqual({
      "kis:1": ["kis"],
      "kis:2": ["kis2"],
      "kiwoom:1": ["home-kiwoom"],
      "news:1": ["home-news", "light"],
    });
    expect(missing).toEqual([]);
    expect(placementOf("cloud", ["kis:1", "kiwoom:1"], SITES.slice(0, 2)).missing).toEqual([
      "kiwoom:1@cloud",
    ]);
  });

  it("calls nobody back before the one that takes over stands ready", () => {
    const steps = planOf({ verb: "advance", from: "local", to: "dual" }, ACCOUNTS, SITES);
    const kinds = steps.flatMap((step) =>
      "account" in step && step.account === "kis:1" ? [step.kind] : [],
    );
    expect(kinds).toEqual(["ready", "place", "collect"]);
  });

  it("opens nothing while the other database may still grant, forced or not", () => {
    const model = new Model();
    model.command("advance", 1_000);
    const transition: Run = { run: "r", verb: "advance", from: "home", to: "local" };
    const open = planOf(transition, ACCOUNTS, SITES).find(({ kind }) => kind === "open")!;
    for (const state of ["open", "none", "shut"] as const) {
      model.databases.home.fence = { ...model.databases.home.fence, state };
      for (const isForced of [false, true]) {
        expect(judge(open, model.look(transition), isForced)).toMatchObject({ state: "wait" });
      }
    }
    model.databases.home.fence = { ...model.databases.home.fence, state: "clearing" };
    expect(judge(open, model.look(transition), true).state).toBe("wait");
    model.beat();
    expect(judge(open, model.look(transition), false).state).toBe("act");
  });

  it("takes a database for one that never granted only if it is shut, was never opened, and nobody holds anything", () => {
    const transition: Run = { run: "r", verb: "rollback", from: "local", to: "home" };
    const [fence, clear] = planOf(transition, ACCOUNTS, SITES);
    const told = (state: Fence["state"], openings: number, holder?: string) => {
      const model = new Model();
      model.databases.hub.fence = { ...model.databases.hub.fence, state, openings };
      if (holder) model.databases.hub.holders.set("kis:1", holder);
      const world = model.look(transition);
      return [fence!, clear!].map((step) => judge(step, world, true).state).join(" ");
    };
    expect(told("shut", 0)).toBe("done done");
    expect(told("shut", 0, "kis")).toBe("act wait");
    expect(told("shut", 1)).toBe("act act");
    expect(told("open", 0)).toBe("act act");
    expect(told("none", 0)).toBe("act act");
  });

  it("lets rows behind, and an unproved transfer, only by force, and says what it skipped", () => {
    const model = new Model();
    model.command("advance", 1_000);
    const transition: Run = { run: "r", verb: "advance", from: "home", to: "local" };
    const [, clear, verify] = planOf(transition, ACCOUNTS, SITES);
    model.databases.home.fence = { ...model.databases.home.fence, state: "clearing" };
    const world = model.look(transition);
    expect(judge(clear!, world, true)).toMatchObject({ state: "wait" });
    model.beat();
    const place = model.placeOf("home");
    const account = { lease: "claiming", feed: "idle", code: null, held: 7 };
    const edges = [
      { edge: "home-kis", seenAgeMs: 900_000, accounts: new Map([["kis:1", account]]) },
    ];
    const full = { ...world, places: { ...world.places, home: { ...place, edges } } };
    expect(judge(clear!, full, false)).toMatchObject({ state: "wait" });
    expect(judge(clear!, full, false).says).toContain("home-kis holds 7 records");
    expect(judge(clear!, full, true)).toMatchObject({ state: "act" });
    expect(judge(clear!, full, true).skipped).toContain("7 records");
    expect(judge(verify!, full, false)).toMatchObject({ state: "wait" });
    expect(judge(verify!, full, false).next).toContain("tickhub transfer");
    expect(judge(verify!, full, true).skipped).toContain("never transferred");
  });
});
