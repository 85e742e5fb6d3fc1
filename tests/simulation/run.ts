// A run from beginning to end: faults, then quiet, then the market closes and everything drains. What comes
// out are the totals of the run and its digest; what goes wrong is told with the command that plays it again.
import { type Fault, FAULTS, heal, plague } from "./faults.ts";
import { World, type WorldOptions } from "./world.ts";

export interface RunOptions extends WorldOptions {
  /** How the run is called in scenarios.ts, to play it again. */
  scenario: string;
  faultsMin?: number;
  /** How long faults strike, true time. */
  faultyMs?: number;
  faults?: readonly Fault[];
  /** Share of the faults that strike where a lease is held, whatever else is drawn. */
  aimed?: number;
}

export interface RunResult {
  digest: string;
  events: number;
  faults: number;
  /** Stored trades and books. */
  rows: number;
  received: number;
  quarantined: number;
  lost: number;
  /** Held by processes at their death. */
  buried: number;
  overlaps: number;
  twice: number;
  sockets: number;
  grants: number;
  /** Grants for which somebody else was up, or believed to hold. */
  races: number;
  /** Edges killed at a given event. */
  crashes: number;
  /** Records refused because they were captured outside a lease, by the edge itself or by the hub. */
  refused: number;
}

const FAULTS_MIN = 20;
const FAULTY_MS = 40_000;
const EVENTS_MIN = 10_000;
/** After the faults every account is held again and every gap filled within this time, or never. */
const RECOVERY_MS = 60_000;
/** Everything has drained by then, or never will. */
const DRAIN_MS = 90_000;
const LOOK_MS = 500;
const SETTLE_MS = 3_000;

/** Throws an Error whose message has the seed, the last steps and how to play it again. */
export async function runSeed(options: RunOptions): Promise<RunResult> {
  const world = new World(options);
  try {
    return await live(world, options);
  } catch (error) {
    throw new Error(report(world, options, error), { cause: error });
  }
}

async function live(world: World, options: RunOptions): Promise<RunResult> {
  const { timeline, broker } = world;
  const { faultsMin = FAULTS_MIN, faultyMs = FAULTY_MS, faults = FAULTS, aimed = 0 } = options;
  const count = faultsMin + Math.floor(timeline.between(0, 8));
  timeline.after(1_500, () => plague(world, count, faultyMs, { faults, aimed }));
  const until = (atMs: number) => world.run(() => timeline.nowMs >= atMs);
  await until(1_500 + faultyMs);
  heal(world);
  await recover(world);
  broker.isOpen = false;
  await drain(world);
  world.laws.end();
  timeline.verify();
  return resultOf(world);
}

/** Runs until every account is collected again and nothing is missing. */
async function recover(world: World): Promise<void> {
  const { timeline } = world;
  const fromMs = timeline.nowMs;
  let lookMs = fromMs + LOOK_MS;
  await world.run(() => {
    if (timeline.nowMs < lookMs || timeline.events < EVENTS_MIN) return false;
    lookMs = timeline.nowMs + LOOK_MS;
    return isWhole(world) || timeline.nowMs - fromMs > RECOVERY_MS;
  });
  if (!isWhole(world)) throw new Error("is not whole again: an account nobody collects, or a gap");
}

function isWhole(world: World): boolean {
  const isCollected = (account: string) =>
    world.edges.some(
      (edge) =>
        !edge.isOver &&
        edge.collectors.some((one) => one.account === account && one.status().feed === "live"),
    );
  return world.accounts.every(
    (account) => isCollected(account) && world.missing(account).length === 0,
  );
}

async function drain(world: World): Promise<void> {
  const { timeline } = world;
  const fromMs = timeline.nowMs;
  let quietSinceMs = fromMs;
  await world.run(() => {
    const { nowMs } = timeline;
    if (!isDrained(world)) quietSinceMs = nowMs;
    const isQuiet = nowMs - quietSinceMs > SETTLE_MS && !world.server.isWorking;
    return isQuiet || nowMs - fromMs > DRAIN_MS;
  });
  if (isDrained(world)) return;
  const held = world.edges.filter((edge) => !edge.isOver).map((edge) => edge.outbox.heldSpans());
  throw new Error(`does not drain: ${JSON.stringify(held)}`);
}

function isDrained(world: World): boolean {
  return world.edges.every(
    ({ isOver, outbox }) => isOver || (outbox.drainEmpty() && outbox.ledger().held === 0),
  );
}

function resultOf(world: World): RunResult {
  const { timeline, database, broker, laws, edges } = world;
  const ledgers = edges.map(({ outbox }) => outbox.ledger());
  const total = (of: (ledger: (typeof ledgers)[number]) => number) =>
    ledgers.reduce((sum, ledger) => sum + of(ledger), 0);
  return {
    digest: timeline.digest(),
    events: timeline.events,
    faults: world.faults,
    rows: database.tables.trades.size + database.tables.books.length,
    received: total(({ received }) => received),
    quarantined: total(({ quarantined }) => quarantined),
    lost: total(({ lost }) => lost),
    buried: edges.reduce((sum, { heldAtEnd }) => sum + (heldAtEnd ?? 0), 0),
    overlaps: broker.overlaps,
    twice: laws.twice,
    sockets: broker.opened,
    grants: laws.grants,
    races: laws.races,
    crashes: world.crashes,
    refused: laws.refused,
  };
}

function report(world: World, { scenario, seed }: RunOptions, error: unknown): string {
  const sentence = error instanceof Error ? error.message : String(error);
  const name = `${scenario}:${seed}`;
  const replay = `TICKHUB_SEED=${name} npx vitest run tests/simulation/replay.test.ts`;
  const lines = [sentence, `seed ${name}, event ${world.timeline.events}`, `again: ${replay}`];
  return [...lines, ...world.timeline.lastLines()].join("\n");
}
