// Who registers what: both brokers get every symbol, nothing above a cap, nothing moves without need.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planAssignments } from "../../../app/hub/lease/planner.ts";
import type {
  Assignment,
  PlanAccount,
  PlanRequest,
  PlanSymbol,
} from "../../../app/hub/lease/planner.ts";
import { TickhubError } from "../../../app/shared/errors.ts";

const CHANNELS = ["trade", "book"] as const;

function krx(count: number, from = 0): PlanSymbol[] {
  return Array.from({ length: count }, (_, i) => {
    return { venue: "KRX", symbol: String(from + i).padStart(6, "0") };
  });
}

function accounts(broker: "kis" | "kiwoom", ...caps: number[]): PlanAccount[] {
  return caps.map((cap, i) => ({ account: `${broker}:${i + 1}`, broker, cap }));
}

const KIS_5 = accounts("kis", 41, 41, 41, 41, 41);
const KIWOOM_1 = accounts("kiwoom", 200);

function plan(symbols: PlanSymbol[], seats: PlanAccount[], more: Partial<PlanRequest> = {}) {
  return planAssignments({ symbols, channels: CHANNELS, accounts: seats, ...more });
}

function refusal(symbols: PlanSymbol[], seats: PlanAccount[]): TickhubError {
  try {
    plan(symbols, seats);
  } catch (error) {
    if (error instanceof TickhubError) return error;
  }
  throw new Error("the plan was not refused");
}

const seatOf = ({ account, venue, symbol, channel }: Assignment) =>
  [`${venue}:${symbol}:${channel}`, account] as const;

/** Trade and book registrations that stand on another account than before, or nowhere. */
function moved(before: readonly Assignment[], after: readonly Assignment[]): number {
  const kept = new Set(after.map((one) => seatOf(one).join()));
  return before.filter((one) => one.channel !== "status" && !kept.has(seatOf(one).join())).length;
}

const only = (assignments: readonly Assignment[], account: string) =>
  assignments.filter((one) => one.account === account);

describe("capacity", () => {
  it("holds 100 symbols with trades and books on exactly 5 KIS keys and 1 Kiwoom key", () => {
    const { assignments, unplaced } = plan(krx(100), [...KIS_5, ...KIWOOM_1]);
    expect(unplaced).toEqual([]);
    for (const { account } of KIS_5) {
      const market = only(assignments, account).filter(({ channel }) => channel !== "status");
      expect(market).toHaveLength(40);
    }
    expect(only(assignments, "kiwoom:1")).toHaveLength(200);
  });

  it.each([
    { keys: 4, symbols: 100, keysMissing: 1 },
    { keys: 4, symbols: 101, keysMissing: 2 },
    { keys: 5, symbols: 101, keysMissing: 1 },
    { keys: 1, symbols: 100, keysMissing: 4 },
  ])("of $symbols symbols on $keys KIS keys misses $keysMissing", (example) => {
    const kis = KIS_5.slice(0, example.keys);
    const error = refusal(krx(example.symbols), [...kis, ...KIWOOM_1]);
    expect(error.code).toBe("CAP_TOO_SMALL");
    expect(error.context).toEqual({
      broker: "kis",
      registrations: 2 * example.symbols,
      capacity: 41 * example.keys,
      keysMissing: example.keysMissing,
    });
  });

  it("of Kiwoom counts items, whatever their types", () => {
    expect(plan(krx(200), KIWOOM_1).assignments).toHaveLength(400);
    const error = refusal(krx(201), KIWOOM_1);
    expect(error.context).toMatchObject({ broker: "kiwoom", registrations: 201, keysMissing: 1 });
  });

  it("takes a missing key to be as large as the largest at hand, or as documented if that holds nothing", () => {
    expect(refusal(krx(30), accounts("kis", 20)).context).toMatchObject({ keysMissing: 2 });
    expect(refusal(krx(30), accounts("kis", 1)).context).toMatchObject({ keysMissing: 2 });
  });

  it("leaves out what does not fit, and names it, where that is allowed", () => {
    const { assignments, unplaced } = plan(krx(22), accounts("kis", 41), { allowPartial: true });
    expect(unplaced).toEqual(krx(2, 20).map((one) => ({ ...one, broker: "kis" })));
    expect(assignments.filter(({ channel }) => channel !== "status")).toHaveLength(40);
  });

  it("of a broker without accounts is not asked for", () => {
    const { assignments } = plan(krx(3), KIWOOM_1);
    expect(new Set(assignments.map(({ account }) => account))).toEqual(new Set(["kiwoom:1"]));
  });
});

describe("a plan", () => {
  it("keeps trade and book of a symbol on one account, even where an odd slot is left on two", () => {
    const { assignments } = plan(krx(2), accounts("kis", 3, 3));
    const market = assignments.filter(({ channel }) => channel !== "status");
    expect(market.map(({ account }) => account)).toEqual(["kis:1", "kis:1", "kis:2", "kis:2"]);
    expect(refusal(krx(3), accounts("kis", 3, 3)).code).toBe("CAP_TOO_SMALL");
  });

  it("moves nothing when a symbol comes, and nothing but its own when one goes", () => {
    const seats = [...KIS_5, ...KIWOOM_1];
    const before = plan(krx(90), seats).assignments;
    const grown = plan([{ venue: "NXT", symbol: "999999" }, ...krx(90)], seats, {
      previous: before,
    });
    expect(moved(before, grown.assignments)).toBe(0);
    const shrunk = plan(krx(89, 1), seats, { previous: before });
    // Trade and book at KIS, trade and book at Kiwoom.
    expect(moved(before, shrunk.assignments)).toBe(4);
  });

  it("under a lowered cap moves only what no longer fits", () => {
    const before = plan(krx(80), KIS_5).assignments;
    const lowered = KIS_5.map((one) => (one.account === "kis:2" ? { ...one, cap: 35 } : one));
    const { assignments } = plan(krx(80), lowered, { previous: before });
    // 17 symbols fit into 35; 3 of the 20 go, two registrations each.
    expect(moved(before, assignments)).toBe(6);
    expect(only(assignments, "kis:5")).toContainEqual(
      expect.objectContaining({ channel: "trade" }),
    );
  });

  it("registers a symbol that was named twice once", () => {
    expect(plan([...krx(2), ...krx(1)], KIWOOM_1).assignments).toHaveLength(4);
  });

  it("moves nothing when an account is added", () => {
    const before = plan(krx(60), KIS_5.slice(0, 3)).assignments;
    expect(moved(before, plan(krx(60), KIS_5, { previous: before }).assignments)).toBe(0);
  });
});

describe("market status", () => {
  const status = (assignments: readonly Assignment[]) =>
    assignments.filter(({ channel }) => channel === "status");

  it("takes only the slots of KIS that trades and books leave", () => {
    const { assignments } = plan(krx(20), [...accounts("kis", 41), ...KIWOOM_1]);
    expect(status(assignments).map(({ account }) => account)).toEqual(["kis:1"]);
    expect(status(plan(krx(20), accounts("kis", 40)).assignments)).toEqual([]);
    expect(status(plan(krx(5), accounts("kis", 41)).assignments)).toHaveLength(5);
  });

  it("is for domestic symbols, and stays with those who had it", () => {
    const us = { venue: "NAS", symbol: "AAPL" };
    const before = plan([us, ...krx(1, 7)], accounts("kis", 5)).assignments;
    expect(status(before).map(({ symbol }) => symbol)).toEqual(["000007"]);
    let { assignments } = plan(krx(1, 7), accounts("kis", 5), { previous: before });
    for (let i = 0; i < 2; i++) {
      const again = { previous: assignments };
      ({ assignments } = plan([...krx(1, 3), ...krx(1, 7)], accounts("kis", 5), again));
      expect(status(assignments).map(({ symbol }) => symbol)).toEqual(["000007"]);
    }
  });

  it("yields to a trade that needs its slot", () => {
    const before = plan(krx(2), accounts("kis", 6)).assignments;
    expect(status(before)).toHaveLength(2);
    const after = plan(krx(3), accounts("kis", 6), { previous: before }).assignments;
    expect(status(after)).toEqual([]);
  });
});

const anySymbols = fc
  .uniqueArray(fc.tuple(fc.constantFrom("KRX", "NXT", "NAS"), fc.integer({ min: 0, max: 60 })), {
    selector: ([venue, symbol]) => `${venue}:${symbol}`,
    maxLength: 80,
  })
  .map((list) => list.map(([venue, symbol]): PlanSymbol => ({ venue, symbol: String(symbol) })));
const anyAccounts = fc
  .tuple(
    fc.array(fc.integer({ min: 0, max: 45 }), { maxLength: 6 }),
    fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 2 }),
  )
  .map(([kis, kiwoom]) => [...accounts("kis", ...kis), ...accounts("kiwoom", ...kiwoom)]);
const anyChannels = fc.constantFrom([...CHANNELS], ["trade" as const]);

describe("any plan, from any plan before", () => {
  it("is never above a cap, has every registration exactly once per broker, and moves the least", () => {
    fc.assert(
      fc.property(anySymbols, anySymbols, anyAccounts, anyAccounts, anyChannels, (...args) => {
        const [symbolsBefore, symbols, seatsBefore, seats, channels] = args;
        const request = { channels, allowPartial: true };
        const previous = plan(symbolsBefore, seatsBefore, request).assignments;
        const { assignments, unplaced } = plan(symbols, seats, { ...request, previous });
        for (const broker of ["kis", "kiwoom"] as const) {
          const own = seats.filter((seat) => seat.broker === broker);
          const mine = assignments.filter(({ account }) => account.startsWith(`${broker}:`));
          const left = unplaced.filter((one) => one.broker === broker);
          const market = mine.filter(({ channel }) => channel !== "status");
          // Each registration once: placed or named as left out.
          expect(new Set(mine.map((one) => seatOf(one)[0])).size).toBe(mine.length);
          if (own.length > 0) {
            expect(market.length / channels.length + left.length).toBe(symbols.length);
          }
          const cost = broker === "kis" ? channels.length : 1;
          for (const { account, cap } of own) {
            const held = only(mine, account);
            const used = broker === "kis" ? held.length : held.length / channels.length;
            expect(used).toBeLessThanOrEqual(cap);
            // Nothing is left out while it would fit, and nobody leaves without need.
            const free = Math.floor(cap / cost) - only(market, account).length / channels.length;
            if (left.length > 0) expect(free).toBe(0);
            const was = only(previous, account).filter(
              ({ channel, venue, symbol }) =>
                channel === "trade" &&
                symbols.some((one) => one.venue === venue && one.symbol === symbol),
            );
            const stayed = was.filter((one) =>
              held.some((now) => seatOf(now)[0] === seatOf(one)[0]),
            );
            expect(stayed.length).toBe(Math.min(was.length, Math.floor(cap / cost)));
          }
        }
      }),
    );
  });
});
