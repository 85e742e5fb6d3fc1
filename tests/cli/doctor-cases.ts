// The misconfigurations that the doctor has to find, each made for real: a server, a database, a file, a disk.
// docs/doctor.md has a row for each.
import { randomUUID } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import type { Server as HttpServer } from "node:http";
import { createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocketServer } from "ws";
import type { DoctorOptions } from "../../app/cli/doctor.ts";
import { hashOfToken } from "../../app/shared/token.ts";
import type { TestDatabase } from "../support/database.ts";
import { claim, testTransport, TOKEN } from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";
import { startConnectProxy } from "../support/proxies.ts";
import { SmallDisk } from "../support/small-disk.ts";

export const KIS_KEYS = { KIS_APP_KEY: "A".repeat(36), KIS_APP_SECRET: "b".repeat(180) };
const KIWOOM_KEYS = { KIWOOM_APP_KEY: "k".repeat(43), KIWOOM_SECRET_KEY: "s".repeat(43) };

/** What a case is made in. */
export interface World {
  directory: string;
  migrated: TestDatabase;
  empty: TestDatabase;
  hub: TestHub;
  /** Undoes what was made, after the case. */
  after: (undo: () => unknown) => void;
}

type Env = Record<string, string>;

export interface Case {
  title: string;
  check: string;
  code: string;
  severity?: "warning";
  /** What the cause has to name. */
  says: RegExp;
  /** What the next step has to be. */
  next: RegExp;
  seed: (
    world: World,
  ) => Env | [Env, Partial<DoctorOptions>] | Promise<Env | [Env, Partial<DoctorOptions>]>;
}

const set = (env: Env) => () => env;

const OF_SETTINGS: Case[] = [
  {
    ...{ title: "a misspelt setting", check: "settings", code: "CONFIG_UNKNOWN" },
    ...{ says: /TICKHUB_SYMBOL, nearest=TICKHUB_SYMBOLS/, next: /unset TICKHUB_SYMBOL`/ },
    seed: set({ TICKHUB_SYMBOL: "005930" }),
  },
  {
    ...{ title: "a malformed database URL", check: "settings", code: "CONFIG_INVALID" },
    ...{ says: /TICKHUB_DATABASE_URL.*postgres:\/\//, next: /export TICKHUB_DATABASE_URL=/ },
    seed: set({ TICKHUB_DATABASE_URL: "localhost:5432/tickhub" }),
  },
  {
    ...{
      title: "a key pasted with its quotation marks",
      check: "KIS keys",
      code: "CONFIG_INVALID",
    },
    ...{ says: /KIS_APP_KEY.*characters=38.*a quotation mark/, next: /export KIS_APP_KEY=/ },
    seed: set({ ...KIS_KEYS, KIS_APP_KEY: `"${"A".repeat(36)}"` }),
  },
  {
    ...{ title: "a secret that was cut", check: "KIS keys", code: "CONFIG_INVALID" },
    ...{ says: /KIS_APP_SECRET.*characters=100/, next: /export KIS_APP_SECRET=/ },
    seed: set({ ...KIS_KEYS, KIS_APP_SECRET: "b".repeat(100) }),
  },
  {
    ...{ title: "a key without its secret", check: "Kiwoom keys", code: "CONFIG_MISSING" },
    ...{ says: /KIWOOM_SECRET_KEY, keys=1, secrets=0/, next: /export KIWOOM_SECRET_KEY=/ },
    seed: set({ KIWOOM_APP_KEY: KIWOOM_KEYS.KIWOOM_APP_KEY }),
  },
  {
    ...{ title: "an edge that is not told its token", check: "edge", code: "CONFIG_MISSING" },
    ...{ says: /TICKHUB_EDGE_TOKEN/, next: /export TICKHUB_EDGE_TOKEN=/ },
    seed: ({ hub }) => ({ TICKHUB_EDGE_ID: "kis", TICKHUB_HUB_URL: hub.gatewayUrl }),
  },
  {
    ...{
      title: "the hub's hash in place of the edge's token",
      check: "edge",
      code: "CONFIG_INVALID",
    },
    ...{ says: /TICKHUB_EDGE_TOKEN.*hash/, next: /npx tickhub token kis/ },
    seed: ({ hub }) => ({ ...edgeOf(hub.gatewayUrl), TICKHUB_EDGE_TOKEN: hashOfToken(TOKEN) }),
  },
  {
    ...{
      title: "a replayed day's clock with a real broker",
      check: "market clock",
      code: "CONFIG_CLOCK",
    },
    ...{ says: /CONFIG_CLOCK/, next: /unset TICKHUB_MARKET_CLOCK/ },
    seed: set({ ...KIS_KEYS, TICKHUB_MARKET_CLOCK: "fixed:2026-06-04T10:00:00+09:00" }),
  },
];

const OF_THE_PLAN: Case[] = [
  {
    ...{ title: "a symbol of no known venue", check: "symbols", code: "CONFIG_INVALID" },
    ...{ says: /LSE:VOD/, next: /export TICKHUB_SYMBOLS=/ },
    seed: set({ TICKHUB_SYMBOLS: "LSE:VOD" }),
  },
  {
    ...{ title: "a symbol named twice", check: "symbols", code: "CONFIG_INVALID" },
    ...{ severity: "warning", says: /KRX:005930.*twice/, next: /export TICKHUB_SYMBOLS=/ },
    seed: set({ TICKHUB_SYMBOLS: "005930,NAS:AAPL,KRX:005930" }),
  },
  {
    ...{
      title: "more symbols than the keys can register",
      check: "enough app keys",
      code: "CAP_TOO_SMALL",
    },
    ...{ says: /keysMissing=1/, next: /export TICKHUB_ACCOUNTS=/ },
    seed: set({ TICKHUB_SYMBOLS: Array.from({ length: 21 }, (_, i) => 100_000 + i).join(",") }),
  },
  {
    ...{ title: "fewer keys than accounts", check: "enough app keys", code: "CAP_TOO_SMALL" },
    ...{ says: /accounts=2, keys=1/, next: /export KIS_APP_KEY=/ },
    seed: set({ ...KIS_KEYS, TICKHUB_ACCOUNTS: "kis:1,kis:2,kiwoom:1" }),
  },
  {
    ...{
      title: "an edge on both sides of the migration",
      check: "placement",
      code: "CONFIG_INVALID",
    },
    ...{ says: /TICKHUB_SITES.*value=kis.*one side/, next: /export TICKHUB_SITES=/ },
    seed: set({ TICKHUB_SITES: "kis@home=kis,kis@cloud=kis" }),
  },
  {
    ...{
      title: "placement beside the migration's sites",
      check: "placement",
      code: "CONFIG_INVALID",
    },
    ...{ says: /TICKHUB_PLACEMENT.*TICKHUB_SITES/, next: /unset TICKHUB_PLACEMENT/ },
    seed: set({ TICKHUB_SITES: "kis@home=home,kis@cloud=kis", TICKHUB_PLACEMENT: "kis:1=kis" }),
  },
  {
    ...{
      title: "an account placed at an edge without a token",
      check: "placement",
      code: "CONFIG_INVALID",
    },
    ...{ says: /TICKHUB_PLACEMENT, value=home-kis/, next: /npx tickhub token home-kis/ },
    seed: set({ TICKHUB_EDGE_TOKENS: `kis=${TOKEN}`, TICKHUB_PLACEMENT: "kis:1=kis|home-kis" }),
  },
];

const OF_THE_MACHINE: Case[] = [
  {
    ...{
      title: "a file where the state directory should be",
      check: "state directory",
      code: "DATABASE_DIRECTORY",
    },
    ...{ says: /a-file.*ENOTDIR/, next: /ls -ld/ },
    seed({ directory }) {
      const file = join(directory, "a-file");
      writeFileSync(file, "");
      return { TICKHUB_STATE_DIR: join(file, "state") };
    },
  },
  {
    ...{ title: "a disk that is nearly full", check: "disk", code: "DISK_LOW" },
    ...{ says: /freeMb=\d+, sizeMb=/, next: /df -h/ },
    seed({ after }) {
      const disk = SmallDisk.mount(64 * 1024 ** 2);
      after(() => disk.unmount());
      return { TICKHUB_STATE_DIR: join(disk.directory, "state") };
    },
  },
  {
    ...{ title: "a port that another program holds", check: "port", code: "GATEWAY_PORT_TAKEN" },
    ...{ says: /port=\d+.*EADDRINUSE/, next: /ss -ltnp sport = :\d+/ },
    async seed({ after }) {
      const other = createServer((socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n"));
      return { TICKHUB_PORT: String(await listening(other, after)) };
    },
  },
  {
    ...{ title: "a public address to listen on", check: "bind", code: "GATEWAY_PUBLIC" },
    ...{ says: /bind=0\.0\.0\.0/, next: /tailscale ip -4.*export TICKHUB_BIND=/ },
    seed: set({ TICKHUB_BIND: "0.0.0.0" }),
  },
  {
    ...{
      title: "an address that this machine has not (yet)",
      check: "port",
      code: "CONFIG_INVALID",
    },
    ...{ says: /TICKHUB_BIND, value=100\.127\.9\.9/, next: /tailscale ip -4/ },
    seed: set({ TICKHUB_BIND: "100.127.9.9" }),
  },
  {
    ...{ title: "a backup that stands still", check: "backup", code: "BACKUP_STALE" },
    ...{ says: /has not run for 120 min/, next: /systemctl status tickhub-wal-upload/ },
    seed({ directory }) {
      const path = join(directory, "status.json");
      const at = Date.now() / 1_000 - 2 * 3_600;
      const note = { format: 1, at, failure: "", lastSegment: "0", spoolFiles: 0, spoolBytes: 0 };
      const sizes = { oldestSpoolAt: null, walBytes: 0, bucketBytes: null };
      writeFileSync(path, JSON.stringify({ ...note, ...sizes }));
      return { TICKHUB_BACKUP_STATUS: path };
    },
  },
];

const OF_THE_DATABASE: Case[] = [
  {
    ...{ title: "a database that is not there", check: "database", code: "DATABASE_UNREACHABLE" },
    ...{ says: /ECONNREFUSED/, next: /pg_isready -h 127\.0\.0\.1 -p 1`/ },
    seed: set({ TICKHUB_DATABASE_URL: "postgres://tickhub@127.0.0.1:1/x" }),
  },
  {
    ...{ title: "a wrong password", check: "database", code: "DATABASE_LOGIN" },
    ...{ says: /password authentication failed/, next: /psql .*-d test_/ },
    seed({ migrated }) {
      const url = new URL(migrated.url);
      url.password = "wrong";
      return { TICKHUB_DATABASE_URL: url.href };
    },
  },
  {
    ...{ title: "a database that was never made", check: "database", code: "DATABASE_LOGIN" },
    ...{ says: /"never_made" does not exist/, next: /createdb .* never_made`/ },
    seed({ migrated }) {
      const url = new URL(migrated.url);
      url.pathname = "/never_made";
      return { TICKHUB_DATABASE_URL: url.href };
    },
  },
  {
    ...{
      title: "a database without the schema",
      check: "database",
      code: "DATABASE_SCHEMA_MISSING",
    },
    ...{ says: /DATABASE_SCHEMA_MISSING/, next: /npx tickhub hub/ },
    seed: ({ empty }) => ({ TICKHUB_DATABASE_URL: empty.url }),
  },
  {
    ...{ title: "a database of a newer release", check: "database", code: "DATABASE_SCHEMA_NEWER" },
    ...{ says: /0001-ticks\.sql, needs=999/, next: /git pull/ },
    async seed({ migrated, after }) {
      const level = (to: number) =>
        migrated.pool.query("update schema_migration set min_code = $1 where name like '0001%'", [
          to,
        ]);
      await level(999);
      after(() => level(1));
      return { TICKHUB_DATABASE_URL: migrated.url };
    },
  },
  {
    ...{ title: "a user who does not own the schema", check: "database", code: "DATABASE_RIGHTS" },
    ...{ says: /permission denied for table schema_migration/, next: /psql .*\\dt/ },
    async seed({ migrated, after }) {
      const role = `doctor_${randomUUID().slice(0, 8)}`;
      await migrated.pool.query(`create role ${role} login password 'pass'`);
      after(() => migrated.pool.query(`drop role ${role}`));
      const url = new URL(migrated.url);
      url.username = role;
      url.password = "pass";
      return { TICKHUB_DATABASE_URL: url.href };
    },
  },
  {
    ...{ title: "a database that lost TimescaleDB", check: "database", code: "DATABASE_EXTENSION" },
    ...{ says: /0006-timescale\.sql, installed=false/, next: /shared_preload_libraries/ },
    async seed({ migrated, after }) {
      const skipped = (to: boolean) =>
        migrated.pool.query(
          "update schema_migration set skipped = $1 where name like '%-timescale.sql'",
          [to],
        );
      await skipped(false);
      after(() => skipped(true));
      return { TICKHUB_DATABASE_URL: migrated.url };
    },
  },
  {
    ...{ title: "a database of simulated ticks, or of real ones", check: "database" },
    ...{ code: "DATABASE_BROKERS", says: /database=real, hub=simulated/ },
    next: /TICKHUB_DATABASE_URL=…` of another database, or `export TICKHUB_BROKERS=real`/,
    seed: ({ migrated }) => ({ TICKHUB_DATABASE_URL: migrated.url, TICKHUB_BROKERS: "simulated" }),
  },
  {
    ...{ title: "sites while a phase is half entered", check: "phase", code: "PHASE_WAIT" },
    ...{ severity: "warning", says: /advance to local, sites=set/, next: /npx tickhub phase show/ },
    async seed({ migrated, after }) {
      await migrated.pool.query(
        `insert into phase (run, verb, from_name, to_name, begun_by)
         values (gen_random_uuid(), 'advance', 'home', 'local', 'somebody')`,
      );
      after(() => migrated.pool.query("delete from phase"));
      const sites = "kis@home=home-kis,kis@cloud=kis";
      return { TICKHUB_DATABASE_URL: migrated.url, TICKHUB_SITES: sites };
    },
  },
  {
    ...{ title: "an account that another edge collects", check: "lease", code: "LEASE_HELD" },
    ...{ severity: "warning", says: /kis:1, edge=kis, silentS=\d/, next: /npx tickhub status/ },
    async seed({ migrated, hub, after }) {
      const transport = testTransport(hub.gatewayUrl);
      await transport.open();
      after(() => transport.close());
      const holder = randomUUID();
      await claim(transport, holder);
      after(() =>
        transport.ask({ account: "kis:1", holder, edge: "kis", wish: "release", status: {} }),
      );
      const direct = { TICKHUB_EDGE_ID: "home-kis", TICKHUB_HUB_URL: migrated.url };
      return { ...KIS_KEYS, ...direct, TICKHUB_DATABASE_URL: migrated.url };
    },
  },
];

const OF_THE_LINKS: Case[] = [
  {
    ...{ title: "a hub that is not there", check: "hub", code: "UPLINK_UNREACHABLE" },
    ...{ says: /ECONNREFUSED/, next: /curl -sS http:\/\/127\.0\.0\.1:1\/healthz/ },
    seed: set(edgeOf("ws://127.0.0.1:1/edge")),
  },
  {
    ...{ title: "another program at the hub's address", check: "hub", code: "UPLINK_PROTOCOL" },
    ...{ says: /UPLINK_PROTOCOL/, next: /curl -sS http.*gateway's port/ },
    async seed({ after }) {
      const other = createHttpServer((_request, response) => response.end("<h1>It works!</h1>"));
      return edgeOf(`ws://127.0.0.1:${await listening(other, after)}/edge`);
    },
  },
  {
    ...{ title: "a hub of another wire version", check: "hub", code: "WIRE_VERSION" },
    ...{ says: /WIRE_VERSION/, next: /npx tickhub --version/ },
    async seed({ after }) {
      const server = createHttpServer((_request, response) => response.end());
      const sockets = new WebSocketServer({ server });
      sockets.on("connection", (socket) => {
        socket.once("message", () => {
          const facts = { code: "WIRE_VERSION", hint: "", context: { hub: "98, 99" } };
          socket.send(JSON.stringify({ type: "refused", ...facts }));
        });
      });
      return edgeOf(`ws://127.0.0.1:${await listening(server, after)}/edge`);
    },
  },
  {
    ...{ title: "a token that the hub does not know", check: "hub", code: "EDGE_TOKEN" },
    ...{ says: /EDGE_TOKEN/, next: /npx tickhub token kis/ },
    seed: ({ hub }) => ({ ...edgeOf(hub.gatewayUrl), TICKHUB_EDGE_TOKEN: "some other token" }),
  },
  {
    ...{
      title: "a hub's name that nobody resolves",
      check: "hub name",
      code: "UPLINK_UNREACHABLE",
    },
    ...{ says: /tickhub-hub\.invalid, reason=(ENOTFOUND|EAI_AGAIN)/, next: /tailscale status/ },
    seed: set(edgeOf("ws://tickhub-hub.invalid:8610/edge")),
  },
  {
    ...{ title: "a clock a minute off", check: "clock", code: "CLOCK_SKEW" },
    ...{ says: /skewMs=(59|60)\d{3}/, next: /timedatectl status/ },
    async seed({ after }) {
      const hub = createHttpServer((_request, response) =>
        response.end(JSON.stringify({ nowMs: Date.now() - 60_000 })),
      );
      return { TICKHUB_HUB_URL: `ws://127.0.0.1:${await listening(hub, after)}/edge` };
    },
  },
  {
    ...{
      title: "tags to compare, and no tailscaled to ask",
      check: "tailscaled",
      code: "EDGE_IDENTITY",
    },
    ...{ says: /TICKHUB_EDGE_TAGS.*ENOENT/, next: /systemctl status tailscaled/ },
    seed: ({ directory }) => [
      { TICKHUB_EDGE_TOKENS: `kis=${TOKEN}`, TICKHUB_EDGE_TAGS: "kis=tag:edge-kis" },
      { tailscaleSocket: join(directory, "absent.sock") },
    ],
  },
  {
    ...{
      title: "a way to the hub that is relayed",
      check: "way to the hub",
      code: "TAILNET_RELAYED",
    },
    ...{ severity: "warning", says: /relay=tok/, next: /tailscale ping localhost/ },
    async seed({ hub, after }) {
      const peer = { HostName: "localhost", CurAddr: "", Relay: "tok", Online: true, Active: true };
      const tailscaled = createHttpServer((_request, response) =>
        response.end(JSON.stringify({ BackendState: "Running", Peer: { "nodekey:1": peer } })),
      );
      const socketPath = join(mkdtempSync(join(tmpdir(), "tickhub-ts-")), "tailscaled.sock");
      await new Promise<void>((resolve) => tailscaled.listen(socketPath, resolve));
      after(() => tailscaled.close());
      return [edgeOf(`ws://localhost:${hub.port}/edge`), { tailscaleSocket: socketPath }];
    },
  },
  {
    ...{
      title: "an uplink's proxy that is not there",
      check: "proxies",
      code: "PROXY_UNREACHABLE",
    },
    ...{ says: /socks5:\/\/127\.0\.0\.1:1, reason=ECONNREFUSED/, next: /ss -ltn/ },
    seed: ({ hub }) => ({
      ...edgeOf(hub.gatewayUrl),
      TICKHUB_UPLINK_PROXY: "socks5://127.0.0.1:1",
    }),
  },
  {
    ...{ title: "a broker's proxy that refuses", check: "proxies", code: "PROXY_REFUSED" },
    ...{ says: /api\.kiwoom\.com:10000, reason=HTTP 403/, next: /npx tickhub probe kiwoom/ },
    async seed({ after }) {
      const proxy = await startConnectProxy({});
      after(() => proxy.close());
      proxy.manner = { name: "refuses", with: 403 };
      return { ...KIWOOM_KEYS, TICKHUB_BROKER_PROXY: proxy.url };
    },
  },
];

export const CASES: readonly Case[] = [
  ...OF_SETTINGS,
  ...OF_THE_PLAN,
  ...OF_THE_MACHINE,
  ...OF_THE_DATABASE,
  ...OF_THE_LINKS,
];

/** The edge `kis` of a hub, with its token. */
export function edgeOf(hubUrl: string): Env {
  return { TICKHUB_EDGE_ID: "kis", TICKHUB_EDGE_TOKEN: TOKEN, TICKHUB_HUB_URL: hubUrl };
}

export async function listening(
  server: Server | HttpServer,
  after: World["after"],
): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => server.close());
  return (server.address() as AddressInfo).port;
}
