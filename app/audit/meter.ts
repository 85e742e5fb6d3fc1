// One row a limit: what is used of what is free, the share, what a count comes to by the month's end, and what that
// costs. Pure: readings in, rows out; a row is also a finding. The sum of the rows is the month's projection.
import { billText, cents, worstUsdOf } from "../shared/bill.ts";
import type { Limit, LimitName, Vendor } from "../shared/free-tier.ts";
import { LIMITS } from "../shared/free-tier.ts";
import type { Finding } from "./finding.ts";
import type { Month } from "./month.ts";
import { atMonthEnd } from "./month.ts";

/** From here on a count that still grows is worth a look. */
const NEAR = 0.8;

export interface Reading {
  limit: LimitName;
  /** In the limit's unit. Undefined: it is in use, and no API tells how much. */
  used: number | undefined;
  /** Counted since the month's start, so it grows until the month's end. */
  counts?: boolean;
  /** US dollars a unit and month beyond the limit, where that is known. */
  usdEach?: number;
  /** Of whom, or how it was measured. */
  note?: string;
}

export interface Row {
  vendor: Vendor;
  limit: LimitName;
  item: string;
  unit: string;
  free: number;
  used: number | undefined;
  /** Of the limit, 1 is all of it; undefined where nothing is free or nothing was told. */
  share: number | undefined;
  /** What it comes to by the month's end; `used` itself for what does not grow by the day. */
  atMonthEnd: number | undefined;
  confidence: Limit["confidence"];
  level: "ok" | "note" | "fail";
  knownUsd: number;
  unconfirmedUsd: number;
  note: string;
}

/** Something that bills and that no free pool covers; its price is undefined where the table does not have it. */
export interface Extra {
  what: string;
  usd: number | undefined;
}

/** What one section found. */
export interface Report {
  section: Vendor;
  findings: Finding[];
  rows: Row[];
  extras: Extra[];
  /** What the vendor itself says it has charged since the month's start, in US dollars. */
  spentUsd?: number | undefined;
  /** True when nobody was asked, for want of credentials. */
  skipped?: boolean;
}

export function rowOf(reading: Reading, month: Month): Row {
  const limit: Limit = LIMITS[reading.limit];
  const { used } = reading;
  const end = used === undefined || !reading.counts ? used : atMonthEnd(used, month);
  // Within the first day a count is taken as it stands.
  const most = Math.max(used ?? 0, end ?? 0);
  const beyond = Math.max(0, most - limit.limit);
  const confirmed = limit.confidence === "confirmed";
  const grows = reading.counts === true && limit.limit > 0 && most > NEAR * limit.limit;
  return {
    vendor: limit.vendor,
    limit: reading.limit,
    item: limit.item,
    unit: limit.unit,
    free: limit.limit,
    used,
    share: used === undefined || limit.limit === 0 ? undefined : used / limit.limit,
    atMonthEnd: end,
    confidence: limit.confidence,
    level:
      confirmed && beyond > 0 ? "fail" : beyond > 0 || grows || used === undefined ? "note" : "ok",
    knownUsd: confirmed ? cents(beyond * (reading.usdEach ?? 0)) : 0,
    unconfirmedUsd: used === undefined ? (limit.worstCaseUsd ?? 0) : worstUsdOf(limit, most),
    note: reading.note ?? "",
  };
}

/** `1,234`, `0.21`, `12`. */
export function figure(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: Math.abs(value) < 10 ? 2 : 0 });
}

/** A row as the finding of its section. `over`: what to do when it is beyond the limit. */
export function findingOf(check: string, row: Row, over: string): Finding {
  return {
    section: row.vendor,
    check,
    level: row.level,
    found: `${usedText(row)}${row.note === "" ? "" : `; ${row.note}`}`,
    ...(row.level === "fail" || (row.level === "note" && row.used !== undefined)
      ? { next: over }
      : {}),
  };
}

function usedText(row: Row): string {
  const free = `${figure(row.free)} ${row.unit} free`;
  if (row.used === undefined)
    return `in use, ${free}; no API tells how much: up to USD ${row.unconfirmedUsd.toFixed(2)} a month`;
  const percent = row.share === undefined ? "" : ` (${Math.round(row.share * 100)} %)`;
  const end =
    row.atMonthEnd === undefined
      ? ", too early in the month to project"
      : row.atMonthEnd === row.used
        ? ""
        : `, ${figure(row.atMonthEnd)}${row.free === 0 ? "" : ` (${Math.round((row.atMonthEnd / row.free) * 100)} %)`} by the month's end`;
  const cost =
    (row.knownUsd > 0 ? `, USD ${row.knownUsd.toFixed(2)} a month` : "") +
    (row.unconfirmedUsd > 0 ? `, unconfirmed: up to USD ${row.unconfirmedUsd.toFixed(2)}` : "");
  const of = `of the free ${figure(row.free)} ${row.unit}`;
  return `${figure(row.used)} ${of}${percent}${end}${cost}`;
}

export interface Bill {
  /** False when something is known to bill, or a confirmed limit is passed. */
  ok: boolean;
  knownUsd: number;
  unconfirmedUsd: number;
  /** Sections that are not in it. */
  without: Vendor[];
}

/** The month of all sections together. A vendor's own figure counts where it is more than the rows make. */
export function billOf(reports: readonly Report[], month: Month): Bill {
  let knownUsd = 0;
  let unconfirmedUsd = 0;
  let ok = true;
  for (const { rows, extras, spentUsd } of reports) {
    const counted =
      rows.reduce((sum, row) => sum + row.knownUsd, 0) +
      extras.reduce((sum, { usd }) => sum + (usd ?? 0), 0);
    const told = spentUsd === undefined ? 0 : (atMonthEnd(spentUsd, month) ?? spentUsd);
    knownUsd += Math.max(counted, told);
    unconfirmedUsd += rows.reduce((sum, row) => sum + row.unconfirmedUsd, 0);
    ok &&= extras.length === 0 && rows.every(({ level }) => level !== "fail");
  }
  return {
    ok: ok && cents(knownUsd) === 0,
    knownUsd: cents(knownUsd),
    unconfirmedUsd: cents(unconfirmedUsd),
    without: reports.filter(({ skipped }) => skipped).map(({ section }) => section),
  };
}

/** The last line, in the form of `npm run infra:check`. */
export function billLines(bill: Bill): string {
  const without =
    bill.without.length === 0 ? "" : `not in it, because not asked: ${bill.without.join(", ")}\n`;
  return `${without}${billText(bill)}\n`;
}

/** Collects what a section finds while it judges its facts. */
export class Ledger {
  readonly rows: Row[] = [];
  readonly findings: Finding[] = [];
  readonly extras: Extra[] = [];
  readonly #month: Month;

  constructor(month: Month) {
    this.#month = month;
  }

  /** Nothing, where the vendor did not answer: `reading` is undefined then, and the question is in `unanswered`. */
  count(check: string, reading: Reading | undefined, over: string): void {
    if (reading === undefined) return;
    const row = rowOf(reading, this.#month);
    this.rows.push(row);
    this.findings.push(findingOf(check, row, over));
  }

  /** Something that no free pool covers. */
  extra(check: string, section: Vendor, extra: Extra, next: string): void {
    this.extras.push(extra);
    const price =
      extra.usd === undefined
        ? "it bills, at a price this table does not have"
        : `USD ${extra.usd.toFixed(2)} a month`;
    this.findings.push({ section, check, level: "fail", found: `${extra.what}: ${price}`, next });
  }

  say(...findings: Finding[]): void {
    this.findings.push(...findings);
  }
}
