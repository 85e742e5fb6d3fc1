// A real day of KRX through both simulated brokers, edges and hub: as it was, with 10, 100 and 1,000 trades
// removed, merged, altered and delayed at one or the other broker, and with a feed that loses trades which its
// REST fills in. `tickhub parity` finds exactly what was planted, and gives exactly the figures that follow.
import { beforeAll, describe, expect, it } from "vitest";
import { fetchJson } from "../../app/cli/http.ts";
import { answered, declareSpan } from "../../app/cli/recording.ts";
import { BROKERS, Stack } from "../../app/cli/stack.ts";
import type { Picture } from "../../app/hub/query/picture.ts";
import type { MarketState } from "../../app/sim/sim.ts";
import type { Tampered } from "../../app/sim/tamper.ts";
import { newStateDir, tickhub } from "../support/cli.ts";
import { dataFile } from "../support/data.ts";
import type { TestDatabase } from "../support/database.ts";
import { createDatabase } from "../support/database.ts";
import { eventually } from "../support/stack.ts";
import type { Away, Day, Figures, Finding, Plant } from "./support/parity-key.ts";
import {
  figuresOf,
  findingOf,
  lostRuns,
  planted,
  recordedDay,
  recordOf,
  rowsOf,
  scoresOf,
  textOf,
} from "./support/parity-key.ts";
import { printTable } from "./support/table.ts";

const TAPE = dataFile("krx-ticks/20200604.csv.gz");
const DATE = "2020-06-04";
const SEED = Number(process.env.TICKHUB_PARITY_SEED ?? Date.now() % 1_000_000);
const LEAST = 0.999;
const PLAY_MS = 240_000;
/** 0.3 % of the day's shares: a feed that loses so much is refused. */
const LOST_SHARES = 5_000;

let day: Day;
let database: TestDatabase;
beforeAll(() => {
  if (TAPE !== null) day = recordedDay(TAPE);
});

/** Plays the day into a database of its own, and waits until the brokers were asked for all that is missing. */
async function played(plants: readonly Plant[]): Promise<void> {
  database = await createDatabase({ migrated: false });
  const market = ["--expect", BROKERS.join(","), "--tape", TAPE!, "--speed", "max"];
  const stack = await Stack.start({
    ...{ stateDir: newStateDir(), databaseUrl: database.url, port: 0, logLevel: "info" },
    uplink: "gateway",
    simArgs: [...market, ...plants.flatMap((plant) => ["--tamper", textOf(plant)])],
  });
  try {
    await eventually(120_000, "the recording's end", () => stack.marketDone());
    await stack.stopMarket();
    const key = await fetchJson<Tampered[]>(`${stack.places.control}/tampered`);
    expect(named(key!)).toEqual(named(plants.map(recordOf)));
    await eventually(60_000, "all that was said, stored", () => isStored(stack));
    const { played: span } = (await fetchJson<MarketState>(`${stack.places.control}/market`))!;
    for (const broker of BROKERS) await declareSpan(database.pool, `${broker}:1`, "day", span!);
    await answered(stack);
    await eventually(120_000, "an answer to every question", async () => {
      const picture = await fetchJson<Picture>(`${stack.hubUrl}/status`);
      return picture?.coverage.openQuestions === 0;
    });
  } finally {
    await stack.stop();
  }
}

async function isStored(stack: Stack): Promise<boolean> {
  const sent = (await stack.simCounts())!.records;
  const edges = await Promise.all(BROKERS.map((broker) => stack.edgeStatus(broker)));
  const sum = (of: "received" | "held") =>
    edges.reduce((total, edge) => total + (edge?.live[of] ?? 0), 0);
  return sum("received") === sent && sum("held") === 0;
}

function named(all: readonly object[]): string[] {
  return all.map((one) => JSON.stringify(Object.entries(one).sort())).sort();
}

interface Compared {
  code: number | null;
  rows: number;
  markets: (Figures & { refusals: string[]; unclosed: number; isFinal: boolean })[];
  differences: (Omit<Finding, "seq"> & Record<"left" | "right", { seq: number }[]>)[];
}

async function compared(): Promise<Compared> {
  const env = { TICKHUB_DATABASE_URL: database.url };
  const asked = ["parity", "--date", DATE, "--differences", "--json"];
  const { code, json } = await tickhub(asked, env);
  return { ...(json as unknown as Omit<Compared, "code">), code };
}

/** Compares the day as it is stored, and holds the figures and every difference against the key. */
async function judged(title: string, plants: readonly Plant[], away?: Away): Promise<Compared> {
  const result = await compared();
  const wanted = plants.flatMap((plant) => findingOf(plant, away) ?? []);
  const found = result.differences.map(({ left, right, ...one }): Finding => {
    return { ...one, seq: (left.at(-1) ?? right.at(-1)!).seq };
  });
  const scores = scoresOf(wanted, found);
  const figures = figuresOf(day, plants, away);
  printTable(
    `${title} (seed ${SEED}): ${figures.share} matched, coverage ${figures.coverage}`,
    ["kind", "planted", "found", "precision", "recall"],
    scores.map((score) => [
      ...[score.kind, score.planted, score.found],
      ...[String(score.precision), String(score.recall)],
    ]),
  );
  for (const { kind, precision, recall } of scores) {
    expect(precision, `precision of ${kind}`).toBeGreaterThanOrEqual(LEAST);
    expect(recall, `recall of ${kind}`).toBeGreaterThanOrEqual(LEAST);
  }
  const { share, coverage, volumes, ok } = figures;
  expect(result.markets).toMatchObject([{ share, coverage, volumes, unclosed: 0, isFinal: true }]);
  expect(result.rows).toBe(rowsOf(day, plants));
  expect(result.code).toBe(ok ? 0 : 1);
  return result;
}

describe.skipIf(TAPE === null)(`a real day of KRX (seed ${SEED})`, { timeout: PLAY_MS }, () => {
  it("agrees in every share as it was", async () => {
    await played([]);
    const { differences, markets, rows } = await judged("As it was", []);
    expect(differences).toEqual([]);
    expect(markets).toMatchObject([{ share: 1, coverage: 1, refusals: [] }]);
    expect(rows).toBe(2 * 45_617);
    await database.drop();
  });

  it.each([10, 100])("gives exact figures with %i trades tampered with", async (count) => {
    const plants = planted(day, count, SEED + count);
    await played(plants);
    await judged(`${count} trades`, plants);
    await database.drop();
  });

  it("gives them with 1,000, and where one of the brokers was away for an hour of it", async () => {
    const plants = planted(day, 1_000, SEED);
    await played(plants);
    await judged("1,000 trades", plants);
    const [fromMs, toMs] = ["10:00", "11:00"].map((time) => Date.parse(`${DATE}T${time}+09:00`));
    await database.pool.query(
      `insert into gap (source, venue, symbol, day, channel, kind, from_at, to_at, chain, reason, state)
       select distinct 'kiwoom:1', venue, symbol, day, 'trade', 'hole', to_timestamp($1::float8 / 1000),
              to_timestamp($2::float8 / 1000), 0, 'FEED_CLOSED', 'lost' from trade`,
      [fromMs, toMs],
    );
    const away = { broker: "kiwoom", fromMs: fromMs!, toMs: toMs! } as const;
    const { differences } = await judged("1,000 trades, Kiwoom away for an hour", plants, away);
    expect(differences.some(({ kind }) => kind === "unverified-right")).toBe(true);
    await database.drop();
  });

  it("does not pass where a feed lost trades that its REST has filled in, complete as it is", async () => {
    const plants = lostRuns(day, "kiwoom", { length: 8, shares: LOST_SHARES }, SEED);
    await played(plants);
    const { markets, differences } = await judged("Lost and refilled", plants);
    expect(differences.every(({ isRefilled }) => isRefilled)).toBe(true);
    expect(markets[0]!.refusals).toEqual([
      expect.stringContaining("matched is below 99.9 %") as string,
    ]);
    expect(markets[0]!.coverage).toBeLessThan(1);
    const env = { TICKHUB_DATABASE_URL: database.url };
    const whole = ["verify", "--date", DATE, "--source", "kiwoom:1"];
    expect((await tickhub(whole, env)).code).toBe(0);
    await database.drop();
  });
});
