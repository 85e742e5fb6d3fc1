// `tickhub decode`: what a broker's frame says, one JSON line a frame. Reads lines of raw frames, or of
// `LABEL<TAB>FRAME` as recordings keep them, through the very decoders the edge runs. Touches nothing.
import { open } from "node:fs/promises";
import { createInterface } from "node:readline";

import type { ReadAt } from "../edge/feed/decoded.ts";
import { KisDecoder } from "../edge/feed/kis/decode.ts";
import type { KisFrame } from "../edge/feed/kis/decode.ts";
import { KiwoomDecoder } from "../edge/feed/kiwoom/decode.ts";
import type { KiwoomFrame } from "../edge/feed/kiwoom/decode.ts";
import { systemClock } from "../shared/clock.ts";
import type { Clock } from "../shared/clock.ts";
import { codeOf, TickhubError } from "../shared/errors.ts";
import { isoAtVenue, kstMs } from "../shared/market-time.ts";
import { BOOK_DEPTH } from "../shared/tick.ts";
import type { Book, Reject, Tick } from "../shared/tick.ts";

/**
 * The command. `file` is a path, or `-` for standard input; `day` (YYYYMMDD) dates at noon KST.
 * Exits 0 when the input was read to its end: each line says for itself what its frame was.
 * @throws TickhubError USAGE for a file that cannot be read or a day that is none.
 */
export async function decode(
  file: string,
  options: { broker: "kis" | "kiwoom"; day?: string },
): Promise<number> {
  const { broker, day } = options;
  const print = (line: string) => process.stdout.write(`${line}\n`);
  const marketMs = day === undefined ? undefined : noonOf(day);
  const decoding = { clock: systemClock, ...(marketMs !== undefined && { marketMs }) };
  if (file === "-") {
    await decodeLines(createInterface({ input: process.stdin }), broker, decoding, print);
    return 0;
  }
  try {
    await using handle = await open(file);
    await decodeLines(handle.readLines(), broker, decoding, print);
  } catch (cause) {
    throw new TickhubError("USAGE", { problem: `${file}: ${codeOf(cause)}` }, { cause });
  }
  return 0;
}

function noonOf(day: string): number {
  const noonMs = /^\d{8}$/.test(day) ? kstMs(Number(day), 120_000) : Number.NaN;
  if (Number.isNaN(noonMs)) {
    throw new TickhubError("USAGE", { problem: `--day ${day} is no date of the form YYYYMMDD` });
  }
  return noonMs;
}

export interface DecodeOptions {
  /** Dates the stamps that carry no date; the clock's now when absent. Epoch ms. */
  marketMs?: number;
  clock: Clock;
}

/**
 * Decodes one frame a line and prints one JSON object for each:
 * `{"ok":true,"records":[…],"extra":[…]}` with `control` for a message that is no data, `drifts` for
 * a layout not seen before, `rejects` where a part could not be read; or `{"ok":false,"code","reason"}`
 * when nothing could. Empty lines are passed over. The decoder lives as long as the input, as it does
 * on a socket, so what depends on the record before (US sides, halts) is right in a recording too.
 * @returns how many frames were refused whole.
 */
export async function decodeLines(
  input: AsyncIterable<string>,
  broker: "kis" | "kiwoom",
  options: DecodeOptions,
  print: (line: string) => void,
): Promise<number> {
  const decoder = broker === "kis" ? new KisDecoder() : new KiwoomDecoder();
  let refused = 0;
  for await (const line of input) {
    const frame = line.slice(line.lastIndexOf("\t") + 1).replace(/\r?\n?$/, "");
    if (frame === "") continue;
    const edgeRecvMs = options.clock.nowMs();
    const at: ReadAt = { edgeRecvMs, marketMs: options.marketMs ?? edgeRecvMs };
    const said = describe(decoder.decode(Buffer.from(frame), at));
    if (!said.ok) refused++;
    print(JSON.stringify(said));
  }
  return refused;
}

type Said = { ok: true; [field: string]: unknown } | ({ ok: false } & Refusal);

interface Refusal {
  code: string;
  reason: string;
  rejects?: Refusal[];
}

function describe(frame: KisFrame | KiwoomFrame): Said {
  if (frame.kind === "reject") return { ok: false, ...refusalOf(frame.reject) };
  if (frame.kind !== "data") return { ok: true, records: [], extra: [], control: frame };
  const { ticks, drifts } = frame;
  const rejects = frame.rejects.map(refusalOf);
  const [first] = rejects;
  if (first && ticks.length === 0) {
    return { ok: false, ...first, ...(rejects.length > 1 && { rejects }) };
  }
  return {
    ok: true,
    records: ticks.map(recordOf),
    extra: ticks.flatMap((tick) => tick.extra ?? []),
    ...(drifts.length > 0 && { drifts }),
    ...(rejects.length > 0 && { rejects }),
  };
}

function refusalOf({ code, reason }: Reject): Refusal {
  return { code, reason };
}

function recordOf(tick: Tick): Record<string, unknown> {
  const { kind, symbol, venue, day } = tick;
  const head = { kind, symbol, venue, ts: isoAtVenue(venue, tick.exchangeMs), day };
  switch (tick.kind) {
    case "trade": {
      const { price, size, seq, session, ask, bid } = tick;
      const side = tick.side === 0 ? null : tick.side > 0 ? "buy" : "sell";
      const counts = { sellCount: countOf(tick.sellCount), buyCount: countOf(tick.buyCount) };
      return { ...head, price, size, side, seq, session, ask, bid, ...counts };
    }
    case "book": {
      const { phase, expectedPrice, expectedSize } = tick;
      return {
        ...head,
        ask: levelsOf(tick, 0),
        bid: levelsOf(tick, 2 * BOOK_DEPTH),
        askTotal: countOf(tick.askTotal),
        bidTotal: countOf(tick.bidTotal),
        expectedPrice,
        expectedSize,
        phase,
        seq: countOf(tick.seq),
      };
    }
    case "status": {
      const { what, code } = tick;
      return { ...head, what, code, detail: JSON.parse(tick.detail) as unknown };
    }
  }
}

/** NO_COUNT is null in JSON, as NO_PRICE is by itself. */
function countOf(count: number): number | null {
  return count < 0 ? null : count;
}

/** `[price, size]` of each level, best first, from slot `first`. */
function levelsOf({ levels }: Book, first: number): number[][] {
  return Array.from({ length: BOOK_DEPTH }, (_, i) => [
    levels[first + i]!,
    levels[first + BOOK_DEPTH + i]!,
  ]);
}
