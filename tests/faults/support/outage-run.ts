// Runs one cell of the outage matrix from its first rows to the last, and compares what its edge made with
// what SQL finds: two counts by two processes that share nothing but the rows.
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { Made } from "./market-feed.ts";
import { OutageCell } from "./outage-cell.ts";
import type { Outage } from "./outages.ts";
import { onDatabase } from "./own-postgres.ts";
import type { OwnPostgres } from "./own-postgres.ts";
import type { Cell } from "./table.ts";

export interface Duration {
  says: string;
  /** Market that passes while the fault holds. */
  outageMs: number;
  /** At its own pace; fast-forwarded otherwise. */
  isReal: boolean;
}

export interface CellResult {
  fault: string;
  outage: string;
  made: number;
  trades: number;
  books: number;
  /** Made and not found, or found and not made, by any symbol's count or checksum. */
  lost: number;
  /** Found more than once. */
  twice: number;
  quarantined: number;
  /** What the edge itself says became of its records. */
  declared: { duplicate: number; lost: number; held: number; balanced: boolean };
  heldRows: number;
  drainMs: number;
  peakBytes: number;
  peakRows: number;
  edgeRssBytes: number;
  hubRssBytes: number;
  notes: string[];
}

const BEFORE_ROWS = 1_000;
const BEFORE_MS = 3_000;
const DRAIN_MS_MAX = 180_000;
/** So little is always under way while the market goes on. */
const NO_BACKLOG_ROWS = 2_000;

export async function runCell(
  server: OwnPostgres,
  outage: Outage,
  { says, outageMs, isReal }: Duration,
): Promise<CellResult> {
  const cell = await OutageCell.open(server, { outageMs, onDisk: outage.onDisk ?? false });
  try {
    await cell.until("a lease", 30_000, ({ lease }) => lease === "holding");
    await cell.edge.order({ do: "fastForward", ms: BEFORE_MS });
    await cell.flow(BEFORE_ROWS);

    await outage.begin(cell);
    if (isReal) await sleep(outageMs);
    else await cell.edge.order({ do: "fastForward", ms: outageMs });
    const away = await cell.edge.look();
    await outage.end(cell);

    const healedMs = performance.now();
    await outage.again?.(cell);
    await cell.until(
      "the backlog's end",
      DRAIN_MS_MAX,
      ({ ledger }) => ledger.held < NO_BACKLOG_ROWS,
    );
    const drainMs = performance.now() - healedMs;
    await cell.flow(500);
    await cell.edge.order({ do: "endMarket" });
    const last = await cell.until("an empty outbox", 60_000, ({ ledger }) => ledger.held === 0);
    const hubRssBytes = cell.hubRssBytes();
    await cell.edge.order({ do: "release" });
    const found = await findRows(cell.databaseUrl);
    const { duplicate, lost, held } = last.ledger;
    return {
      fault: outage.says,
      outage: says,
      made: last.made.reduce((sum, [, one]) => sum + one.trades + one.books, 0),
      trades: sumOf(found.bySymbol, "trades"),
      books: sumOf(found.bySymbol, "books"),
      lost: differences(new Map(last.made), found.bySymbol),
      twice: found.twice,
      quarantined: found.quarantined,
      declared: { duplicate, lost, held, balanced: last.balanced },
      heldRows: away.ledger.held,
      drainMs,
      peakBytes: last.peakBytes,
      peakRows: last.peakRows,
      edgeRssBytes: last.peakRssBytes,
      hubRssBytes,
      notes: cell.notes,
    };
  } finally {
    await cell.close();
  }
}

export const HEAD = [
  ...[
    "fault",
    "outage",
    "made",
    "trades in SQL",
    "books in SQL",
    "lost",
    "twice",
    "held at its end",
  ],
  ...["drained in s", "outbox MB", "B/row", "edge RSS MB", "hub RSS MB", "notes"],
];

export function rowOf(result: CellResult): Cell[] {
  const mb = (bytes: number) => Math.round(bytes / 2 ** 20);
  return [
    ...[result.fault, result.outage, result.made, result.trades, result.books],
    ...[result.lost, result.twice, result.heldRows, Math.round(result.drainMs / 100) / 10],
    ...[mb(result.peakBytes), Math.round(result.peakBytes / result.peakRows)],
    ...[mb(result.edgeRssBytes), mb(result.hubRssBytes), result.notes.join("; ")],
  ];
}

async function findRows(url: string) {
  return await onDatabase(url, async (client) => {
    const number = async (sql: string) =>
      Number((await client.query<{ n: string | null }>(sql)).rows[0]!.n ?? 0);
    const { rows } = await client.query<Record<keyof Made | "symbol", string>>(
      `select symbol, coalesce(t.trades, 0) as trades, coalesce(t.size, 0) as size,
              coalesce(t.seq_max, 0) as "seqMax", coalesce(b.books, 0) as books,
              coalesce(b.totals, 0) as totals
         from (select symbol, count(*) as trades, sum(size) as size, max(seq) as seq_max
                 from trade group by symbol) t
         full join (select symbol, count(*) as books, sum(ask_total + bid_total) as totals
                      from book group by symbol) b using (symbol)`,
    );
    const bySymbol = new Map(
      rows.map(({ symbol, ...sums }): [string, Made] => [
        symbol,
        {
          trades: Number(sums.trades),
          size: Number(sums.size),
          seqMax: Number(sums.seqMax),
          books: Number(sums.books),
          totals: Number(sums.totals),
        },
      ]),
    );
    return {
      bySymbol,
      twice:
        (await number(`select sum(n - 1) as n from (
          select count(*) as n from trade group by symbol, venue, source, day, chain, seq) t`)) +
        (await number(`select sum(n - 1) as n from (
          select count(*) as n from book b join stream s on s.no = b.stream
           group by s.holder, b.capture) t`)),
      quarantined: await number("select count(*) as n from quarantine"),
    };
  });
}

/** 0 when every symbol's figures are the same; else how many rows are missing or too many, 1 at least. */
function differences(made: ReadonlyMap<string, Made>, found: ReadonlyMap<string, Made>): number {
  const none = { trades: 0, size: 0, seqMax: 0, books: 0, totals: 0 };
  let sum = 0;
  for (const symbol of new Set([...made.keys(), ...found.keys()])) {
    const [a, b] = [made.get(symbol) ?? none, found.get(symbol) ?? none];
    const rows = Math.abs(a.trades - b.trades) + Math.abs(a.books - b.books);
    const isSame = a.size === b.size && a.seqMax === b.seqMax && a.totals === b.totals;
    sum += Math.max(rows, isSame ? 0 : 1);
  }
  return sum;
}

function sumOf(bySymbol: ReadonlyMap<string, Made>, figure: "trades" | "books"): number {
  return [...bySymbol.values()].reduce((sum, made) => sum + made[figure], 0);
}
