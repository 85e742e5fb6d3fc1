// One run: two sites, a hub, its database and a broker, played from one seed with faults all along, then
// left alone until everything has drained. `runSeed` is the whole of it.
import type { Emit } from "../../app/shared/events.ts";
import { ModelDatabase, type DatabasePlant } from "./database/model.ts";
import { DatabaseServer } from "./database/server.ts";
import { EdgeProcess } from "./edge.ts";
import { Host, Process } from "./host.ts";
import { Hub } from "./hub.ts";
import { Laws } from "./laws.ts";
import { Broker, SYMBOLS, type Print } from "./market.ts";
import type { Gap } from "./refill.ts";
import { REFUSED, routeThrough } from "./sockets.ts";
import { BEGIN_MS, Timeline } from "./timeline.ts";
import { Connection, path, type Path } from "./wire.ts";

/** Bugs that a test plants; each has to be found out. */
export interface Plant extends DatabasePlant {
  acksEarly?: boolean;
  reusesNumbers?: boolean;
  unclippedRefill?: boolean;
  trimsInFlight?: boolean;
  ignoresCount?: boolean;
  keepsLeaseOverSuspend?: boolean;
}

/** Longer than the clocks are wrong: then what was captured inside a lease is stamped inside it. */
const QUIET_MS = 6_000;
const KILL_GRACE_MS = 10_000;
const TTL_MS = 4_000;
const SKEW_MAX_MS = 5_000;
const FRAMES_PER_SECOND = 8;
/** Laws are checked in full this often. */
const CHECK_EVENTS = 50;
/** What a dead process had sent is in the database, or never will be. */
const GRAVE_MS = 4_000;

export interface Site {
  host: Host;
  accounts: readonly string[];
  hubPath: Path;
  brokerPath: Path;
  /** The newest process; older ones may still run beside it. */
  edge: EdgeProcess;
  /** Started so far. */
  starts: number;
}

export interface WorldOptions {
  seed: number;
  plant?: Plant;
  /** Default by chance. */
  outboxBytes?: number;
  /** Accounts of each site; an account of several is in failover mode. */
  sites?: Readonly<Record<string, readonly string[]>>;
  quietMs?: number;
  killGraceMs?: number;
  /** Of each account. */
  framesPerSecond?: number;
  /** Two sockets of one account are somebody's order, not a breach. */
  mayOverlap?: boolean;
  /** The edge to be killed at each of these events, ascending. */
  crashAtEvents?: readonly number[];
}

const SITES = { home: ["kis:1", "kis:2"], cloud: ["kis:2"] };

export class World {
  readonly timeline: Timeline;
  readonly beginMs = BEGIN_MS;
  readonly plant: Plant;
  readonly database: ModelDatabase;
  readonly server: DatabaseServer;
  readonly broker: Broker;
  readonly laws: Laws;
  readonly edges: EdgeProcess[] = [];
  readonly sites: Site[] = [];
  readonly accounts: readonly string[];
  readonly outboxBytes: number;
  readonly isQuietLong: boolean;
  readonly connections = new Set<Connection>();
  readonly #machine: Host;
  readonly #nobody: Process;
  hub: Hub;
  #hubs = 0;
  faults = 0;

  constructor(options: WorldOptions) {
    const { seed, plant = {}, sites = SITES } = options;
    const timeline = new Timeline(seed);
    this.timeline = timeline;
    this.plant = plant;
    const quietMs = options.quietMs ?? QUIET_MS;
    this.isQuietLong = quietMs > SKEW_MAX_MS;
    this.outboxBytes = options.outboxBytes ?? (timeline.chance(0.3) ? 60_000 : 10_000_000);
    this.accounts = [...new Set(Object.values(sites).flat())];
    this.database = new ModelDatabase(() => this.#trueMs(), plant);
    this.server = new DatabaseServer(timeline, this.database);
    this.laws = new Laws(this);
    this.database.onCommit = (tx) => {
      this.laws.committing(tx);
      this.onCommit(tx.batches.length > 0);
    };
    this.#machine = new Host("cloud", timeline, 0);
    this.#nobody = new Process("nobody", this.#machine);
    this.broker = new Broker(timeline, new Process("broker", this.#machine), {
      accounts: this.accounts,
      framesPerSecond: options.framesPerSecond ?? FRAMES_PER_SECOND,
    });
    if (!options.mayOverlap) {
      this.broker.onOverlap = (account) =>
        timeline.fail(new Error(`two sockets of ${account} are open side by side`));
    }
    this.#crashAtEvents = [...(options.crashAtEvents ?? [])];
    this.#prepare(sites, quietMs, options.killGraceMs ?? KILL_GRACE_MS);
    this.hub = this.#startHub();
    routeThrough((url) => this.#dialHub(url));
    for (const [name, accounts] of Object.entries(sites)) this.#addSite(name, accounts);
  }

  /** Told after each commit; replaced by a fault that waits for one. */
  onCommit: (isIngest: boolean) => void = () => undefined;

  /** Runs until `isOver`, checking the laws as it goes. */
  async run(isOver: () => boolean): Promise<void> {
    let checked = this.timeline.events;
    await this.timeline.run(() => {
      while (this.timeline.events >= (this.#crashAtEvents[0] ?? Infinity)) {
        this.#crashAtEvents.shift();
        this.#crash();
      }
      if (this.timeline.events - checked >= CHECK_EVENTS) {
        checked = this.timeline.events;
        this.laws.check();
      }
      return isOver();
    });
  }

  readonly #crashAtEvents: number[];
  crashes = 0;

  #crash(): void {
    const site = this.timeline.pick(this.sites);
    if (site.edge.isOver) return;
    this.crashes++;
    this.timeline.note(`killed: ${site.edge.process.name}`);
    site.edge.crash();
    this.timeline.after(this.timeline.between(0, 4_000), () => {
      if (site.edge.isOver) this.startEdge(site);
    });
  }

  uuid(): string {
    const hex = () =>
      Math.floor(this.timeline.random() * 2 ** 32)
        .toString(16)
        .padStart(8, "0");
    const [a, b, c, d] = [hex(), hex(), hex(), hex()];
    return `${a}-${b.slice(0, 4)}-4${b.slice(5)}-8${c.slice(1, 4)}-${c.slice(4)}${d}`;
  }

  /** A stream's name. Planted: a new process goes on with the names of the one before. */
  mintStream(by: EdgeProcess): string {
    if (!this.plant.reusesNumbers) return this.uuid();
    const site = by.edge === "home" ? 1 : 2;
    const minted = (this.#minted.get(by) ?? 0) + 1;
    this.#minted.set(by, minted);
    return `0000000${site}-0000-4000-8000-${String(minted).padStart(12, "0")}`;
  }
  readonly #minted = new Map<EdgeProcess, number>();

  emitOf(process: Process): Emit {
    return (event) => {
      const code = "code" in event ? event.code : "state" in event ? event.state : "";
      this.timeline.note(`${process.name} ${event.event} ${code}`);
    };
  }

  startEdge(site: Site): EdgeProcess {
    const { host, accounts } = site;
    const process = new Process(`${host.name}-${++site.starts}`, host);
    const edge = new EdgeProcess(this, process, host.name, accounts);
    this.edges.push(edge);
    site.edge = edge;
    edge.start();
    return edge;
  }

  crashHub(): void {
    this.hub.process.kill();
  }

  startHub(): void {
    if (this.hub.process.isDead) this.hub = this.#startHub();
  }

  /** The operator's new plan: the account's next heartbeat begins a new epoch. */
  raisePlan(account: string): void {
    const { leases } = this.database.tables;
    const lease = leases.get(account);
    if (lease) leases.set(account, { ...lease, planEpoch: lease.planEpoch + 1 });
  }

  dialBroker(process: Process, account: string): Connection {
    const site = this.sites.find(({ host }) => host === process.host)!;
    return this.#connect(site.brokerPath, process, this.broker.process, (connection) =>
      this.broker.accept(connection, account),
    );
  }

  printOf(account: string, symbol: string, seq: number): Print | undefined {
    return this.#printIndex(account, symbol).get(seq);
  }

  /** Gaps in an account's stored prints that no living process has in hand. */
  missing(account: string): Gap[] {
    const alive = this.edges.filter((edge) => !edge.isOver && edge.holders.has(account));
    return this.laws.gaps(account).filter((gap) => !alive.some((edge) => hasCaptured(edge, gap)));
  }

  /** Those that the hub may declare: nothing of a dead process is still on its way. */
  openGaps(account: string): Gap[] {
    const { nowMs } = this.timeline;
    const isSettled = this.edges.every((edge) => {
      const holder = edge.holders.get(account);
      if (!edge.isOver || holder === undefined) return true;
      return nowMs - edge.endedMs > GRAVE_MS && this.hub.isIdle(holder);
    });
    return isSettled && !this.server.isWorking ? this.missing(account) : [];
  }

  readonly #printed = new Map<string, Map<number, Print>>();

  #printIndex(account: string, symbol: string): Map<number, Print> {
    const name = `${account} ${symbol}`;
    const index = this.#printed.get(name) ?? new Map<number, Print>();
    this.#printed.set(name, index);
    const prints = this.broker.prints(account, symbol);
    for (let i = index.size; i < prints.length; i++) index.set(prints[i]!.seq, prints[i]!);
    return index;
  }

  #trueMs(): number {
    return Math.round((BEGIN_MS + this.timeline.nowMs) * 1_000) / 1_000;
  }

  #prepare(
    sites: Readonly<Record<string, readonly string[]>>,
    quietMs: number,
    killGraceMs: number,
  ): void {
    const { tables } = this.database;
    for (const account of this.accounts) {
      const names = Object.keys(sites).filter((name) => sites[name]!.includes(account));
      tables.placements.set(account, { sites: names, ttlMs: TTL_MS });
      tables.leases.set(account, {
        ...{ account, mode: "exclusive", epoch: 0, holder: null, edge: null, grantedMs: null },
        ...{ seenMs: null, releasedMs: null, quietMs, killGraceMs, ttlMs: TTL_MS },
        ...{ planEpoch: 1, assignedEpoch: 0 },
      });
      tables.assignments.set(
        account,
        SYMBOLS.flatMap((symbol) =>
          (["book", "trade"] as const).map((channel) => ({ venue: "KRX", symbol, channel })),
        ),
      );
    }
  }

  #startHub(): Hub {
    const process = new Process(`hub-${++this.#hubs}`, this.#machine);
    this.database.tables.hubStartMs = this.#trueMs();
    const acksEarly = this.plant.acksEarly ?? false;
    return new Hub({ process, server: this.server, emit: this.emitOf(process), acksEarly });
  }

  #addSite(name: string, accounts: readonly string[]): void {
    const skewMs = this.timeline.between(-SKEW_MAX_MS, SKEW_MAX_MS);
    const site = {
      host: new Host(name, this.timeline, skewMs),
      accounts,
      hubPath: path(`${name}-hub`, 10),
      brokerPath: path(`${name}-broker`, 3),
      starts: 0,
    } as unknown as Site;
    this.sites.push(site);
    this.startEdge(site);
  }

  #dialHub(url: URL) {
    const process = this.edges.find((edge) => url.hostname === `${edge.process.name}.sim`)!.process;
    const site = this.sites.find(({ host }) => host === process.host)!;
    const { hub } = this;
    const isThere = !hub.process.isDead;
    const server = isThere ? hub.process : this.#nobody;
    return this.#connect(site.hubPath, process, server, ({ ends: [, end] }) => {
      if (isThere) hub.accept(end, site.host.name);
      else end.close(REFUSED);
    }).ends[0];
  }

  /** The first message is the handshake. */
  #connect(
    way: Path,
    client: Process,
    server: Process,
    accept: (connection: Connection) => void,
  ): Connection {
    const connection = new Connection(this.timeline, way, client, server);
    for (const old of this.connections) if (old.isClosed) this.connections.delete(old);
    this.connections.add(connection);
    connection.ends[1].listen({ message: () => accept(connection), closed: () => undefined });
    connection.ends[0].send({ kind: "text", data: "handshake" });
    return connection;
  }
}

function hasCaptured(edge: EdgeProcess, { account, symbol, seqFrom, seqTo }: Gap): boolean {
  const records = edge.captured.get(account) ?? [];
  return records.some(
    (record) => record.symbol === symbol && record.seq > seqFrom && record.seq <= seqTo,
  );
}
