// Columns of a decoded batch to rows of COPY, table by table, and the cheap look beforehand that finds
// rows the database could not hold: one of them must not cost its batch.
import type {
  Batch,
  BookColumns,
  StampedColumns,
  StatusColumns,
  TradeColumns,
} from "../shared/batch.ts";
import { ORIGINS } from "../shared/origin.ts";
import { BOOK_DEPTH } from "../shared/tick.ts";
import { COPY_OWN, encodeLogs, encodeNews, hasNul, logFault, newsFault } from "./own-rows.ts";
import { isTime, type Refusal } from "./refusals.ts";
import { daysOf, textField, TupleWriter } from "./tuples.ts";

/** A batch of rows that have a table of their own. */
export type RowBatch = Extract<Batch, { kind: "trade" | "book" | "status" | "news" | "log" }>;

const TRADE = `(ts, symbol, venue, source, day, chain, seq, price, size, side, session, ask, bid,
  sell_count, buy_count, edge_recv, stream, capture, extra, origin) from stdin (format binary)`;
/** The statement for each table, in the order of fields below. */
export const COPY = {
  trade: `copy public.trade ${TRADE}`,
  incomingTrade: `copy pg_temp.incoming_trade ${TRADE}`,
  book: `copy public.book (ts, symbol, venue, source, day, ask_price, ask_size, bid_price, bid_size,
    ask_total, bid_total, expected_price, expected_size, phase, seq, edge_recv, stream, capture, extra,
    origin) from stdin (format binary)`,
  status: `copy public.status (ts, symbol, venue, source, day, what, code, detail, edge_recv, stream,
    capture, extra, origin) from stdin (format binary)`,
  ...COPY_OWN,
} as const;

const INT16_MAX = 32_767;
const CELLS = 4 * BOOK_DEPTH;

/** Rows `only` of the batch (default all) as tuples of COPY. `streamNo` is the stream's number in the database. */
export function encodeRows(batch: RowBatch, streamNo: number, only?: readonly number[]): Buffer {
  const { columns } = batch;
  const rows = only ?? range(columns.rows);
  const out = new TupleWriter(rows.length * (batch.kind === "book" ? 800 : 240));
  const { account, origin } = batch.header;
  const came = { source: textField(account), no: streamNo, origin: ORIGINS[origin] };
  switch (batch.kind) {
    case "trade":
      encodeTrades(out, batch.columns, rows, came);
      break;
    case "book":
      encodeBooks(out, batch.columns, rows, came);
      break;
    case "status":
      encodeStatuses(out, batch.columns, rows, came);
      break;
    case "news":
      encodeNews(out, batch.columns, rows, came);
      break;
    case "log":
      encodeLogs(out, batch.columns, rows, account);
  }
  return out.bytes();
}

type Each = readonly number[];

/** What all rows of a batch share: source, stream, origin. */
interface Came {
  source: Uint8Array;
  no: number;
  origin: number;
}

function encodeTrades(out: TupleWriter, c: TradeColumns, rows: Each, came: Came) {
  const { source } = came;
  const [symbols, venues] = [c.symbols.map(textField), c.venues.map(textField)];
  const day = dayField();
  for (const i of rows) {
    const [symbol, venue] = [symbols[c.symbol[i]!]!, venues[c.venue[i]!]!];
    const extra = extraField(c, i);
    out.row(20, 210 + symbol.length + venue.length + source.length + (extra?.length ?? 0));
    out.timestamp(c.exchangeMs[i]!);
    out.field(symbol);
    out.field(venue);
    out.field(source);
    out.int32(day(c.day[i]!));
    out.int16(c.chain[i]!);
    out.int64(c.seq[i]!);
    out.float8(c.price[i]!);
    out.int64(c.size[i]!);
    out.int16(c.side[i]!);
    out.int16(c.session[i]!);
    out.price(c.ask[i]!);
    out.price(c.bid[i]!);
    out.count(c.sellCount[i]!);
    out.count(c.buyCount[i]!);
    arrived(out, c, i, came, extra);
  }
}

function encodeBooks(out: TupleWriter, c: BookColumns, rows: Each, came: Came) {
  const { source } = came;
  const [symbols, venues] = [c.symbols.map(textField), c.venues.map(textField)];
  const phases = c.phases.map(textField);
  const day = dayField();
  for (const i of rows) {
    const [symbol, venue] = [symbols[c.symbol[i]!]!, venues[c.venue[i]!]!];
    const phase = phases[c.phase[i]!]!;
    const extra = extraField(c, i);
    const texts =
      symbol.length + venue.length + source.length + phase.length + (extra?.length ?? 0);
    out.row(20, 730 + texts);
    out.timestamp(c.exchangeMs[i]!);
    out.field(symbol);
    out.field(venue);
    out.field(source);
    out.int32(day(c.day[i]!));
    const at = CELLS * i;
    out.float8s(c.levels, at, at + BOOK_DEPTH);
    out.int64s(c.levels, at + BOOK_DEPTH, at + 2 * BOOK_DEPTH);
    out.float8s(c.levels, at + 2 * BOOK_DEPTH, at + 3 * BOOK_DEPTH);
    out.int64s(c.levels, at + 3 * BOOK_DEPTH, at + CELLS);
    out.count(c.askTotal[i]!);
    out.count(c.bidTotal[i]!);
    out.price(c.expectedPrice[i]!);
    out.count(c.expectedSize[i]!);
    out.field(phase);
    out.count(c.seq[i]!);
    arrived(out, c, i, came, extra);
  }
}

function encodeStatuses(out: TupleWriter, c: StatusColumns, rows: Each, came: Came) {
  const { source } = came;
  const [symbols, venues] = [c.symbols.map(textField), c.venues.map(textField)];
  const [whats, codes] = [c.whats.map(textField), c.codes.map(textField)];
  const details = c.details.map((text) => textField("\x01" + text)); // jsonb's version, then its text
  const day = dayField();
  for (const i of rows) {
    const texts = [symbols[c.symbol[i]!]!, venues[c.venue[i]!]!, source];
    const said = [whats[c.what[i]!]!, codes[c.code[i]!]!, details[c.detail[i]!]!];
    const extra = extraField(c, i);
    out.row(
      13,
      [...texts, ...said].reduce((sum, field) => sum + field.length, 90 + (extra?.length ?? 0)),
    );
    out.timestamp(c.exchangeMs[i]!);
    for (const field of texts) out.field(field);
    out.int32(day(c.day[i]!));
    for (const field of said) out.field(field);
    arrived(out, c, i, came, extra);
  }
}

/** The fields every record of the market ends with. */
function arrived(
  out: TupleWriter,
  c: StampedColumns,
  i: number,
  { no, origin }: Came,
  extra: Uint8Array | null,
) {
  out.timestamp(c.edgeRecvMs[i]!);
  out.int32(no);
  out.int64(c.capture[i]!);
  if (extra) out.field(extra);
  else out.null();
  out.int16(origin);
}

function extraField(c: StampedColumns, i: number): Uint8Array | null {
  const text = c.extra?.[i] ?? null;
  return text === null ? null : textField(text);
}

/** Days since 2000, remembered, as neighbours share their day. */
function dayField(): (day: number) => number {
  let [last, days] = [Number.NaN, 0];
  return (day) => {
    if (day !== last) [last, days] = [day, daysOf(day)!];
    return days;
  };
}

/** Rows the database could not hold, with the field at fault. */
export function findInvalid(batch: RowBatch): Refusal[] {
  const { columns } = batch;
  const fault = faultOf(batch);
  const invalid: Refusal[] = [];
  for (let row = 0; row < columns.rows; row++) {
    const reason = fault(row);
    if (reason !== null) invalid.push({ row, code: "ROW_INVALID", reason });
  }
  return invalid;
}

function faultOf(batch: RowBatch): Fault {
  switch (batch.kind) {
    case "trade":
      return tradeFault(batch.columns);
    case "book":
      return bookFault(batch.columns);
    case "status":
      return statusFault(batch.columns);
    case "news":
      return newsFault(batch.columns);
    case "log":
      return logFault(batch.columns);
  }
}

type Fault = (row: number) => string | null;

function stampedFault(c: StampedColumns): Fault {
  const [symbols, venues] = [c.symbols.map(hasNul), c.venues.map(hasNul)];
  let goodDay = Number.NaN;
  return (i) => {
    if (!isTime(c.exchangeMs[i]!)) return `exchangeMs ${c.exchangeMs[i]!} is no time`;
    if (!isTime(c.edgeRecvMs[i]!)) return `edgeRecvMs ${c.edgeRecvMs[i]!} is no time`;
    if (c.day[i]! !== goodDay) {
      if (daysOf(c.day[i]!) === undefined) return `day ${c.day[i]!} is no date`;
      goodDay = c.day[i]!;
    }
    if (!Number.isSafeInteger(c.capture[i]!)) return `capture ${c.capture[i]!} is no integer`;
    if (symbols[c.symbol[i]!]! || venues[c.venue[i]!]!) return "symbol or venue holds a NUL";
    return c.extra !== null && hasNul(c.extra[i] ?? "") ? "extra holds a NUL" : null;
  };
}

function tradeFault(c: TradeColumns): Fault {
  const stamped = stampedFault(c);
  return (i) => {
    if (!Number.isFinite(c.price[i]!)) return `price ${c.price[i]!} is no number`;
    if (!Number.isSafeInteger(c.size[i]!)) return `size ${c.size[i]!} is no integer`;
    if (!Number.isSafeInteger(c.seq[i]!)) return `seq ${c.seq[i]!} is no integer`;
    if (c.chain[i]! < 0 || c.chain[i]! > INT16_MAX) return `chain ${c.chain[i]!} is out of range`;
    if (!Number.isSafeInteger(c.sellCount[i]!)) return `sellCount ${c.sellCount[i]!} is no integer`;
    if (!Number.isSafeInteger(c.buyCount[i]!)) return `buyCount ${c.buyCount[i]!} is no integer`;
    return stamped(i);
  };
}

function bookFault(c: BookColumns): Fault {
  const stamped = stampedFault(c);
  const phases = c.phases.map(hasNul);
  const counts = {
    askTotal: c.askTotal,
    bidTotal: c.bidTotal,
    expectedSize: c.expectedSize,
    seq: c.seq,
  };
  return (i) => {
    for (let cell = 0; cell < CELLS; cell++) {
      const value = c.levels[CELLS * i + cell]!;
      const isSize = Math.floor(cell / BOOK_DEPTH) % 2 === 1;
      if (isSize ? !Number.isSafeInteger(value) : !Number.isFinite(value)) {
        return `levels[${cell}] ${value} is no ${isSize ? "integer" : "number"}`;
      }
    }
    for (const [name, column] of Object.entries(counts)) {
      if (!Number.isSafeInteger(column[i]!)) return `${name} ${column[i]!} is no integer`;
    }
    return phases[c.phase[i]!]! ? "phase holds a NUL" : stamped(i);
  };
}

function statusFault(c: StatusColumns): Fault {
  const stamped = stampedFault(c);
  const [whats, codes, details] = [
    c.whats.map(hasNul),
    c.codes.map(hasNul),
    c.details.map(isNotJson),
  ];
  return (i) => {
    if (whats[c.what[i]!]! || codes[c.code[i]!]!) return "what or code holds a NUL";
    return details[c.detail[i]!]! ? "detail is no JSON" : stamped(i);
  };
}

function isNotJson(text: string): boolean {
  try {
    JSON.parse(text);
    return false;
  } catch {
    return true;
  }
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
