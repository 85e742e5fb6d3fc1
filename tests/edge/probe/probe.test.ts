// A probe against both simulated brokers, with what may go wrong at a first try: a wrong key, an address that
// is not registered, a socket that is taken, a heartbeat that stays away, a symbol that says nothing.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { runProbe } from "../../../app/edge/probe/probe.ts";
import type { Observed, ProbeOptions } from "../../../app/edge/probe/probe.ts";
import { judgeProbe, VERDICT_LIMITS } from "../../../app/edge/probe/verdict.ts";
import type { Check, VerdictLimits } from "../../../app/edge/probe/verdict.ts";
import { systemClock } from "../../../app/shared/clock.ts";
import type { SimInput } from "../../../app/sim/options.ts";
import { startSim } from "../../../app/sim/sim.ts";
import type { Sim } from "../../../app/sim/sim.ts";
import { until } from "../../support/scripted-broker.ts";
import { APP_KEY, SECRET } from "../feed/kis-rig.ts";

/** A Monday at ten, whatever the day of the test is: trades are due. And a Saturday. */
const OPEN_MS = Date.parse("2026-11-23T10:00:00+09:00");
const CLOSED_MS = Date.parse("2026-11-21T10:00:00+09:00");
const BROKERS = ["kis", "kiwoom"] as const;
/** Everything is due at once. */
const HASTY: VerdictLimits = { ...VERDICT_LIMITS, beatMs: { kis: 0, kiwoom: 0 }, recordMs: 0 };

let sim: Sim;
async function start(input: SimInput = {}): Promise<void> {
  sim = await startSim({
    ...{ symbols: 2, openingMs: 0, rate: 500, pingMs: 20, pingpongMs: 20, slotHoldMs: 50 },
    ...input,
  });
}
afterEach(() => sim.close());

type Broker = (typeof BROKERS)[number];
/** A market that never opens: it waits for a broker whose client does not come. */
const quietFor = (broker: Broker): SimInput => ({
  expect: [broker === "kis" ? "kiwoom" : "kis"],
});

interface Run extends Partial<ProbeOptions> {
  /** Ends it once it is registered and this holds. */
  enough?: () => boolean;
  marketMs?: number;
}

async function run(broker: Broker, { enough, marketMs = OPEN_MS, ...options }: Run = {}) {
  const { kisRest, kisWs, kiwoomRest, kiwoomWs } = sim.urls;
  const registered = Promise.withResolvers<undefined>();
  const stopped = registered.promise.then(() => until(enough ?? (() => true)));
  const seen = await runProbe({
    ...{ broker, account: `${broker}:1`, appKey: APP_KEY, secret: SECRET, route: undefined },
    ...(broker === "kis"
      ? { restUrl: kisRest, wsUrl: kisWs }
      : { restUrl: kiwoomRest, wsUrl: kiwoomWs }),
    ...{ symbol: { venue: "KRX", symbol: sim.symbols[0]! }, watchMs: 20_000, clock: systemClock },
    market: () => marketMs,
    stopped,
    onStep(step) {
      if (step === "registered") registered.resolve(undefined);
    },
    ...options,
  });
  expect(sim.counts().doubleSockets).toBe(0);
  await until(() => sim.counts().openSockets[broker] === 0);
  expect(JSON.stringify(seen)).not.toMatch(new RegExp(`${APP_KEY}|${SECRET.replace(/\W/g, ".")}`));
  return seen;
}

const judged = (seen: Observed, limits = HASTY) => {
  const checks = judgeProbe(seen, { name: "held", hub: "ws://hub", epoch: 7 }, limits);
  return Object.fromEntries(checks.map((one) => [one.check, one])) as Record<string, Check>;
};
const failedOf = (checks: Record<string, Check>) =>
  Object.values(checks).flatMap(({ check, state, code }) =>
    state === "failed" ? [`${check}: ${code ?? ""}`] : [],
  );

describe.each(BROKERS)("a probe of %s", (broker) => {
  const secretName = broker === "kis" ? "approval key" : "token";

  it("finds everything in order, and leaves with a goodbye", async () => {
    await start();
    const sent = () => sim.counts()[broker][APP_KEY]?.records ?? 0;
    const seen = await run(broker, { enough: () => sent() > 40 });
    const checks = judged(seen);
    expect(failedOf(checks)).toEqual([]);
    expect(checks["records"]).toMatchObject({ state: "ok" });
    expect(checks["heartbeat"]).toMatchObject({ state: "ok" });
    expect(checks["goodbye"]).toMatchObject({ state: "ok" });
    expect(checks["lease"]!.says).toContain("epoch 7");
    // Up to the goodbye: what was on its way by then came, too.
    const { trade, book, status } = seen.records;
    expect(trade + book + status).toBe(sent());
    expect(Math.abs(seen.offset!.ms)).toBeLessThan(1_500);
  });

  it("names a host that is not there, and asks for no key", async () => {
    await start();
    const nowhere = `http://127.0.0.1:9`;
    const checks = judged(await run(broker, { restUrl: nowhere }));
    expect(failedOf(checks)).toEqual(["REST host: FEED_UNREACHABLE"]);
    expect(checks["REST host"]).toMatchObject({
      says: expect.stringContaining("ECONNREFUSED") as string,
      next: expect.stringContaining("nc -vz") as string,
    });
    expect(checks[secretName]).toMatchObject({ state: "skipped" });
  });

  it("names a name that nobody knows", async () => {
    await start();
    const checks = judged(await run(broker, { wsUrl: "ws://broker.invalid:10000/x" }));
    expect(failedOf(checks)).toEqual(["WebSocket host: FEED_UNREACHABLE"]);
    expect(checks["WebSocket host"]!.says).toMatch(/name: E\w+/);
  });

  it("says that the market is closed instead of failing for want of trades", async () => {
    await start(quietFor(broker));
    const checks = judged(await run(broker, { marketMs: CLOSED_MS }));
    expect(failedOf(checks)).toEqual([]);
    expect(checks["records"]).toMatchObject({
      state: "skipped",
      says: "market closed (weekend): no trades expected",
    });
  });

  it("fails a symbol that says nothing while trades are due", async () => {
    await start(quietFor(broker));
    const checks = judged(await run(broker));
    expect(failedOf(checks)).toEqual(["records: FEED_SILENT"]);
    expect(judged(await run(broker), VERDICT_LIMITS)["records"]).toMatchObject({ state: "unsure" });
  });

  it("fails a heartbeat that stays away, and is unsure when the time was too short to tell", async () => {
    await start({ pingMs: 1e6, pingpongMs: 1e6 });
    const sent = () => sim.counts()[broker][APP_KEY]?.records ?? 0;
    const seen = await run(broker, { enough: () => sent() > 10 });
    expect(failedOf(judged(seen))).toEqual(["heartbeat: FEED_SILENT"]);
    expect(judged(seen, VERDICT_LIMITS)["heartbeat"]).toMatchObject({
      state: "unsure",
      next: expect.stringMatching(/--seconds \d+/) as string,
    });
  });

  it("says when the broker drops it, and does not come back", async () => {
    await start();
    const seen = await run(broker, {
      stopped: new Promise(() => undefined),
      onStep: (step) => {
        if (step === "registered") sim.fault({ kind: "drop", broker });
      },
    });
    expect(failedOf(judged(seen))).toContain("session: FEED_CLOSED");
    expect(judged(seen)["goodbye"]).toMatchObject({ state: "skipped" });
  });

  it("counts what cannot be read", async () => {
    await start();
    let isBroken = false;
    const seen = await run(broker, {
      enough: () => {
        if (!isBroken) isBroken = sim.fault({ kind: "garbage", broker, count: 3 }) > 0;
        return (sim.counts()[broker][APP_KEY]?.garbage ?? 0) >= 3;
      },
    });
    expect(seen.rejects).toHaveLength(3);
    expect(judged(seen)["decoding"]).toMatchObject({
      state: "failed",
      says: expect.stringMatching(/^3 records could not be read: FRAME_/) as string,
    });
  });
});

describe("a probe of kis", () => {
  beforeEach(() => start());

  it("tells a wrong key", async () => {
    sim.fault({ kind: "auth-refuse", broker: "kis" });
    const checks = judged(await run("kis"));
    expect(failedOf(checks)).toEqual(["approval key: FEED_AUTH"]);
    expect(checks["session"]).toMatchObject({ state: "skipped", says: "not reached" });
  });

  it("tells a socket that somebody else has, and does not fight for it", async () => {
    sim.fault({ kind: "slot-lock", broker: "kis" });
    const checks = judged(await run("kis"));
    expect(failedOf(checks)).toEqual(["session: FEED_SOCKET_TAKEN"]);
    expect(checks["session"]).toMatchObject({
      says: expect.stringContaining("OPSP8996") as string,
      next: expect.stringContaining("Another program") as string,
    });
  });

  it("tells a cap below what one symbol needs", async () => {
    sim.fault({ kind: "cap", broker: "kis", cap: 1 });
    const seen = await run("kis");
    expect(seen.cap).toBe(1);
    expect(judged(seen)["cap"]).toMatchObject({
      state: "unsure",
      says: "the broker allows 1 registrations only",
    });
  });
});

describe("a probe of kiwoom", () => {
  beforeEach(() => start());

  it("tells an address that is not on the allow-list, and where to register it", async () => {
    sim.fault({ kind: "auth-refuse", broker: "kiwoom" });
    const checks = judged(await run("kiwoom"));
    expect(failedOf(checks)).toEqual(["allow-list: FEED_ADDRESS_REFUSED"]);
    expect(checks["allow-list"]).toMatchObject({
      says: expect.stringContaining("8050") as string,
      next: expect.stringContaining("does not say which address") as string,
    });
    expect(checks["token"]).toMatchObject({ state: "skipped" });
  });

  it("names the address to register where the broker names it", async () => {
    const body = {
      return_code: 3,
      return_msg: "지정단말기 인증에 실패했습니다[8050:203.0.113.9]",
    };
    const server = createServer((_request, response) => response.end(JSON.stringify(body)));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const restUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const checks = judged(await run("kiwoom", { restUrl }));
    expect(checks["allow-list"]!.next).toMatch(/^Register 203\.0\.113\.9 with Kiwoom/);
  });

  it("tells a second login with the same key, and does not fight for it", async () => {
    const seen = await run("kiwoom", {
      stopped: new Promise(() => undefined),
      onStep: (step) => {
        if (step === "registered") sim.fault({ kind: "evict", broker: "kiwoom" });
      },
    });
    expect(failedOf(judged(seen))).toContain("session: FEED_SOCKET_TAKEN");
  });
});
