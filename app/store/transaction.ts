// One transaction of ingest. The plain way takes a whole group of new batches in one round trip and
// assumes that nothing is special; the database refuses it when something is. The careful way then takes
// one batch, finds out what, and puts every row where it belongs: table, duplicate or quarantine.
import type pg from "pg";
import { TickhubError } from "../shared/errors.ts";
import { TABLES } from "../shared/table.ts";
import type { Batch } from "../shared/batch.ts";
import type { Verdict } from "../shared/tick.ts";
import { type Answer, exchange, type Step } from "./exchange.ts";
import {
  COPY,
  encodeRefusals,
  encodeRows,
  findInvalid,
  type Refusal,
  type RowBatch,
} from "./rows.ts";
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

const BEGIN = `select * from public.ingest_begin(
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`;
const MERGE = "select inserted, duplicate, conflict from public.ingest_merge($1, $2)";

/** Prepares a decoded batch for the transaction. */
export function incoming(batch: Incoming["batch"], bytes: number, from: Sender): Incoming {
  const invalid = batch.kind === "tombstone" ? [] : findInvalid(batch);
  return { batch, bytes, from, invalid, tuples: null };
}

/** Encodes the rows once; the tuples carry the stream's number in the database. */
export function encodeAhead(item: Incoming, streamNo: number): void {
  if (item.batch.kind !== "tombstone") item.tuples ??= encodeRows(item.batch, streamNo);
}

/** Whether the plain way may be tried: it has no place for a row that is not stored. */
export function isPlain(item: Incoming): boolean {
  return item.invalid.length === 0;
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
  const rows = group.find((item) => item.batch.kind !== "tombstone")?.batch as RowBatch | undefined;
  if (rows) steps.push({ text: COPY[rows.kind], copy: [COPY_HEADER, ...tuples, COPY_TRAILER] });
  const answers = exchange(client, steps);
  meanwhile();
  await answers;
  return group.map((item) => verdictOf(item, { quarantined: 0, duplicate: 0 }));
}

/**
 * Stores one batch whatever is special about it.
 * @throws TickhubError STREAM_HOLE (with `expected`), BATCH_ID_REUSED; pg's error when the database fails.
 */
export async function storeCarefully(
  client: pg.ClientBase,
  item: Incoming,
  options: { unleased: boolean },
): Promise<CarefulResult> {
  const begin = beginStep([item], { plain: false, unleased: options.unleased });
  const [, answer] = await exchange(client, [{ text: "begin" }, begin]);
  const { state, stream_no, last_number, store_until_ms } = only(answer);
  const { header } = item.batch;
  if (state !== "store") {
    await exchange(client, [{ text: "rollback" }]);
    if (state === "hole") {
      const expected = Number(last_number) + 1;
      throw new TickhubError("STREAM_HOLE", {
        stream: header.stream,
        number: header.number,
        expected,
      });
    }
    if (state !== "duplicate") {
      throw new TickhubError("BATCH_ID_REUSED", { stream: header.stream, number: header.number });
    }
    const position = { no: Number(stream_no), last: Number(last_number) };
    return { verdict: repeated(item, only(answer), options), position, refused: [] };
  }
  const position = { no: Number(stream_no), last: header.number };
  if (item.batch.kind === "tombstone") {
    await exchange(client, [{ text: "commit" }]);
    return { verdict: verdictOf(item, { quarantined: 0, duplicate: 0 }), position, refused: [] };
  }
  const until = store_until_ms === null ? Infinity : Number(store_until_ms);
  const refusals = [...item.invalid, ...outsideLease(item.batch, until, item.invalid)];
  const merged = await storeRows(client, item.batch, position.no, refusals);
  const counts = { duplicate: merged.duplicate, quarantined: refusals.length + merged.conflict };
  const refused = countByCode(refusals);
  if (merged.conflict > 0) {
    const reason = "the key is stored with another price or size";
    refused.push({ code: "KEY_CONFLICT", count: merged.conflict, reason });
  }
  return { verdict: verdictOf(item, counts), position, refused };
}

/**
 * The verdict on a batch that was stored before. A sender whose ack was lost hears it again, so that its
 * books agree with ours; a tape that is replayed a second time has stored nothing, and hears so.
 */
function repeated(
  item: Incoming,
  { was_committed, was_duplicate, was_quarantined, was_lost }: Answer[number],
  { unleased }: { unleased: boolean },
): Verdict {
  const { stream, number, rows } = item.batch.header;
  if (unleased || was_committed === null) {
    return verdictOf(item, { quarantined: 0, duplicate: rows });
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

/** Rows, refusals, merge and commit in one round trip; rows found bad on the way join `refusals`. */
async function storeRows(
  client: pg.ClientBase,
  batch: RowBatch,
  streamNo: number,
  refusals: Refusal[],
): Promise<{ duplicate: number; conflict: number }> {
  const isOut = new Set(refusals.map(({ row }) => row));
  const good = Array.from({ length: batch.columns.rows }, (_, row) => row).filter(
    (row) => !isOut.has(row),
  );
  const finish = (): Step[] => [
    ...copySteps(COPY.quarantine, encodeRefusals(batch, streamNo, refusals)),
    { text: MERGE, values: [streamNo, refusals.length] },
    { text: "commit" },
  ];
  const copy = (rows: readonly number[]) =>
    copySteps(
      batch.kind === "trade" ? COPY.incomingTrade : COPY[batch.kind],
      encodeRows(batch, streamNo, rows),
    );
  let answers: Answer[];
  try {
    answers = await exchange(client, [{ text: "savepoint rows" }, ...copy(good), ...finish()]);
  } catch (error) {
    if (!isRowError(error)) throw error;
    await storeAround(client, good, copy, (row, reason) => {
      refusals.push({ row, code: "ROW_INVALID", reason });
    });
    answers = await exchange(client, finish());
  }
  const { duplicate, conflict } = only(answers.at(-2));
  return { duplicate: Number(duplicate), conflict: Number(conflict) };
}

/**
 * Copies rows, leaving out those the database refuses. Halves the part that holds a bad row and keeps the
 * halves that store, so each bad row costs log2(rows) + 1 round trips.
 */
async function storeAround(
  client: pg.ClientBase,
  rows: readonly number[],
  copy: (rows: readonly number[]) => Step[],
  refuse: (row: number, reason: string) => void,
): Promise<void> {
  let failure: Error | null = new Error("a row was refused");
  const tryRows = async (part: readonly number[]) => {
    const text = failure ? "rollback to savepoint rows" : "savepoint rows";
    failure = await exchange(client, [{ text }, ...copy(part)]).then(
      () => null,
      (error: unknown) => (isRowError(error) ? error : Promise.reject(error as Error)),
    );
    return failure;
  };
  for (let rest = rows; ;) {
    let reason = (await tryRows(rest))?.message;
    if (reason === undefined) return;
    let suspects = rest;
    rest = [];
    while (suspects.length > 1) {
      const half = suspects.slice(0, suspects.length >> 1);
      const other = suspects.slice(half.length);
      const refused = await tryRows(half);
      if (refused) rest = [...other, ...rest];
      reason = refused?.message ?? reason;
      suspects = refused ? half : other;
    }
    refuse(suspects[0]!, reason);
  }
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
  if (batch.header.lastMs <= untilMs || batch.kind === "quarantine") return [];
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

function verdictOf(item: Incoming, counts: { duplicate: number; quarantined: number }): Verdict {
  const { header } = item.batch;
  const { duplicate } = counts;
  // A reject that is stored is stored in quarantine.
  const isReject = item.batch.kind === "quarantine" && duplicate === 0;
  const quarantined = isReject ? header.rows : counts.quarantined;
  return {
    stream: header.stream,
    number: header.number,
    committed: header.rows - duplicate - quarantined,
    duplicate,
    quarantined,
    lost: item.batch.kind === "tombstone" ? item.batch.tombstone.count : 0,
  };
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

/** SQLSTATE class 22 (data) or 23 (constraint): the fault of a row, not of the database. */
function isRowError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && /^2[23]/.test(String(error.code));
}

function only(answer: Answer | undefined): Answer[number] {
  return answer![0]!;
}
