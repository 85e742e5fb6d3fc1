// What a broker's frame becomes: the records that travel from feed to table. Both brokers end in
// these shapes, so nothing after the feed knows a broker's field order.

/** Where a trade was matched or a book stands: KRX, NXT, UN (KRX + NXT), NAS, NYS, AMS, or a tape's own. */
export type Venue = string;

/** The aggressor: 1 buyer, -1 seller, 0 neither (auction) or not said. */
export type Side = 1 | -1 | 0;

/**
 * Session as the broker numbers it (KIS MARKET_CLS_CODE, Kiwoom FID 290):
 * 0 not said, 1 pre-market, 2 regular, 3 after-market, 5 closing price.
 */
export type Session = number;

/** Said by the broker as "no value": NaN for prices, -1 for counts. Becomes NULL in SQL. */
export const NO_PRICE = Number.NaN;
export const NO_COUNT = -1;

/** What every record carries. */
interface Stamped {
  /** The broker's code without prefix or suffix: `005930`, `AAPL`. Empty for the market as a whole. */
  symbol: string;
  venue: Venue;
  /** Exchange time in epoch ms; whole seconds, as no broker sends finer. */
  exchangeMs: number;
  /** Trading day in the venue's zone, YYYYMMDD as a number. */
  day: number;
  /** Wall clock of the edge at the socket read, epoch ms. */
  edgeRecvMs: number;
  /** Capture sequence: 1, 2, 3… per account and process, in the order of the socket. 0 until stamped. */
  capture: number;
  /** Fields beyond those we know, as the broker sent them; null when there are none. */
  extra: string | null;
}

/** One execution. */
export interface Trade extends Stamped {
  kind: "trade";
  /** Rises on a confirmed reset of `seq` within the day; 0 is the first. */
  chain: number;
  /** The broker's cumulative volume after this trade, in shares. Strictly rising within (symbol, venue, source, day, chain). */
  seq: number;
  price: number;
  /** Shares; above 0. */
  size: number;
  side: Side;
  session: Session;
  /** Best ask and bid at the print; NO_PRICE when not sent. */
  ask: number;
  bid: number;
  /** Count of seller- and buyer-initiated trades so far (KIS fields 15, 16; Kiwoom 1071, 1072); NO_COUNT when not sent. */
  sellCount: number;
  buyCount: number;
}

/** Levels of one book side. */
export const BOOK_DEPTH = 10;

/** A whole 10-level book. */
export interface Book extends Stamped {
  kind: "book";
  /**
   * 40 numbers: ask prices 1–10, ask sizes 1–10, bid prices 1–10, bid sizes 1–10, best first.
   * A level that does not exist has price 0 and size 0.
   */
  levels: Float64Array;
  /** Sum over all levels as the broker says it; NO_COUNT when not sent. */
  askTotal: number;
  bidTotal: number;
  /** Indicative price and size in an auction; 0 outside. */
  expectedPrice: number;
  expectedSize: number;
  /** KIS HOUR_CLS_CODE: "0" in session, A closing auction, B opening auction, C VI, D single price; "" not said. */
  phase: string;
  /** Cumulative volume beside the book; NO_COUNT when not sent. */
  seq: number;
}

/** Anything a feed says about the market that is neither a trade nor a book. */
export interface Status extends Stamped {
  kind: "status";
  /** market: session change; vi; halt; clock: market time; expected: indicative trade; price: change without a trade. */
  what: "market" | "vi" | "halt" | "clock" | "expected" | "price";
  /** The broker's code for it, untranslated. */
  code: string;
  /** The decoded fields as one JSON object. */
  detail: string;
}

export type Tick = Trade | Book | Status;

/** Instruments one item of a feed may name. */
export const NEWS_SYMBOLS_MAX = 256;

/** One item of a feed: an article, a disclosure. */
export interface NewsItem {
  kind: "news";
  /** SHA-256 (32 bytes) of what makes it itself: its canonical URL, or its feed's id where it has no URL. */
  digest: Uint8Array;
  /** Which feed: `rss:NAME`, `dart`, `search:NAME`. */
  feed: string;
  /** Epoch ms; NaN where the feed does not say. */
  publishedMs: number;
  title: string;
  url: string;
  summary: string;
  /** Instruments it names: `005930`; at most NEWS_SYMBOLS_MAX. */
  symbols: string[];
  edgeRecvMs: number;
  capture: number;
}

/** One line of a process's log. */
export interface LogRecord {
  kind: "log";
  atMs: number;
  /** pino's number: 10 trace … 60 fatal. */
  level: number;
  event: string;
  /** The other fields as one JSON object. */
  fields: string;
  edgeRecvMs: number;
  capture: number;
}

/** Why a frame, or one record of it, could not be read. Each has a heading in docs/errors.md. */
export type RejectCode =
  | "FRAME_NOT_UTF8"
  | "FRAME_NOT_JSON"
  | "FRAME_GRAMMAR"
  | "FRAME_TRUNCATED"
  | "FRAME_ENCRYPTED"
  | "FRAME_TOO_LARGE"
  | "RECORD_TYPE_UNKNOWN"
  | "RECORD_WIDTH"
  | "RECORD_COUNT"
  | "FIELD_MISSING"
  | "FIELD_MALFORMED"
  | "STALE_DAY"
  | "OUTSIDE_ASSIGNMENT"
  | "OUTSIDE_LEASE";

/** One record (or one frame that is no record at all) on its way to quarantine. Counts as one record received. */
export interface Reject {
  kind: "reject";
  code: RejectCode;
  /** One sentence for a person: which field, what stood there, what was expected. */
  reason: string;
  /**
   * What can be decoded again: the frame as it came, or a record cut out of it in a frame of its own. Of a
   * record that was read and may not be stored, its values as JSON.
   */
  bytes: Uint8Array;
  edgeRecvMs: number;
  capture: number;
}

/** The accounting identity of one stream or of many summed: received equals the sum of the other five. */
export interface Ledger {
  received: number;
  committed: number;
  duplicate: number;
  /** Still in the outbox, sent or not. */
  held: number;
  quarantined: number;
  /** Declared lost: trimmed by the overload policy, or the unknown tail of a killed stream. */
  lost: number;
}

/** What became of the records of one batch; they sum to its rows (a tombstone's: to its count, as lost). */
export interface Verdict {
  stream: string;
  number: number;
  committed: number;
  duplicate: number;
  quarantined: number;
  lost: number;
}

/** True when every record that came in is accounted for. */
export function isBalanced(ledger: Ledger): boolean {
  const { received, committed, duplicate, held, quarantined, lost } = ledger;
  return received === committed + duplicate + held + quarantined + lost;
}

/** The identity holds for sums of ledgers as for each. */
export function sumOf(ledgers: readonly Ledger[]): Ledger {
  const sum = { received: 0, committed: 0, duplicate: 0, held: 0, quarantined: 0, lost: 0 };
  for (const ledger of ledgers) {
    sum.received += ledger.received;
    sum.committed += ledger.committed;
    sum.duplicate += ledger.duplicate;
    sum.held += ledger.held;
    sum.quarantined += ledger.quarantined;
    sum.lost += ledger.lost;
  }
  return sum;
}
