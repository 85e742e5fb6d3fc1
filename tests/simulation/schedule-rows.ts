// All rows that ingest and leases leave behind, as both databases have them, in an order of their own.
import type pg from "pg";
import type { Tables } from "./database/tables.ts";

export interface AllRows {
  streams: string[];
  batches: string[];
  trades: string[];
  books: string[];
  quarantine: string[];
  lease: string[];
  epochs: string[];
}

export function modelRows(tables: Tables): AllRows {
  const streams = [...tables.streams.values()];
  const batches = [...tables.batches.values()].flat();
  const leases = [...tables.leases.values()];
  const epochs = [...tables.epochs.values()].flat();
  return {
    streams: lines(
      streams.map((s) => [
        ...[s.no, s.id, s.table, s.holder, s.last, s.lastCrc],
        ...[s.received, s.committed, s.duplicate, s.quarantined, s.lost],
      ]),
    ),
    batches: lines(
      batches.map((b) => [
        ...[b.stream, b.number, b.crc, b.rows],
        ...[b.committed, b.duplicate, b.quarantined, b.lost],
      ]),
    ),
    trades: lines(
      [...tables.trades.values()].map((t) => [t.symbol, t.seq, t.price, t.stream, t.capture]),
    ),
    books: lines(tables.books.map((b) => [b.stream, b.capture])),
    quarantine: lines(tables.quarantine.map((q) => [q.stream, q.code, q.capture])),
    lease: lines(leases.map((l) => [l.mode, l.epoch, l.holder, l.edge, l.releasedMs !== null])),
    epochs: lines(epochs.map((e) => [e.epoch, e.holder, e.edge, e.endedMs !== null])),
  };
}

export async function realRows(pool: pg.Pool): Promise<AllRows> {
  const read = async (sql: string) => {
    const { rows } = await pool.query<unknown[]>({ text: sql, rowMode: "array" });
    return lines(rows);
  };
  return {
    streams: await read(
      `select no, id, table_no, holder, last_number, last_crc,
         received, committed, duplicate, quarantined, lost from stream`,
    ),
    batches: await read(
      `select stream, number, crc, rows, committed, duplicate, quarantined, lost from ingest_batch`,
    ),
    trades: await read("select symbol, seq, price, stream, capture from trade"),
    books: await read("select stream, capture from book"),
    quarantine: await read("select stream, code, capture from quarantine"),
    lease: await read("select mode, epoch, holder, edge, released_at is not null from lease"),
    epochs: await read("select epoch, holder, edge, ended_at is not null from lease_epoch"),
  };
}

function lines(rows: readonly (readonly unknown[])[]): string[] {
  return rows.map((row) => row.map(String).join(" ")).sort();
}
