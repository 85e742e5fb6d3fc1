// An edge is killed with SIGKILL at 40 random points, 20 of each broker's, and comes back each time.
// What it was told is stored must be stored; what died with it is counted against what the broker sent.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Scene } from "../../app/cli/scene.ts";
import { BROKERS } from "../../app/cli/stack.ts";
import type { Broker } from "../../app/cli/stack.ts";
import { seeded } from "../../app/sim/market/random.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { eventually, startStack } from "../support/stack.ts";
import type { TestStack } from "../support/stack.ts";
import { printTable } from "./support/table.ts";

const KILLS = 20;
/** A kill comes at any moment of this span after the edge's first rows. */
const SPAN_MS = 1_500;
/** Of the kills that find the edge with its link cut and its outbox full of what was not acked. */
const CUT_SHARE = 0.3;
const SEED = Date.now() % 1_000_000;

interface Kill {
  acked: number;
  stored: number;
  sent: number;
  isCut: boolean;
  returnMs: number;
}

let test: TestStack;
let scene: Scene;
const proxies = new Map<Broker, FaultProxy>();
const kills: Record<Broker, Kill[]> = { kis: [], kiwoom: [] };

beforeAll(async () => {
  test = await startStack({
    quietMs: 1_000,
    killGraceMs: 1_000,
    // Few symbols, because KIS takes their registrations one by one.
    simArgs: ["--rate", "300", "--symbols", "6", "--slot-hold-ms", "1000"],
  });
  scene = new Scene(test.stack, test.pool);
  for (const broker of BROKERS) {
    proxies.set(broker, (await FaultProxy.before(test.stack.hubUrl)).proxy);
  }
});
afterAll(async () => {
  const sum = (list: Kill[], figure: "acked" | "stored" | "sent") =>
    list.reduce((total, kill) => total + kill[figure], 0);
  printTable(
    `Edges killed at random points (seed ${SEED})`,
    [
      "broker",
      "kills",
      "link cut",
      "sent",
      "acked",
      "stored",
      "died with them",
      "return ms, at most",
    ],
    BROKERS.map((broker) => {
      const list = kills[broker];
      const [sent, stored] = [sum(list, "sent"), sum(list, "stored")];
      return [
        ...[broker, list.length, list.filter(({ isCut }) => isCut).length, sent],
        ...[sum(list, "acked"), stored, sent - stored],
        Math.round(Math.max(...list.map(({ returnMs }) => returnMs))),
      ];
    }),
  );
  await test.stop();
  for (const proxy of proxies.values()) await proxy.close();
});

async function sentTo(broker: Broker): Promise<number> {
  const counts = await scene.until("the brokers' counts", () => test.stack.simCounts());
  return Object.values(counts[broker]).reduce((sum, { records }) => sum + records, 0);
}

async function holderOf(broker: Broker): Promise<string> {
  const { rows } = await test.pool.query<{ holder: string }>(
    "select holder from lease where account = $1",
    [`${broker}:1`],
  );
  return rows[0]!.holder;
}

async function storedBy(holder: string): Promise<number> {
  return await scene.number(
    `select sum(n) from stream s cross join lateral (
       select count(*) as n from trade where stream = s.no
       union all select count(*) from book where stream = s.no
       union all select count(*) from status where stream = s.no) rows
      where s.holder = $1`,
    [holder],
  );
}

/** Waits for rows, kills at a random moment, starts the next process, and waits until it collects. */
async function killOnce(broker: Broker, random: () => number, sentBefore: number): Promise<Kill> {
  const { stack } = test;
  const proxy = proxies.get(broker)!;
  await scene.committed(broker, 100);
  const holder = await holderOf(broker);
  const isCut = random() < CUT_SHARE;
  if (isCut) proxy.stall();
  await sleep(random() * SPAN_MS);
  const edge = stack.edges.get(broker)!;
  const acked = (await stack.edgeStatus(broker))!.ledger.committed;
  edge.process.kill("SIGKILL");
  await edge.exited;
  await proxy.heal();
  const sent = (await sentTo(broker)) - sentBefore;

  const startedMs = performance.now();
  const hubUrl = `ws://${proxy.host}:${proxy.port}/edge`;
  await stack.startEdge(broker, { hubUrl });
  await eventually(30_000, `the return of ${broker}`, async () => {
    const account = (await stack.edgeStatus(broker))?.accounts?.[`${broker}:1`];
    return account?.lease === "holding" && account.feed === "live";
  });
  const returnMs = performance.now() - startedMs;
  return { acked, stored: await storedBy(holder), sent, isCut, returnMs };
}

describe("edges killed at random points", () => {
  it("what they were told is stored is stored, once, and never by two sockets", async () => {
    await Promise.all(
      BROKERS.map(async (broker, nth) => {
        const random = seeded(SEED + nth);
        for (let i = 0; i < KILLS; i++) {
          const sentBefore = kills[broker].reduce((sum, { sent }) => sum + sent, 0);
          kills[broker].push(await killOnce(broker, random, sentBefore));
        }
      }),
    );
    for (const { acked, stored, sent } of [...kills.kis, ...kills.kiwoom]) {
      expect(stored).toBeGreaterThanOrEqual(acked);
      expect(stored).toBeLessThanOrEqual(sent);
    }
    const sent = await scene.settle();
    for (const broker of BROKERS) {
      const list = kills[broker];
      const died = list.reduce((sum, kill) => sum + kill.sent - kill.stored, 0);
      expect(await scene.rowsOf(`${broker}:1`)).toBe(sent[broker] - died);
    }
    expect((await scene.always()).filter(({ ok }) => !ok)).toEqual([]);
  });
});
