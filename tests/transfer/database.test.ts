// Tables between two databases of one server, by the command as a user runs it.
import { join } from "node:path";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { latestEvidence } from "../../app/store/evidence.ts";
import { tickhub } from "../support/cli.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";

const BARS = `(symbol varchar(20) not null, date date not null, close bigint, note json, primary key (symbol, date))`;

describe("tickhub transfer", { timeout: 120_000 }, () => {
  let from: TestDatabase;
  let to: TestDatabase;
  beforeAll(async () => {
    [from, to] = [
      await createDatabase({ migrated: true }),
      await createDatabase({ migrated: true }),
    ];
  });
  afterAll(async () => {
    await from.drop();
    await to.drop();
  });

  const transfer = (...args: string[]) =>
    tickhub(["transfer", "--from", from.url, "--to", to.url, "--json", ...args]);
  const one = async (database: TestDatabase, sql: string) =>
    Object.values((await database.pool.query<Record<string, unknown>>(sql)).rows[0]!)[0];
  const sum = (database: TestDatabase, table: string) =>
    one(database, `select md5(string_agg(t::text, E'\\n' order by t::text)) from ${table} t`);
  const first = (result: { json: Record<string, unknown> | null }) =>
    (result.json!["tables"] as Record<string, unknown>[])[0]!;
  const fresh = async (name: string, columns: string, fill: string) => {
    for (const { pool } of [from, to]) await pool.query(`create table ${name} ${columns}`);
    await from.pool.query(fill);
    await from.pool.query(`analyze ${name}`);
  };
  let count = 0;
  let bars = "";
  beforeEach(async () => {
    bars = `bars_${++count}`;
    const fill = `insert into ${bars} select 'S' || s, date '2026-01-01' + d, s * d, '{"a": 1}'
      from generate_series(1, 100) s, generate_series(0, 99) d`;
    await fresh(bars, BARS, fill);
  });

  it("moves a table in chunks, equal on both sides, and leaves evidence", async () => {
    const result = await transfer("--table", bars, "--chunk-rows", "1000");
    expect(result.stderr).not.toContain("bug");
    expect(result.code).toBe(0);
    expect(first(result)).toMatchObject({ ok: true, rows: 10_000, inserted: 10_000, chunks: 10 });
    expect(await sum(to, bars)).toBe(await sum(from, bars));
    const evidence = (await latestEvidence(to.pool, "transfer")).get(bars)!;
    expect(evidence).toMatchObject({ ok: true, detail: { rows: 10_000, differing: 0 } });
    expect(JSON.stringify(result) + JSON.stringify(evidence)).not.toContain(
      new URL(from.url).password,
    );
    const again = first(await transfer("--table", bars, "--chunk-rows", "1000"));
    expect(again).toMatchObject({ ok: true, inserted: 0, rows: 10_000, bytes: 0 });
  });

  it("rows that came late, changed or are new are brought over by the next run, and nothing else", async () => {
    await transfer("--table", bars, "--chunk-rows", "1000");
    await from.pool
      .query(`insert into ${bars} values ('LATE', '2026-01-05', 1, null), ('NEW', '2027-01-01', 2, null);
      update ${bars} set close = -1 where symbol = 'S7' and date = '2026-02-01'`);
    const result = first(await transfer("--table", bars));
    expect(result).toMatchObject({ ok: true, rows: 10_002, inserted: 3 });
    expect(await sum(to, bars)).toBe(await sum(from, bars));
  });

  it("a row altered on the target is named, and mended on request only", async () => {
    await transfer("--table", bars, "--chunk-rows", "1000");
    await to.pool.query(
      `update ${bars} set close = 777777 where symbol = 'S42' and date = '2026-03-03'`,
    );
    for (const args of [["--verify-only"], []]) {
      const result = await transfer("--table", bars, ...args);
      expect(result.code).toBe(1);
      const { differing, differences } = first(result);
      expect(differing).toBe(1);
      expect(differences).toEqual([
        { table: bars, side: "source", row: `(S42,2026-03-03,2562,"{""a"": 1}")` },
        { table: bars, side: "target", row: `(S42,2026-03-03,777777,"{""a"": 1}")` },
      ]);
    }
    expect((await latestEvidence(to.pool, "transfer")).get(bars)!.ok).toBe(false);
    expect(first(await transfer("--table", bars, "--repair"))).toMatchObject({
      ok: true,
      inserted: 1,
    });
    expect(await sum(to, bars)).toBe(await sum(from, bars));
  });

  it("rows the source lost stay on the target until --repair", async () => {
    await transfer("--table", bars);
    await from.pool.query(`delete from ${bars} where symbol = 'S9'`);
    const kept = first(await transfer("--table", bars));
    expect(kept).toMatchObject({ ok: false });
    expect(await one(to, `select count(*)::int from ${bars}`)).toBe(10_000);
    expect(first(await transfer("--table", bars, "--repair"))).toMatchObject({ ok: true });
    expect(await sum(to, bars)).toBe(await sum(from, bars));
  });

  it("rows of others on the target are left alone and told", async () => {
    await to.pool.query(`insert into ${bars} values ('OTHER', '2026-01-05', 1, null),
      ('S3', '2026-01-05', 12, '{"a": 1}')`);
    const result = first(await transfer("--table", bars, "--chunk-rows", "1000"));
    expect(result).toMatchObject({ ok: true, inserted: 9_999, rows: 10_000, others: 1 });
    expect(first(await transfer("--table", bars, "--verify-only"))).toMatchObject({ ok: true });
    await to.pool.query(`delete from ${bars} where symbol = 'OTHER'`);
    expect(first(await transfer("--table", bars, "--verify-only"))).toMatchObject({ ok: false });
  });

  it("a table without a key is moved once, also when the job is forgotten", async () => {
    const name = `keyless_${count}`;
    await fresh(
      name,
      "(at timestamp, what text)",
      `insert into ${name}
      select case when i % 50 > 0 then timestamp '2026-01-01' + i / 3 * interval '1 s' end, 'w' || i % 7
      from generate_series(1, 5000) i; insert into ${name} select * from ${name} where what = 'w3'`,
    );
    const moved = first(await transfer("--table", name, "--chunk-rows", "1000"));
    expect(moved).toMatchObject({ ok: true });
    expect(await sum(to, name)).toBe(await sum(from, name));
    await to.pool.query("delete from transfer");
    await from.pool.query(
      `insert into ${name} values (null, 'late'), ('2026-01-01 00:00:05', 'w3')`,
    );
    expect(first(await transfer("--table", name))).toMatchObject({ ok: true, inserted: 2 });
    expect(await sum(to, name)).toBe(await sum(from, name));
  });

  it("a table without any order is one chunk; a missing one is made on request", async () => {
    await from.pool.query(`create table loose_${count} (a json, b boolean);
      insert into loose_${count} select '[1]', i % 2 = 0 from generate_series(1, 100) i`);
    const name = `loose_${count}`;
    const refused = await transfer("--table", name);
    expect(refused.json).toMatchObject({
      ok: false,
      code: "TRANSFER_TABLE",
      context: { side: "target" },
    });
    const result = first(await transfer("--table", name, "--create"));
    expect(result).toMatchObject({ ok: true, rows: 100, chunks: 1 });
    expect(await sum(to, name)).toBe(await sum(from, name));
  });

  it("columns that do not fit are named before anything moves", async () => {
    await from.pool.query(
      `create table odd_${count} (a int, b numeric(12,4), c text, d timestamp, e text, f text)`,
    );
    await to.pool
      .query(`create table odd_${count} (a bigint, b numeric(10,2), c varchar(3), d timestamptz,
      f text not null, g int not null, h int generated always as (1) stored)`);
    await from.pool.query(`insert into odd_${count} values (1, 1, 'c', now(), 'e', null)`);
    const odd = `odd_${count}`;
    const { code, json } = await transfer("--table", odd);
    expect(code).toBe(1);
    expect(json).toMatchObject({ code: "TRANSFER_COLUMNS" });
    const problems = (json!["context"] as { problem: string }).problem.split("; ");
    expect(problems).toEqual([
      "b: the source is numeric(12,4), the target numeric(10,2)",
      "c: the source is text, the target character varying(3)",
      "d: d has no time zone",
      'say "zone" in a map',
      "g: nothing is said to fill it, and it allows no null",
      "e: only the source has it",
      "a map may leave it out",
    ]);
    const map = join(mkdtempSync(join(tmpdir(), "tickhub-map-")), "map.json");
    const columns = { a: "a", b: "b", f: "f", g: { value: 7 } };
    writeFileSync(map, JSON.stringify({ columns: { ...columns, b: { sql: "s.b" } } }));
    const nulls = await transfer("--table", odd, "--map", map);
    expect(nulls.json).toMatchObject({
      context: { problem: "f: null in 1 rows of the source, the target allows none" },
    });
    writeFileSync(
      map,
      JSON.stringify({
        zone: "Asia/Seoul",
        columns: { ...columns, b: { sql: "s.b" }, d: "d", f: { sql: "s.nope" } },
      }),
    );
    const wrong = await transfer("--table", odd, "--map", map);
    expect(wrong.json).toMatchObject({
      code: "TRANSFER_MAP",
      context: { problem: "column s.nope does not exist" },
    });
    writeFileSync(
      map,
      JSON.stringify({
        zone: "Asia/Seoul",
        columns: { ...columns, b: { sql: "s.b" }, d: "d", f: { sql: "coalesce(s.f, '')" } },
      }),
    );
    const good = await transfer("--table", odd, "--map", map);
    expect(first(good)).toMatchObject({ ok: true, rows: 1 });
    expect(await one(to, `select (d at time zone 'Asia/Seoul')::text || g from ${odd}`)).toBe(
      `${String(await one(from, `select d::text from ${odd}`))}7`,
    );
  });

  it("wrong URLs and users end in a code without the password", async () => {
    const wrong = new URL(from.url);
    wrong.password = "s3cret-wrong";
    const cases: [string, string][] = [
      [wrong.href, "TRANSFER_CONNECT"],
      [from.url.replace(/\/[^/]*$/, "/nowhere"), "TRANSFER_CONNECT"],
      [from.url.replace(/:\d+\//, ":1/"), "DATABASE_UNREACHABLE"],
      ["mysql://u:s3cret-wrong@h/d", "USAGE"],
      ["env:NOT_SET", "USAGE"],
    ];
    for (const [url, expected] of cases) {
      const { json, stdout, stderr } = await tickhub([
        "transfer",
        "--from",
        url,
        "--to",
        to.url,
        "--table",
        bars,
        "--json",
      ]);
      expect(json).toMatchObject({ ok: false, code: expected });
      expect(stdout + stderr).not.toContain("s3cret");
      expect(stdout + stderr).not.toContain(new URL(from.url).password);
    }
  });

  it("a source user that may only select is enough; one that may not is told so", async () => {
    const role = `reader_${bars}_${process.pid}`;
    await from.pool.query(
      `create role ${role} login password 'only-reads'; grant select on ${bars} to ${role}`,
    );
    try {
      const url = new URL(from.url);
      [url.username, url.password] = [role, "only-reads"];
      const args = ["transfer", "--from", "env:LEGACY", "--to", to.url, "--json", "--table"];
      const good = await tickhub([...args, bars], { LEGACY: url.href });
      expect(first(good)).toMatchObject({ ok: true, rows: 10_000 });
      const bad = await tickhub([...args, "public.trade"], { LEGACY: url.href });
      expect(bad.json).toMatchObject({
        code: "TRANSFER_TABLE",
        context: { problem: "this user may not select from it" },
      });
    } finally {
      await from.pool.query(`drop owned by ${role}; drop role ${role}`);
    }
  });

  it("a dry run says how long and how large, and writes nothing", async () => {
    const result = await transfer("--table", bars, "--dry-run");
    expect(result.code).toBe(0);
    const estimate = first(result);
    expect(estimate).toMatchObject({ rows: 10_000, sampleRows: 10_000 });
    expect(estimate["targetBytes"]).toBeGreaterThan(500_000);
    expect(await one(to, `select count(*)::int from ${bars}`)).toBe(0);
    const url = new URL(to.url);
    const client = new pg.Client({ connectionString: url.href });
    await client.connect();
    const { rows } = await client.query(`select from transfer where target_table = $1`, [bars]);
    expect(rows).toEqual([]);
    await client.end();
  });
});
