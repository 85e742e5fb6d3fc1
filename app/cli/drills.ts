// The five drills: what each one breaks, and what has to be true afterwards.
import { sleep, systemClock } from "../shared/clock.ts";
import { fetchJson } from "./http.ts";
import { atLeast, atMost, equal } from "./scene.ts";
import type { Check, Scene } from "./scene.ts";

interface Drill {
  says: string;
  faultSays: string;
  run: (scene: Scene, seconds: number) => Promise<Check[]>;
}

/** How long a link may be silent before either side must have noticed (docs/wire.md). */
const HALF_OPEN_MS_MAX = 5_000;
const GARBAGE_FRAMES = 25;

export const DRILLS = {
  outage: {
    says: "the hub dies and stays away; nothing is lost, nothing is stored twice",
    faultSays: "the hub is killed",
    run: outage,
  },
  crash: {
    says: "an edge dies and comes back; what was acked is there, once",
    faultSays: "edge kis is killed",
    run: crash,
  },
  "double-session": {
    says: "a second process of an edge waits as long as the first one lives",
    faultSays: "a second edge kis is started",
    run: doubleSession,
  },
  poison: {
    says: "frames nobody can read go to quarantine, their neighbours to the tables",
    faultSays: "both brokers send garbage, cut frames, wrong counts and unknown fields",
    run: poison,
  },
  "half-open": {
    says: "a hub that holds the line and says nothing is found out, and its backlog drains",
    faultSays: "the hub is stopped, its sockets stay open",
    run: halfOpen,
  },
} as const satisfies Record<string, Drill>;

export type DrillName = keyof typeof DRILLS;

async function outage(scene: Scene, seconds: number): Promise<Check[]> {
  const { stack } = scene;
  stack.hub.process.kill("SIGKILL");
  await stack.hub.exited;
  const acked = (await scene.ledger()).committed;
  const stored = await scene.rows();
  await sleep(systemClock, seconds * 1_000);
  const away = await scene.ledger();
  await stack.startHub();
  await scene.until("the backlog's end", async () => {
    return (await scene.ledger()).committed > away.received ? true : null;
  });
  return [
    atLeast("what was acked is in the tables", stored, acked),
    atLeast("the edges went on collecting", away.held, seconds * 100),
    equal("the edges gave nothing up", away.lost, 0),
    ...(await everythingSentIsStored(scene)),
  ];
}

async function crash(scene: Scene): Promise<Check[]> {
  const { stack } = scene;
  const acked = (await scene.edgeLedger("kis")).committed;
  const edge = stack.edges.get("kis")!;
  edge.process.kill("SIGKILL");
  await edge.exited;
  const stored = await settledRows(scene, "kis:1");
  await stack.startEdge("kis");
  await scene.committed("kis", 1_000);
  const sent = await scene.settle();
  const successor = await scene.edgeLedger("kis");
  const bystander = await scene.edgeLedger("kiwoom");
  return [
    atLeast("what was acked is in the tables", stored, acked),
    equal("its successor's rows were all new", successor.duplicate + successor.quarantined, 0),
    equal("rows", await scene.rowsOf("kis:1"), stored + successor.committed),
    equal("the other edge lost nothing", bystander.committed, sent.kiwoom),
    ...(await scene.always()),
  ];
}

async function doubleSession(scene: Scene): Promise<Check[]> {
  const { stack } = scene;
  const first = stack.edges.get("kis")!;
  await stack.startEdge("kis");
  const second = stack.edges.get("kis")!;
  await sleep(systemClock, 5_000);
  const waiting = await stack.edgeStatus("kis");
  await first.stop();
  await scene.committed("kis", 1_000);
  const counts = await scene.settle();
  const firstReport = await first.announced("edge_stopped");
  const firstLedger = firstReport.live as { committed: number; received: number };
  const { committed, received } = await scene.edgeLedger("kis");
  return [
    equal("the second collected nothing while the first lived", waiting!.ledger.received, 0),
    equal("both together received what was sent", firstLedger.received + received, counts.kis),
    equal("rows", await scene.rowsOf("kis:1"), firstLedger.committed + committed),
    {
      says: "the second process lives",
      ok: second.process.exitCode === null,
      facts: `pid ${second.pid}`,
    },
    ...(await scene.always()),
  ];
}

async function poison(scene: Scene): Promise<Check[]> {
  const control = `${scene.stack.places.control}/fault`;
  for (const broker of ["kis", "kiwoom"]) {
    for (const kind of ["garbage", "truncate", "extra-field", "wrong-count"]) {
      await fetchJson(control, { kind, broker, count: GARBAGE_FRAMES });
    }
  }
  await scene.flow((await scene.ledger()).committed);
  const sent = await scene.settle();
  const ledger = await scene.ledger();
  const kept = await scene.number("select count(*) from quarantine where octet_length(bytes) > 0");
  return [
    equal("everything sent was received", ledger.received, sent.kis + sent.kiwoom),
    atLeast("what could not be read was quarantined", ledger.quarantined, 2 * GARBAGE_FRAMES),
    equal("with its bytes", kept, ledger.quarantined),
    equal("the rest is stored", await scene.rows(), ledger.received - ledger.quarantined),
    ...(await scene.always()),
  ];
}

async function halfOpen(scene: Scene): Promise<Check[]> {
  const { stack } = scene;
  stack.hub.process.kill("SIGSTOP");
  const stoppedMs = systemClock.monoMs();
  await scene.until("a link that is given up", async () => {
    return (await stack.edgeStatus("kis"))?.uplink?.link === "up" ? null : true;
  });
  const noticedMs = systemClock.monoMs() - stoppedMs;
  stack.hub.process.kill("SIGCONT");
  const { received } = await scene.ledger();
  await scene.until("the backlog's end", async () => {
    return (await scene.ledger()).committed > received ? true : null;
  });
  return [
    atMost("the edge noticed, ms", noticedMs, HALF_OPEN_MS_MAX + 500),
    ...(await everythingSentIsStored(scene)),
  ];
}

/** No edge died: three independent counts must be one number. */
async function everythingSentIsStored(scene: Scene): Promise<Check[]> {
  const sent = await scene.settle();
  const total = sent.kis + sent.kiwoom;
  const ledger = await scene.ledger();
  return [
    equal("everything sent was received", ledger.received, total),
    equal("everything received is committed", ledger.committed, total),
    equal("everything committed is in the tables", await scene.rows(), total),
    ...(await scene.always()),
  ];
}

/** Rows of a source once the hub has had its last word on a dead edge's batches. */
async function settledRows(scene: Scene, source: string): Promise<number> {
  return await scene.until("quiet", async () => {
    const rows = await scene.rowsOf(source);
    await sleep(systemClock, 500);
    return rows === (await scene.rowsOf(source)) ? rows : null;
  });
}
