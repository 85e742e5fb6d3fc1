// A hub's machine as the VM is one, in a folder of this machine: data volume, secrets, tailscaled's socket,
// and the release agent. Its "tailnet" is a pair of virtual Ethernet ends with tailnet addresses: one end
// here, the other in the network of a container that has nothing else, where brokers and edges run.
import { randomBytes } from "node:crypto";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import type { Bench } from "./global-setup.ts";
import { ROOT } from "./images.ts";
import { attempt, run } from "./shell.ts";
import type { Ran } from "./shell.ts";

/** Of the database's image (images/compose.yaml). */
const POSTGRES_UID = 70;
/** Of tests; 100.64.0.0/10 is a tailnet's. */
const third = process.pid % 250;
export const HUB_ADDRESS = `100.127.${third}.1`;
export const EDGE_ADDRESS = `100.127.${third}.2`;
export const STACK = "e2e";

export interface Report {
  version: string;
  outcome: string;
  reason: string;
}

/** Nothing of it is on a command line, in a container's environment or in a log. */
export interface Secrets {
  database: string;
  kisToken: string;
  kiwoomToken: string;
  kisKey: string;
  kisSecret: string;
  kiwoomKey: string;
  kiwoomSecret: string;
  tailnetKey: string;
}

export class Machine {
  readonly directory = mkdtempSync(join(tmpdir(), "tickhub-machine-"));
  readonly data = join(this.directory, "data");
  readonly project: string;
  readonly secrets: Secrets = {
    database: randomBytes(18).toString("hex"),
    kisToken: randomBytes(18).toString("hex"),
    kiwoomToken: randomBytes(18).toString("hex"),
    kisKey: `PS${randomBytes(17).toString("hex")}`,
    kisSecret: randomBytes(90).toString("hex"),
    kiwoomKey: randomBytes(21).toString("hex"),
    kiwoomSecret: randomBytes(21).toString("hex"),
    tailnetKey: `tskey-client-${randomBytes(16).toString("hex")}`,
  };
  readonly #bench: Bench;
  readonly #database: string;
  readonly #tailscaled: Server;
  readonly #link: string;

  /** `database`: its image, by digest. */
  constructor(bench: Bench, database: string) {
    this.#bench = bench;
    this.#database = database;
    this.project = `${bench.prefix}hub`;
    this.#link = `tkh${process.pid}`;
    mkdirSync(join(this.directory, "run"), { mode: 0o700 });
    mkdirSync(this.data);
    this.#writeSecrets();
    this.#tailscaled = this.#actAsTailscaled();
  }

  /** What the VM's step that formats the volume leaves on it. */
  format(): void {
    for (const folder of ["releases", "backup"]) mkdirSync(join(this.data, folder));
    for (const folder of ["postgres", "wal-spool"]) {
      mkdirSync(join(this.data, folder), { mode: 0o700 });
      chownSync(join(this.data, folder), POSTGRES_UID, POSTGRES_UID);
    }
  }

  get env(): Record<string, string> {
    return {
      TICKHUB_STACK: STACK,
      TICKHUB_TAILNET_IP: HUB_ADDRESS,
      TICKHUB_DATA: this.data,
      TICKHUB_SECRETS: join(this.directory, "run", "secrets.env"),
      TICKHUB_PROJECT: this.project,
      TICKHUB_COMPOSE: "docker-compose",
      TICKHUB_FETCH: `cp ${join(this.directory, "release.json")}`,
      TICKHUB_REPORT: join(this.directory, "report"),
    };
  }

  /** Writes a release as the hub stack does, and runs one round of the real agent. */
  async release(version: string, hub: string, checkSeconds = 40): Promise<Report> {
    const release = {
      format: 1,
      stack: STACK,
      version,
      images: { hub, database: this.#database },
      compose: readFileSync(join(ROOT, "images/compose.yaml"), "utf8"),
      settings: this.#settings(),
      force: "a test at any hour",
    };
    writeFileSync(join(this.directory, "release.json"), JSON.stringify(release));
    const report = join(this.directory, "report.json");
    rmSync(report, { force: true });
    writeFileSync(join(this.directory, "report"), `#!/bin/sh\ncp "$1" ${report}\n`, {
      mode: 0o755,
    });
    const env = { ...this.env, TICKHUB_CHECK_SECONDS: String(checkSeconds) };
    const ran = await attempt("bash", [join(ROOT, "infra/vm/tickhub-release")], { env });
    if (ran.code !== 0) throw new Error(`tickhub-release ended with ${ran.code}: ${ran.stderr}`);
    return JSON.parse(readFileSync(report, "utf8")) as Report;
  }

  #settings(): Record<string, string> {
    return {
      TICKHUB_BROKERS: "simulated",
      TICKHUB_SYMBOLS: this.symbols.join(","),
      TICKHUB_ACCOUNTS: "kis:1,kiwoom:1",
      TICKHUB_QUIET_MS: "500",
      TICKHUB_KILL_GRACE_MS: "5000",
      TICKHUB_EDGE_TAGS: "kis=tag:edge-kis,kiwoom=tag:edge-kiwoom",
      TICKHUB_TAILSCALED: join(this.directory, "tailscale"),
      // No TimescaleDB in the stand-in.
      TICKHUB_PRELOAD: "",
    };
  }
  symbols: readonly string[] = [];

  /** docker-compose with this machine's project, before a release has been written or after it. */
  async compose(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
    const all = {
      ...this.env,
      ...this.#settings(),
      TICKHUB_IMAGE_HUB: this.#bench.hub,
      TICKHUB_IMAGE_DATABASE: this.#database,
      ...env,
    };
    const file = join(ROOT, "images/compose.yaml");
    return await attempt("docker-compose", ["-p", this.project, "-f", file, ...args], { env: all });
  }

  /** The container of a service. */
  container(service: "hub" | "database"): string {
    return `${this.project}_${service}_1`;
  }

  /** As the hub's own user, through the published port. */
  openPool(): pg.Pool {
    const { database: password } = this.secrets;
    const user = "tickhub";
    const pool = new pg.Pool({ host: HUB_ADDRESS, user, password, database: user, max: 2 });
    pool.on("error", () => undefined);
    return pool;
  }

  /** Gives the container's empty network the other end of the link. */
  async join(container: string): Promise<void> {
    const pid = await run(this.#bench.docker, ["inspect", "-f", "{{.State.Pid}}", container]);
    const [here, there] = [`${this.#link}h`, `${this.#link}e`];
    const inside = (args: string[]) => run("nsenter", ["-t", pid, "-n", "ip", ...args]);
    await run("ip", ["link", "set", there, "netns", pid]);
    await inside(["addr", "add", `${EDGE_ADDRESS}/30`, "dev", there]);
    await inside(["link", "set", there, "up"]);
    await run("ip", ["link", "set", here, "up"]);
  }

  /** The address is there before anything is published on it, as on the VM. */
  async openLink(): Promise<void> {
    const [here, there] = [`${this.#link}h`, `${this.#link}e`];
    await run("ip", ["link", "add", here, "type", "veth", "peer", "name", there]);
    await run("ip", ["addr", "add", `${HUB_ADDRESS}/30`, "dev", here]);
    await run("ip", ["link", "set", here, "up"]);
  }

  /** Secrets of one edge, as a file that its container mounts. */
  edgeSecrets(broker: "kis" | "kiwoom"): string {
    const { secrets } = this;
    const file = join(this.directory, "run", `${broker}.env`);
    const lines =
      broker === "kis"
        ? [
            `KIS_APP_KEY=${secrets.kisKey}`,
            `KIS_APP_SECRET=${secrets.kisSecret}`,
            // This one runs with a tailscaled beside it, or what acts as one here.
            `TS_AUTHKEY=${secrets.tailnetKey}?ephemeral=true&preauthorized=true`,
          ]
        : [`KIWOOM_APP_KEY=${secrets.kiwoomKey}`, `KIWOOM_SECRET_KEY=${secrets.kiwoomSecret}`];
    const token = broker === "kis" ? secrets.kisToken : secrets.kiwoomToken;
    this.#writeSecret(file, [`TICKHUB_EDGE_TOKEN=${token}`, ...lines]);
    return file;
  }

  async close(): Promise<void> {
    await this.compose(["down", "-v", "-t", "5"]);
    await attempt("ip", ["link", "del", `${this.#link}h`]);
    await new Promise((resolve) => this.#tailscaled.close(resolve));
    rmSync(this.directory, { recursive: true, force: true });
  }

  #writeSecrets(): void {
    const { database, kisToken, kiwoomToken } = this.secrets;
    this.#writeSecret(join(this.directory, "run", "secrets.env"), [
      `TICKHUB_DATABASE_URL=postgres://tickhub:${database}@database:5432/tickhub`,
      `TICKHUB_EDGE_TOKENS=kis=${kisToken},kiwoom=${kiwoomToken}`,
    ]);
  }

  /** For containers of any user; nobody else of this machine gets past the folder. */
  #writeSecret(file: string, lines: readonly string[]): void {
    writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
    chmodSync(file, 0o444);
  }

  /** Knows one node: the edges' end of the link. */
  #actAsTailscaled(): Server {
    const folder = join(this.directory, "tailscale");
    mkdirSync(folder);
    const socket = join(folder, "tailscaled.sock");
    const server = createServer((request, response) => {
      const peer = new URL(request.url ?? "", "http://local").searchParams.get("addr") ?? "";
      if (!peer.startsWith(`${EDGE_ADDRESS}:`)) return void response.writeHead(404).end();
      response.end(JSON.stringify({ Node: { Tags: ["tag:edge-kis", "tag:edge-kiwoom"] } }));
    });
    server.listen(socket, () => chmodSync(socket, 0o666));
    return server;
  }
}
