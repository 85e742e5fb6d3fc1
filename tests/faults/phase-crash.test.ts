// Each step of each transition broken off at each point where it leaves the world different: before it acts,
// when it has acted and not said so, while it waits, and when it is done. Run again, the world is that of a run
// that nobody disturbed. In the middle also the hub, an edge that is called back, and an edge that takes over
// are killed.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Phase } from "../../app/hub/phase/phases.ts";
import type { Step } from "../../app/hub/phase/plan.ts";
import type { Hands } from "../../app/hub/phase/steps.ts";
import { TwoSites } from "./support/two-sites.ts";
import type { Where } from "./support/two-sites.ts";
import { nothingLost } from "./support/two-sites-end.ts";

let sites: TwoSites;
beforeAll(async () => {
  sites = await TwoSites.start();
  await sites.phase(["advance"], "home");
  await sites.collects("home-kis@home", "kis:1");
  await sites.proveAll();
});
afterAll(() => sites.stop());

interface Leg {
  verb: "advance" | "rollback";
  to: Phase;
  from?: Where;
}
const SWITCH: [Leg, Leg] = [
  { verb: "advance", to: "local", from: "home" },
  { verb: "rollback", to: "home", from: "hub" },
];
const DUAL: [Leg, Leg] = [
  { verb: "advance", to: "dual" },
  { verb: "rollback", to: "local" },
];
const CLOUD: [Leg, Leg] = [
  { verb: "advance", to: "cloud" },
  { verb: "rollback", to: "dual" },
];

const CRASH = new Error("kill -9");
type Point = "before" | "acted" | "waiting" | "done";

/** Throws when `step` gets to `point`; and stands for the operator who transfers. */
function around(leg: Leg, crash?: { kind: Step["kind"]; account?: string; point: Point }) {
  return (hands: Hands): Hands => {
    const is = (step: Step, point: Point) =>
      crash?.point === point &&
      step.kind === crash.kind &&
      (!crash.account || !("account" in step) || step.account === crash.account);
    const looks = new Map<Step, number>();
    return {
      async look(step) {
        const seen = (looks.get(step) ?? 0) + 1;
        looks.set(step, seen);
        if (seen === 2 && is(step, "waiting")) throw CRASH;
        if (step.kind === "verify" && seen === 2) await sites.carry(leg.from!);
        return await hands.look(step);
      },
      async act(step, world) {
        if (is(step, "before")) throw CRASH;
        await hands.act(step, world);
        if (is(step, "acted")) throw CRASH;
      },
      async note(step, verdict) {
        if (is(step, "done")) throw CRASH;
        await hands.note(step, verdict);
      },
    };
  };
}

type CrashAt = NonNullable<Parameters<typeof around>[1]>;
async function go(leg: Leg, crash?: CrashAt): Promise<void> {
  const options = { isSwitch: leg.from !== undefined, to: leg.to, around: around(leg, crash) };
  expect(await sites.move(leg.verb, options)).toMatchObject({ ok: true });
}

async function brokenOff(leg: Leg, crash: CrashAt): Promise<void> {
  await expect(go(leg, crash)).rejects.toBe(CRASH);
}

/** There and back undisturbed, then with each crash on the way there and on the way back. */
async function allCrashes([there, back]: [Leg, Leg], crashes: readonly CrashAt[]): Promise<void> {
  const before = await sites.state();
  await go(there);
  const after = await sites.state();
  await go(back);
  expect(await sites.state()).toEqual(reopened(before));
  for (const crash of crashes) {
    await brokenOff(there, crash);
    await go(there);
    expect([crash, await sites.state()]).toEqual([crash, after]);
    await brokenOff(back, crash);
    await go(back);
    expect([crash, await sites.state()]).toEqual([crash, reopened(before)]);
  }
  expect((await sites.counts()).doubleSockets).toBe(0);
}

/** A hub's database that was never opened is shut; one that was, and was cleared, stays so, and has a phase. */
function reopened(state: object): object {
  const { home, hub } = structuredClone(state) as Record<Where, Record<string, unknown>>;
  if (hub["fence"] !== "open") {
    Object.assign(hub, { fence: "clearing", phase: "home", underway: false });
    hub["placement"] = home["placement"];
  }
  return { home, hub };
}

describe("a transition that is broken off", () => {
  it("between the databases ends as one that was not", { timeout: 900_000 }, async () => {
    await allCrashes(SWITCH, [
      { kind: "fence", point: "before" },
      { kind: "fence", point: "acted" },
      { kind: "clear", point: "waiting" },
      { kind: "clear", point: "acted" },
      { kind: "verify", point: "waiting" },
      { kind: "open", point: "acted" },
      { kind: "collect", point: "waiting" },
      { kind: "enter", point: "before" },
      { kind: "enter", point: "acted" },
    ]);
  });

  it(
    "is gone back from at every point as well, and granted by one database at a time",
    { timeout: 900_000 },
    async () => {
      const home = await sites.state();
      for (const crash of [
        { kind: "fence", point: "acted" },
        { kind: "verify", point: "waiting" },
        { kind: "open", point: "acted" },
        { kind: "enter", point: "before" },
      ] as const) {
        await brokenOff(SWITCH[0], crash);
        await go(SWITCH[1]);
        expect([crash, await sites.state()]).toEqual([crash, home]);
      }
      await go(SWITCH[0]);
    },
  );

  it("to dual and back ends as one that was not", { timeout: 900_000 }, async () => {
    await allCrashes(DUAL, [
      { kind: "place", account: "kis:1", point: "before" },
      { kind: "place", account: "kis:1", point: "acted" },
      { kind: "collect", account: "kis:1", point: "waiting" },
      { kind: "collect", account: "kis:1", point: "done" },
      { kind: "enter", point: "acted" },
    ]);
    await brokenOff(DUAL[0], { kind: "collect", account: "kis:1", point: "waiting" });
    await go(DUAL[1]);
    await go(DUAL[0]);
  });

  it("to the cloud and back ends as one that was not", { timeout: 900_000 }, async () => {
    await allCrashes(CLOUD, [
      { kind: "place", account: "kiwoom:1", point: "acted" },
      { kind: "collect", account: "kiwoom:1", point: "waiting" },
      { kind: "enter", point: "before" },
    ]);
  });

  it(
    "while the hub dies, or the edge that leaves, or the one that takes over, ends as well",
    { timeout: 900_000 },
    async () => {
      const at = { kind: "collect", account: "kiwoom:1", point: "waiting" } as const;
      await go(CLOUD[0]);
      const cloud = await sites.state();
      await go(CLOUD[1]);
      const dual = await sites.state();
      // The hub: its edges go on, and come back to it.
      await brokenOff(CLOUD[0], at);
      sites.hubs.hub.child.process.kill("SIGKILL");
      await sites.hubs.hub.child.exited;
      await sites.startHub("hub");
      await go(CLOUD[0]);
      expect(await sites.state()).toEqual(cloud);
      // The edge that is called back, before it has heard of it.
      await brokenOff(CLOUD[1], { kind: "place", account: "kiwoom:1", point: "acted" });
      await sites.killEdge("kiwoom@hub");
      await sites.startEdge("kiwoom", "kiwoom", "hub");
      await go(CLOUD[1]);
      expect(await sites.state()).toEqual(dual);
      // The edge that takes over, at once after its grant.
      await go(CLOUD[0]);
      await sites.killEdge("kiwoom@hub");
      await sites.startEdge("kiwoom", "kiwoom", "hub");
      await sites.collects("kiwoom@hub", "kiwoom:1");
      expect(await sites.state()).toEqual(cloud);
      await nothingLost(sites, { killed: true });
    },
  );
});
