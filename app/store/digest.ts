// The fingerprint of what is stored: SHA-256 over the rows of trade and book, keys and values, in an order
// that does not depend on how they came in. Two databases that hold the same ticks have the same digest;
// receive stamps and stream numbers do not enter, so a replay compares equal.
import { createHash } from "node:crypto";
import type pg from "pg";
import { asDatabaseError } from "./database.ts";

export interface TableDigest {
  rows: number;
  /** Hex. */
  sha256: string;
}

export interface DatabaseDigest {
  trade: TableDigest;
  book: TableDigest;
  /** Over both. */
  sha256: string;
}

const FETCH_ROWS = 10_000;

/** Each row as one JSON array; times as microseconds, so that no setting of the session shows. */
const ROWS = {
  trade: `select json_build_array(source, symbol, venue, day, chain, seq, (extract(epoch from ts) * 1e6)::bigint,
      price, size, side, session, ask, bid, sell_count, buy_count, extra)::text as line
    from public.trade order by source, symbol, venue, day, chain, seq, ts`,
  // Books have no key of their own. Those of one second keep the order of their socket; the rest of the
  // list only makes the order total.
  book: `select json_build_array(source, symbol, venue, day, (extract(epoch from ts) * 1e6)::bigint,
      ask_price, ask_size, bid_price, bid_size, ask_total, bid_total, expected_price, expected_size,
      phase, seq, extra)::text as line
    from public.book
    order by source, symbol, venue, day, ts, capture, seq, ask_price, ask_size, bid_price, bid_size,
      ask_total, bid_total, expected_price, expected_size, phase, extra`,
} as const;

/** Reads both tables once, in one snapshot, holding a few thousand rows at a time. */
export async function digestDatabase(pool: pg.Pool): Promise<DatabaseDigest> {
  let client: pg.PoolClient | undefined;
  try {
    client = await pool.connect();
    await client.query("begin isolation level repeatable read read only");
    await client.query("set local statement_timeout = 0");
    const trade = await digestTable(client, "trade");
    const book = await digestTable(client, "book");
    await client.query("commit");
    client.release();
    const sha256 = createHash("sha256").update(`${trade.sha256}\n${book.sha256}\n`).digest("hex");
    return { trade, book, sha256 };
  } catch (error) {
    client?.release(true);
    throw asDatabaseError(error);
  }
}

async function digestTable(client: pg.PoolClient, table: keyof typeof ROWS): Promise<TableDigest> {
  const hash = createHash("sha256");
  let rows = 0;
  await client.query(`declare digest_${table} no scroll cursor for ${ROWS[table]}`);
  for (;;) {
    const page = await client.query<{ line: string }>(`fetch ${FETCH_ROWS} from digest_${table}`);
    for (const { line } of page.rows) hash.update(line).update("\n");
    rows += page.rows.length;
    if (page.rows.length < FETCH_ROWS) break;
  }
  return { rows, sha256: hash.digest("hex") };
}
