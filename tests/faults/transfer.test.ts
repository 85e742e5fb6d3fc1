// The whole of Korea's daily bars out of a legacy-style database, by the command itself, killed twice on the
// way while the source goes on being written to.
import { spawn } from "node:child_process";
import { pipeline } from "node:stream/promises";
import copy from "pg-copy-streams";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tickhub } from "../support/cli.ts";
import { dataFile } from "../support/data.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";

const FILE = dataFile("krx-daily/invest-KR-daily.csv.xz");
const ROWS = 986_298;
const TABLE = `create table daily_price (symbol varchar(20) not null, date date not null, open bigint, high bigint,
  low bigint, close bigint, volume bigint, change_pct double precision, primary key (symbol, date))`;

describe.skipIf(FILE === null)("a transfer that is killed", { timeout: 600_000 }, () => {
  let from: TestDatabase;
  let to: TestDatabase;
  beforeAll(async () => {
    from = await createDatabase({ migrated: false });
    to = await createDatabase({ migrated: true });
    await from.pool.query(TABLE);
    await to.pool.query(TABLE);
    const client = await from.pool.connect();
    const unpacked = spawn("xz", ["-dc", FILE!], { stdio: ["ignore", "pipe", "inherit"] });
    await pipeline(
      unpacked.stdout,
      client.query(copy.from("copy daily_price from stdin (format csv, header)")),
    );
    client.release();
    await from.pool.query("analyze daily_price");
  });
  afterAll(async () => {
    await from.drop();
    await to.drop();
  });

  const args = () => [
    ...["transfer", "--from", from.url, "--to", to.url, "--table", "daily_price"],
    ...["--chunk-rows", "50000", "--json"],
  ];
  const one = async <Value>(database: TestDatabase, sql: string) =>
    Object.values((await database.pool.query<Record<string, Value>>(sql)).rows[0]!)[0]!;
  const checksum = (database: TestDatabase) =>
    one<string>(
      database,
      "select count(*) || ' ' || sum(hashtextextended(d::text, 7)::numeric) from daily_price d",
    );

  /** Runs it until it has told of `chunks` chunks, and ends it there. */
  async function until(chunks: number, signal: "SIGKILL" | "SIGINT"): Promise<string | number> {
    const child = spawn(process.execPath, ["app/cli/main.ts", ...args()], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (said.split('"chunk_visited"').length > chunks) child.kill(signal);
    });
    return await new Promise((resolve) =>
      child.once("close", (code, by) => resolve(code ?? by ?? "")),
    );
  }

  /** What a legacy collector does all day: new days, late rows, corrections. */
  function writer() {
    let isOn = true;
    let written = 0;
    const done = (async () => {
      while (isOn) {
        const n = written++;
        await from.pool.query(
          `insert into daily_price values ($1, date '2025-07-01' + $2::int % 30, 1, 2, 1, 2, 10, null) on conflict do nothing`,
          [`N${n}`, n],
        );
        await from.pool.query(
          `insert into daily_price values ($1, date '2024-01-02' + $2::int % 40, 1, 2, 1, 2, 10, 0.5) on conflict do nothing`,
          [`L${n}`, n],
        );
        await from.pool.query(
          "update daily_price set close = close + 1 where symbol = '005930' and date = date '2024-03-04' + $1::int % 10",
          [n],
        );
      }
    })();
    const stop = async () => {
      isOn = false;
      await done;
      return written;
    };
    return { stop };
  }

  it("killed twice, interrupted once, source written to: equal at the end, no row twice", async () => {
    const live = writer();
    const left = () =>
      one<number>(to, "select count(*)::int from transfer_chunk where state = 'open'");
    try {
      expect(await until(3, "SIGKILL")).toBe("SIGKILL");
      const first = await left();
      expect(await until(4, "SIGKILL")).toBe("SIGKILL");
      const second = await left();
      expect(first).toBeGreaterThan(second);
      expect(second).toBeGreaterThan(0);
      expect(await until(2, "SIGINT")).toBe(1);
      expect(await left()).toBeLessThan(second);
      expect(await left()).toBeGreaterThan(0);
      // With the source still written to, it ends close behind it and says how close.
      const near = (await tickhub(args())).json!["tables"] as Record<string, unknown>[];
      expect(near).toMatchObject([{ ok: true, differing: 0 }]);
      expect(near[0]!["behindMs"]).toBeGreaterThan(0);
      expect(near[0]!["inserted"]).toBeGreaterThan(ROWS / 4);
    } finally {
      expect(await live.stop()).toBeGreaterThan(50);
    }
    const { code, json } = await tickhub(args());
    expect(json).toMatchObject({ ok: true, tables: [{ ok: true, behindMs: 0, others: 0 }] });
    expect(code).toBe(0);
    const total = await one<number>(from, "select count(*)::int from daily_price");
    expect(total).toBeGreaterThan(ROWS);
    expect(await one(to, "select count(*)::int from daily_price")).toBe(total);
    expect(await checksum(to)).toBe(await checksum(from));
    expect(
      await one(to, "select count(*)::int - count(distinct (symbol, date))::int from daily_price"),
    ).toBe(0);
    expect(await one(to, "select bool_and(ok) from evidence where kind = 'transfer'")).toBe(true);
  });
});
