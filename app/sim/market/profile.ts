// A market with the shape of an open: so many trades and books in each tenth of a second, read from a
// profile, times a factor. What the counts are made of stands in the profile itself and in docs/stress.md.
// Pure but for reading the file: the same profile, factor and seed give the same events.
import { readFileSync } from "node:fs";
import { z } from "zod";
import { codeOf, TickhubError } from "../../shared/errors.ts";
import type { Market, MarketEvent } from "./event.ts";
import { instrumentsNamed, krxInstruments, usInstruments } from "./instrument.ts";
import type { Random } from "./random.ts";
import { index, seeded } from "./random.ts";
import { localStamp, Security } from "./security.ts";

/** Ten minutes of tenths of a second. */
const BINS_MAX = 6_000;
const FILE_BYTES_MAX = 2 ** 20;
/** Shares of one print: most are small. */
const SIZE_MEAN = 20;
const AUCTION_SIZE_MAX = 1_000;

const counts = z.array(z.number().nonnegative().max(100_000)).min(1).max(BINS_MAX);

export const profileSchema = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9-]{1,40}$/),
    market: z.enum(["KRX", "US"]),
    /** What was assumed and where the counts come from, a sentence each. */
    about: z.array(z.string()),
    symbols: z.number().int().min(1).max(200),
    /** The n-th busiest symbol has 1 / n ^ concentration of the busiest one's records. */
    concentration: z.number().min(0).max(3),
    /** Trades that arrive as one, on average: an order that meets several others. */
    clumpMean: z.number().min(1).max(100),
    /** Does every symbol print its opening auction first? */
    auction: z.boolean(),
    binMs: z.number().int().min(10).max(1_000),
    /** Records in each bin that one broker says, at its own rate. */
    trade: counts,
    book: counts,
  })
  .refine(({ trade, book }) => trade.length === book.length, {
    error: "trade and book have as many bins",
  });

export type Profile = z.output<typeof profileSchema>;

/** Throws PROFILE_UNREADABLE. */
export function readProfile(path: string): Profile {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new TickhubError("PROFILE_UNREADABLE", { path, reason: codeOf(cause) }, { cause });
  }
  if (text.length > FILE_BYTES_MAX) {
    throw new TickhubError("PROFILE_UNREADABLE", { path, reason: "larger than 1 MiB" });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new TickhubError("PROFILE_UNREADABLE", { path, reason: "no JSON" }, { cause });
  }
  const read = profileSchema.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  const reason = `${issue!.path.join(".")}: ${issue!.message}`;
  throw new TickhubError("PROFILE_UNREADABLE", { path, reason });
}

/** How long it plays, at any factor. */
export function lengthMs({ binMs, trade }: Profile): number {
  return binMs * trade.length;
}

/**
 * `times`: so many times the profile's records in the same time. `codes`: of these symbols, busiest first, instead
 * of as many as the profile says.
 */
export function profileMarket(
  profile: Profile,
  times: number,
  seed: number,
  codes?: readonly string[],
): Market {
  const random = seeded(seed);
  const { market, symbols } = profile;
  const instruments = codes
    ? instrumentsNamed(market, codes)
    : market === "KRX"
      ? krxInstruments(symbols)
      : usInstruments(symbols);
  const securities = instruments.map((instrument) => new Security(instrument, random));
  return {
    instruments,
    time: "wall",
    endMs: null,
    play: (startMs) => play(profile, times, securities, startMs, random),
    closing: () => [],
  };
}

function* play(
  profile: Profile,
  times: number,
  securities: readonly Security[],
  startMs: number,
  random: Random,
): Generator<MarketEvent, void> {
  for (const security of securities) startDay(security, startMs);
  if (profile.auction) {
    for (const security of securities) {
      const size = 100 + index(random, AUCTION_SIZE_MAX);
      yield security.print({ marketMs: startMs, price: security.ask, size, side: 0 });
    }
  }
  const pick = picker(profile.concentration, securities, random);
  // Counts are not whole numbers; what a bin leaves over is the next one's.
  let [trades, books] = [0, 0];
  for (const [i, tradeCount] of profile.trade.entries()) {
    trades += tradeCount * times;
    books += profile.book[i]! * times;
    const bin = { fromMs: startMs + i * profile.binMs, binMs: profile.binMs };
    const due = dueIn(bin, Math.floor(trades), Math.floor(books), profile.clumpMean, random);
    trades -= Math.floor(trades);
    books -= Math.floor(books);
    for (const { atMs, count } of due) {
      const security = pick();
      if (count === 0) yield security.book(atMs, "0");
      else yield* clump(security, atMs, count, random);
    }
  }
}

/** Something at one moment: a clump of `count` trades, or a book where that is 0. */
interface Due {
  atMs: number;
  count: number;
}

/** A bin's trades in clumps, and its books, in order of time. */
function dueIn(
  { fromMs, binMs }: { fromMs: number; binMs: number },
  trades: number,
  books: number,
  clumpMean: number,
  random: Random,
): Due[] {
  const due: Due[] = [];
  const atMs = () => fromMs + random() * binMs;
  for (let left = trades; left > 0;) {
    const count = Math.min(left, geometric(clumpMean, random));
    due.push({ atMs: atMs(), count });
    left -= count;
  }
  for (let i = 0; i < books; i++) due.push({ atMs: atMs(), count: 0 });
  return due.sort((a, b) => a.atMs - b.atMs);
}

/** 1, 2, 3, … with this mean, each as much less likely than the one before. */
function geometric(mean: number, random: Random): number {
  if (mean <= 1) return 1;
  return 1 + Math.floor(Math.log(1 - random()) / Math.log(1 - 1 / mean));
}

/** One aggressive order: prints at one price, after the quotes may have moved. */
function* clump(
  security: Security,
  marketMs: number,
  count: number,
  random: Random,
): Generator<MarketEvent, void> {
  const { side, price } = security.takeQuote(random);
  for (let i = 0; i < count; i++) {
    const size = 1 + Math.floor(-Math.log(1 - random()) * SIZE_MEAN);
    yield security.print({ marketMs, price, size, side });
  }
}

/** Draws symbols, busy ones more often. */
function picker(
  concentration: number,
  securities: readonly Security[],
  random: Random,
): () => Security {
  let sum = 0;
  const upTo = securities.map((_, i) => (sum += 1 / (i + 1) ** concentration));
  return () => {
    const at = random() * sum;
    let [low, high] = [0, upTo.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (upTo[middle]! <= at) low = middle + 1;
      else high = middle;
    }
    return securities[low]!;
  };
}

function startDay(security: Security, marketMs: number): void {
  const totals = {
    ...{ cumVolume: 0, cumValue: 0 },
    ...{ sellVolume: 0, buyVolume: 0, sellCount: 0, buyCount: 0 },
  };
  security.startDay(localStamp(security.instrument, marketMs).date, totals);
}
