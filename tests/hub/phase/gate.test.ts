// The gates: what each phase asks for, and that nothing passes for a proof which is none.
import { describe, expect, it } from "vitest";
import { FRESH_DAYS, gateOf } from "../../../app/hub/phase/gate.ts";
import type { GateFacts, Proof } from "../../../app/hub/phase/gate.ts";
import type { Transition } from "../../../app/hub/phase/phases.ts";

const DAY_MS = 86_400_000;
const TO_LOCAL: Transition = { verb: "advance", from: "home", to: "local" };
const TO_DUAL: Transition = { verb: "advance", from: "local", to: "dual" };
const TO_CLOUD: Transition = { verb: "advance", from: "dual", to: "cloud" };

const proof = (kind: Proof["kind"], subject: string, more: Partial<Proof> = {}): Proof => ({
  ...{ kind, subject, ok: true, summary: "good", ageMs: DAY_MS, detail: {} },
  ...more,
});
const PROOFS: Proof[] = [
  proof("latency", "home"),
  proof("latency", "kis"),
  proof("latency", "kiwoom"),
  proof("transfer", "trade"),
  proof("stress", "hub"),
  proof("backup", "hub"),
  proof("alert", "sentinel"),
  proof("probe", "kis:1", { detail: { edge: "kis" } }),
  proof("probe", "kiwoom:1", { detail: { edge: "kiwoom" } }),
];
const facts = (more: Partial<GateFacts> = {}): GateFacts => ({
  accounts: ["kis:1", "kiwoom:1"],
  sites: [
    { target: "kis", side: "home", edges: ["home-kis"] },
    { target: "kis", side: "cloud", edges: ["kis"] },
    { target: "kiwoom", side: "home", edges: ["home-kiwoom"] },
    { target: "kiwoom", side: "cloud", edges: ["kiwoom"] },
  ],
  proofs: PROOFS,
  sourceTables: ["trade"],
  parity: { open: true, reasons: [], days: [] },
  window: { open: true, session: null, nextQuietAt: null },
  ...more,
});
const shut = (transition: Transition, more: Partial<GateFacts> = {}) =>
  gateOf(transition, facts(more))
    .filter(({ open }) => !open)
    .map(({ name }) => name);
const names = (transition: Transition) => gateOf(transition, facts()).map(({ name }) => name);

describe("the gate", () => {
  it("asks for what its phase rests on", () => {
    expect(names(TO_LOCAL)).toEqual(["latency home", "transfer trade", "no trading session"]);
    expect(names(TO_DUAL)).toEqual([
      ...["latency kis", "latency kiwoom", "stress hub", "backup hub", "probe kis:1"],
      "no trading session",
    ]);
    expect(names(TO_CLOUD)).toEqual([
      ...["parity", "alert sentinel", "probe kiwoom:1", "no trading session"],
    ]);
    for (const transition of [TO_LOCAL, TO_DUAL, TO_CLOUD]) expect(shut(transition)).toEqual([]);
  });

  it("names everything that is missing at once, each with what to do", () => {
    expect(shut(TO_DUAL, { proofs: [] })).toEqual(names(TO_DUAL).slice(0, -1));
    for (const { next } of gateOf(TO_DUAL, facts({ proofs: [] })).slice(0, -1)) {
      expect(next).toContain("tickhub ");
    }
  });

  it("is shut by a proof that failed, and by each that is too old, to the day", () => {
    for (const one of PROOFS) {
      const others = PROOFS.filter((other) => other !== one);
      const limitMs = FRESH_DAYS[one.kind as keyof typeof FRESH_DAYS] * DAY_MS;
      const judged = (changed: Proof) =>
        [TO_LOCAL, TO_DUAL, TO_CLOUD].flatMap((to) => shut(to, { proofs: [...others, changed] }));
      expect(judged({ ...one, ok: false })).toEqual([`${one.kind} ${one.subject}`]);
      expect(judged({ ...one, ageMs: limitMs })).toEqual([]);
      expect(judged({ ...one, ageMs: limitMs + 1 })).toEqual([`${one.kind} ${one.subject}`]);
    }
  });

  it("takes a probe only from the place that the account moves to", () => {
    const from = (edge?: string) =>
      PROOFS.map((one) =>
        one.subject === "kis:1" ? { ...one, detail: edge ? { edge } : {} } : one,
      );
    expect(shut(TO_DUAL, { proofs: from("home-kis") })).toEqual(["probe kis:1"]);
    expect(shut(TO_DUAL, { proofs: from() })).toEqual(["probe kis:1"]);
  });

  it("to local needs every table that has rows, and the home database to know them", () => {
    expect(shut(TO_LOCAL, { sourceTables: ["trade", "book"] })).toEqual(["transfer book"]);
    expect(shut(TO_LOCAL, { sourceTables: null })).toEqual(["transfer"]);
  });

  it("to the cloud stays shut while parity says no, with parity's reasons", () => {
    const parity = { open: false, reasons: ["2026-11-26: 99.89 % matched"], days: [] };
    expect(shut(TO_CLOUD, { parity })).toEqual(["parity"]);
    expect(gateOf(TO_CLOUD, facts({ parity }))[0]!.says).toBe("2026-11-26: 99.89 % matched");
  });

  it("of a rollback is the trading session alone", () => {
    const back: Transition = { verb: "rollback", from: "dual", to: "local" };
    expect(names(back)).toEqual(["no trading session"]);
    const session = { venue: "KRX", kind: "regular", from: "09:00", to: "15:20" };
    const window = { open: false, session, nextQuietAt: "15:30" };
    for (const one of [back, TO_LOCAL, TO_DUAL, TO_CLOUD]) {
      expect(shut(one, { window })).toEqual(["no trading session"]);
    }
  });
});
