// A real day of KRX through both simulated brokers, edges and hub, twice: as it was, and with twenty trades that
// one broker does not say, ten of which its REST shows later. `tickhub parity` finds exactly these.
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import { run, simArgs } from "../../app/cli/up.ts";
import { newStateDir, tickhub } from "../support/cli.ts";
import { dataFile } from "../support/data.ts";
import type { TestDatabase } from "../support/database.ts";
import { createDatabase } from "../support/database.ts";
import { generator } from "../support/records.ts";

const TAPE = dataFile("krx-ticks/20200604.csv.gz");
const EACH = 10;

const databases: TestDatabase[] = [];
beforeAll(async () => {
  for (let i = 0; i < 2; i++) databases.push(await createDatabase({ migrated: false }));
});
afterAll(async () => {
  for (const database of databases) await database.drop();
});

interface Found {
  ok: boolean;
  rows: number;
  markets: { share: number; coverage: number; volumes: Record<string, number> }[];
  differences: { kind: string; symbol: string; isRefilled: boolean; left: { seq: number }[] }[];
}

/** Plays the day into `database`, and compares it. */
async function played(database: TestDatabase, omit: readonly string[]) {
  const options = { tape: [TAPE!], speed: "max", uplink: "gateway", json: true } as const;
  await run(
    { ...options, tape: [TAPE!] },
    {
      ...{ stateDir: newStateDir(), databaseUrl: database.url, port: 0, logLevel: "info" },
      uplink: "gateway",
      simArgs: [
        ...simArgs({ ...options, tape: [TAPE!] }),
        ...omit.flatMap((one) => ["--omit", `kiwoom:${one}`]),
      ],
    },
  );
  const { code, json } = await tickhub(
    ["parity", "--date", "2020-06-04", "--differences", "--json"],
    { TICKHUB_DATABASE_URL: database.url },
  );
  return { code, found: json as unknown as Found };
}

it.skipIf(TAPE === null)("agrees in every share as it was", { timeout: 240_000 }, async () => {
  const { code, found } = await played(databases[0]!, []);
  expect(found.differences).toEqual([]);
  expect(found.markets).toMatchObject([{ share: 1, coverage: 1 }]);
  expect(found.rows).toBe(2 * 45_617);
  expect(code).toBe(0);
});

it.skipIf(TAPE === null)(
  "names the trades that one broker did not say, refilled or not",
  { timeout: 240_000 },
  async () => {
    const lines = gunzipSync(readFileSync(TAPE!)).toString().trimEnd().split("\n").slice(1);
    const trades = lines.map((line) => line.split(",")).map((cells) => `${cells[0]}:${cells[10]}`);
    const random = generator();
    const picks = new Set<number>();
    while (picks.size < 2 * EACH) picks.add(2_000 + random(trades.length - 4_000));
    const missing = [...picks].map((at) => trades[at]!);
    const omit = missing.map((one, index) => (index < EACH ? one : `${one}:lacks`));
    const { found } = await played(databases[1]!, omit);
    const named = found.differences.map(({ symbol, left }) => `${symbol}:${left[0]!.seq}`);
    expect(named.sort()).toEqual(missing.toSorted());
    expect(new Set(found.differences.map(({ kind }) => kind))).toEqual(new Set(["missing-right"]));
    const refilled = found.differences.filter(({ isRefilled }) => isRefilled);
    expect(refilled.length).toBe(EACH);
    expect(found.markets[0]!.share).toBeLessThan(1);
  },
);
