// Rows a second of `tickhub transfer`, compared on both sides, as a ratio to `COPY out | COPY in` through one
// process without any comparison, in the same run, alternated. The rows are those of the recorded daily bars
// (986,298), or as many made up where the recording is not there, in a table with a primary key on both sides.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import pg from "pg";
import copy from "pg-copy-streams";
import { systemClock } from "../app/shared/clock.ts";
import { startEmbedded } from "../app/store/embedded.ts";
import { migrate } from "../app/store/migrate.ts";
import { createDatabase } from "../app/store/scratch.ts";
import { prepare } from "../app/transfer/passage.ts";
import { Throttle } from "../app/transfer/pipe.ts";
import { openSide } from "../app/transfer/sides.ts";
import { transfer } from "../app/transfer/transfer.ts";
import { median } from "./median.ts";

const ROUNDS = 3;
const PARALLEL = 2;
const TABLE = `(symbol varchar(20) not null, date date not null, open bigint, high bigint, low bigint,
  close bigint, volume bigint, change_pct double precision, primary key (symbol, date))`;

interface Figures {
  rows: number;
  /** Medians. */
  copyRowsPerS: number;
  transferRowsPerS: number;
  /** Medians of the ratios of each round; 1 would be as fast as copying without a look. */
  ratio: number;
  /** Fill and look of an equal table alone: what a second run costs. */
  verifyRowsPerS: number;
}

export async function run(): Promise<Figures> {
  const directory = mkdtempSync(join(tmpdir(), "tickhub-bench-"));
  const server = await startEmbedded({
    directory: join(directory, "postgres"),
    clock: systemClock,
  });
  const pools: pg.Pool[] = [];
  const open = (url: string) => {
    const pool = new pg.Pool({ connectionString: url, max: 1 });
    // A server that stops before a connection has said good-bye is none of a measurement.
    pool.on("error", () => undefined);
    pools.push(pool);
    return pool;
  };
  try {
    const [from, to] = [
      await createDatabase(server.url, "bench_from"),
      await createDatabase(server.url, "bench_to"),
    ];
    const [source, target] = [open(from), open(to)];
    await migrate(target, { clock: systemClock });
    const rows = await load(source);
    const rates = { copy: [] as number[], transfer: [] as number[], verify: [] as number[] };
    for (let round = 0; round < ROUNDS; round++) {
      await anew(target);
      rates.copy.push(rows / (await seconds(() => plain(source, target))));
      await anew(target);
      rates.transfer.push(rows / (await seconds(() => ours(from, to, rows, "copy"))));
      rates.verify.push(rows / (await seconds(() => ours(from, to, 0, "verify"))));
    }
    const ratios = rates.transfer.map((rate, i) => rate / rates.copy[i]!);
    return {
      rows,
      copyRowsPerS: Math.round(median(rates.copy)),
      transferRowsPerS: Math.round(median(rates.transfer)),
      ratio: Number(median(ratios).toFixed(2)),
      verifyRowsPerS: Math.round(median(rates.verify)),
    };
  } finally {
    await Promise.all(pools.map((pool) => pool.end()));
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function load(source: pg.Pool): Promise<number> {
  await source.query(`create table daily ${TABLE}`);
  const file = resolve(
    process.env["TICKHUB_DATA_DIR"] ?? "../shared/data",
    "krx-daily/invest-KR-daily.csv.xz",
  );
  if (existsSync(file)) {
    const client = await source.connect();
    const unpacked = spawn("xz", ["-dc", file], { stdio: ["ignore", "pipe", "inherit"] });
    const into = client.query(copy.from("copy daily from stdin (format csv, header)"));
    await pipeline(unpacked.stdout, into);
    client.release();
  } else {
    await source.query(`insert into daily
      select to_char(s, 'FM000000'), date '2023-12-05' + d, 10000 + s, 10100 + s, 9900 + s, 10000 + s, s * d, d / 7.0
      from generate_series(1, 2761) s, generate_series(1, 357) d`);
  }
  await source.query("vacuum analyze daily");
  const { rows } = await source.query<{ n: number }>("select count(*)::float8 as n from daily");
  return rows[0]!.n;
}

async function anew(target: pg.Pool): Promise<void> {
  await target.query("drop table if exists daily");
  await target.query(`create table daily ${TABLE}`);
  await target.query("delete from transfer");
  await target.query("checkpoint");
}

async function seconds(work: () => Promise<void>): Promise<number> {
  const startedMs = systemClock.monoMs();
  await work();
  return (systemClock.monoMs() - startedMs) / 1_000;
}

async function plain(source: pg.Pool, target: pg.Pool): Promise<void> {
  const [from, to] = [await source.connect(), await target.connect()];
  await pipeline(
    from.query(copy.to("copy daily to stdout (format binary)")),
    to.query(copy.from("copy daily from stdin (format binary)")),
  );
  from.release();
  to.release();
}

async function ours(
  from: string,
  to: string,
  rows: number,
  mode: "copy" | "verify",
): Promise<void> {
  const source = await openSide("source", from, 2 * PARALLEL + 2);
  const target = await openSide("target", to, 2 * PARALLEL + 2);
  const wish = { sourceTable: "daily", targetTable: "daily", map: null };
  const prepared = await prepare(source, target, { ...wish, by: undefined, create: false });
  const never = new AbortController().signal;
  const { job, shape, settings } = prepared;
  const clock = systemClock;
  const report = await transfer(
    {
      ...{ source, target, job, shape, settings, clock, signal: never },
      ...{ throttle: new Throttle(clock, null), repair: false, directCompress: false },
      onBytes: () => undefined,
    },
    prepared,
    {
      ...{ chunkRows: 250_000, parallel: PARALLEL, mode, end: never, behindMaxMs: 5_000 },
      ...{ differencesMax: 10, polite: false, onEvent: () => undefined },
    },
  );
  await Promise.all([source.pool.end(), target.pool.end()]);
  if (!report.ok || report.inserted !== rows) throw new Error(JSON.stringify(report));
}
