// Several edge processes after one broker account: what can be done to the one that holds it, who holds it
// then, and what a holder that has lost it may still store.
import { randomUUID } from "node:crypto";
import type { Child } from "../../../app/cli/child.ts";
import { fetchJson } from "../../../app/cli/http.ts";
import type { Broker } from "../../../app/cli/stack.ts";
import type { EdgeReport } from "../../../app/edge/core.ts";
import type { Transport } from "../../../app/edge/uplink/transport.ts";
import { encodeBatch } from "../../../app/shared/batch.ts";
import type { Verdict } from "../../../app/shared/tick.ts";
import { FaultProxy } from "../../support/fault-proxy.ts";
import { trades } from "../../support/hub.ts";
import { eventually } from "../../support/stack.ts";
import type { TestStack } from "../../support/stack.ts";

export interface Lease {
  holder: string;
  epoch: number;
}

/** One process, and its own link to the hub. */
export interface Contender {
  edge: string;
  child: Child;
  proxy: FaultProxy;
}

const GHOST_ROWS = 10;
const WAIT_MS = 60_000;

export class Contenders {
  readonly account: string;
  /** Also those that were killed or ended. */
  readonly all: Contender[] = [];
  readonly #test: TestStack;
  readonly #broker: Broker;

  constructor(test: TestStack, broker: Broker) {
    this.#test = test;
    this.#broker = broker;
    this.account = `${broker}:1`;
  }

  /** Starts one more process of an edge. */
  async join(edge: string): Promise<void> {
    const { stack } = this.#test;
    const { proxy, url } = await FaultProxy.before(`${stack.hubUrl.replace("http", "ws")}/edge`);
    await stack.startEdge(this.#broker, { name: edge, hubUrl: url });
    this.all.push({ edge, child: stack.edges.get(edge)!, proxy });
  }

  living(): Contender[] {
    return this.all.filter(({ child }) => isAlive(child));
  }

  /** Those that ended in order. */
  ended(): Contender[] {
    return this.all.filter(({ child }) => child.process.exitCode !== null);
  }

  async lease(): Promise<Lease & { edge: string }> {
    const { rows } = await this.#test.pool.query<Lease & { edge: string }>(
      "select holder, edge, epoch::int as epoch from lease where account = $1",
      [this.account],
    );
    return rows[0]!;
  }

  /** The process that collects now, once it has stored something. */
  async holder(): Promise<{ contender: Contender; lease: Lease }> {
    return await eventually(WAIT_MS, `a collecting holder of ${this.account}`, async () => {
      const { holder, epoch } = await this.lease();
      if (!holder) return null;
      for (const contender of this.living()) {
        const account = (await this.report(contender))?.accounts?.[this.account];
        const isIt = account?.lease === "holding" && account.feed === "live";
        if (isIt && (await this.#hasStored(holder, epoch))) {
          return { contender, lease: { holder, epoch } };
        }
      }
      return null;
    });
  }

  /** Waits until another than `before` was granted the account. */
  async passed(before: Lease): Promise<void> {
    await eventually(WAIT_MS, `another holder of ${this.account}`, async () => {
      const { holder, epoch } = await this.lease();
      return holder && holder !== before.holder && epoch > before.epoch;
    });
  }

  /** What a process says of itself; null while it does not answer. */
  async report({ child }: Contender): Promise<EdgeReport | null> {
    const { url } = await child.announced("edge_listening");
    return await fetchJson<EdgeReport>(`${String(url)}/status`);
  }

  /** In the name of a holder that has lost its lease: rows captured inside its last epoch, and after it. */
  async haunt(transport: Transport, { holder, epoch }: Lease, seq: number): Promise<Verdict> {
    const { rows } = await this.#test.pool.query<{ ended_ms: number }>(
      `select extract(epoch from ended_at)::float8 * 1000 as ended_ms
         from lease_epoch where account = $1 and epoch = $2`,
      [this.account, epoch],
    );
    const endedMs = rows[0]!.ended_ms;
    const at = (seqFrom: number, edgeRecvMs: number) =>
      trades(GHOST_ROWS, seqFrom, { symbol: "GHOST", edgeRecvMs: Math.round(edgeRecvMs) });
    const made = [...at(seq, endedMs - 5), ...at(seq + GHOST_ROWS * 10, endedMs + 5)];
    const head = { table: "trade", stream: randomUUID(), account: this.account, epoch } as const;
    return await transport.send(encodeBatch({ ...head, number: 1 }, made), holder);
  }

  async #hasStored(holder: string, epoch: number): Promise<boolean> {
    const { rows } = await this.#test.pool.query<{ has: boolean }>(
      `select exists (
         select from stream s join ingest_batch b on b.stream = s.no
         where s.holder = $1 and b.committed > 0 and b.committed_at >= (
           select granted_at from lease_epoch where account = $2 and epoch = $3)) as has`,
      [holder, this.account, epoch],
    );
    return rows[0]!.has;
  }
}

function isAlive({ process: { exitCode, signalCode } }: Child): boolean {
  return exitCode === null && signalCode === null;
}
