// KIS's feed against the simulated broker: what was sent arrives, and whatever befalls the socket, the feed
// comes back alone. Real time, with waits of milliseconds.
import { afterEach, describe, expect, it } from "vitest";
import { createKisFeed } from "../../../app/edge/feed/kis/session.ts";
import { systemClock } from "../../../app/shared/clock.ts";
import type { Event } from "../../../app/shared/events.ts";
import type { Fault } from "../../../app/sim/faults.ts";
import type { SimInput } from "../../../app/sim/options.ts";
import { startSim } from "../../../app/sim/sim.ts";
import type { Sim } from "../../../app/sim/sim.ts";
import { until } from "../../support/scripted-broker.ts";
import { APP_KEY, plan, SECRET } from "./kis-rig.ts";

describe("against the simulated broker", () => {
  const timings = {
    ...{ paceMs: 2, ackTimeoutMs: 150, retryMs: 20, silenceMs: 120, leaveMs: 500, closeMs: 100 },
    ...{ handshakeMs: 1_000, stableMs: 60_000 },
    waits: {
      clean: { floorMs: 5, baseMs: 5, ceilingMs: 20 },
      unclean: { floorMs: 60, baseMs: 5, ceilingMs: 80 },
      taken: { floorMs: 120, baseMs: 5, ceilingMs: 150 },
      refused: { floorMs: 60, baseMs: 5, ceilingMs: 80 },
    },
  };
  let sim: Sim;
  let ended = () => Promise.resolve();
  afterEach(async () => {
    await ended();
    await sim.close();
  });

  async function start(input: SimInput) {
    sim = await startSim({ symbols: 4, openingMs: 0, slotHoldMs: 50, pingpongMs: 20, ...input });
    const got = { records: 0, rejects: 0 };
    const events: Event[] = [];
    const feed = createKisFeed({
      ...{ source: "kis:1", appKey: APP_KEY, secret: SECRET, clock: systemClock, timings },
      ...{ restUrl: sim.urls.kisRest, wsUrl: sim.urls.kisWs, market: (wallMs) => wallMs },
      emit: (event) => events.push(event),
      sink: {
        ticks: (ticks) => (got.records += ticks.length),
        reject: () => (got.rejects += 1),
      },
    });
    ended = async () => {
      feed.destroy();
      await feed.stop();
    };
    feed.start(plan(...sim.symbols.flatMap((symbol) => [symbol, `${symbol}/book`])));
    await until(() => feed.state().name === "live");
    return { feed, got, events };
  }

  it("every record it sent arrives, garbage as rejects", async () => {
    const { feed, got } = await start({ rate: 3_000 });
    sim.fault({ kind: "garbage", broker: "kis", count: 40 });
    sim.fault({ kind: "truncate", broker: "kis", count: 10 });
    const sent = () => sim.counts().kis[APP_KEY]!;
    await until(() => sent().records > 2_000 && sent().garbage >= 50);
    sim.stop();
    await feed.stop();
    expect(got.records + got.rejects).toBe(sent().records);
    expect(got.rejects).toBe(sent().garbage);
    expect(sim.counts().openSockets.kis).toBe(0);
  });

  it("whatever befalls its socket, it comes back, and never with two", async () => {
    const { feed, got, events } = await start({ rate: 500 });
    const faults: Fault["kind"][] = ["drop", "stall", "close1000", "evict", "no-ack", "drop"];
    for (const kind of faults) {
      const opened = () => events.filter(({ event }) => event === "feed_opened").length;
      const before = opened();
      sim.fault({ kind, broker: "kis", ms: 300 });
      if (kind === "no-ack") sim.fault({ kind: "drop", broker: "kis" });
      await until(() => opened() > before && feed.state().name === "live");
      const records = got.records;
      await until(() => got.records > records);
    }
    expect(sim.counts().doubleSockets).toBe(0);
    expect(events.filter(({ event }) => event === "feed_alarmed")).toMatchObject([
      { code: "FEED_SOCKET_TAKEN" },
    ]);
  });
});
