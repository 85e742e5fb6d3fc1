// Columns back to records: for tests, repacking and tools. Nothing on the way to a table needs it.
import type {
  Batch,
  BookColumns,
  FrameColumns,
  LogColumns,
  NewsColumns,
  QuarantineColumns,
  RawFrame,
  StampedColumns,
  StatusColumns,
  TradeColumns,
} from "../batch.ts";
import type {
  Book,
  LogRecord,
  NewsItem,
  Reject,
  RejectCode,
  Side,
  Status,
  Tick,
  Trade,
} from "../tick.ts";
import { CELLS } from "./levels.ts";

/** The batch as records again, equal to what was encoded. A tombstone has none. */
export function ticksOf(batch: Batch): (Tick | Reject | NewsItem | LogRecord | RawFrame)[] {
  switch (batch.kind) {
    case "trade":
      return each(batch.columns, tradeAt);
    case "book":
      return each(batch.columns, bookAt);
    case "status":
      return each(batch.columns, statusAt);
    case "quarantine":
      return each(batch.columns, rejectAt);
    case "news":
      return each(batch.columns, newsAt);
    case "log":
      return each(batch.columns, logAt);
    case "frame":
      return each(batch.columns, frameAt);
    case "tombstone":
      return [];
  }
}

function each<Columns extends { rows: number }, Row>(
  columns: Columns,
  at: (columns: Columns, i: number) => Row,
): Row[] {
  return Array.from({ length: columns.rows }, (_, i) => at(columns, i));
}

function stampedAt(columns: StampedColumns, i: number) {
  return {
    symbol: columns.symbols[columns.symbol[i]!]!,
    venue: columns.venues[columns.venue[i]!]!,
    exchangeMs: columns.exchangeMs[i]!,
    day: columns.day[i]!,
    edgeRecvMs: columns.edgeRecvMs[i]!,
    capture: columns.capture[i]!,
    extra: columns.extra?.[i] ?? null,
  };
}

function tradeAt(columns: TradeColumns, i: number): Trade {
  return {
    kind: "trade",
    ...stampedAt(columns, i),
    chain: columns.chain[i]!,
    seq: columns.seq[i]!,
    price: columns.price[i]!,
    size: columns.size[i]!,
    side: columns.side[i]! as Side,
    session: columns.session[i]!,
    ask: columns.ask[i]!,
    bid: columns.bid[i]!,
    sellCount: columns.sellCount[i]!,
    buyCount: columns.buyCount[i]!,
  };
}

function bookAt(columns: BookColumns, i: number): Book {
  return {
    kind: "book",
    ...stampedAt(columns, i),
    levels: columns.levels.slice(CELLS * i, CELLS * (i + 1)),
    askTotal: columns.askTotal[i]!,
    bidTotal: columns.bidTotal[i]!,
    expectedPrice: columns.expectedPrice[i]!,
    expectedSize: columns.expectedSize[i]!,
    phase: columns.phases[columns.phase[i]!]!,
    seq: columns.seq[i]!,
  };
}

function statusAt(columns: StatusColumns, i: number): Status {
  return {
    kind: "status",
    ...stampedAt(columns, i),
    what: columns.whats[columns.what[i]!]! as Status["what"],
    code: columns.codes[columns.code[i]!]!,
    detail: columns.details[columns.detail[i]!]!,
  };
}

function rejectAt(columns: QuarantineColumns, i: number): Reject {
  return {
    kind: "reject",
    code: columns.codes[columns.code[i]!]! as RejectCode,
    reason: columns.reasons[columns.reason[i]!]!,
    bytes: columns.bytes[i]!,
    edgeRecvMs: columns.edgeRecvMs[i]!,
    capture: columns.capture[i]!,
  };
}

function newsAt(columns: NewsColumns, i: number): NewsItem {
  return {
    kind: "news",
    digest: columns.digest[i]!,
    feed: columns.feeds[columns.feed[i]!]!,
    publishedMs: columns.publishedMs[i]!,
    title: columns.titles[columns.title[i]!]!,
    url: columns.urls[columns.url[i]!]!,
    summary: columns.summaries[columns.summary[i]!]!,
    symbols: columns.symbols[i]!,
    edgeRecvMs: columns.edgeRecvMs[i]!,
    capture: columns.capture[i]!,
  };
}

function logAt(columns: LogColumns, i: number): LogRecord {
  return {
    kind: "log",
    atMs: columns.atMs[i]!,
    level: columns.level[i]!,
    event: columns.events[columns.event[i]!]!,
    fields: columns.fields[columns.field[i]!]!,
    edgeRecvMs: columns.edgeRecvMs[i]!,
    capture: columns.capture[i]!,
  };
}

function frameAt(columns: FrameColumns, i: number): RawFrame {
  return {
    kind: "frame",
    edgeRecvMs: columns.edgeRecvMs[i]!,
    marketMs: columns.marketMs[i]!,
    bytes: columns.bytes[i]!,
  };
}
