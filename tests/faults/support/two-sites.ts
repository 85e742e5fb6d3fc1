// Home and cloud as processes: two databases on two servers, a hub on each, an edge a broker and site, and the
// simulated brokers, which count sockets. The home edges run twice, once for each hub, as an operator starts
// them before the move: what one database does not grant, the other may.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { Child } from "../../../app/cli/child.ts";
import type { ChildOptions } from "../../../app/cli/child.ts";
import { fetchJson } from "../../../app/cli/http.ts";
import type { Broker, SimCounts } from "../../../app/cli/stack.ts";
import type { EdgeReport } from "../../../app/edge/core.ts";
import { move } from "../../../app/hub/phase/machine.ts";
import type { MoveOptions } from "../../../app/hub/phase/machine.ts";
import type { Picture } from "../../../app/hub/query/picture.ts";
import { systemClock } from "../../../app/shared/clock.ts";
import type { Evidence } from "../../../app/shared/evidence.ts";
import { recordEvidence } from "../../../app/store/evidence.ts";
import { eventually } from "../../support/stack.ts";
import { OwnPostgres } from "./own-postgres.ts";

const MAIN = fileURLToPath(new URL("../../../app/cli/main.ts", import.meta.url));
const SIM_KEY = "SIMULATED".padEnd(36, "0");
const SIM_SECRET = "SIMULATED".padEnd(180, "0");
const TOKEN = "a token of the two sites";
export const ACCOUNTS = ["kis:1", "kiwoom:1"] as const;
export const SITES = "kis@home=home-kis,kis@cloud=kis,kiwoom@home=home-kiwoom,kiwoom@cloud=kiwoom";
/** A Saturday: no market trades. The simulated one has a clock of its own. */
export const QUIET_DAY = "fixed:2026-11-28T03:00:00Z";
export const QUIET_MS = 400;

export type Where = "home" | "hub";

interface Hub {
  child: Child;
  url: string;
  gatewayUrl: string;
}

export class TwoSites {
  readonly stateDir = mkdtempSync(join(tmpdir(), "tickhub-sites-"));
  readonly postgres: Record<Where, OwnPostgres>;
  readonly pools: Record<Where, pg.Pool>;
  readonly hubs = {} as Record<Where, Hub>;
  /** `home-kis@hub`: the edge, and the hub it sends to. */
  readonly edges = new Map<string, Child>();
  readonly #started: Child[] = [];
  sim!: Child;
  #places!: Record<string, string> & { symbols: string[] };
  readonly #carried = { home: new Date(0), hub: new Date(0) };

  private constructor(home: OwnPostgres, hub: OwnPostgres) {
    this.postgres = { home, hub };
    const pool = (url: string) => {
      const made = new pg.Pool({ connectionString: url, max: 4 });
      made.on("error", () => undefined);
      return made;
    };
    this.pools = { home: pool(home.url), hub: pool(hub.url) };
  }

  static async start(): Promise<TwoSites> {
    const [home, hub] = await Promise.all([OwnPostgres.start(), OwnPostgres.start()]);
    const sites = new TwoSites(home, hub);
    try {
      const args = ["--rate", "80", "--symbols", "4", "--slot-hold-ms", "200"];
      sites.sim = sites.#start({ program: "sim", args, env: {}, logFile: sites.#log("sim") });
      sites.#places = (await sites.sim.announced("sim_listening")) as never;
      await Promise.all([sites.startHub("home"), sites.startHub("hub")]);
      await Promise.all([
        sites.startEdge("kis", "home-kis", "home"),
        sites.startEdge("kiwoom", "home-kiwoom", "home"),
        sites.startEdge("kis", "home-kis", "hub"),
        sites.startEdge("kiwoom", "home-kiwoom", "hub"),
        sites.startEdge("kis", "kis", "hub"),
        sites.startEdge("kiwoom", "kiwoom", "hub"),
      ]);
    } catch (error) {
      await sites.stop();
      throw error;
    }
    return sites;
  }

  /** Also again, after it was killed. */
  async startHub(where: Where): Promise<void> {
    const before = this.hubs[where] as Hub | undefined;
    const edges = ["home-kis", "home-kiwoom", "kis", "kiwoom"];
    const child = this.#start({
      args: ["hub", "--json"],
      env: {
        TICKHUB_DATABASE_URL: this.postgres[where].url,
        TICKHUB_PORT: before ? new URL(before.gatewayUrl).port : "0",
        TICKHUB_EDGE_TOKENS: edges.map((edge) => `${edge}=${TOKEN}`).join(","),
        TICKHUB_SYMBOLS: this.#places.symbols.join(","),
        TICKHUB_ACCOUNTS: ACCOUNTS.join(","),
        TICKHUB_MARKET_CLOCK: this.#places["marketClock"]!,
        TICKHUB_QUIET_MS: String(QUIET_MS),
        TICKHUB_KILL_GRACE_MS: "3000",
        TICKHUB_SITES: SITES,
      },
      logFile: this.#log(`hub-${where}`),
    });
    const { url, gatewayUrl } = await child.announced("hub_listening");
    this.hubs[where] = { child, url: String(url), gatewayUrl: String(gatewayUrl) };
  }

  /** Also again, after it was killed. The home edge of Kiwoom writes straight into the database. */
  async startEdge(broker: Broker, edge: string, where: Where): Promise<void> {
    const direct = edge === "home-kiwoom";
    const { kisRest, kisWs, kiwoomRest, kiwoomWs, marketClock } = this.#places;
    const child = this.#start({
      args: ["edge", "--feed", broker, "--json"],
      env: {
        TICKHUB_EDGE_ID: edge,
        TICKHUB_EDGE_TOKEN: TOKEN,
        TICKHUB_HUB_URL: direct ? this.postgres[where].url : this.hubs[where].gatewayUrl,
        TICKHUB_MARKET_CLOCK: marketClock!,
        ...(broker === "kis"
          ? {
              KIS_APP_KEY: SIM_KEY,
              KIS_APP_SECRET: SIM_SECRET,
              KIS_REST_URL: kisRest!,
              KIS_WS_URL: kisWs!,
            }
          : {
              ...{ KIWOOM_APP_KEY: SIM_KEY, KIWOOM_SECRET_KEY: SIM_SECRET },
              ...{ KIWOOM_REST_URL: kiwoomRest!, KIWOOM_WS_URL: kiwoomWs! },
            }),
      },
      logFile: this.#log(`edge-${edge}-${where}`),
    });
    this.edges.set(`${edge}@${where}`, child);
    await child.announced("edge_listening");
  }

  async killEdge(name: string): Promise<void> {
    const child = this.edges.get(name)!;
    child.process.kill("SIGKILL");
    await child.exited;
  }

  /** Of what came from sockets. */
  async report(name: string): Promise<EdgeReport | null> {
    const { url } = await this.edges.get(name)!.announced("edge_listening");
    return await fetchJson<EdgeReport>(`${String(url)}/status`);
  }

  async picture(where: Where): Promise<Picture> {
    return (await fetchJson<Picture>(`${this.hubs[where].url}/status`))!;
  }

  async counts(): Promise<SimCounts> {
    return (await fetchJson<SimCounts>(`${this.#places["control"]!}/counts`))!;
  }

  async stopMarket(): Promise<void> {
    await fetchJson(`${this.#places["control"]!}/stop`, { close: true });
  }

  async prove(evidence: Pick<Evidence, "kind" | "subject"> & Partial<Evidence>): Promise<void> {
    await recordEvidence(this.pools.hub, {
      ...{ ok: true, summary: "seeded", atMs: systemClock.nowMs(), detail: {}, ...evidence },
    });
  }

  /** What the gates of the whole way ask for, parity aside. */
  async proveAll(): Promise<void> {
    for (const subject of ["home", "kis", "kiwoom"]) await this.prove({ kind: "latency", subject });
    for (const subject of ["trade", "book", "status", "news", "quarantine"]) {
      await this.prove({ kind: "transfer", subject });
    }
    await this.prove({ kind: "stress", subject: "hub" });
    await this.prove({ kind: "backup", subject: "hub" });
    await this.prove({ kind: "alert", subject: "sentinel" });
    await this.prove({ kind: "probe", subject: "kis:1", detail: { edge: "kis" } });
    await this.prove({ kind: "probe", subject: "kiwoom:1", detail: { edge: "kiwoom" } });
  }

  /** Stands for `tickhub transfer`: new trades go over, and every table is said to be equal. */
  async carry(from: Where): Promise<void> {
    const to = from === "home" ? "hub" : "home";
    const { rows } = await this.pools[from].query<{ row: string; at: Date }>(
      `select to_jsonb(t)::text as row, hub_recv as at from public.trade t
       where hub_recv > $1 and origin <> 2 order by hub_recv`,
      [this.#carried[from]],
    );
    for (let i = 0; i < rows.length; i += 2_000) {
      await this.pools[to].query(
        `insert into public.trade
         select (jsonb_populate_record(null::public.trade, one || '{"origin": 2}')).*
         from jsonb_array_elements($1::jsonb) one on conflict do nothing`,
        [
          `[${rows
            .slice(i, i + 2_000)
            .map(({ row }) => row)
            .join(",")}]`,
        ],
      );
    }
    this.#carried[from] = rows.at(-1)?.at ?? this.#carried[from];
    for (const subject of ["trade", "book", "status", "quarantine"]) {
      await recordEvidence(this.pools[to], {
        ...{ kind: "transfer", subject, ok: true, summary: "equal" },
        ...{ atMs: systemClock.nowMs(), detail: { rows: rows.length } },
      });
    }
  }

  /** One `tickhub phase advance` in this process, on connections that end with it, whatever becomes of it. */
  async move(
    verb: MoveOptions["verb"],
    options: Partial<MoveOptions> & { isSwitch?: boolean } = {},
  ): Promise<Awaited<ReturnType<typeof move>>> {
    const { isSwitch = false, ...rest } = options;
    const clients = (isSwitch ? (["hub", "home"] as const) : (["hub"] as const)).map(
      (where) => new pg.Client({ connectionString: this.postgres[where].url }),
    );
    for (const client of clients) client.on("error", () => undefined);
    await Promise.all(clients.map((client) => client.connect()));
    try {
      return await move({
        ...{ here: clients[0]!, home: clients[1], clock: systemClock, verb, forced: null },
        ...{ marketMs: Date.parse("2026-11-28T03:00:00Z"), waitMs: 60_000, by: "a test" },
        parity: () => Promise.resolve({ open: true, reasons: [], days: [] }),
        mintRun: () => crypto.randomUUID(),
        tell: () => undefined,
        ...rest,
      });
    } finally {
      await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
    }
  }

  /** `tickhub phase …` as a process; `on` gets each line of its progress. */
  phase(args: readonly string[], where: Where, on?: (line: string, child: ChildProcess) => void) {
    const child = spawn(process.execPath, [MAIN, "phase", ...args], {
      cwd: this.stateDir,
      env: {
        PATH: process.env["PATH"],
        TICKHUB_DATABASE_URL: this.postgres[where].url,
        TICKHUB_MARKET_CLOCK: QUIET_DAY,
      },
    });
    let [out, err] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    createInterface({ input: child.stderr }).on("line", (line) => {
      err += `${line}\n`;
      on?.(line, child);
    });
    return new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
      child.once("close", (code) => resolve({ code, out, err }));
    });
  }

  /** What an uninterrupted run and one that was broken off have to agree on. */
  async state(): Promise<object> {
    const [home, hub] = await Promise.all([stateOf(this.pools.home), stateOf(this.pools.hub)]);
    return { home, hub };
  }

  /** Trades that the cumulative volume says are missing, of all sources; both databases together. */
  async holes(): Promise<{ where: string; source: string; symbol: string; seq: number }[]> {
    const sql = `select source, symbol, day, chain, seq::float8 as seq, size::float8 as size from public.trade`;
    const both = await Promise.all([
      this.pools.home.query<Row>(sql),
      this.pools.hub.query<Row>(sql),
    ]);
    const keyed = new Map(both.flatMap(({ rows }) => rows).map((row) => [keyOf(row), row]));
    const lines = Map.groupBy(
      keyed.values(),
      ({ source, symbol, chain }) => `${source} ${symbol} ${chain}`,
    );
    return [...lines.values()].flatMap((rows) => {
      const sorted = rows.sort((a, b) => a.seq - b.seq);
      return sorted.flatMap(({ source, symbol, seq, size }, i) =>
        i > 0 && seq - size !== sorted[i - 1]!.seq ? [{ where: "both", source, symbol, seq }] : [],
      );
    });
  }

  async collects(edge: string, account: string): Promise<void> {
    await eventually(60_000, `${edge} collecting ${account}`, async () => {
      const said = (await this.report(edge))?.accounts?.[account];
      return said?.lease === "holding" && said.feed === "live";
    });
  }

  async stop(): Promise<void> {
    const last = new Set<Child>([this.sim, ...Object.values(this.hubs).map(({ child }) => child)]);
    await Promise.all(this.#started.filter((one) => !last.has(one)).map((one) => one.stop()));
    await Promise.all(this.#started.map((one) => one.stop()));
    await Promise.all(Object.values(this.pools).map((pool) => pool.end()));
    await Promise.all(Object.values(this.postgres).map((server) => server.remove()));
  }

  #start(options: ChildOptions): Child {
    const child = new Child(options);
    this.#started.push(child);
    return child;
  }

  #log(role: string): string {
    return join(this.stateDir, "logs", `${role}.log`);
  }
}

interface Row {
  source: string;
  symbol: string;
  day: Date;
  chain: number;
  seq: number;
  size: number;
}

function keyOf({ source, symbol, day, chain, seq }: Row): string {
  return `${source} ${symbol} ${day.getTime()} ${chain} ${seq}`;
}

async function stateOf(pool: pg.Pool): Promise<object> {
  const { rows } = await pool.query<{ state: object }>(
    `select jsonb_build_object(
       'phase', (select to_name from phase where entered_at is not null order by id desc limit 1),
       'underway', (select entered_at is null from phase order by id desc limit 1),
       'fence', (select fence_state()),
       'placement', (select jsonb_object_agg(account, sites) from placement),
       'held', (select jsonb_object_agg(account, case when holder is null then 'nobody' else edge end) from lease)
     ) as state`,
  );
  return rows[0]!.state;
}
