// Kiwoom REAL rows: the FIDs of each type in the order the broker writes them (kiwoom.md §3), and what
// a FID says when the market has nothing to put there. Values are of our own making.

export interface KiwoomLayout {
  type: string;
  /** The type's Korean name in the row; US rows have none and carry stexTp instead. */
  name?: string;
  /** Wire order. */
  fids: readonly string[];
  /** Of FIDs the market does not fill; all others are "0". */
  defaults: Readonly<Record<string, string>>;
}

const BOOK_LEVELS = tens((i) => [41, 61, 81, 51, 71, 91].map((first) => first + i));

const LAYOUTS: readonly KiwoomLayout[] = [
  {
    type: "0B",
    name: "주식체결",
    fids: words(`20 10 11 12 27 28 15 13 14 16 17 18 25 26 29 30 31 32 228 311 290 691 567 568 851 1890
      1891 1892 1030 1031 1032 1071 1072 1313 1315 1316 1314 1497 1498 620 732 852 9081`),
    defaults: {
      ...{ 31: "0.10", 290: "2", 567: "000000", 568: "000000", 851: "10000", 9081: "KRX" },
      ...{ 311: "1000000" },
    },
  },
  {
    type: "0D",
    name: "주식호가잔량",
    fids: [
      "21",
      ...BOOK_LEVELS,
      ...words("121 122 125 126 23 24 128 129 138 139 200 201 238 291 292 293 294 295"),
      ...tens((i) => [621 + i, 631 + i]),
      ...words("13 299 215 216"),
      ...range(6044, 6087),
      ...range(6100, 6115),
    ],
    defaults: { 201: "0.00", 238: "3", 293: "3", 295: "0.00", 299: "0.00", 215: "", 216: "" },
  },
  {
    type: "0A",
    name: "주식기세",
    fids: words("10 11 12 27 28 13 14 16 17 18 25 26 29 30 31 32 311 567 568"),
    defaults: { 31: "0.10", 311: "1000000", 567: "000000", 568: "000000" },
  },
  { type: "0H", name: "주식예상체결", fids: words("20 10 11 12 15 13 25"), defaults: {} },
  { type: "0s", name: "장시작시간", fids: words("215 20 214"), defaults: {} },
  {
    type: "1h",
    name: "VI발동/해제",
    fids: words(
      "9001 302 13 14 9068 9008 9075 1221 1223 1224 1225 1236 1237 1238 1239 1489 1490 9069 1279",
    ),
    defaults: {
      ...{ 9008: "101", 9075: "1", 1225: "정적", 1238: "+10.00", 1239: "0.00", 1489: "+10.00" },
      ...{ 1490: "1", 9069: "1", 1279: "+정적" },
    },
  },
  {
    type: "FE",
    fids: words("10 11 12 13 14 15 16 17 18 20 22 25 27 28 30 228 290 51020"),
    defaults: { 290: "2", 30: "100.00" },
  },
  { type: "FT", fids: ["21", ...BOOK_LEVELS, ...words("121 122 125 126")], defaults: {} },
];

const BY_TYPE = new Map(LAYOUTS.map((layout) => [layout.type, layout]));

/** The layout of a REAL type; undefined when the simulator does not play it. */
export function kiwoomLayout(type: string): KiwoomLayout | undefined {
  return BY_TYPE.get(type);
}

/** A whole frame with one row in today's layout, as the live broker orders its envelope. */
export function defaultFrame({ type, name, fids, defaults }: KiwoomLayout): string {
  const values = fids.map((fid) => `"${fid}":"${defaults[fid] ?? "0"}"`).join(",");
  const label = name === undefined ? `"item":"","stexTp":"ND"` : `"name":"${name}","item":""`;
  return `{"data":[{"values":{${values}},"type":"${type}",${label}}],"trnm":"REAL"}`;
}

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

function range(first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, i) => String(first + i));
}

function tens(fidsOf: (level: number) => number[]): string[] {
  return Array.from({ length: 10 }, (_, i) => fidsOf(i).map(String)).flat();
}
