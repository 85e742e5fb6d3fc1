// Fifty times the holder of a broker's account is killed, stopped, cut off or ended while other processes
// want the account: half of them between several edges that may all hold it (failover), half between two
// processes of one edge (exclusive). The simulated brokers count sockets, and SQL counts rows by lease.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Scene } from "../../app/cli/scene.ts";
import { seeded } from "../../app/sim/market/random.ts";
import type { Transport } from "../../app/edge/uplink/transport.ts";
import { testTransport } from "../support/hub.ts";
import { eventually, startStack } from "../support/stack.ts";
import type { TestStack } from "../support/stack.ts";
import { Contenders } from "./support/contenders.ts";
import type { Contender } from "./support/contenders.ts";
import { printTable } from "./support/table.ts";

const RACES = 25;
const TTL_MS = 3_000;
const QUIET_MS = 1_000;
/** Longer than a broker's patience with a client that is stopped, and its hold on the slot after that. */
const KILL_GRACE_MS = 4_000;
/** How long a link is cut in exclusive mode: the holder must keep its account. */
const BLINK_MS = 1_200;
const SEED = Date.now() % 1_000_000;

interface Race {
  mode: "failover" | "exclusive";
  fault: string;
  passedMs: number | null;
  ghosts: { committed: number; quarantined: number } | null;
}

/** What a race does to the holder; `undo` comes when the account has passed on. */
interface Fault {
  says: string;
  /** False: the holder must keep the account. */
  passes: boolean;
  strike(holder: Contender): Promise<void> | void;
  undo?(holder: Contender): Promise<void> | void;
}

const KILL: Fault = {
  says: "kill -9",
  passes: true,
  async strike({ child }) {
    child.process.kill("SIGKILL");
    await child.exited;
  },
};
const END: Fault = {
  says: "SIGTERM",
  passes: true,
  async strike({ child }) {
    await child.stop();
  },
};
const STOP: Fault = {
  says: "SIGSTOP, then SIGCONT",
  passes: true,
  strike: ({ child }) => void child.process.kill("SIGSTOP"),
  undo: ({ child }) => void child.process.kill("SIGCONT"),
};
const CUT: Fault = {
  says: "link cut until it passed",
  passes: true,
  strike: ({ proxy }) => proxy.stall(),
  undo: ({ proxy }) => proxy.heal(),
};
const BLINK: Fault = {
  says: `link cut for ${BLINK_MS} ms`,
  passes: false,
  async strike({ proxy }) {
    proxy.stall();
    await sleep(BLINK_MS);
    await proxy.heal();
  },
};
const FAULTS = { failover: [KILL, END, STOP, CUT], exclusive: [KILL, END, STOP, BLINK] };

/** Of trades, or of everything else. */
const DUPLICATES = "select sum(duplicate) from stream where (table_no = 1) = $1";

let test: TestStack;
let scene: Scene;
let transport: Transport;
const races: Race[] = [];
const groups: Contenders[] = [];

beforeAll(async () => {
  const patience = [
    ...["--pingpong-ms", "200", "--pong-timeout-ms", "600"],
    ...["--ping-ms", "200", "--echo-timeout-ms", "600"],
  ];
  test = await startStack({
    standbys: ["home", "cloud"],
    quietMs: QUIET_MS,
    killGraceMs: KILL_GRACE_MS,
    hubEnv: {
      TICKHUB_PLACEMENT: "kis:1=kis|home|cloud",
      TICKHUB_LEASE_TTL_MS: String(TTL_MS),
    },
    // Few symbols, because KIS takes their registrations one by one.
    simArgs: ["--rate", "200", "--symbols", "4", "--slot-hold-ms", "1000", ...patience],
  });
  scene = new Scene(test.stack, test.pool);
  transport = testTransport(test.stack.databaseUrl, { brokers: "simulated" });
  await transport.open();
  // The stack's own edges have no link of their own to be cut.
  await Promise.all([...test.stack.edges.values()].map((edge) => edge.stop()));
  test.stack.edges.clear();
});
afterAll(async () => {
  const kinds = Map.groupBy(races, ({ mode, fault }) => `${mode}/${fault}`);
  printTable(
    `Lease races (seed ${SEED})`,
    [
      "mode",
      "what happened to the holder",
      "races",
      "passed on in ms, at most",
      "inside, stored",
      "outside, refused",
    ],
    [...kinds.values()].map((list) => [
      ...[list[0]!.mode, list[0]!.fault, list.length],
      Math.round(Math.max(0, ...list.map(({ passedMs }) => passedMs ?? 0))),
      list.reduce((sum, { ghosts }) => sum + (ghosts?.committed ?? 0), 0),
      list.reduce((sum, { ghosts }) => sum + (ghosts?.quarantined ?? 0), 0),
    ]),
  );
  for (const { child, proxy } of groups.flatMap(({ all }) => all)) {
    child.process.kill("SIGCONT");
    await child.stop("SIGKILL");
    await proxy.close();
  }
  await transport.close();
  await test.stop();
});

/** Keeps `edges` running; strikes whoever holds; waits for the next holder's rows. */
async function race(
  contenders: Contenders,
  edges: readonly string[],
  mode: Race["mode"],
  random: () => number,
): Promise<void> {
  for (let nth = 0; nth < RACES; nth++) {
    const alive = contenders.living().map(({ edge }) => edge);
    for (const edge of missing(edges, alive)) await contenders.join(edge);
    const { contender, lease } = await contenders.holder();
    const fault = FAULTS[mode][nth % FAULTS[mode].length]!;
    await sleep(random() * 500);
    const struckMs = performance.now();
    await fault.strike(contender);
    if (!fault.passes) {
      expect((await contenders.holder()).lease).toEqual(lease);
      races.push({ mode, fault: fault.says, passedMs: null, ghosts: null });
      continue;
    }
    await contenders.passed(lease);
    const passedMs = performance.now() - struckMs;
    await fault.undo?.(contender);
    await contenders.holder();
    const ghosts = await contenders.haunt(transport, lease, nth * 1_000);
    expect(ghosts).toMatchObject({ committed: 10, quarantined: 10, duplicate: 0 });
    races.push({ mode, fault: fault.says, passedMs, ghosts });
  }
}

/** What of `wanted` is not in `there`; each counts as often as it stands there. */
function missing(wanted: readonly string[], there: readonly string[]): string[] {
  const left = [...there];
  return wanted.filter((name) => {
    const at = left.indexOf(name);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

it("two processes never have a socket at once, and rows are stored by whose lease it was", async () => {
  const [kis, kiwoom] = [new Contenders(test, "kis"), new Contenders(test, "kiwoom")];
  groups.push(kis, kiwoom);
  await Promise.all([
    race(kis, ["kis", "home", "cloud"], "failover", seeded(SEED)),
    race(kiwoom, ["kiwoom", "kiwoom"], "exclusive", seeded(SEED + 1)),
  ]);
  expect(races).toHaveLength(2 * RACES);
  expect(await scene.doubleSockets()).toBe(0);

  await test.stack.stopMarket();
  for (const group of groups) {
    for (const contender of group.living()) {
      const { ledger, balanced } = await eventually(30_000, "an empty outbox", async () => {
        const now = await group.report(contender);
        return now?.ledger.held === 0 ? now : null;
      });
      expect(ledger.lost).toBe(0);
      expect(balanced).toBe(true);
    }
    for (const { child } of group.ended()) {
      const { ledger } = await child.announced("edge_stopped");
      expect(ledger).toMatchObject({ lost: 0, held: 0 });
    }
  }
  expect(await storedOutsideLease()).toBe(0);
  // What a stopped process held may have been fetched from REST before it came: once all the same.
  expect(await scene.number(DUPLICATES, [false])).toBe(0);
  const refilled = await scene.number("select count(*) from trade where origin = 1");
  expect(await scene.number(DUPLICATES, [true])).toBeLessThanOrEqual(refilled);
  expect((await scene.always()).filter(({ ok }) => !ok)).toEqual([]);
});

/** Rows in the tables that were captured when their sender had no lease of their account. */
async function storedOutsideLease(): Promise<number> {
  return await scene.number(
    `select count(*) from (
       select source, stream, edge_recv from trade
       union all select source, stream, edge_recv from book
       union all select source, stream, edge_recv from status) r
      join stream s on s.no = r.stream
     where not exists (
       select from lease_epoch e
        where e.account = r.source and e.holder = s.holder
          and r.edge_recv >= e.granted_at - interval '50 ms'
          and r.edge_recv <= coalesce(e.ended_at, 'infinity'))`,
  );
}
