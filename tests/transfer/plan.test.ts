// What is decided without a database: columns, key, cuts, rates, and what a person reads.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { clockOf, progressLine, size } from "../../app/cli/transfer-progress.ts";
import type { Column, TableFacts } from "../../app/transfer/catalog.ts";
import { matchColumns } from "../../app/transfer/columns.ts";
import { groupsOf } from "../../app/transfer/compare.ts";
import { uuidOf } from "../../app/transfer/jobs.ts";
import type { Chunk } from "../../app/transfer/jobs.ts";
import { Throttle } from "../../app/transfer/pipe.ts";
import { chooseKey, chunkCount, partsOf, spansOf } from "../../app/transfer/plan.ts";
import { hashOf, sourceRows, targetRows } from "../../app/transfer/statements.ts";
import { FakeClock } from "../support/fake-clock.ts";

function column(name: string, type: string, over: Partial<Column> = {}): Column {
  const base = type.replace(/\(.*\)/, "");
  return { name, type, base, isNullable: false, hasDefault: false, isGenerated: false, ...over };
}

function table(columns: Column[], over: Partial<TableFacts> = {}): TableFacts {
  return {
    ...{ schema: "public", name: "t", title: "t", qualified: `"public"."t"`, columns },
    ...{ uniqueKey: null, primaryKey: null, leading: new Set<string>(), isView: false },
    ...{ rowsEstimate: 0, bytes: 0, hypertable: null, ...over },
  };
}

const keyOf = (
  columns: Column[],
  source: Partial<TableFacts>,
  target: Partial<TableFacts> = {},
) => {
  const [from, to] = [table(columns, source), table(columns, target)];
  return chooseKey(from, to, matchColumns(from, to, null).moved, undefined);
};

describe("columns", () => {
  const problems = (from: string, to: string) =>
    matchColumns(table([column("a", from)]), table([column("a", to)]), null).problems.length;

  it("a type is taken by one that holds all its values, and by no other", () => {
    for (const [from, to] of [
      ["integer", "bigint"],
      ["character varying(10)", "text"],
      ["character varying(10)", "character varying(20)"],
      ["numeric(10,2)", "numeric"],
    ] as const) {
      expect(problems(from, to), `${from} to ${to}`).toBe(0);
      expect(problems(to, from), `${to} to ${from}`).toBe(1);
    }
    expect(problems("double precision", "numeric")).toBe(1);
    expect(problems("text", "json")).toBe(1);
  });

  it("another order of columns is none of a problem; both sides hash the target's", () => {
    const columns = [column("a", "integer"), column("b", "json")];
    const from = table(columns.toReversed());
    const matched = matchColumns(from, table(columns), null);
    expect(matched.moved.map(({ name }) => name)).toEqual(["a", "b"]);
    const shape = { moved: matched.moved, hash: "record" } as unknown as Parameters<
      typeof hashOf
    >[0];
    expect(hashOf(shape, "x")).toBe(`hash_record_extended(row(x."a", x."b"::text), 0)`);
  });

  it("names are quoted, whatever they hold", () => {
    const odd = column('a"; drop table t; --', "integer");
    const { moved } = matchColumns(table([odd]), table([odd]), null);
    expect(moved[0]!.expression).toBe('s."a""; drop table t; --"');
  });
});

describe("the key", () => {
  const columns = [
    column("id", "bigint"),
    column("made", "timestamp with time zone"),
    column("ts", "timestamp with time zone"),
  ];

  it("is a hypertable's time, else a time with indexes, else any time, else the primary key's first column", () => {
    const onTs = { leading: new Set(["id", "ts"]) };
    expect(keyOf(columns, { hypertable: { column: "ts", bounds: [] } })?.column).toBe("ts");
    expect(keyOf(columns, onTs, onTs)).toMatchObject({ column: "ts", isIndexed: true });
    expect(keyOf(columns, onTs)).toMatchObject({ column: "ts", isIndexed: false });
    expect(keyOf(columns, {})?.column).toBe("made");
    expect(keyOf([columns[0]!], { primaryKey: ["id"] })?.column).toBe("id");
    expect(keyOf([columns[0]!], {})).toBeNull();
  });

  it("spans cover every key once, and rows without one", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer()), fc.integer(), (values, key) => {
        const bounds = values.toSorted((a, b) => a - b).map(String);
        const inside = spansOf(bounds, false).filter(
          ({ fromKey, toKey }) =>
            (fromKey === null || key >= Number(fromKey)) && (toKey === null || key < Number(toKey)),
        );
        expect(inside).toHaveLength(1);
        expect(spansOf(bounds, true).filter(({ isNull }) => isNull)).toHaveLength(1);
      }),
    );
  });

  it("a span that is open at both ends leaves the rows without a key to their own chunk", () => {
    const facts = table([column("ts", "date", { isNullable: true })]);
    const { moved } = matchColumns(facts, facts, null);
    const key = chooseKey(facts, facts, moved, undefined);
    const marks = { origin: false, stream: false };
    const rest = { key, marks, uniqueKey: null, hash: "record", where: null } as const;
    const shape = { source: facts, target: facts, moved, ...rest };
    const [all, none] = spansOf([], true);
    for (const rows of [sourceRows, targetRows]) {
      expect(rows(shape, all!)).toMatch(/ where \(\w\."ts"\) is not null$/);
      expect(rows(shape, none!)).toMatch(/ where \(\w\."ts"\) is null$/);
    }
  });

  it("without an index chunks are few; a large chunk of a hypertable is cut", () => {
    expect(chunkCount(1e9, 1e5, true)).toBe(10_000);
    expect(chunkCount(1e9, 1e5, false)).toBe(32);
    expect(chunkCount(0, 1e5, true)).toBe(1);
    expect(partsOf(10e6, 10, 1e5)).toBe(10);
    expect(partsOf(1e6, 10, 1e5)).toBe(1);
  });

  it("neighbours are read together, sixteen at most where an index finds them, and never with the rows without a key", () => {
    const bounds = Array.from({ length: 19 }, (_, i) => String(i));
    const chunks = spansOf(bounds, true).map((span, no) => ({ ...span, no }) as Chunk);
    expect(groupsOf(chunks, true).map(({ length }) => length)).toEqual([16, 4, 1]);
    expect(groupsOf(chunks, false).map(({ length }) => length)).toEqual([20, 1]);
    const [first, , third] = chunks;
    expect(groupsOf([first!, third!], true)).toHaveLength(2);
  });
});

describe("on the way", () => {
  it("a throttle lets through its rate after a short burst", () => {
    const clock = new FakeClock();
    const throttle = new Throttle(clock, 1_000_000);
    expect(throttle.take(200_000)).toBe(0);
    expect(throttle.take(1_000_000)).toBeCloseTo(950);
    expect(new Throttle(clock, null).take(1e12)).toBe(0);
  });

  it("a job's name is a UUID that follows from both ends", () => {
    expect(uuidOf(["a", "b"])).toBe(uuidOf(["a", "b"]));
    expect(uuidOf(["ab"])).not.toBe(uuidOf(["a", "b"]));
    expect(uuidOf([])).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
  });

  it("the line says share, rate and what is left, of the copy and of the comparison", () => {
    const line = progressLine(
      {
        ...{ table: "trade", rows: 1_000_000, rowsDone: 250_000, rowsBefore: 0, look: null },
        ...{ bytes: 20 * 2 ** 20, sinceMs: 1_000 },
      },
      11_000,
    );
    expect(line).toBe(
      "trade: copy [######..................]  25 % · 250,000 of about 1,000,000 rows · 2.0 MB/s · ETA 0:30, then compared",
    );
    const look = { number: 1, chunks: 16, of: 64, sinceMs: 1_000 };
    const standing = { table: "trade", rows: 1_000_000, rowsDone: 1_000_000, rowsBefore: 0, look };
    expect(progressLine({ ...standing, bytes: 0, sinceMs: 0 }, 5_000)).toBe(
      "trade: compare [######..................]  25 % · look 1, 16 of 64 chunks · 1,000,000 rows over · ETA 0:12",
    );
    expect([clockOf(59.2), clockOf(3_725)]).toEqual(["1:00", "1:02:05"]);
    expect([size(12), size(1_536), size(3.5e9)]).toEqual(["12 B", "1.5 kB", "3.3 GB"]);
  });
});
