// A transfer that goes on: it follows its source, waits for a hub that is behind, survives a lost connection.
import { spawn } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newStateDir, tickhub } from "../support/cli.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";

const TABLE = `(symbol text not null, date date not null, close bigint, primary key (symbol, date))`;

interface Event {
  event: string;
  [field: string]: unknown;
}

describe("tickhub transfer, while it runs", { timeout: 120_000 }, () => {
  let from: TestDatabase;
  let to: TestDatabase;
  beforeAll(async () => {
    from = await createDatabase({ migrated: false });
    to = await createDatabase({ migrated: true });
  });
  afterAll(async () => {
    await from.drop();
    await to.drop();
  });

  const fresh = async (name: string) => {
    for (const { pool } of [from, to]) await pool.query(`create table ${name} ${TABLE}`);
    await from.pool.query(
      `insert into ${name} select 'S' || s, date '2026-01-01' + d, s * d
       from generate_series(1, 50) s, generate_series(0, 39) d`,
    );
    await from.pool.query(`analyze ${name}`);
  };
  const sum = async ({ pool }: TestDatabase, table: string) =>
    (
      await pool.query<{ sum: string }>(
        `select count(*) || md5(string_agg(t::text, ',' order by t::text)) as sum from ${table} t`,
      )
    ).rows[0]!.sum;

  /** The command, its events as they come. */
  function start(...args: string[]) {
    const child = spawn(
      process.execPath,
      [
        ...["app/cli/main.ts", "transfer", "--from", from.url, "--to", to.url, "--json"],
        ...["--chunk-rows", "500", ...args],
      ],
      { env: { ...process.env, TICKHUB_STATE_DIR: newStateDir() }, stdio: "pipe" },
    );
    let [said, out] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    const closed = new Promise<number | null>((resolve) => child.once("close", resolve));
    const listeners = new Set<() => void>();
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      for (const listener of listeners) listener();
    });
    const events = () =>
      said
        .split("\n")
        .slice(0, -1)
        .flatMap((line) => (line.startsWith("{") ? [JSON.parse(line) as Event] : []));
    /** The first event after `after` others that `is` so. */
    const until = (is: (event: Event) => boolean, after = 0) =>
      new Promise<number>((resolve, reject) => {
        const look = () => {
          const index = events().findIndex((event, i) => i >= after && is(event));
          if (index < 0) return;
          listeners.delete(look);
          resolve(index + 1);
        };
        listeners.add(look);
        void closed.then(() => reject(new Error(said)));
        look();
      });
    const end = async (signal?: NodeJS.Signals) => {
      if (signal) child.kill(signal);
      const code = await closed;
      const report = JSON.parse(out) as { ok: boolean; tables: Record<string, unknown>[] };
      return { code, table: report.tables[0]!, events: events() };
    };
    return { events, until, end };
  }

  const isQuiet = ({ event, moved }: Event) => event === "transfer_looked" && moved === 0;

  it("--follow brings over what is written until Ctrl-C, and ends equal", async () => {
    await fresh("followed");
    const running = start("--table", "followed", "--follow");
    const first = await running.until(isQuiet);
    expect(await sum(to, "followed")).toBe(await sum(from, "followed"));
    await from.pool
      .query(`insert into followed values ('NEW', '2027-01-01', 1), ('LATE', '2026-01-02', 2);
      update followed set close = -1 where symbol = 'S7' and date = '2026-01-20'`);
    await running.until(isQuiet, await running.until(({ moved }) => Number(moved) > 0, first));
    expect(await sum(to, "followed")).toBe(await sum(from, "followed"));
    const { code, table } = await running.end("SIGINT");
    expect(code).toBe(0);
    expect(table).toMatchObject({ ok: true, rows: 2_002, inserted: 2_003, differing: 0 });
  });

  it("--follow that lost its connections, and with them its lock, takes both again", async () => {
    await fresh("cut_off");
    const running = start("--table", "cut_off", "--follow");
    const first = await running.until(isQuiet);
    const cut = await to.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name = 'tickhub-transfer-target'`,
    );
    expect(cut.rowCount).toBeGreaterThan(0);
    await running.until(isQuiet, await running.until(isQuiet, first));
    const locks = await to.pool.query(
      `select from pg_locks where locktype = 'advisory' and granted
       and database = (select oid from pg_database where datname = current_database())`,
    );
    expect(locks.rowCount).toBe(1);
    expect(await running.end("SIGTERM")).toMatchObject({ code: 0, table: { ok: true } });
  });

  it("--polite waits while an edge of the hub holds records, and goes on when none does", async () => {
    await fresh("polite");
    const edge = (oldestMs: number) =>
      to.pool.query(
        `insert into edge_status (edge, status, seen_at)
         values ('seoul', jsonb_build_object('outbox', jsonb_build_object('oldestMs', $1::int)), now())
         on conflict (edge) do update set status = excluded.status, seen_at = now()`,
        [oldestMs],
      );
    await edge(60_000);
    const running = start("--table", "polite", "--polite");
    await running.until(({ event, heldMs }) => event === "transfer_waited" && heldMs === 60_000);
    expect(await sum(to, "polite")).toBeNull();
    await edge(100);
    const { code, table, events } = await running.end();
    expect(code).toBe(0);
    expect(table).toMatchObject({ ok: true, inserted: 2_000 });
    const order = events.map(({ event }) => event);
    expect(order.indexOf("transfer_waited")).toBeLessThan(order.indexOf("chunk_visited"));
  });

  it("a first fill is copied, then compared as a whole; a chunk altered in between is seen", async () => {
    await fresh("altered");
    // Each row that comes is another one than was sent.
    await to.pool.query(`create function alter_it() returns trigger language plpgsql as
        $$ begin if new.symbol = 'S9' and new.date = '2026-01-09' then new.close := 0; end if; return new; end $$;
      create trigger alter_it before insert on altered for each row execute function alter_it()`);
    const { code, table, events } = await start("--table", "altered").end();
    expect(events.find(({ event }) => event === "chunk_visited")).toMatchObject({
      state: "copied",
    });
    expect(events.find(({ event }) => event === "transfer_looked")).toMatchObject({ moved: 1 });
    expect(code).toBe(1);
    expect(table).toMatchObject({ ok: false, differing: 1 });
    expect(table["differences"]).toEqual([
      { table: "altered", side: "source", row: "(S9,2026-01-09,72)" },
      { table: "altered", side: "target", row: "(S9,2026-01-09,0)" },
    ]);
  });

  it("a target without TimescaleDB is filled all the same, and --direct-compress says why not so", async () => {
    await fresh("plain");
    const { code, stderr } = await tickhub([
      ...["transfer", "--from", from.url, "--to", to.url, "--table", "plain", "--direct-compress"],
    ]);
    expect(code).toBe(0);
    expect(stderr).toContain("--direct-compress is left out: the target has no TimescaleDB");
    expect(await sum(to, "plain")).toBe(await sum(from, "plain"));
  });
});
