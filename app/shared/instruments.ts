// The master of instruments as KRX's data portal gives it out (data.krx.co.kr, screens 12001, 12005, 12007 and
// the stock finder), read into one shape: what the table `instrument` holds, and what news are tagged by.
import { z } from "zod";

export const INSTRUMENT_KINDS = ["stock", "preferred", "etf", "etn", "fund"] as const;
export type InstrumentKind = (typeof INSTRUMENT_KINDS)[number];

export interface Instrument {
  venue: string;
  /** `005930`. */
  symbol: string;
  /** The exchange's short name: `삼성전자`, `삼성전자우`, `KODEX 200`. */
  name: string;
  kind: InstrumentKind;
  isin: string | null;
  /** YYYY-MM-DD. */
  listedOn: string | null;
  /** Other names: the company's whole name, its English one. */
  aliases: string[];
}

/** What news are tagged by, as the hub tells it. */
export const instrumentNameSchema = z.object({
  symbol: z.string().regex(/^[0-9A-Z]{6}$/),
  name: z.string().min(1).max(100),
  kind: z.enum(INSTRUMENT_KINDS),
  aliases: z.array(z.string().min(1).max(100)).max(8),
});
export type InstrumentName = z.infer<typeof instrumentNameSchema>;
export const instrumentNamesSchema = z.object({
  instruments: z.array(instrumentNameSchema).max(20_000),
});
/** Where the hub's gateway port tells its edges the names. */
export const INSTRUMENTS_PATH = "/instruments";

const text = z.string().trim();
/** `ISU_…` of the screens; the finder has names of its own. */
const rowSchema = z.union([
  z.object({
    ISU_SRT_CD: text,
    ISU_CD: text,
    ISU_ABBRV: text,
    ISU_NM: text.optional(),
    ISU_ENG_NM: text.optional(),
    LIST_DD: text.optional(),
    SECUGRP_NM: text.optional(),
    SECUGRP_ID: text.optional(),
    KIND_STKCERT_TP_NM: text.optional(),
  }),
  z.object({ short_code: text, full_code: text, codeName: text }).transform((row) => ({
    ISU_SRT_CD: row.short_code,
    ISU_CD: row.full_code,
    ISU_ABBRV: row.codeName,
  })),
]);
interface Row {
  ISU_SRT_CD: string;
  ISU_CD: string;
  ISU_ABBRV: string;
  ISU_NM?: string | undefined;
  ISU_ENG_NM?: string | undefined;
  LIST_DD?: string | undefined;
  SECUGRP_NM?: string | undefined;
  SECUGRP_ID?: string | undefined;
  KIND_STKCERT_TP_NM?: string | undefined;
}

const GROUP_KINDS: Readonly<Record<string, InstrumentKind>> = {
  EF: "etf",
  EN: "etn",
  투자회사: "fund",
  부동산투자회사: "fund",
  사회간접자본투융자회사: "fund",
};

/** Rows of one of the portal's JSON files, and how many of them are no instruments. */
export interface InstrumentFile {
  instruments: Instrument[];
  refused: number;
}

/** Null for a file of any other shape: its rows are in `OutBlock_1`, `output` or `block1`. */
export function readInstruments(json: unknown): InstrumentFile | null {
  const parsed = z.record(z.string(), z.unknown()).safeParse(json);
  if (!parsed.success) return null;
  const rows = ["OutBlock_1", "output", "block1"]
    .map((name) => parsed.data[name])
    .find(Array.isArray);
  if (!rows) return null;
  const bySymbol = new Map<string, Instrument>();
  let refused = 0;
  for (const raw of rows as unknown[]) {
    const row = rowSchema.safeParse(raw);
    const one = row.success ? instrumentOf(row.data) : null;
    if (one) bySymbol.set(one.symbol, one);
    else refused++;
  }
  return { instruments: [...bySymbol.values()], refused };
}

function instrumentOf(row: Row): Instrument | null {
  const { ISU_SRT_CD: symbol, ISU_CD: isin, ISU_ABBRV: name, LIST_DD: listed = "" } = row;
  if (!/^[0-9A-Z]{6}$/.test(symbol) || name === "") return null;
  return {
    venue: "KRX",
    symbol,
    name,
    kind: kindOf(row),
    isin: /^[A-Z]{2}[0-9A-Z]{10}$/.test(isin) ? isin : null,
    listedOn: /^\d{4}\/\d{2}\/\d{2}$/.test(listed) ? listed.replaceAll("/", "-") : null,
    aliases: aliasesOf(row),
  };
}

/** A common share's code ends in 0; preferred ones end in 5, 7, 9, K, L, M. */
function kindOf({ ISU_SRT_CD: symbol, KIND_STKCERT_TP_NM: share, ...row }: Row): InstrumentKind {
  const group = GROUP_KINDS[row.SECUGRP_ID ?? ""] ?? GROUP_KINDS[row.SECUGRP_NM ?? ""];
  if (group) return group;
  if (share === undefined || share === "") return symbol.endsWith("0") ? "stock" : "preferred";
  return share === "보통주" ? "stock" : "preferred";
}

/** Of a common share alone: a preferred one shares its company's names. */
function aliasesOf(row: Row): string[] {
  if (kindOf(row) !== "stock") return [];
  const whole = (row.ISU_NM ?? "").replace(/\(주\)|㈜|주식회사/g, "").replace(/\s*보통주$/, "");
  const english = (row.ISU_ENG_NM ?? "").replace(
    /[\s,.]*\b(co|corp|corporation|company|inc|ltd|limited|plc)\b\.?/gi,
    "",
  );
  const names = [whole, english].map((name) => name.replace(/[\s,.]+$/, "").trim());
  return [...new Set(names)].filter((name) => name.length > 1 && name !== row.ISU_ABBRV);
}
