// A real day of KRX through both simulated brokers, one of which never says twenty trades of it: ten its REST
// shows later, ten it does not know either. Afterwards `tickhub verify` names these ten, and nothing else.
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import { run, simArgs } from "../../app/cli/up.ts";
import type { VerifyReport } from "../../app/cli/verify.ts";
import type { UnprovenSpan } from "../../app/hub/query/coverage/verify.ts";
import { kstMs } from "../../app/shared/market-time.ts";
import { newStateDir, tickhub } from "../support/cli.ts";
import { dataFile } from "../support/data.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { generator } from "../support/records.ts";
import { printTable } from "./support/table.ts";

const TAPE = dataFile("krx-ticks/20200604.csv.gz");
const EACH = 10;

interface Recorded {
  symbol: string;
  ms: number;
  size: number;
  seq: number;
}

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase({ migrated: false });
});
afterAll(async () => {
  await database.drop();
});

/** Of every symbol's trades in their order, without its first and its last. */
function recorded(path: string): Recorded[] {
  const lines = gunzipSync(readFileSync(path)).toString().trimEnd().split("\n").slice(1);
  const rows = lines.map((line) => {
    const [symbol = "", stamp = "", , , , , , , , size, seq] = line.split(",");
    const ms = kstMs(Number(stamp.slice(0, 8)), Number(stamp.slice(8)));
    return { symbol, ms, size: Number(size), seq: Number(seq) };
  });
  const bySymbol = Object.values(Object.groupBy(rows, ({ symbol }) => symbol));
  return bySymbol.flatMap((own) => own!.slice(1, -1));
}

/** Any of them, but no two neighbours: those would be one span. */
function chosen(trades: readonly Recorded[]): Recorded[] {
  const random = generator();
  const picks = new Set<number>();
  while (picks.size < 2 * EACH) {
    const at = random(trades.length);
    if (![at - 1, at, at + 1].some((near) => picks.has(near))) picks.add(at);
  }
  return [...picks].map((at) => trades[at]!);
}

it.skipIf(TAPE === null)(
  "of a recorded day names exactly the trades that one source and its REST lack",
  { timeout: 240_000 },
  async () => {
    const missing = chosen(recorded(TAPE!));
    const [shown, gone] = [missing.slice(0, EACH), missing.slice(EACH)];
    const lose = (trades: readonly Recorded[], lacks: string) =>
      trades.flatMap(({ symbol, seq }) => ["--tamper", `kiwoom:${symbol}:${seq}:lose${lacks}`]);
    const options = { tape: [TAPE!], speed: "max", uplink: "gateway", json: true } as const;
    const { report } = await run(
      { ...options, tape: [...options.tape] },
      {
        stateDir: newStateDir(),
        databaseUrl: database.url,
        port: 0,
        logLevel: "info",
        uplink: "gateway",
        simArgs: [
          ...simArgs({ ...options, tape: [TAPE!] }),
          ...lose(shown, ""),
          ...lose(gone, ":lacks"),
        ],
      },
    );
    const rows = { kis: report.sources["kis:1"]!.trade, kiwoom: report.sources["kiwoom:1"]!.trade };
    expect(rows.kiwoom).toBe(rows.kis - gone.length);

    const env = { TICKHUB_DATABASE_URL: database.url };
    const { code, json } = await tickhub(["verify", "--date", "2020-06-04", "--json"], env);
    const { sources } = json as unknown as VerifyReport;
    const [kis, kiwoom] = sources;
    printTable(
      "a recorded day",
      ["source", "trades", "not proven"],
      [
        ["kis:1", rows.kis, kis!.unproven.length],
        ["kiwoom:1", rows.kiwoom, kiwoom!.unproven.length],
      ],
    );
    expect(kis!.unproven).toEqual([]);
    const named = ({ symbol, size }: { symbol: string; size: number }) => `${symbol} ${size}`;
    expect(
      kiwoom!.unproven
        .map(({ symbol, missingVolume }) => named({ symbol, size: missingVolume! }))
        .sort(),
    ).toEqual(gone.map(named).sort());
    for (const { symbol, ms, size } of gone) {
      const isIt = (one: UnprovenSpan) =>
        one.symbol === symbol && one.missingVolume === size && one.fromMs <= ms && ms < one.toMs;
      expect(kiwoom!.unproven.find(isIt)).toMatchObject({ state: "gap" });
    }
    expect(code).toBe(1);
    const whole = ["verify", "--date", "2020-06-04", "--source", "kis:1"];
    expect((await tickhub(whole, env)).code).toBe(0);
  },
);
