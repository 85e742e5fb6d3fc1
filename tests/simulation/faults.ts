// What goes wrong in a run, drawn from its seed: when, what, where and for how long. Each fault undoes
// itself; `heal` undoes what is left of all of them.
import type { Site, World } from "./world.ts";

export interface Fault {
  name: string;
  weight: number;
  strike: (world: World, site: Site) => void;
}

function holderOf({ timeline, sites }: World): Site {
  const holding = sites.filter(({ edge }) => edge.collectors.some((one) => !one.isStandingBy()));
  return timeline.pick(holding.length > 0 ? holding : sites);
}

/** Some stops are short; the others are long enough for the account to pass on meanwhile. */
function stopMs({ timeline }: World): number {
  return timeline.chance(0.6) ? timeline.between(100, 4_000) : timeline.between(9_000, 24_000);
}

/** How old what an outbox holds may be when a deploy begins. */
const PREFLIGHT_MS = 5_000;

export const FAULTS: readonly Fault[] = [
  { name: "partition", weight: 3, strike: partition },
  { name: "delay", weight: 2, strike: delay },
  { name: "duplicate", weight: 2, strike: duplicate },
  { name: "reorder", weight: 2, strike: reorder },
  { name: "crash of an edge", weight: 2, strike: crashEdge },
  { name: "restart beside", weight: 2, strike: restartBeside },
  { name: "stall of an edge", weight: 2, strike: stall },
  { name: "suspend", weight: 2, strike: suspend },
  { name: "suspend, and no network at first", weight: 1, strike: suspendOffline },
  { name: "clock set", weight: 2, strike: setClock },
  { name: "slow disk", weight: 2, strike: slowDisk },
  { name: "crash of the hub", weight: 2, strike: crashHub },
  { name: "crash of the hub after a commit", weight: 2, strike: crashHubAfterCommit },
  { name: "stall of the hub", weight: 1, strike: stallHub },
  { name: "crash of the database", weight: 1, strike: crashDatabase },
  { name: "crash of the database in a copy", weight: 2, strike: crashDatabaseInCopy },
  { name: "reset", weight: 3, strike: reset },
  { name: "reset at the database", weight: 2, strike: resetDatabase },
  { name: "socket cut by the broker", weight: 2, strike: cutSocket },
  { name: "new plan", weight: 1, strike: replan },
];

/** Strikes `count` times over `spanMs`, from now on; with probability `aimed` at a site that holds a lease. */
export function plague(
  world: World,
  count: number,
  spanMs: number,
  { faults, aimed }: { faults: readonly Fault[]; aimed: number },
): void {
  const { timeline } = world;
  const total = faults.reduce((sum, { weight }) => sum + weight, 0);
  for (let i = 0; i < count; i++) {
    timeline.after(timeline.between(0, spanMs), () => {
      let left = timeline.random() * total;
      const fault = faults.find(({ weight }) => (left -= weight) < 0) ?? faults[0]!;
      const site = timeline.chance(aimed) ? holderOf(world) : timeline.pick(world.sites);
      world.faults++;
      timeline.note(`fault: ${fault.name} at ${site.host.name}`);
      fault.strike(world, site);
    });
  }
}

/** What makes an account pass on, or seem to. */
export const RACE_FAULTS: readonly Fault[] = [
  { name: "partition", weight: 3, strike: partition },
  { name: "crash of an edge", weight: 2, strike: crashEdge },
  { name: "restart beside", weight: 2, strike: restartBeside },
  { name: "stall of an edge", weight: 4, strike: stall },
  { name: "suspend", weight: 3, strike: suspend },
  { name: "suspend, and no network at first", weight: 3, strike: suspendOffline },
  { name: "clock set", weight: 1, strike: setClock },
  { name: "reset", weight: 1, strike: reset },
  { name: "slow disk", weight: 1, strike: slowDisk },
  { name: "crash of the hub", weight: 1, strike: crashHub },
];

/** A process that is replaced by order while it runs, cannot be told, and whose batches get through. */
export const DEAF_FAULTS: readonly Fault[] = [
  { name: "deaf and replaced", weight: 1, strike: replaceDeaf },
];

export const SUSPEND_FAULTS: readonly Fault[] = [
  { name: "suspend, and no network at first", weight: 3, strike: suspendOffline },
  { name: "suspend", weight: 1, strike: suspend },
];

/** Makes everything whole: what is down starts, what stands goes on, every path is good. */
export function heal(world: World): void {
  world.timeline.note("healed");
  world.onCommit = () => undefined;
  world.server.onCopy = null;
  world.server.slowMs = 0;
  if (!world.server.isUp) startDatabase(world);
  world.hub.process.goOn();
  world.startHub();
  for (const site of world.sites) {
    for (const one of [site.hubPath, site.brokerPath]) {
      one.blockedUntilMs = 0;
      one.duplicates = one.overtakes = 0;
      one.latencyMs = 10;
    }
    site.host.wake();
    for (const process of site.host.processes) process.goOn();
    if (site.edge.isOver) world.startEdge(site);
  }
}

function partition({ timeline }: World, { hubPath }: Site): void {
  const spanMs = timeline.chance(0.6)
    ? timeline.between(100, 3_000)
    : timeline.between(4_000, 20_000);
  hubPath.blockedUntilMs = timeline.nowMs + spanMs;
}

function delay({ timeline }: World, { hubPath }: Site): void {
  const { latencyMs } = hubPath;
  hubPath.latencyMs = timeline.between(100, 1_200);
  timeline.after(timeline.between(500, 4_000), () => (hubPath.latencyMs = Math.min(latencyMs, 10)));
}

function duplicate({ timeline }: World, { hubPath }: Site): void {
  hubPath.duplicates = 0.3;
  timeline.after(timeline.between(500, 5_000), () => (hubPath.duplicates = 0));
}

function reorder({ timeline }: World, { hubPath }: Site): void {
  hubPath.overtakes = 0.3;
  timeline.after(timeline.between(500, 5_000), () => (hubPath.overtakes = 0));
}

export function crashEdge(world: World, site: Site): void {
  site.edge.crash();
  world.timeline.after(world.timeline.between(0, 4_000), () => {
    if (site.edge.isOver) world.startEdge(site);
  });
}

/**
 * The platform starts the new one before it ends the old one. Only where the deploy's preflight lets it: an
 * old process that has not been heard for long would count as dead while it collects (docs/adr/0010).
 */
function restartBeside(world: World, site: Site): void {
  const old = site.edge;
  const { link } = old.sender.status();
  const { oldestMs } = old.outbox.stats(old.process.clock.monoMs());
  if (old.isOver || link !== "up" || oldestMs > PREFLIGHT_MS) return;
  world.startEdge(site);
  world.timeline.after(world.timeline.between(100, 3_000), () =>
    old.process.deliver(() => void old.stop()),
  );
}

function stall(world: World, { edge }: Site): void {
  edge.process.stop();
  world.timeline.after(stopMs(world), () => edge.process.goOn());
}

function suspend(world: World, { host }: Site): void {
  host.suspend();
  world.timeline.after(stopMs(world), () => host.wake());
}

/** The lid is closed for long, and when it opens the way to the hub takes a while to come back. */
function suspendOffline({ timeline }: World, { host, hubPath }: Site): void {
  const asleepMs = timeline.between(17_000, 24_000);
  host.suspend();
  hubPath.blockedUntilMs = timeline.nowMs + asleepMs + timeline.between(3_000, 8_000);
  timeline.after(asleepMs, () => host.wake());
}

function setClock({ timeline }: World, { host }: Site): void {
  host.skewMs = timeline.between(-5_000, 5_000);
}

function slowDisk({ timeline, server }: World): void {
  server.slowMs = timeline.between(20, 800);
  timeline.after(timeline.between(500, 4_000), () => (server.slowMs = 0));
}

function crashHub(world: World): void {
  world.crashHub();
  world.timeline.after(world.timeline.between(200, 3_000), () => world.startHub());
}

function crashHubAfterCommit(world: World): void {
  world.onCommit = (isIngest) => {
    if (!isIngest) return;
    world.onCommit = () => undefined;
    world.timeline.after(0, () => crashHub(world));
  };
}

function stallHub(world: World): void {
  const { process } = world.hub;
  process.stop();
  world.timeline.after(world.timeline.between(200, 5_000), () => process.goOn());
}

function crashDatabase(world: World): void {
  if (!world.server.isUp) return;
  world.server.crash();
  world.timeline.after(world.timeline.between(200, 3_000), () => startDatabase(world));
}

function startDatabase({ server, timeline, beginMs }: World): void {
  if (!server.isUp) server.start(beginMs + timeline.nowMs);
}

function crashDatabaseInCopy(world: World): void {
  world.server.onCopy = () => crashDatabase(world);
}

function reset({ timeline, connections }: World): void {
  const open = [...connections].filter((one) => !one.isClosed && one.path.name.endsWith("-hub"));
  if (open.length > 0) timeline.pick(open).reset();
}

function resetDatabase({ timeline, server }: World): void {
  const open = [...server.connections];
  if (open.length > 0) timeline.pick(open).lose();
}

function cutSocket({ timeline, connections }: World): void {
  const open = [...connections].filter((one) => !one.isClosed && one.path.name.endsWith("-broker"));
  if (open.length > 0) timeline.pick(open).reset();
}

function replaceDeaf(world: World, site: Site): void {
  const { timeline, server } = world;
  const old = site.edge;
  if (old.isOver || old.isDeaf) return;
  // Ahead, so that its last records are stamped later than the moment in which it was replaced.
  site.host.skewMs = timeline.between(2_000, 5_000);
  old.isDeaf = true;
  world.startEdge(site);
  server.slowMs = timeline.between(200, 900);
  timeline.after(timeline.between(6_000, 12_000), () => {
    old.isDeaf = false;
    server.slowMs = 0;
    timeline.after(3_000, () => old.process.deliver(() => void old.stop()));
  });
}

function replan(world: World): void {
  world.raisePlan(world.timeline.pick(world.accounts));
}
