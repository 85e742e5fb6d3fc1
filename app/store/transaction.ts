// One transaction of ingest. The plain way takes a whole group of new batches in one round trip and
// assumes that nothing is special; the database refuses it when something is. The careful way then takes
// one batch, finds out what, and puts every row where it belongs: table, duplicate or quarantine.
import type pg from "pg";
import { TickhubError } from "../shared/errors.ts";
import { TABLES } from "../shared/table.ts";
import type { Batch, BatchHeader } from "../shared/batch.ts";
import type { Verdict } from "../shared/tick.ts";
import { copyAround } from "./bad-rows.ts";
import { type Answer, exchange, type Step, type Value } from "./exchange.ts";
import { type Refusal, refusalValues, rejectValues } from "./refusals.ts";
import { COPY, encodeRows, findInvalid, type RowBatch } from "./rows.ts";
import { COPY_HEADER, COPY_TRAILER } from "./tuples.ts";

/** Who sent a batch. */
export interface Sender {
  edge: string;
  /** The edge's process: a UUID. */
  holder: string;
}

/** A batch on its way in, decoded. */
export interface Incoming {
  batch: Exclude<Batch, { kind: "frame" }>;
  bytes: number;
  from: Sender;
  /** Rows the database could not hold. */
  invalid: Refusal[];
  /** Its rows as tuples, made while the group before it is with the database. */
  tuples: Buffer | null;
}

/** Where a stream stands in the database, as far as this process knows. */
export interface StreamPosition {
  no: number;
  last: number;
}

/** What the careful way did, and where the stream stands now. */
export interface CarefulResult {
  verdict: Verdict;
  position: StreamPosition;
  refused: { code: string; count: number; reason: string }[];
}

export interface CarefulOptions {
  /** Epoch 0 is good although the account has a lease. */
  unleased: boolean;
  /** What opens and what ends the transaction; default begin and commit, for this batch alone. */
  first?: readonly Step[];
  last?: readonly Step[];
}

const BEGIN = `select * from public.ingest_begin(
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`;
const MERGE =
  "select duplicate, conflict, lost from public.ingest_merge($1, $2, $3, $4, $5::float8[], $6)";
const BEGIN_STEPS: readonly Step[] = [{ text: "begin" }];
const COMMIT_STEPS: readonly Step[] = [{ text: "commit" }];

/** Prepares a decoded batch for the transaction. */
export function incoming(batch: Incoming["batch"], bytes: number, from: Sender): Incoming {
  const hasRows = batch.kind !== "tombstone" && batch.kind !== "quarantine";
  const invalid = hasRows ? findInvalid(batch) : [];
  return { batch, bytes, from, invalid, tuples: null };
}

/** Encodes the rows once; the tuples carry the stream's number in the database. */
export function encodeAhead(item: Incoming, streamNo: number): void {
  const { batch } = item;
  if (batch.kind === "tombstone" || batch.kind === "quarantine") return;
  item.tuples ??= encodeRows(batch, streamNo);
}

/** Whether the plain way may be tried: it has no place for a row that goes to quarantine. */
export function isPlain(item: Incoming): boolean {
  return item.invalid.length === 0 && item.batch.kind !== "quarantine";
}

/**
 * Stores consecutive new batches of one stream, all or nothing, in one round trip. `meanwhile` runs while
 * the database works. Rejects with pg's error when any of them is not plainly new.
 */
export async function storePlain(
  client: pg.ClientBase,
  group: readonly Incoming[],
  streamNo: number,
  meanwhile: () => void,
): Promise<Verdict[]> {
  for (const item of group) encodeAhead(item, streamNo);
  const tuples = group.flatMap((item) => item.tuples ?? []);
  const steps: Step[] = [beginStep(group, { plain: true, unleased: false })];
  const rows = group.find(({ batch }) => batch.kind !== "tombstone")?.batch as RowBatch | undefined;
  if (rows) steps.push({ text: COPY[rows.kind], copy: [COPY_HEADER, ...tuples, COPY_TRAILER] });
  const answers = exchange(client, steps);
  meanwhile();
  await answers;
  return group.map((item) => verdictOf(item, PLAIN));
}

/**
 * Stores one batch whatever is special about it.
 * @throws TickhubError STREAM_HOLE (with `expected`), BATCH_ID_REUSED; pg's error when the database fails.
 */
export async function storeCarefully(
  client: pg.ClientBase,
  item: Incoming,
  options: CarefulOptions,
): Promise<CarefulResult> {
  const { first = BEGIN_STEPS, last = COMMIT_STEPS, unleased } = options;
  const begin = beginStep([item], { plain: false, unleased });
  const answer = (await exchange(client, [...first, begin])).at(-1);
  const { state, stream_no, last_number, store_until_ms } = only(answer);
  const { header } = item.batch;
  if (state !== "store") {
    await exchange(client, [{ text: "rollback" }]);
    if (state === "foreign") {
      throw new TickhubError("EDGE_ACCOUNT", { edge: item.from.edge, account: header.account });
    }
    if (state !== "duplicate") throw notStored(header, state, Number(last_number));
    const position = { no: Number(stream_no), last: Number(last_number) };
    return { verdict: repeated(item, only(answer), options), position, refused: [] };
  }
  const position = { no: Number(stream_no), last: header.number };
  const { batch } = item;
  if (batch.kind === "tombstone") {
    if (last.length > 0) await exchange(client, last);
    return { verdict: verdictOf(item, PLAIN), position, refused: [] };
  }
  if (batch.kind === "quarantine") {
    const answers = await exchange(client, [mergeStep(position.no, rejectValues(batch)), ...last]);
    const { lost } = mergedOf(answers[0]);
    const counts = { duplicate: 0, quarantined: header.rows - lost, lost };
    return { verdict: verdictOf(item, counts), position, refused: [] };
  }
  const until = store_until_ms === null ? Infinity : Number(store_until_ms);
  const refusals = [...item.invalid, ...outsideLease(batch, until, item.invalid)];
  const merged = await storeRows(client, batch, position.no, refusals, last);
  const { duplicate, lost } = merged;
  const quarantined = refusals.length + merged.conflict - lost;
  const refused = countByCode(refusals);
  if (merged.conflict > 0) {
    const reason = "the key is stored with another price or size";
    refused.push({ code: "KEY_CONFLICT", count: merged.conflict, reason });
  }
  return { verdict: verdictOf(item, { duplicate, quarantined, lost }), position, refused };
}

function notStored(
  { stream, number }: BatchHeader,
  state: string | null | undefined,
  last: number,
): TickhubError {
  return state === "hole"
    ? new TickhubError("STREAM_HOLE", { stream, number, expected: last + 1 })
    : new TickhubError("BATCH_ID_REUSED", { stream, number });
}

/**
 * The verdict on a batch that was stored before. A sender whose ack was lost hears it again, so that its
 * books agree with ours; a tape that is replayed a second time has stored nothing, and hears so.
 */
function repeated(
  item: Incoming,
  { was_committed, was_duplicate, was_quarantined, was_lost }: Answer[number],
  { unleased }: CarefulOptions,
): Verdict {
  const { stream, number, rows } = item.batch.header;
  if (unleased || was_committed === null) {
    return verdictOf(item, { duplicate: rows, quarantined: 0, lost: 0 });
  }
  return {
    stream,
    number,
    committed: Number(was_committed),
    duplicate: Number(was_duplicate),
    quarantined: Number(was_quarantined),
    lost: Number(was_lost),
  };
}

/** Rows, refusals, merge and what ends the transaction in one round trip; rows found bad join `refusals`. */
async function storeRows(
  client: pg.ClientBase,
  batch: RowBatch,
  streamNo: number,
  refusals: Refusal[],
  last: readonly Step[],
): Promise<Merged> {
  const isOut = new Set(refusals.map(({ row }) => row));
  const good = Array.from({ length: batch.columns.rows }, (_, row) => row).filter(
    (row) => !isOut.has(row),
  );
  const to = COPY_CAREFULLY[batch.kind];
  const answers = await copyAround(client, good, {
    copy: (rows) => copySteps(to, encodeRows(batch, streamNo, rows)),
    finish: () => [mergeStep(streamNo, refusalValues(batch, refusals)), ...last],
    refuse: (row, reason) => refusals.push({ row, code: "ROW_INVALID", reason }),
  });
  return mergedOf(answers[0]);
}

/** Where rows go first: those that may be there already meet their table in `ingest_merge`. */
const COPY_CAREFULLY = {
  ...COPY,
  trade: COPY.incomingTrade,
  news: COPY.incomingNews,
} as const;

/** What `ingest_merge` did with the rows of one batch. */
interface Merged {
  duplicate: number;
  conflict: number;
  lost: number;
}

function mergeStep(streamNo: number, refused: readonly Value[]): Step {
  return { text: MERGE, values: [streamNo, ...refused] };
}

function mergedOf(answer: Answer | undefined): Merged {
  const { duplicate, conflict, lost } = only(answer);
  return { duplicate: Number(duplicate), conflict: Number(conflict), lost: Number(lost) };
}

function beginStep(group: readonly Incoming[], flags: { plain: boolean; unleased: boolean }): Step {
  const first = group[0]!;
  const { stream, table, account, epoch, number } = first.batch.header;
  const headers = group.map(({ batch }) => batch.header);
  const tombstones = group.map(({ batch }) =>
    batch.kind === "tombstone" ? batch.tombstone : null,
  );
  return {
    text: BEGIN,
    values: [
      ...[stream, TABLES[table], account, first.from.edge, first.from.holder, epoch, number],
      headers.map(({ crc }) => crc),
      headers.map(({ rows }) => rows),
      group.map(({ bytes }) => bytes),
      headers.map(({ firstMs }) => firstMs),
      headers.map(({ lastMs }) => lastMs),
      tombstones.map((tombstone) => tombstone?.count ?? 0),
      tombstones.map((tombstone) => tombstone?.reason.replaceAll("\0", "") ?? null),
      ...[flags.plain, flags.unleased],
    ],
  };
}

function copySteps(text: string, tuples: Buffer): Step[] {
  return tuples.length === 0 ? [] : [{ text, copy: [COPY_HEADER, tuples, COPY_TRAILER] }];
}

function outsideLease(batch: RowBatch, untilMs: number, already: readonly Refusal[]): Refusal[] {
  if (batch.header.lastMs <= untilMs) return [];
  const known = new Set(already.map(({ row }) => row));
  const until = Number.isFinite(untilMs) ? new Date(untilMs).toISOString() : "never";
  const reason = `epoch ${batch.header.epoch} of ${batch.header.account} was this sender's until: ${until}`;
  const refusals: Refusal[] = [];
  batch.columns.edgeRecvMs.forEach((edgeRecvMs, row) => {
    if (!(edgeRecvMs <= untilMs) && !known.has(row))
      refusals.push({ row, code: "OUTSIDE_LEASE", reason });
  });
  return refusals;
}

/** Nothing was special. */
const PLAIN = { duplicate: 0, quarantined: 0, lost: 0 };

function verdictOf(
  item: Incoming,
  counts: Omit<Verdict, "stream" | "number" | "committed">,
): Verdict {
  const { stream, number, rows } = item.batch.header;
  const { duplicate, quarantined, lost } = counts;
  const committed = rows - duplicate - quarantined - lost;
  const given = item.batch.kind === "tombstone" ? item.batch.tombstone.count : lost;
  return { stream, number, committed, duplicate, quarantined, lost: given };
}

function countByCode(refusals: readonly Refusal[]): CarefulResult["refused"] {
  const byCode = new Map<string, { code: string; count: number; reason: string }>();
  for (const { code, reason } of refusals) {
    const one = byCode.get(code) ?? { code, count: 0, reason };
    one.count += 1;
    byCode.set(code, one);
  }
  return [...byCode.values()];
}

function only(answer: Answer | undefined): Answer[number] {
  return answer![0]!;
}
