// The six probes: what one sample of each does, and how many may be under way at once. When they begin is
// latency-schedule.ts, what becomes of the delays histogram.ts.
import { connect as connectTcp } from "node:net";
import type { Dial } from "../shared/dial/dial.ts";
import type { LatencyProbe } from "../shared/latency-run.ts";
import type { Lanes, LatencyDatabase } from "./latency-database.ts";
import type { LatencyGateway } from "./latency-gateway.ts";

export interface Probe {
  name: LatencyProbe;
  /** Whose address. */
  target: string;
  ratePerS: number;
  /** Samples that may be under way before the next has to wait its turn; Infinity: each has its own. */
  lanes: number;
  /** Opens what it needs; what it gives is one sample. */
  open: () => Promise<OpenProbe>;
}

export interface OpenProbe {
  once: (number: number) => Promise<unknown>;
  end: () => void;
}

export interface ConnectTarget {
  shown: string;
  /** Resolved already, so that a name server is not measured; a name where a proxy resolves it. */
  host: string;
  port: number;
  dial?: Dial | undefined;
}

/** Nominal rates: enough for a thousand samples in seconds, too few to be a load. */
const RATES: Record<LatencyProbe, number> = {
  connect: 50,
  query: 200,
  commit: 100,
  ask: 50,
  ack: 100,
  queryable: 50,
};
const LANES = 8;
export const SEEN_LANES = 16;

export function connectProbe({ shown, host, port, dial }: ConnectTarget): Probe {
  const once = async () => {
    if (dial) {
      (await dial({ host, port })).destroy();
      return;
    }
    const socket = connectTcp({ host, port });
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once("connect", resolve);
        socket.once("error", reject);
      });
    } finally {
      socket.on("error", () => undefined).destroy();
    }
  };
  const open = () => Promise.resolve({ once, end: () => undefined });
  return { name: "connect", target: shown, ratePerS: RATES.connect, lanes: Infinity, open };
}

export function databaseProbes(database: LatencyDatabase): Probe[] {
  const onLanes = (once: Parameters<Lanes["use"]>[0]) => async () => {
    const lanes = await database.openLanes(LANES);
    return { once: () => lanes.use(once), end: () => lanes.end() };
  };
  const common = { target: database.shown, lanes: LANES };
  return [
    {
      ...common,
      name: "query",
      ratePerS: RATES.query,
      open: onLanes((client) => client.query("select 1")),
    },
    {
      ...common,
      name: "commit",
      ratePerS: RATES.commit,
      open: onLanes((client) => database.commit(client)),
    },
  ];
}

/** Pipelined on one link, as an edge does it: none waits for the one before. */
export function gatewayProbes(gateway: LatencyGateway): Probe[] {
  const onLink = (once: () => Promise<unknown>) => async () => {
    await gateway.link();
    return { once, end: () => undefined };
  };
  const common = { target: gateway.shown, lanes: Infinity };
  return [
    { ...common, name: "ask", ratePerS: RATES.ask, open: onLink(() => gateway.ask()) },
    {
      ...common,
      name: "ack",
      ratePerS: RATES.ack,
      open: onLink(async () => (await gateway.send()).acked),
    },
  ];
}

/**
 * A batch by the gateway, watched for by a statement that waits in the database: it is there before the
 * batch, so what is measured is one way up, the commit, and one way down.
 */
export function queryableProbe(
  gateway: LatencyGateway,
  database: LatencyDatabase,
  patienceMs: number,
): Probe {
  return {
    name: "queryable",
    target: gateway.shown,
    ratePerS: RATES.queryable,
    lanes: SEEN_LANES,
    async open() {
      await gateway.link();
      const lanes = await database.openLanes(SEEN_LANES);
      const once = async () => {
        const { stream, number, acked } = await gateway.send();
        const [seenMs] = await Promise.all([
          lanes.use((client) => database.seen(client, stream, number, patienceMs)),
          acked,
        ]);
        if (seenMs === null) throw new Error("not seen in time");
      };
      return { once, end: () => lanes.end() };
    },
  };
}
