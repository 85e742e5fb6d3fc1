// Every setting of the simulator in one table: as `startSim` takes them, and as `--kebab-case` on the
// command line. Real brokers' figures are the defaults (kis.md, kiwoom.md).
import { parseArgs } from "node:util";
import { z } from "zod";
import { TickhubError } from "../shared/errors.ts";
import { CHANGE_FORM, readTampering } from "./change.ts";

const port = z.coerce.number().int().min(0).max(65_535).default(0);
const durationMs = z.coerce.number().nonnegative();
const amount = z.coerce.number().int().positive();

const tampering = z.string().refine((text) => readTampering(text) !== undefined, {
  error: `kis:005930:1216812:CHANGE, which is one of ${CHANGE_FORM}`,
});

export const optionsSchema = z.strictObject({
  // Market
  /** Same seed and start, same market. */
  seed: z.coerce.number().int().default(1),
  /** Market updates a second over all symbols. */
  rate: z.coerce.number().positive().max(100_000).default(150),
  /** KRX symbols. */
  symbols: z.coerce.number().int().min(0).max(1000).default(20),
  /** Also AAPL, NVDA, TSLA. */
  us: z.boolean().default(false),
  /** Length of the opening auction. */
  openingMs: durationMs.default(3000),
  /** Recordings to play instead of the generated market. */
  tape: z.array(z.string()).default([]),
  /** A profile of an open to play instead, and so many times its records in the same time. */
  profile: z.string().optional(),
  /** Whose symbols they are, busiest first; default: as many as the profile says. */
  codes: z.array(z.string().regex(/^[0-9A-Z./]{1,12}$/)).optional(),
  times: z.coerce.number().positive().max(1000).default(1),
  /** Trades that a broker says otherwise, or not: broker:symbol:cumulative volume:change (change.ts). */
  tamper: z.array(tampering).refine(areApart, { error: "a trade is named twice" }).default([]),
  /** Of a tape: 1 is its own pace; "max" is as fast as the sockets drain. */
  speed: z.union([z.literal("max"), z.coerce.number().positive()]).default(1),
  /** The market opens when each of these has every symbol registered for trades. */
  expect: z.array(z.enum(["kis", "kiwoom"])).optional(),
  /** Trades of a symbol that REST remembers. */
  historyMax: amount.default(20_000),
  // Doors, all on 127.0.0.1; 0 picks one
  kisPort: port,
  kiwoomPort: port,
  controlPort: port,
  /** Open sockets per broker; further ones are cut off. */
  socketsMax: amount.default(16),
  /** What a slow client may let pile up before it is cut off. */
  bufferedBytesMax: amount.default(32 * 2 ** 20),
  // KIS
  kisCap: z.coerce.number().int().nonnegative().default(41),
  /** Consecutive trades of a symbol in one frame. */
  recordsMax: amount.max(999).default(4),
  /** How long an unclean drop keeps the account's socket slot. */
  slotHoldMs: durationMs.default(2000),
  pingpongMs: durationMs.default(10_000),
  /** An unanswered PINGPONG closes the socket after so long. */
  pongTimeoutMs: durationMs.default(100_000),
  /** Least time between two tokenP of an app key; the real broker's is 60,000. */
  tokenIntervalMs: durationMs.default(0),
  kisRequestsPerSecond: amount.default(18),
  // Kiwoom
  kiwoomCap: z.coerce.number().int().nonnegative().default(200),
  /** Rows in one frame. */
  rowsMax: amount.default(3),
  pingMs: durationMs.default(10_000),
  /** An unanswered PING closes the socket after so long. */
  echoTimeoutMs: durationMs.default(40_000),
  /** No LOGIN after so long closes the socket. */
  loginTimeoutMs: durationMs.default(10_000),
  /** REG and REMOVE messages a second. */
  regsPerSecond: amount.default(5),
  /** Per API id. */
  kiwoomRequestsPerSecond: amount.default(5),
  /** Rows of a trade list page. */
  pageRows: amount.default(100),
});

export type SimOptions = z.output<typeof optionsSchema>;
export type SimInput = z.input<typeof optionsSchema>;

/** Fills in defaults. Throws CONFIG_INVALID naming the option. */
export function readOptions(input: unknown): SimOptions {
  const result = optionsSchema.safeParse(input);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new TickhubError("CONFIG_INVALID", {
    name: issue!.path.join("."),
    reason: issue!.message,
  });
}

/** `--rate 300 --expect kis,kiwoom --tape a.csv.gz --tape b.csv.gz --us`. Throws CONFIG_INVALID. */
export function readArguments(args: readonly string[]): SimOptions {
  const names = Object.keys(optionsSchema.shape);
  const options = Object.fromEntries(
    names.map((name) => {
      return [
        kebab(name),
        { type: name === "us" ? "boolean" : "string", multiple: isList(name) } as const,
      ];
    }),
  );
  let values: Record<string, unknown>;
  try {
    ({ values } = parseArgs({ args: [...args], options }));
  } catch (cause) {
    throw new TickhubError("USAGE", { reason: (cause as Error).message }, { cause });
  }
  const input = Object.fromEntries(names.map((name) => [name, values[kebab(name)]]));
  const commas = ["expect", "codes"].map((name) => {
    const text = input[name];
    return [name, typeof text === "string" ? list(text) : undefined];
  });
  return readOptions({ ...input, ...Object.fromEntries(commas) });
}

function isList(name: string): boolean {
  return name === "tape" || name === "tamper";
}

function list(text: string): string[] {
  return text.split(",").filter((word) => word !== "");
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function areApart(texts: readonly string[]): boolean {
  return new Set(texts.map((text) => text.split(":", 3).join(":"))).size === texts.length;
}
