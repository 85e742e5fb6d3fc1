// Which account registers what. Pure: symbols, accounts and the plan before go in, assignments come out.
// Both brokers get every symbol, so that two sources tell of each. Nothing moves without need: a symbol
// keeps its account while there is room, and a lowered cap moves only what no longer fits.
import { TickhubError } from "../../shared/errors.ts";
import type { Venue } from "../../shared/tick.ts";

export type Broker = "kis" | "kiwoom";
export type Channel = "trade" | "book" | "status";

/** Registrations a session allows: KIS counts (TR, key) pairs, Kiwoom items whatever their types. */
export const CAPS: Readonly<Record<Broker, number>> = { kis: 41, kiwoom: 200 };

export interface PlanAccount {
  /** Such as `kis:1`. */
  account: string;
  broker: Broker;
  /** Registrations the broker allows it. */
  cap: number;
}

export interface PlanSymbol {
  venue: Venue;
  symbol: string;
}

export interface Assignment extends PlanSymbol {
  account: string;
  channel: Channel;
}

export interface PlanRequest {
  symbols: readonly PlanSymbol[];
  channels: readonly ("trade" | "book")[];
  accounts: readonly PlanAccount[];
  /** The plan in force; what can stay, stays. */
  previous?: readonly Assignment[];
  /** Leave out what does not fit instead of refusing, for a cap that fell while the market runs. */
  allowPartial?: boolean;
}

export interface Plan {
  assignments: Assignment[];
  /** What found no room; empty unless `allowPartial`. */
  unplaced: (PlanSymbol & { broker: Broker })[];
}

/** One account while it is being filled. */
interface Seat {
  account: string;
  cap: number;
  used: number;
  symbols: PlanSymbol[];
}

/**
 * Plans all registrations. Throws CAP_TOO_SMALL with {broker, registrations, capacity, keysMissing}. A
 * broker without accounts gets nothing. Status (H0STMKO0) takes only what is left of KIS's caps.
 */
export function planAssignments(request: PlanRequest): Plan {
  const plan: Plan = { assignments: [], unplaced: [] };
  // A symbol named twice is registered once.
  const symbols = [...new Map(request.symbols.map((one) => [idOf(one), one])).values()];
  for (const broker of ["kis", "kiwoom"] as const) {
    const seats = request.accounts
      .filter((account) => account.broker === broker)
      .map(({ account, cap }): Seat => ({ account, cap, used: 0, symbols: [] }));
    if (seats.length === 0) continue;
    const cost = broker === "kis" ? request.channels.length : 1;
    const unplaced = place(symbols, request.previous ?? [], seats, cost);
    if (unplaced.length > 0 && !request.allowPartial) {
      throw tooSmall(broker, seats, cost, symbols.length, unplaced.length);
    }
    plan.unplaced.push(...unplaced.map((one) => ({ ...one, broker })));
    for (const seat of seats) {
      plan.assignments.push(...assignmentsOf(seat, request.channels));
      if (broker === "kis") plan.assignments.push(...spareStatus(seat, request.previous ?? []));
    }
  }
  return plan;
}

/** Fills `seats`, first with what sat there before; returns what found no room. */
function place(
  symbols: readonly PlanSymbol[],
  previous: readonly Assignment[],
  seats: readonly Seat[],
  cost: number,
): PlanSymbol[] {
  const seatBefore = new Map<string, Seat>();
  for (const { account, channel, ...instrument } of previous) {
    const seat = seats.find((candidate) => candidate.account === account);
    if (seat && channel !== "status") seatBefore.set(idOf(instrument), seat);
  }
  const sit = (one: PlanSymbol, seat: Seat | undefined) => {
    if (!seat || seat.used + cost > seat.cap) return false;
    seat.used += cost;
    seat.symbols.push(one);
    return true;
  };
  const moving = symbols.filter((one) => !sit(one, seatBefore.get(idOf(one))));
  return moving.filter((one) => !seats.some((seat) => sit(one, seat)));
}

function assignmentsOf(seat: Seat, channels: readonly ("trade" | "book")[]): Assignment[] {
  return seat.symbols.flatMap(({ venue, symbol }) =>
    channels.map((channel) => ({ account: seat.account, venue, symbol, channel })),
  );
}

const STATUS_VENUES = new Set(["KRX", "NXT", "UN"]);

/** Market status on the slots that trades and books left free; those who had it come first. */
function spareStatus(seat: Seat, previous: readonly Assignment[]): Assignment[] {
  const had = new Set(
    previous
      .filter(({ account, channel }) => account === seat.account && channel === "status")
      .map(idOf),
  );
  return seat.symbols
    .filter(({ venue }) => STATUS_VENUES.has(venue))
    .sort((a, b) => Number(had.has(idOf(b))) - Number(had.has(idOf(a))))
    .slice(0, seat.cap - seat.used)
    .map(({ venue, symbol }) => ({ account: seat.account, venue, symbol, channel: "status" }));
}

function tooSmall(
  broker: Broker,
  seats: readonly Seat[],
  cost: number,
  symbols: number,
  unplaced: number,
): TickhubError {
  // A further key is taken to be as large as the largest at hand, unless that holds nothing at all.
  const capLargest = Math.max(...seats.map(({ cap }) => cap));
  const perKey = Math.floor((capLargest >= cost ? capLargest : CAPS[broker]) / cost);
  return new TickhubError("CAP_TOO_SMALL", {
    broker,
    registrations: symbols * cost,
    capacity: seats.reduce((sum, { cap }) => sum + cap, 0),
    keysMissing: Math.ceil(unplaced / perKey),
  });
}

function idOf({ venue, symbol }: PlanSymbol): string {
  return `${venue}:${symbol}`;
}
