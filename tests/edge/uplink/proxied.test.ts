// The hub behind a proxy, as an edge in a container sees it: a name that only the proxy knows. Whatever the
// proxy does, in the end every row that was pushed is in the table once.
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { systemClock as clock } from "../../../app/shared/clock.ts";
import { routeThrough } from "../../../app/shared/dial/route.ts";
import { createDatabase } from "../../support/database.ts";
import type { TestDatabase } from "../../support/database.ts";
import { startTestHub, testTransport, until } from "../../support/hub.ts";
import type { TestHub } from "../../support/hub.ts";
import { startConnectProxy, startSocks5 } from "../../support/proxies.ts";
import type { TestProxy } from "../../support/proxies.ts";
import { expectOnce, startPusher } from "../../support/pusher.ts";

let database: TestDatabase;
let hub: TestHub;
/** What an edge is given: the hub's name, which this machine cannot resolve. */
let urls: Record<"gateway" | "postgres", string>;

beforeAll(async () => {
  database = await createDatabase({ migrated: false });
  hub = await startTestHub(database.url);
  const through = new URL(database.url);
  through.host = "hub.test:5432";
  urls = { gateway: "ws://hub.test:8610/edge", postgres: through.href };
});
afterAll(async () => {
  await hub.stop();
  await database.drop();
});

async function behind(start: typeof startSocks5): Promise<TestProxy> {
  const { hostname, port } = new URL(database.url);
  const proxy = await start({
    "hub.test:8610": { host: "127.0.0.1", port: hub.port },
    "hub.test:5432": { host: hostname, port: Number(port) },
  });
  onTestFinished(() => proxy.close());
  return proxy;
}

const CASES = [
  {
    uplink: "gateway",
    kind: "SOCKS5",
    start: startSocks5,
    refusal: 2,
    target: "domain:hub.test:8610",
  },
  {
    uplink: "gateway",
    kind: "CONNECT",
    start: startConnectProxy,
    refusal: 403,
    target: "hub.test:8610",
  },
  {
    uplink: "postgres",
    kind: "SOCKS5",
    start: startSocks5,
    refusal: 2,
    target: "domain:hub.test:5432",
  },
  {
    uplink: "postgres",
    kind: "CONNECT",
    start: startConnectProxy,
    refusal: 403,
    target: "hub.test:5432",
  },
] as const;

describe.each(CASES)("the $uplink uplink through $kind", ({ uplink, start, target, refusal }) => {
  test("a proxy that dies in mid-stream again and again loses nothing and stores nothing twice", async () => {
    const proxy = await behind(start);
    const pusher = await startPusher(urls[uplink], routeThrough([proxy.url], clock));
    for (let i = 0; i < 3; i++) {
      await pusher.someRows();
      await proxy.close();
      await until(
        () => pusher.events.filter(({ event }) => event === "uplink_closed").length > i,
        "the link to be missed",
      );
      await proxy.reopen();
    }
    await pusher.someRows();
    const pushed = await pusher.finish();
    expect(new Set(proxy.asked)).toEqual(new Set([target]));
    expect(pusher.outbox.ledger()).toMatchObject({ received: pushed, held: 0, lost: 0 });
    await expectOnce(database.url, pusher.symbol, pushed);
  });

  test("a proxy that refuses is tried again like a hub that is away", async () => {
    const proxy = await behind(start);
    const pusher = await startPusher(urls[uplink], routeThrough([proxy.url], clock));
    await pusher.someRows();
    proxy.manner = { name: "refuses", with: refusal };
    proxy.cut();
    const code = "PROXY_REFUSED";
    await until(
      () => pusher.events.some((one) => one.event === "breaker_moved" && one.code === code),
      "the breaker to know why",
    );
    await expect(pusher.ask("hold")).rejects.toMatchObject({
      code: "UPLINK_UNREACHABLE",
      context: { last: code },
    });
    proxy.manner = { name: "connects" };
    await pusher.someRows();
    await expectOnce(database.url, pusher.symbol, await pusher.finish());
  });

  test("the way there fails with the proxy's code", async () => {
    const proxy = await behind(start);
    const open = () =>
      testTransport(urls[uplink], { route: routeThrough([proxy.url], clock) }).open();
    proxy.manner = { name: "garbage" };
    await expect(open()).rejects.toMatchObject({ code: "PROXY_UNREACHABLE", retry: true });
    await proxy.close();
    await expect(open()).rejects.toMatchObject({
      code: "PROXY_UNREACHABLE",
      context: { reason: "ECONNREFUSED" },
    });
    await proxy.reopen();
  });

  test("a proxy that says nothing is given up within the transport's own limit", async () => {
    const proxy = await behind(start);
    proxy.manner = { name: "silent" };
    const transport = testTransport(urls[uplink], {
      route: routeThrough([proxy.url], clock),
      answerMs: 150,
      heartbeat: { tickMs: 50, missesMax: 2 },
    });
    await expect(transport.open()).rejects.toMatchObject({
      code: "UPLINK_UNREACHABLE",
      retry: true,
    });
    proxy.manner = { name: "connects" };
  });
});

// What is under it is the same for both kinds of proxy, and it takes the heartbeat's seconds.
describe.each(["gateway", "postgres"] as const)("the %s uplink", (uplink) => {
  test("leaves a path that is half-open by its heartbeat, and everything arrives once", async () => {
    const proxy = await behind(startSocks5);
    const pusher = await startPusher(urls[uplink], routeThrough([proxy.url], clock));
    await pusher.someRows();
    proxy.stall();
    await until(() => pusher.events.some((one) => one.event === "uplink_closed"), "the heartbeat");
    proxy.flow();
    await pusher.someRows();
    await expectOnce(database.url, pusher.symbol, await pusher.finish());
  });
});
