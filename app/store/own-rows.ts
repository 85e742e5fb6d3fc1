// Columns of news and of log lines to rows of COPY, and the look beforehand that finds rows the database
// could not hold: what rows.ts is for the market's tables.
import type { LogColumns, NewsColumns } from "../shared/batch.ts";
import { edgeOfLog } from "../shared/own-account.ts";
import { isTime } from "./refusals.ts";
import { bytesField, textField } from "./tuples.ts";
import type { TupleWriter } from "./tuples.ts";

const NEWS = `(digest, source, feed, published_at, seen_at, title, url, summary, symbols, edge_recv, stream,
  capture) from stdin (format binary)`;
export const COPY_OWN = {
  news: `copy public.news ${NEWS}`,
  incomingNews: `copy pg_temp.incoming_news ${NEWS}`,
  log: "copy public.edge_log (at, edge, level, event, fields) from stdin (format binary)",
} as const;

const DIGEST_BYTES = 32;

export function encodeNews(
  out: TupleWriter,
  c: NewsColumns,
  rows: readonly number[],
  { source, no }: { source: Uint8Array; no: number },
): void {
  for (const i of rows) {
    const digest = bytesField(c.digest[i]!);
    const texts = [c.titles[c.title[i]!]!, c.urls[c.url[i]!]!, c.summaries[c.summary[i]!]!];
    const fields = texts.map(textField);
    const feed = textField(c.feeds[c.feed[i]!]!);
    const symbols = c.symbols[i]!.map(textField);
    const long = [digest, source, feed, ...fields, ...symbols];
    out.row(
      12,
      long.reduce((sum, field) => sum + field.length, 100),
    );
    out.field(digest);
    out.field(source);
    out.field(feed);
    const publishedMs = c.publishedMs[i]!;
    if (Number.isNaN(publishedMs)) out.null();
    else out.timestamp(publishedMs);
    out.timestamp(c.edgeRecvMs[i]!);
    for (const field of fields) out.field(field);
    out.texts(symbols);
    out.timestamp(c.edgeRecvMs[i]!);
    out.int32(no);
    out.int64(c.capture[i]!);
  }
}

export function encodeLogs(
  out: TupleWriter,
  c: LogColumns,
  rows: readonly number[],
  account: string,
): void {
  const edge = textField(edgeOfLog(account));
  const events = c.events.map(textField);
  const fields = c.fields.map((text) => textField("\x01" + text)); // jsonb's version, then its text
  for (const i of rows) {
    const [event, said] = [events[c.event[i]!]!, fields[c.field[i]!]!];
    out.row(5, 40 + edge.length + event.length + said.length);
    out.timestamp(c.atMs[i]!);
    out.field(edge);
    out.int16(c.level[i]!);
    out.field(event);
    out.field(said);
  }
}

type Fault = (row: number) => string | null;

export function newsFault(c: NewsColumns): Fault {
  const [feeds, titles, urls, summaries] = [c.feeds, c.titles, c.urls, c.summaries].map((texts) =>
    texts.map(hasNul),
  ) as [boolean[], boolean[], boolean[], boolean[]];
  return (i) => {
    if (c.digest[i]!.length !== DIGEST_BYTES) return `digest has ${c.digest[i]!.length} bytes`;
    const publishedMs = c.publishedMs[i]!;
    if (!Number.isNaN(publishedMs) && !isTime(publishedMs))
      return `publishedMs ${publishedMs} is no time`;
    if (feeds[c.feed[i]!]! || titles[c.title[i]!]! || urls[c.url[i]!]! || summaries[c.summary[i]!]!)
      return "feed, title, url or summary holds a NUL";
    if (c.symbols[i]!.some(hasNul)) return "symbols hold a NUL";
    return receiptFault(c, i);
  };
}

export function logFault(c: LogColumns): Fault {
  const [events, fields] = [c.events.map(hasNul), c.fields.map(isNoObject)];
  return (i) => {
    if (!isTime(c.atMs[i]!)) return `atMs ${c.atMs[i]!} is no time`;
    if (events[c.event[i]!]!) return "event holds a NUL";
    return fields[c.field[i]!]! ? "fields are no JSON object" : receiptFault(c, i);
  };
}

function receiptFault(c: NewsColumns | LogColumns, i: number): string | null {
  if (!isTime(c.edgeRecvMs[i]!)) return `edgeRecvMs ${c.edgeRecvMs[i]!} is no time`;
  return Number.isSafeInteger(c.capture[i]!) ? null : `capture ${c.capture[i]!} is no integer`;
}

function isNoObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value !== "object" || value === null || Array.isArray(value);
  } catch {
    return true;
  }
}

export function hasNul(text: string): boolean {
  return text.includes("\0");
}
