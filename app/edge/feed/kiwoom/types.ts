// What Kiwoom pushes: the REAL types, which of them are collected, and the FIDs each is known to
// carry. A FID outside its type's list is new on the wire: it is kept as `extra` and told once.
// Names and units: Kiwoom's REST API reference and real frames of 2026-07 (0B, 0D).

/** How a row of a type is read. */
export type RowKind =
  "trade" | "book" | "us_trade" | "us_book" | "price" | "expected" | "clock" | "vi";

export interface RowType {
  type: string;
  kind: RowKind;
  /** 1 at every FID that is no surprise in a row of this type. */
  known: Uint8Array;
}

/** FIDs are numbers of up to five digits, below this. */
export const FID_MAX = 65_535;

export const FID = {
  price: 10,
  volume: 13,
  size: 15,
  time: 20,
  quoteTime: 21,
  date: 22,
  expectedPrice: 23,
  expectedSize: 24,
  ask: 27,
  bid: 28,
  askPrices: 41,
  bidPrices: 51,
  askSizes: 61,
  bidSizes: 71,
  askTotal: 121,
  bidTotal: 125,
  marketPhase: 215,
  session: 290,
  sellCount: 1071,
  buyCount: 1072,
  viSet: 1223,
  viReleased: 1224,
  code: 9001,
  viState: 9068,
  venue: 9081,
  usTime: 51020,
} as const;

/** `10 11 41-50` as a table of ones. */
function fids(list: string): Uint8Array {
  const table = new Uint8Array(FID_MAX + 1);
  for (const part of list.trim().split(/\s+/)) {
    const [first, last = first] = part.split("-").map(Number);
    table.fill(1, first, last! + 1);
  }
  return table;
}

const PRICE = "10-14 16-18 25-32 311 567 568";
const TRADE = `${PRICE} 15 20 228 290 691 851 1890-1892 1030-1032 1071 1072 1313-1316 1497 1498
  620 732 852 9081`;
const BOOK = `21 41-100 121 122 125 126`;
const FULL_BOOK = `${BOOK} 13 23 24 128 129 138 139 200 201 215 216 238 291-295 299 621-640
  6044-6087 6100-6115`;

const COLLECTED: readonly (readonly [type: string, kind: RowKind, known: string])[] = [
  ["0B", "trade", TRADE],
  ["0D", "book", FULL_BOOK],
  ["FE", "us_trade", `10-18 20 22 25 27 28 30 228 290 51020`],
  ["FT", "us_book", BOOK],
  ["0A", "price", PRICE],
  ["0H", "expected", `10-13 15 20 25`],
  ["0s", "clock", `20 214 215`],
  ["1h", "vi", `13 14 302 1221 1223-1225 1236-1239 1279 1489 1490 9001 9008 9068 9069 9075 9081`],
];

/** The types that are collected, by name. */
export const ROW_TYPES: ReadonlyMap<string, RowType> = new Map(
  COLLECTED.map(([type, kind, known]) => [type, { type, kind, known: fids(known) }]),
);

/** Pushed by Kiwoom, and deliberately not collected: orders, balances, brokers, indices, ETF, ELW. */
export const UNCOLLECTED: ReadonlySet<string> = new Set(
  "00 04 0C 0E 0F 0G 0I 0J 0U 0g 0m 0u 0w F4 F5".split(" "),
);
