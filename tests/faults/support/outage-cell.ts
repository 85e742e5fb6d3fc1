// One cell of the outage matrix: a hub and a database as real processes, an edge as a process of its own,
// a proxy between edge and hub, and one fault. Says afterwards what was made and what SQL finds.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Child } from "../../../app/cli/child.ts";
import { krxInstruments } from "../../../app/sim/market/instrument.ts";
import { FaultProxy } from "../../support/fault-proxy.ts";
import { EdgeProcess } from "./edge-process.ts";
import type { MarketEdgeReport } from "./market-edge.ts";
import { ROOMY_BYTES } from "./outages.ts";
import { onDatabase } from "./own-postgres.ts";
import type { OwnPostgres } from "./own-postgres.ts";
import { SmallDisk } from "../../support/small-disk.ts";

const SYMBOLS = 20;
const UPDATES_PER_SECOND = 500;
/** The default of TICKHUB_OUTBOX_MB. */
const OUTBOX_BYTES = 96 * 2 ** 20;
/** Market that passes beside the outage, before and after it. */
const MARGIN_MS = 60_000;
const EDGE = "kis";
const ACCOUNT = "kis:1";

export interface CellOptions {
  /** The edge's clock starts this far in the past, and the margin. */
  outageMs: number;
  onDisk?: boolean;
  /** Further settings of the hub. */
  hubEnv?: Readonly<Record<string, string>>;
}

export class OutageCell {
  readonly server: OwnPostgres;
  readonly database: string;
  readonly databaseUrl: string;
  readonly symbols = SYMBOLS;
  hub!: Child;
  proxy!: FaultProxy;
  edge!: EdgeProcess;
  disk: SmallDisk | undefined;
  /** What happened beside the plan, for the table. */
  readonly notes: string[] = [];
  #hubPort = 0;
  #hubRssBytes = 0;
  readonly #hubEnv: Readonly<Record<string, string>>;
  readonly #token = randomBytes(24).toString("hex");

  private constructor(
    server: OwnPostgres,
    database: string,
    hubEnv: Readonly<Record<string, string>>,
  ) {
    this.server = server;
    this.#hubEnv = hubEnv;
    this.database = database;
    this.databaseUrl = server.urlOf(database);
  }

  /** With a database of its own, on a disk of its own where it is to fill up, and an edge `outageMs` behind the wall clock. */
  static async open(
    server: OwnPostgres,
    { outageMs, onDisk, hubEnv }: CellOptions,
  ): Promise<OutageCell> {
    const cell = new OutageCell(server, `outage_${randomBytes(4).toString("hex")}`, hubEnv ?? {});
    if (onDisk) {
      cell.disk = SmallDisk.mount(ROOMY_BYTES, join(server.directory, cell.tablespace));
      await server.addTablespace(cell.tablespace, cell.disk.directory);
    }
    const where = cell.disk ? ` tablespace ${cell.tablespace}` : "";
    await onDatabase(server.url, (client) =>
      client.query(`create database ${cell.database}${where}`),
    );
    await cell.startHub();
    const { proxy, url } = await FaultProxy.before(`ws://127.0.0.1:${cell.#hubPort}/edge`);
    cell.proxy = proxy;
    cell.edge = await EdgeProcess.start({
      edge: EDGE,
      account: ACCOUNT,
      token: cell.#token,
      hubUrl: url,
      outboxBytes: OUTBOX_BYTES,
      behindMs: outageMs + MARGIN_MS,
      seed: 1,
      updatesPerSecond: UPDATES_PER_SECOND,
      symbols: SYMBOLS,
    });
    return cell;
  }

  get tablespace(): string {
    return `disk_${this.database}`;
  }

  /** Also in the place of one that was killed. */
  async startHub(): Promise<void> {
    this.hub = new Child({
      args: ["hub", "--json"],
      env: {
        TICKHUB_DATABASE_URL: this.databaseUrl,
        TICKHUB_PORT: String(this.#hubPort),
        TICKHUB_EDGE_TOKENS: `${EDGE}=${this.#token}`,
        TICKHUB_SYMBOLS: krxInstruments(SYMBOLS)
          .map(({ code }) => code)
          .join(","),
        TICKHUB_ACCOUNTS: ACCOUNT,
        ...this.#hubEnv,
      },
      logFile: join(this.server.directory, "logs", `${this.database}.log`),
    });
    this.#hubPort = Number(new URL(String((await this.hub.announced("hub_listening")).url)).port);
  }

  async killHub(): Promise<void> {
    this.#noteHubMemory();
    this.hub.process.kill("SIGKILL");
    await this.hub.exited;
  }

  /** Polls the edge until `holds`. Throws after `ms`. */
  async until(
    what: string,
    ms: number,
    holds: (report: MarketEdgeReport) => boolean,
  ): Promise<MarketEdgeReport> {
    const untilMs = performance.now() + ms;
    for (;;) {
      const report = await this.edge.look();
      if (holds(report)) return report;
      if (performance.now() > untilMs) {
        throw new Error(
          `${what} did not happen within ${ms} ms: ${JSON.stringify({ ...report, made: 0 })}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Waits until the edge has `rows` more committed. */
  async flow(rows: number): Promise<void> {
    const { ledger } = await this.edge.look();
    const wanted = ledger.committed + rows;
    await this.until(`${rows} more rows`, 60_000, (now) => now.ledger.committed >= wanted);
  }

  hubRssBytes(): number {
    this.#noteHubMemory();
    return this.#hubRssBytes;
  }

  async close(): Promise<void> {
    await this.edge.kill();
    await this.proxy.close();
    await this.hub.stop();
    this.disk?.free();
    await onDatabase(this.server.url, (client) =>
      client.query(`drop database ${this.database} with (force)`),
    );
    if (!this.disk) return;
    await onDatabase(this.server.url, (client) =>
      client.query(`drop tablespace ${this.tablespace}`),
    );
    this.disk.unmount();
  }

  #noteHubMemory(): void {
    const status = readFileSync(`/proc/${this.hub.pid}/status`, "utf8");
    const kb = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0);
    this.#hubRssBytes = Math.max(this.#hubRssBytes, kb * 1024);
  }
}
