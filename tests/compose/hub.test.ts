// A hub launched from images/compose.yaml by the VM's release agent, out of images that came through a
// registry by digest; edges in containers of their own; and then what happens to such a machine.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { Backup } from "./support/backup.ts";
import { buildChanged, throughRegistry } from "./support/images.ts";
import { listenersOf, openListeners } from "./support/listeners.ts";
import type { Listener } from "./support/listeners.ts";
import { EDGE_ADDRESS, HUB_ADDRESS, Machine } from "./support/machine.ts";
import { SimulatedMarket } from "./support/market.ts";
import type { Broker } from "./support/market.ts";
import { attempt, run, until } from "./support/shell.ts";

const given = inject("bench");
const bench = given!;
const BROKERS: Broker[] = ["kis", "kiwoom"];

let machine: Machine;
let market: SimulatedMarket;
let pool: pg.Pool;
/** What has been opened, also when a step before the end failed. */
const closing: (() => Promise<void>)[] = [];
let before: Listener[];

/** Rows of what the brokers' sockets brought, as SQL counts them: without what their REST was asked for. */
async function stored(): Promise<number> {
  const tables = ["trade", "book", "status"].map((name) => `select from ${name} where origin = 0`);
  const { rows } = await pool.query<{ n: string }>(
    `select count(*) as n from (${tables.join(" union all ")}) row`,
  );
  return Number(rows[0]!.n);
}

/** Nobody is asked for a gap any more, and for some seconds nothing of the market was stored. */
async function resting(): Promise<boolean> {
  const { rows } = await pool.query<{ rests: boolean }>(
    `select not exists (select from gap where state in ('suspected', 'refilling'))
       and not exists (select from ingest_batch join stream on no = stream
         where table_no <> 6 and committed_at > now() - interval '4 s') as rests`,
  );
  return rows[0]!.rests;
}

/** Returns when so many more rows are stored than now. */
async function untilMore(rows: number): Promise<void> {
  const from = await until("a database that counts", () => stored().catch(() => null));
  const isMore = async () => (await stored().catch(() => 0)) >= from + rows;
  await until(`${rows} more rows`, isMore, 120_000);
}

const state = async (container: string) =>
  await run(bench.docker, ["inspect", "-f", "{{.State.Status}} {{.RestartCount}}", container]);

describe.skipIf(given === null)("a hub from the compose file", () => {
  beforeAll(async () => {
    const { docker, bases, registry } = bench;
    await run(docker, ["tag", bases.database, `${registry}/database:0`]);
    machine = new Machine(bench, await throughRegistry(docker, `${registry}/database:0`));
    closing.push(() => machine.close());
    market = new SimulatedMarket(bench, machine);
    closing.push(() => market.down());
    machine.symbols = await market.open();
    before = await openListeners();
    await machine.openLink();
    await machine.join(market.simulator);
  });
  afterAll(async () => {
    for (const close of closing.reverse()) await close();
  });

  it("does not start on a machine whose data volume is not mounted, and leaves nothing there", async () => {
    const { code, stderr } = await machine.compose(["up", "-d"]);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/failed to mount local volume|no such file or directory/);
    expect(existsSync(join(machine.data, "postgres"))).toBe(false);
    await machine.compose(["down", "-v"]);
  });

  it("is started by the first release", async () => {
    machine.format();
    expect(await machine.release("1", bench.hub)).toMatchObject({
      version: "1",
      outcome: "running",
    });
    pool = machine.openPool();
    closing.push(() => pool.end());
    expect(await state(machine.container("hub"))).toBe("running 0");
    const health = ["inspect", "-f", "{{.State.Health.Status}}", machine.container("hub")];
    await until("a healthy hub", async () => (await run(bench.docker, health)) === "healthy");
  });

  it("takes ticks of both brokers from edges in containers, whose node it asks tailscaled about", async () => {
    for (const broker of BROKERS) await market.startEdge(broker);
    await untilMore(500);
    const { rows } = await pool.query<{ source: string }>(
      "select distinct source from trade order by 1",
    );
    expect(rows.map(({ source }) => source)).toEqual(["kis:1", "kiwoom:1"]);
    const status = await fetch(`http://${HUB_ADDRESS}:8611/status`);
    expect(await status.json()).toMatchObject({ identity: { isChecked: true } });
  });

  it("listens on the tailnet's address at three ports and nowhere else", async () => {
    const { docker } = bench;
    const wanted = [5432, 8610, 8611].map((port) => `tcp ${HUB_ADDRESS}:${port}`);
    // Of the machine: what is new and belongs to the engine or to a container.
    const after = await openListeners();
    const known = new Set(before.map(({ at }) => at));
    const opened = after.filter(({ at, isOfContainers }) => isOfContainers && !known.has(at));
    expect(opened.map(({ at }) => at).sort()).toEqual(wanted);
    // Of the containers: Docker's own resolver is on their loopback.
    const isOpen = (at: string) => !/ 127\./.test(at);
    const inside = async (service: "hub" | "database") =>
      (await listenersOf(docker, machine.container(service))).filter(isOpen).sort();
    expect(await inside("hub")).toEqual(["tcp 0.0.0.0:8610", "tcp 0.0.0.0:8611"]);
    expect(await inside("database")).toEqual(["tcp 0.0.0.0:5432", "tcp [::]:5432"]);
    expect((await listenersOf(docker, market.simulator)).filter(isOpen)).toEqual([]);
    // The page is not on the edges' port.
    expect((await fetch(`http://${HUB_ADDRESS}:8610/status`)).status).toBe(404);
    await expect(fetch("http://127.0.0.1:8610/healthz")).rejects.toThrow();
  });

  it("loses nothing when hub and database are killed", async () => {
    const { docker } = bench;
    for (const service of ["hub", "database"] as const) {
      await run(docker, ["kill", "-s", "KILL", machine.container(service)]);
      await run(docker, ["start", machine.container(service)]);
      await untilMore(200);
    }
    // A process that dies by itself is started again by Docker.
    const hub = machine.container("hub");
    const pid = await run(docker, ["inspect", "-f", "{{.State.Pid}}", hub]);
    process.kill(Number(pid), "SIGKILL");
    await until("a restarted hub", async () => (await state(hub)) === "running 1");
    await untilMore(200);
  });

  it("is rolled out to a release of the next wire version, and edges of this one are served", async () => {
    const { docker, hub, registry } = bench;
    const tag = `${registry}/hub:next`;
    const raise = (text: string) => text.replace("WIRE_VERSION = 1;", "WIRE_VERSION = 2;");
    await buildChanged(docker, hub, tag, "app/shared/batch.ts", raise);
    const next = await throughRegistry(docker, tag);
    expect(await machine.release("2", next)).toMatchObject({ version: "2", outcome: "running" });
    expect(
      await run(docker, ["inspect", "-f", "{{.Config.Image}}", machine.container("hub")]),
    ).toBe(next);
    await untilMore(300);
  });

  it("is rolled back by itself when a release acknowledges nothing", async () => {
    const { docker, hub, registry } = bench;
    const tag = `${registry}/hub:broken`;
    const breakIt = (text: string) => `throw new Error("broken on purpose");\n${text}`;
    await buildChanged(docker, hub, tag, "app/hub/hub.ts", breakIt);
    const broken = await throughRegistry(docker, tag);
    const image = ["inspect", "-f", "{{.Config.Image}}", machine.container("hub")];
    const running = await run(docker, image);
    expect(await machine.release("3", broken, 15)).toMatchObject({
      version: "3",
      outcome: "reverted",
    });
    expect(await run(docker, image)).toBe(running);
    await untilMore(300);
  });

  it("has stored each record that the brokers sent, once", async () => {
    await market.close();
    const { records, doubleSockets } = await market.sent();
    const words = await until("edges that hold nothing", async () => {
      const said = await Promise.all(BROKERS.map((broker) => market.edgeWord(broker)));
      return said.every(({ ledger }) => ledger["held"] === 0) ? said : null;
    });
    const sum = (field: string) => words.reduce((total, { live }) => total + live[field]!, 0);
    expect(words.map(({ balanced }) => balanced)).toEqual([true, true]);
    expect([sum("received"), sum("lost"), sum("quarantined")]).toEqual([records, 0, 0]);
    // A trade that had been asked for in the meantime was there already.
    expect((await stored()) + sum("duplicate")).toBe(records);
    expect(doubleSockets).toBe(0);
    const { rows } = await pool.query("select count(*)::int as n from quarantine");
    expect(rows).toEqual([{ n: 0 }]);
    console.log(`compose: ${records} records sent, ${await stored()} of their rows stored`);
  });

  it("comes back from a copy of its volume and the archive, and one changed row of the copy is told", async () => {
    const backup = new Backup(bench, machine);
    closing.push(() => backup.stop());
    await backup.snapshot();
    await until("a database that counts", () => stored().catch(() => null));
    // A batch that only the archive can bring into the copy.
    const check = ["exec", machine.container("hub"), "tickhub", "release", "check"];
    // After Korea's day the hub asks for each symbol's end, and what the brokers answer is stored.
    await until("a hub that asks nothing more", () => resting().catch(() => false), 240_000);
    await until("a canary", async () => (await attempt(bench.docker, check)).code === 0);
    await backup.archive(pool);
    const started = await backup.start();
    expect(started.code, started.stderr).toBe(0);
    const same = await backup.verify();
    expect(same.code, same.stdout + same.stderr).toBe(0);
    expect(JSON.parse(same.stdout)).toMatchObject({ ok: true, wrong: [], behindMs: 0 });
    const one = "(select ctid from trade limit 1 offset 7)";
    expect(await backup.change(`update trade set size = size + 1 where ctid = ${one}`)).toBe(1);
    const other = await backup.verify();
    expect(other.code).toBe(1);
    expect(JSON.parse(other.stdout)).toMatchObject({ ok: false, wrong: [{ table: "trade" }] });
    await backup.stop();
  });

  it("ends its edges in order: nothing held, exit code 0, the node logged out", async () => {
    const { docker } = bench;
    // Process 1 takes in what others leave behind.
    const orphan = ["sh", "-c", "sleep 0.1 & sleep 0.01"];
    await run(docker, ["exec", market.edge("kis"), ...orphan]);
    const states = ["sh", "-c", "cat /proc/[0-9]*/stat | cut -d' ' -f2,3"];
    await until("an orphan taken in", async () => {
      const said = await run(docker, ["exec", market.edge("kis"), ...states]);
      return !/\(sleep\)/.test(said);
    });
    for (const broker of BROKERS) {
      await run(bench.docker, ["stop", "-t", "40", market.edge(broker)]);
      const code = ["inspect", "-f", "{{.State.ExitCode}}", market.edge(broker)];
      expect(await run(bench.docker, code)).toBe("0");
    }
    const { stderr } = await attempt(docker, ["logs", market.edge("kis")]);
    const order = ["--socks5-server=127.0.0.1:1055", " up ", "process_stopped", " logout", "ended"];
    expect(order.map((word) => stderr.indexOf(word))).toEqual(
      order.map((word) => stderr.indexOf(word)).sort((a, b) => a - b),
    );
    expect(stderr).toContain(" logout");
  });

  it("shows no secret in what Docker tells of its containers, nor in their logs", async () => {
    const { docker, prefix } = bench;
    const names = (await run(docker, ["ps", "-a", "--format", "{{.Names}}"]))
      .split("\n")
      .filter((name) => name.startsWith(prefix));
    expect(names).toHaveLength(5);
    const told = [await run(docker, ["inspect", ...names, bench.hub, bench.edge])];
    for (const name of names) {
      const { stdout, stderr } = await attempt(docker, ["logs", name]);
      told.push(stdout, stderr);
    }
    told.push((await machine.compose(["config"])).stdout);
    const text = told.join("\n");
    expect(text).toContain(EDGE_ADDRESS.slice(0, 8));
    for (const [name, secret] of Object.entries(machine.secrets)) {
      expect(text.includes(secret as string), name).toBe(false);
    }
  });
});
