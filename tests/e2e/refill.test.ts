// Holes that a simulated broker makes, and what its REST knows of them: with the real processes, from the
// missing trade to the row that says where it came from, and to the word that stays for what is not there.
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fetchJson } from "../../app/cli/http.ts";
import type { Tampered } from "../../app/sim/tamper.ts";
import type { Printed } from "../../app/sim/sim.ts";
import { eventually, startStack } from "../support/stack.ts";
import type { TestStack } from "../support/stack.ts";

const BROKERS = ["kis", "kiwoom"] as const;
/** Of each symbol, trades a second from 09:00:00 on. */
const MARKET = {
  /** Loses two trades in the middle that REST has. */
  "005930": [3, 3, 3, 3],
  /** Loses one, and REST does not show it either; but the broker's own count of trades goes on. */
  "000660": [3, 3, 3],
  /** Loses a second that has more trades than a page of KIS's. */
  "035720": [3, 40, 3],
  /** Loses its first and its last. */
  "066570": [2, 2, 2],
} as const;
const SIZE = 10;
/** Of volume before the recording began. */
const BEFORE = 1_000;

/** A recording in the form of the KRX days: cumulative volumes rise by ten a trade. */
function tapeOf(): string {
  const lines = Object.entries(MARKET).flatMap(([symbol, perSecond]) => {
    let cum = BEFORE;
    return perSecond.flatMap((count, second) =>
      Array.from({ length: count }, () => {
        cum += SIZE;
        const time = `2020060409000${second}`;
        return `${symbol},${time},1,54600,54500,54600,0,1,2,${SIZE},${cum},50,60,6000,2`;
      }),
    );
  });
  lines.sort((a, b) => (a.split(",")[1]! < b.split(",")[1]! ? -1 : 1));
  const path = join(mkdtempSync(join(tmpdir(), "tickhub-tape-")), "holes.csv");
  writeFileSync(path, ["symbol,ts_kst,n", ...lines].join("\n"));
  return path;
}

/** The volume after trade number `n` of a symbol, counted from 0. */
const after = (n: number) => BEFORE + SIZE * (n + 1);
const LOST: Record<keyof typeof MARKET, number[]> = {
  "005930": [4, 7],
  "000660": [4],
  "035720": Array.from({ length: 40 }, (_, i) => 3 + i),
  "066570": [0, 5],
};

let test: TestStack;
beforeAll(async () => {
  const lost = BROKERS.flatMap((broker) =>
    Object.entries(LOST).flatMap(([symbol, places]) =>
      places.flatMap((place) => {
        const lacks = symbol === "000660" ? ":lacks" : "";
        return ["--tamper", `${broker}:${symbol}:${after(place)}:lose${lacks}`];
      }),
    ),
  );
  const market = ["--tape", tapeOf(), "--speed", "max", "--expect", BROKERS.join(",")];
  test = await startStack({ simArgs: [...market, ...lost] });
});
afterAll(async () => await test.stop());

/** The ends of a day are asked about when it is over, or its recording is declared; here by hand. */
const DECLARE = `
  with ends as (
    select source, venue, symbol, day, min(seq - size) as seq_from, max(seq) as seq_to,
      min(ts) as first_at, max(ts) as last_at
    from trade where symbol = '066570' group by 1, 2, 3, 4
  )
  insert into gap (source, venue, symbol, day, channel, kind, chain, from_at, to_at, seq_from, seq_to, reason)
  select source, venue, symbol, day, 'trade', 'head', 0, day::timestamptz, first_at, null, seq_from, 'DAY_START'
  from ends union all
  select source, venue, symbol, day, 'trade', 'tail', 0, last_at, null, seq_to, null, 'DAY_END' from ends`;

interface Row {
  source: string;
  symbol: string;
  kind: string;
  state: string;
  outcome: string | null;
  rows: number;
}

describe("holes that both brokers make", { timeout: 120_000 }, () => {
  it("are refilled as far as their REST shows them, each trade once", async () => {
    const { stack, pool } = test;
    const control = stack.places.control;
    await eventually(60_000, "the recording's end", () => stack.marketDone());
    const printed = (await fetchJson<Printed[]>(`${control}/trades`))!;
    const unsaid = (await fetchJson<Tampered[]>(`${control}/tampered`))!;
    const stored = async (origin: number) => {
      const { rows } = await pool.query<{ key: string }>(
        "select source || ' ' || symbol || ' ' || seq as key from trade where origin = $1",
        [origin],
      );
      return rows.map(({ key }) => key);
    };
    const live = 2 * printed.length - unsaid.length;
    await eventually(30_000, "all that was sent", async () => (await stored(0)).length === live);
    await pool.query(DECLARE);
    const answers = await eventually(60_000, "an answer for every gap", async () => {
      const { rows } = await pool.query<Row>(
        `select source, symbol, kind, state, outcome, refilled_rows::int as rows
         from gap where channel = 'trade' order by source, symbol, kind, seq_from`,
      );
      const isOver = ({ state }: Row) => state !== "suspected" && state !== "refilling";
      return rows.length === 12 && rows.every(isOver) ? rows : null;
    });
    const of = (source: string) =>
      answers
        .filter((row) => row.source === source)
        .map(({ symbol, kind, outcome, state, rows }) =>
          [symbol, kind, outcome, state, rows].join(" "),
        );
    const common = [
      "000660 hole explained lost 0",
      "005930 hole filled refilled 1",
      "005930 hole filled refilled 1",
      "066570 head filled refilled 1",
      "066570 tail filled refilled 1",
    ];
    const busy = (answer: string) => [...common.slice(0, 3), answer, ...common.slice(3)];
    // KIS shows the newest thirty of that second, Kiwoom has pages.
    expect(of("kis:1")).toEqual(busy("035720 hole partial partial 30"));
    expect(of("kiwoom:1")).toEqual(busy("035720 hole filled refilled 40"));

    const unreachable = (source: string, symbol: string, seq: number) =>
      symbol === "000660" || (symbol === "035720" && source === "kis:1" && seq <= after(12));
    const wanted = unsaid
      .map(({ broker, symbol, cumVolume }) => ({ source: `${broker}:1`, symbol, seq: cumVolume }))
      .filter(({ source, symbol, seq }) => !unreachable(source, symbol, seq))
      .map(({ source, symbol, seq }) => `${source} ${symbol} ${seq}`);
    expect((await stored(1)).sort()).toEqual(wanted.sort());
    expect(await stored(0)).toHaveLength(live);
    const { rows: figures } = await pool.query(
      `select source, symbol, seq_first::int as first, seq_final::int as final
       from day_figure order by source`,
    );
    const figure = { symbol: "066570", first: BEFORE, final: after(5) };
    expect(figures).toEqual(BROKERS.map((broker) => ({ source: `${broker}:1`, ...figure })));
  });

  it("leave books that say what was heard and what was asked for", async () => {
    const { stack } = test;
    for (const broker of BROKERS) {
      const report = (await stack.edgeStatus(broker))!;
      const { ledger, live, balanced } = report;
      const asked = broker === "kis" ? 34 : 44;
      expect(balanced).toBe(true);
      expect(ledger).toMatchObject({ duplicate: 0, held: 0, quarantined: 0, lost: 0 });
      expect(ledger.received - live.received).toBe(asked);
      // The hub has heard the answers: they are not repeated any more.
      expect(report.accounts![`${broker}:1`]!.refills).toEqual([]);
    }
  });
});
