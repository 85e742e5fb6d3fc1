// Both brokers behind a CONNECT proxy that is itself behind a SOCKS5 one: REST and WebSocket, with TLS on top
// where the broker has it. Names are known to the proxies alone.
import { afterEach, describe, expect, it, onTestFinished } from "vitest";
import { openBroker } from "../../../app/edge/broker.ts";
import type { Registration } from "../../../app/edge/feed/feed.ts";
import { systemClock } from "../../../app/shared/clock.ts";
import type { Event } from "../../../app/shared/events.ts";
import { routeThrough } from "../../../app/shared/dial/route.ts";
import { startSim } from "../../../app/sim/sim.ts";
import type { Sim } from "../../../app/sim/sim.ts";
import { startConnectProxy, startSocks5 } from "../../support/proxies.ts";
import { until } from "../../support/scripted-broker.ts";
import { startTlsDoor, trustTlsDoors } from "../../support/tls-door.ts";
import { APP_KEY, SECRET } from "./kis-rig.ts";

const portOf = (url: string) => Number(new URL(url).port);
const here = (port: number) => ({ host: "127.0.0.1", port });

let sim: Sim;
afterEach(() => sim.close());

/** The simulated broker behind both proxies; over TLS where `tls`. */
async function behindProxies(broker: "kis" | "kiwoom", tls: boolean) {
  sim = await startSim({ symbols: 2, openingMs: 0, rate: 500 });
  const { kisRest, kisWs, kiwoomRest, kiwoomWs } = sim.urls;
  const [rest, ws] = broker === "kis" ? [kisRest, kisWs] : [kiwoomRest, kiwoomWs];
  const doors = tls ? await Promise.all([rest, ws].map((url) => startTlsDoor(portOf(url)))) : [];
  for (const door of doors) onTestFinished(() => void door.close());
  const inner = await startConnectProxy({
    "broker.test:443": here(doors[0]?.port ?? portOf(rest)),
    "broker.test:10000": here(doors[1]?.port ?? portOf(ws)),
  });
  onTestFinished(() => inner.close());
  const outer = await startSocks5({ "hub.test": here(portOf(inner.url)) });
  onTestFinished(() => outer.close());
  const events: Event[] = [];
  const got = { records: 0 };
  const secure = tls ? "s" : "";
  const { createFeed } = openBroker({
    ...{ broker, source: `${broker}:1`, appKey: APP_KEY, secret: SECRET },
    restUrl: `http${secure}://broker.test:443`,
    wsUrl: `ws${secure}://broker.test:10000${new URL(ws).pathname}`,
    route: routeThrough([outer.url, "http://hub.test:8640"], systemClock),
    ...{ clock: systemClock, market: (ms: number) => ms },
    emit: (event) => events.push(event),
  });
  const sink = {
    ticks: (ticks: readonly unknown[]) => (got.records += ticks.length),
    reject: () => undefined,
  };
  const feed = createFeed(sink, () => undefined);
  onTestFinished(async () => {
    feed.destroy();
    await feed.stop();
  });
  const plan: Registration[] = sim.symbols.map((symbol) => ({
    ...{ venue: "KRX", symbol, channel: "trade" },
  }));
  return { inner, outer, events, got, feed, plan };
}

describe.each([
  { broker: "kis", tls: false },
  { broker: "kiwoom", tls: true },
] as const)("$broker behind proxies", ({ broker, tls }) => {
  it("key and records come, and both proxies were asked by name", async () => {
    if (tls) onTestFinished(trustTlsDoors());
    const { inner, outer, got, feed, plan } = await behindProxies(broker, tls);
    feed.start(plan);
    await until(() => feed.state().name === "live" && got.records > 50);
    expect(new Set(outer.asked)).toEqual(new Set(["domain:hub.test:8640"]));
    expect(inner.asked).toEqual(["broker.test:443", "broker.test:10000"]);
    await feed.stop();
    expect(sim.counts().doubleSockets).toBe(0);
  });

  it("a refusal is the feed's code, and it waits before it tries again", async () => {
    if (tls) onTestFinished(trustTlsDoors());
    const { inner, events, feed, plan } = await behindProxies(broker, tls);
    inner.manner = { name: "refuses", with: 403 };
    feed.start(plan);
    await until(() => feed.state().name === "waiting");
    expect(feed.state()).toMatchObject({ code: "PROXY_REFUSED" });
    expect(events).toMatchObject([{ event: "feed_retrying", code: "PROXY_REFUSED", attempt: 1 }]);
  });

  it("a proxy that dies under the socket ends the session, which waits as for a broker's drop", async () => {
    if (tls) onTestFinished(trustTlsDoors());
    const { inner, events, got, feed, plan } = await behindProxies(broker, tls);
    feed.start(plan);
    await until(() => got.records > 50);
    inner.cut();
    await until(() => feed.state().name === "waiting");
    expect(events.find(({ event }) => event === "feed_closed")).toMatchObject({
      code: "FEED_CLOSED",
    });
    expect(sim.counts().doubleSockets).toBe(0);
  });
});

it("a certificate that nobody vouches for is refused, as without a proxy", async () => {
  const { feed, plan, events } = await behindProxies("kiwoom", true);
  feed.start(plan);
  await until(() => feed.state().name === "waiting");
  expect(feed.state()).toMatchObject({ code: "FEED_UNREACHABLE" });
  expect(JSON.stringify(events)).not.toContain(SECRET);
});
