// What can be made to go wrong at a broker, and for how long.
import { z } from "zod";
import type { Clock } from "../shared/clock.ts";
import { CHANGE_FORM, readChange } from "./change.ts";

export const FAULT_KINDS = [
  // Done to the sockets that are open now
  "drop",
  "stall",
  "silent",
  "garbage",
  "evict",
  "close1000",
  // In force for `ms`, or for the next `count` occasions, or until "clear"
  "truncate",
  "wrong-count",
  "extra-field",
  "no-ack",
  "rate-limit",
  "auth-refuse",
  // Done to single trades on their way to the sockets
  "lose",
  "repeat",
  "swap",
  "alter",
  // Done to what REST remembers
  "forget",
  // Settings
  "cap",
  "slot-lock",
  "clear",
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

const fields = z.strictObject({
  kind: z.enum(FAULT_KINDS),
  broker: z.enum(["kis", "kiwoom"]),
  /** App key; without it every account. Only for faults on open sockets and slot-lock. */
  account: z.string().optional(),
  /** How long; without `ms` and `count` until "clear". */
  ms: z.number().nonnegative().optional(),
  /** How many frames or answers; garbage: how many frames (1); lose, repeat, swap, alter: how often (1). */
  count: z.int().positive().max(100_000).optional(),
  /** cap: the new limit. */
  cap: z.int().nonnegative().optional(),
  // lose, repeat, swap, alter: which trades
  /** A symbol's code; forget: whose trades so far; without it all of them. */
  symbol: z.string().optional(),
  /** Each so many-th of those that fit (1). */
  every: z.int().positive().optional(),
  /** Makes the distances random, `every` on average, and the same for the same seed. */
  seed: z.int().optional(),
  /** first and last of the symbol's day; second: of the same second as the one before it. */
  which: z.enum(["first", "last", "second"]).optional(),
  /** Places among the symbol's trades since the market opened, from 0. */
  at: z.array(z.int().nonnegative()).max(1_000).optional(),
  /** lose, alter: so many neighbours of one symbol together (1). */
  run: z.int().positive().max(10_000).optional(),
  /** lose: does REST show the trade ("has")? */
  rest: z.enum(["has", "lacks"]).optional(),
  /** alter: in the words of change.ts. */
  change: z
    .string()
    .refine((text) => readChange(text) !== undefined, { error: CHANGE_FORM })
    .optional(),
});

/** The body of `POST /fault`. */
export const faultSchema = fields.refine(
  ({ kind, change }) => (kind === "alter") === (change !== undefined),
  { path: ["change"], error: `alter has one: ${CHANGE_FORM}` },
);

export type Fault = z.infer<typeof faultSchema>;

/** Faults that stay in force for a while. */
export class Faults {
  readonly #clock: Clock;
  readonly #inForce = new Map<FaultKind, { untilMs: number; left: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  set({ kind, ms, count }: Fault): void {
    const untilMs = ms === undefined ? Infinity : this.#clock.monoMs() + ms;
    this.#inForce.set(kind, { untilMs, left: count ?? Infinity });
  }

  clear(): void {
    this.#inForce.clear();
  }

  /** Is it in force? Uses up one of its `count`. */
  take(kind: FaultKind): boolean {
    const fault = this.#inForce.get(kind);
    if (!fault) return false;
    fault.left -= 1;
    if (fault.left < 0 || this.#clock.monoMs() >= fault.untilMs) {
      this.#inForce.delete(kind);
      return false;
    }
    return true;
  }
}
