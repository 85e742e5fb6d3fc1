// The parent's side of market-edge.ts: one edge process under orders.
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { MarketEdgeOptions, MarketEdgeReport, Order } from "./market-edge.ts";

const PROGRAM = fileURLToPath(new URL("market-edge.ts", import.meta.url));

type Answer = { id: number } & ({ report: MarketEdgeReport } | { failure: string });

export class EdgeProcess {
  readonly process: ChildProcess;
  readonly exited: Promise<void>;
  readonly #waiting = new Map<number, PromiseWithResolvers<MarketEdgeReport>>();
  #orders = 0;

  private constructor() {
    this.process = fork(PROGRAM, { execArgv: [] });
    this.process.on("message", (answer: Answer) => this.#hear(answer));
    this.exited = new Promise((resolve) => this.process.once("exit", () => resolve()));
    void this.exited.then(() => {
      for (const { reject } of this.#waiting.values()) reject(new Error("the edge has ended"));
    });
  }

  static async start(options: MarketEdgeOptions): Promise<EdgeProcess> {
    const edge = new EdgeProcess();
    await edge.order({ do: "start", options });
    return edge;
  }

  order(order: Order): Promise<MarketEdgeReport> {
    const id = ++this.#orders;
    const waiter = Promise.withResolvers<MarketEdgeReport>();
    this.#waiting.set(id, waiter);
    this.process.send({ id, order });
    return waiter.promise;
  }

  look(): Promise<MarketEdgeReport> {
    return this.order({ do: "look" });
  }

  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.exited;
  }

  #hear(answer: Answer): void {
    const waiter = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ("report" in answer) waiter?.resolve(answer.report);
    else waiter?.reject(new Error(answer.failure));
  }
}
