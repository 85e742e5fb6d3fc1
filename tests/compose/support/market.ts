// Brokers and edges in containers, as images/compose.edges.yaml starts them for a staging hub: the simulator on
// its container's loopback, and edges in the same network, which has one way out: the link to the hub's machine.
import { join } from "node:path";
import type { Bench } from "./global-setup.ts";
import { ROOT } from "./images.ts";
import { HUB_ADDRESS } from "./machine.ts";
import type { Machine } from "./machine.ts";
import { attempt, run, until } from "./shell.ts";

export type Broker = "kis" | "kiwoom";

interface Places {
  control: string;
  symbols: string[];
}

/** What an edge says of itself, as far as it is looked at here. */
export interface EdgeWord {
  balanced: boolean;
  ledger: Record<string, number>;
  /** The part of it that came over the sockets. */
  live: Record<string, number>;
}

export const EDGES_FILE = join(ROOT, "images/compose.edges.yaml");

export class SimulatedMarket {
  readonly #bench: Bench;
  readonly #machine: Machine;
  readonly #project: string;
  #places!: Places;

  constructor(bench: Bench, machine: Machine) {
    this.#bench = bench;
    this.#machine = machine;
    this.#project = `${bench.prefix}market`;
  }

  get simulator(): string {
    return `${this.#project}_brokers_1`;
  }

  edge(broker: Broker): string {
    return `${this.#project}_edge-${broker}_1`;
  }

  async open(): Promise<readonly string[]> {
    for (const broker of ["kis", "kiwoom"] as const) this.#machine.edgeSecrets(broker);
    await this.#up("brokers");
    this.#places = await until("brokers that listen", async () => {
      const line = await run(this.#bench.docker, ["logs", this.simulator]);
      return line === "" ? null : (JSON.parse(line) as Places);
    });
    return this.#places.symbols;
  }

  startEdge(broker: Broker): Promise<void> {
    return this.#up(`edge-${broker}`);
  }

  /** Containers and networks, at the end. */
  async down(): Promise<void> {
    await this.#compose("down", "-v", "-t", "5");
  }

  async #up(service: string): Promise<void> {
    const { code, stderr } = await this.#compose("up", "-d", service);
    if (code !== 0) throw new Error(stderr);
  }

  #compose(...args: string[]) {
    const env = {
      TICKHUB_IMAGE_HUB: this.#bench.hub,
      TICKHUB_IMAGE_EDGE: this.#bench.edge,
      TICKHUB_EDGES: join(this.#machine.directory, "run"),
      TICKHUB_EDGES_NETWORK: "none",
      TICKHUB_HUB_URL: `ws://${HUB_ADDRESS}:8610/edge`,
      // The link goes there by itself.
      TICKHUB_UPLINK_PROXY: "",
      TICKHUB_SIM_RATE: "200",
      TICKHUB_SIM_SLOT_HOLD_MS: "500",
    };
    return attempt("docker-compose", ["-p", this.#project, "-f", EDGES_FILE, ...args], { env });
  }

  async edgeWord(broker: Broker): Promise<EdgeWord> {
    const port = broker === "kis" ? 8620 : 8621;
    return (await this.#fetch(`http://127.0.0.1:${port}/status`)) as EdgeWord;
  }

  /** Records that were handed to open sockets. */
  async sent(): Promise<{ records: number; doubleSockets: number }> {
    const counts = await this.#fetch(`${this.#places.control}/counts`);
    return counts as { records: number; doubleSockets: number };
  }

  /** Nothing is sent any more when this resolves. */
  async close(): Promise<void> {
    await this.#fetch(`${this.#places.control}/stop`, { close: true });
  }

  /** From inside of the edges' network. */
  async #fetch(url: string, body?: unknown): Promise<unknown> {
    const init = body
      ? `{method:"POST",headers:{"content-type":"application/json"},body:${JSON.stringify(JSON.stringify(body))}}`
      : "{}";
    const script = `const r=await fetch(${JSON.stringify(url)},${init});console.log(await r.text())`;
    const node = ["node", "--input-type=module", "-e", script];
    return JSON.parse(await run(this.#bench.docker, ["exec", this.simulator, ...node]));
  }
}
