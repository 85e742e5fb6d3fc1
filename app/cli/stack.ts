// A whole tickhub on one machine, as the processes it consists of: database, hub, simulated brokers, one
// edge a broker. `tickhub up` runs it and supervises; the end-to-end tests run it and pull the plug.
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import { join, resolve } from "node:path";
import type { EdgeReport } from "../edge/core.ts";
import { Child } from "./child.ts";
import type { Announcement, ChildOptions } from "./child.ts";
import { fetchJson } from "./http.ts";
import { openServer } from "./server.ts";

export const BROKERS = ["kis", "kiwoom"] as const;
export type Broker = (typeof BROKERS)[number];

/** Registrations of one KIS session are for so many symbols, a Kiwoom session's for so many (docs of both). */
const SYMBOLS_PER_KEY = { kis: 20, kiwoom: 200 } as const;
/** Keys of the form the brokers' have; the simulated ones accept any. */
const SIM_SECRET = "SIMULATED".padEnd(180, "0");

/** What a simulated broker handed to open sockets, by kind, summed over both. */
export interface SimCounts {
  records: number;
  doubleSockets: number;
  kis: Record<string, SimAccountCounts>;
  kiwoom: Record<string, SimAccountCounts>;
}
interface SimAccountCounts {
  trades: number;
  books: number;
  statuses: number;
  records: number;
}

/** A hub that runs already, and is not ours: simulated brokers and edges here play into its gateway. */
export interface StackTarget {
  /** `ws://host:port`. */
  gatewayUrl: string;
  /** Of its edges `kis` and `kiwoom`. */
  tokens: ReadonlyMap<Broker, string>;
  /** That it plans for: `kis:1`, … */
  accounts: readonly string[];
  /** The way there. */
  uplinkProxy?: string | undefined;
}

export interface StackOptions {
  /** Holds the embedded database and the logs. */
  stateDir: string;
  /** Instead of the embedded database. */
  databaseUrl?: string | undefined;
  /** 0 picks one. */
  port: number;
  logLevel: string;
  /** Arguments of the simulator: market, tape, speed, faults. */
  simArgs: readonly string[];
  /** How the edges send: through the gateway, or straight into the database. */
  uplink: "gateway" | "postgres";
  /** Every raw frame goes to `<prefix>.<broker>.tape`. */
  tapePrefix?: string | undefined;
  quietMs?: number;
  killGraceMs?: number;
  /** Edges beside `kis` and `kiwoom` that the hub accepts. */
  standbys?: readonly string[];
  /** Further settings of the hub. */
  hubEnv?: Readonly<Record<string, string>>;
  /** The brokers are the outside world: where the system allows it they go before what they load. */
  simFirst?: boolean;
  /** As many app keys as the market's symbols need; default one a broker. */
  enoughKeys?: boolean;
  /** Instead of a database and a hub of our own. Both sides have to say that the brokers are simulated. */
  target?: StackTarget;
}

/** What the simulator says when it listens. */
interface SimPlaces {
  kisRest: string;
  kisWs: string;
  kiwoomRest: string;
  kiwoomWs: string;
  control: string;
  symbols: string[];
  marketClock: string;
}

export class Stack {
  readonly databaseUrl: string;
  /** By the edge's name. */
  readonly edges = new Map<string, Child>();
  hub!: Child;
  /** Where people look; edges go to `gatewayUrl`, which may be another port. */
  hubUrl = "";
  gatewayUrl = "";
  sim!: Child;
  places!: SimPlaces;
  readonly #options: StackOptions;
  readonly #stopDatabase: () => Promise<void>;
  /** Of edges by name. */
  readonly #tokens: ReadonlyMap<string, string>;
  /** Every process ever started here, also one that another has replaced. */
  readonly #started: Child[] = [];
  #isStopping = false;

  private constructor(
    options: StackOptions,
    databaseUrl: string,
    stopDatabase: () => Promise<void>,
  ) {
    this.#options = options;
    const names = [...BROKERS, ...(options.standbys ?? [])];
    this.#tokens =
      options.target?.tokens ??
      new Map(names.map((name) => [name, randomBytes(24).toString("hex")]));
    this.gatewayUrl = options.target?.gatewayUrl ?? "";
    this.databaseUrl = databaseUrl;
    this.#stopDatabase = stopDatabase;
  }

  /** Starts everything, in the order in which one needs the other. Throws what the failing process said. */
  static async start(options: StackOptions): Promise<Stack> {
    const server = options.target
      ? { url: "", stop: () => Promise.resolve() }
      : await openServer(options.stateDir, options.databaseUrl);
    const stack = new Stack(options, server.url, () => server.stop());
    try {
      await stack.startSim();
      if (!options.target) await stack.startHub();
      await Promise.all(BROKERS.map((broker) => stack.startEdge(broker)));
    } catch (error) {
      await stack.stop();
      throw error;
    }
    return stack;
  }

  async startSim(): Promise<void> {
    this.sim = this.#start({
      program: "sim",
      args: this.#options.simArgs,
      env: {},
      logFile: this.#log("sim"),
    });
    if (this.#options.simFirst) goFirst(this.sim.pid);
    this.places = (await this.sim.announced("sim_listening")) as Announcement & SimPlaces;
  }

  /** Also starts a hub again after it was killed: same port, same tokens, same database. */
  async startHub(): Promise<void> {
    const { port, logLevel, quietMs, killGraceMs } = this.#options;
    this.hub = this.#start({
      args: ["hub", "--json"],
      env: {
        TICKHUB_DATABASE_URL: this.databaseUrl,
        TICKHUB_BROKERS: "simulated",
        TICKHUB_LOG_LEVEL: logLevel,
        TICKHUB_PORT: this.gatewayUrl ? new URL(this.gatewayUrl).port : String(port),
        TICKHUB_EDGE_TOKENS: [...this.#tokens].map((pair) => pair.join("=")).join(","),
        TICKHUB_SYMBOLS: this.places.symbols.join(","),
        TICKHUB_ACCOUNTS: this.accounts().join(","),
        TICKHUB_MARKET_CLOCK: this.places.marketClock,
        TICKHUB_QUIET_MS: String(quietMs ?? 500),
        TICKHUB_KILL_GRACE_MS: String(killGraceMs ?? 5_000),
        ...this.#options.hubEnv,
      },
      logFile: this.#log("hub"),
    });
    const { url, gatewayUrl } = await this.hub.announced("hub_listening");
    this.hubUrl = String(url);
    this.gatewayUrl = String(gatewayUrl);
  }

  /** Also starts an edge again after it was killed: same name, same token, a new process. */
  async startEdge(
    broker: Broker,
    { name = broker, hubUrl }: { name?: string; hubUrl?: string } = {},
  ): Promise<void> {
    const { logLevel, uplink, tapePrefix, target } = this.#options;
    const gateway = `${this.gatewayUrl}/edge`;
    const hub = hubUrl ?? (uplink === "postgres" ? this.databaseUrl : gateway);
    const { kisRest, kisWs, kiwoomRest, kiwoomWs, marketClock } = this.places;
    const keys = this.#keysOf(broker);
    const [appKeys, secrets] = [keys.join(","), keys.map(() => SIM_SECRET).join(",")];
    const child = this.#start({
      args: ["edge", "--feed", broker, "--json"],
      env: {
        TICKHUB_EDGE_ID: name,
        TICKHUB_EDGE_TOKEN: this.#tokens.get(name)!,
        TICKHUB_HUB_URL: hub,
        TICKHUB_BROKERS: "simulated",
        TICKHUB_LOG_LEVEL: logLevel,
        TICKHUB_MARKET_CLOCK: marketClock,
        ...(target?.uplinkProxy ? { TICKHUB_UPLINK_PROXY: target.uplinkProxy } : {}),
        ...(tapePrefix ? { TICKHUB_TAPE: `${resolve(tapePrefix)}.${broker}.tape` } : {}),
        ...(broker === "kis"
          ? {
              KIS_APP_KEY: appKeys,
              KIS_APP_SECRET: secrets,
              KIS_REST_URL: kisRest,
              KIS_WS_URL: kisWs,
            }
          : {
              KIWOOM_APP_KEY: appKeys,
              KIWOOM_SECRET_KEY: secrets,
              KIWOOM_REST_URL: kiwoomRest,
              KIWOOM_WS_URL: kiwoomWs,
            }),
      },
      logFile: this.#log(`edge-${name}`),
    });
    this.edges.set(name, child);
    await child.announced("edge_listening");
  }

  /** An account for each key: kis:1, kis:2, …, kiwoom:1; of a target, its own. */
  accounts(): string[] {
    const { target } = this.#options;
    if (target) return [...target.accounts];
    return BROKERS.flatMap((broker) =>
      this.#keysOf(broker).map((_, index) => `${broker}:${index + 1}`),
    );
  }

  /** The edge's own status, or null when it does not answer. */
  async edgeStatus(name: string): Promise<EdgeReport | null> {
    const child = this.edges.get(name);
    const { url } = (await child?.announced("edge_listening").catch(() => null)) ?? {};
    return typeof url === "string" ? await fetchJson<EdgeReport>(`${url}/status`) : null;
  }

  /** What the simulated brokers counted in their own process. */
  async simCounts(): Promise<SimCounts | null> {
    return await fetchJson<SimCounts>(`${this.places.control}/counts`);
  }

  /** True when a tape has been played to its end. */
  async marketDone(): Promise<boolean> {
    const market = await fetchJson<{ done: boolean }>(`${this.places.control}/market`);
    return market?.done ?? false;
  }

  /** Ends the market: when this resolves, the simulators send nothing any more. */
  async stopMarket(): Promise<void> {
    await fetchJson(`${this.places.control}/stop`, { close: true });
  }

  /** Edges first (they drain and release), then brokers, hub and database. Nothing is started any more. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const others = new Set<Child | undefined>([this.sim, this.hub]);
    const edges = this.#started.filter((child) => !others.has(child));
    await Promise.all(edges.map((child) => child.stop()));
    await Promise.all(this.#started.map((child) => child.stop()));
    await this.#stopDatabase();
  }

  #keysOf(broker: Broker): string[] {
    const { target, enoughKeys } = this.#options;
    const symbols = this.places.symbols.length;
    const count = target
      ? keysFor(broker, target.accounts)
      : enoughKeys
        ? Math.ceil(symbols / SYMBOLS_PER_KEY[broker])
        : 1;
    return Array.from({ length: Math.max(1, count) }, (_, index) =>
      `SIMULATED${index === 0 ? "" : index + 1}`.padEnd(36, "0"),
    );
  }

  #start(options: ChildOptions): Child {
    if (this.#isStopping) throw new Error("a stack that stops starts nothing");
    const child = new Child(options);
    this.#started.push(child);
    return child;
  }

  #log(role: string): string {
    return join(this.#options.stateDir, "logs", `${role}.log`);
  }
}

/** An edge's n-th key is its account n: as many as reach the last of them. */
function keysFor(broker: Broker, accounts: readonly string[]): number {
  const own = accounts.filter((account) => account.startsWith(`${broker}:`));
  return Math.max(0, ...own.map((account) => Number(account.slice(broker.length + 1)) || 0));
}

const NICE_FIRST = -10;

/** Takes a privilege; without it everybody has the same priority. */
function goFirst(pid: number): void {
  try {
    setPriority(pid, NICE_FIRST);
    // A process with a session of its own is weighed as a group (sched(7), "The autogroup feature").
    writeFileSync(`/proc/${pid}/autogroup`, String(NICE_FIRST));
  } catch {
    // Not allowed, or not Linux.
  }
}
