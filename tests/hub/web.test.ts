// The hub's port as people and probes use it: real HTTP against a real hub.
import { randomUUID } from "node:crypto";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../app/shared/clock.ts";
import type { Picture } from "../../app/hub/query/picture.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { eventsOf } from "../support/event-source.ts";
import { claim, startTestHub, StreamOfTrades, testTransport, until } from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";

let database: TestDatabase;
let hub: TestHub;
const get = (path: string) => fetch(hub.url + path);

beforeAll(async () => {
  database = await createDatabase({ migrated: false });
  hub = await startTestHub(database.url);
  const transport = testTransport(hub.gatewayUrl);
  await transport.open();
  const stream = new StreamOfTrades(randomUUID());
  const epoch = await claim(transport, stream.holder);
  const batch = stream.next(epoch, 10);
  await transport.send(batch, stream.holder);
  await transport.send(stream.next(epoch, 5), stream.holder);
  await transport.ask({
    ...{ account: "kis:1", holder: stream.holder, edge: "kis", wish: "hold" },
    status: {
      outbox: { bytes: 4_000, rows: 3, secondsLeft: 700, oldestMs: 20 },
      accounts: {
        "kis:1": {
          feed: "live",
          ledger: { received: 18, committed: 15, duplicate: 0, held: 3, quarantined: 0, lost: 0 },
        },
      },
    },
  });
  await transport.close();
});
afterAll(async () => {
  await hub.stop();
  await database.drop();
});

describe("the hub's port", () => {
  test("/healthz is 200 while the database answers", async () => {
    const response = await get("/healthz");
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      ok: true,
      reasons: [],
      version: "0.0.0-test",
      nowMs: expect.closeTo(systemClock.nowMs(), -5) as number,
    });
  });

  test("/status has edges, leases, ledgers, rows and last trades", async () => {
    let status = {} as Picture & { trades: unknown[] };
    await until(async () => {
      status = (await (await get("/status")).json()) as typeof status;
      return status.total.received === 18;
    }, "the books to be read again");
    expect(status.rows).toEqual({ trade: 15 });
    expect(status.total).toEqual({
      received: 18,
      committed: 15,
      duplicate: 0,
      held: 3,
      quarantined: 0,
      lost: 0,
      isBalanced: true,
    });
    expect(status.accounts.map(({ account }) => account)).toEqual(["kis:1", "kiwoom:1"]);
    expect(status.accounts[0]).toMatchObject({
      lease: { mode: "exclusive", edge: "kis" },
      hub: { committed: 15, isBalanced: true },
    });
    expect(status.edges).toMatchObject([{ edge: "kis", status: { outbox: { secondsLeft: 700 } } }]);
    expect(status.trades).toMatchObject([{ source: "kis:1", venue: "KRX", price: 71_300 }]);
    expect(status.latency.count).toBe(2);
  });

  test("/metrics has the ledger, the edges' outboxes, the default metrics and the event counters", async () => {
    const response = await get("/metrics");
    expect(response.headers.get("content-type")).toMatch(/^text\/plain/);
    const text = await response.text();
    for (const line of [
      /^tickhub_records_total\{.*account="kis:1",outcome="committed".*\} 15$/m,
      /^tickhub_edge_outbox_seconds\{.*edge="kis".*\} 700$/m,
      /^tickhub_edge_held_records\{.*\} 3$/m,
      /^tickhub_ledger_balanced\{.*\} 1$/m,
      /^tickhub_database_up\{.*\} 1$/m,
      /^tickhub_receive_to_commit_seconds_count\{.*account="kis:1".*\} 2$/m,
      /^tickhub_edge_connected_total\{.*edge="kis".*\} 1$/m,
      /^process_cpu_seconds_total/m,
    ]) {
      expect(text).toMatch(line);
    }
  });

  test("/live sends everything first, then only what changed", async () => {
    const response = await get("/live");
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(response.headers.get("content-security-policy")).toContain("default-src 'self'");
    const events = await eventsOf(response, 4);
    const [first, trades, ...later] = events;
    expect(first).toMatchObject({
      name: "picture",
      data: { version: "0.0.0-test", total: { isBalanced: true }, coverage: { symbols: 0 } },
    });
    expect(trades).toMatchObject({ name: "trades", data: [{ source: "kis:1" }] });
    for (const { name, data } of later) {
      expect(name).toBe("change");
      expect(data).toHaveProperty("nowMs");
      expect(data).not.toHaveProperty("version");
      expect(data).not.toHaveProperty("parity");
      expect(data).not.toHaveProperty("coverage.gaps");
    }
  });

  test("/live takes twenty readers and asks the next to close one", async () => {
    const aborts = Array.from({ length: 20 }, () => new AbortController());
    onTestFinished(() => aborts.forEach((abort) => abort.abort()));
    const responses = await Promise.all(
      aborts.map(({ signal }) => fetch(`${hub.url}/live`, { signal })),
    );
    expect(responses.every(({ status }) => status === 200)).toBe(true);
    expect((await get("/live")).status).toBe(503);
    aborts[0]!.abort();
    await until(async () => {
      const abort = new AbortController();
      aborts.push(abort);
      return (await fetch(`${hub.url}/live`, { signal: abort.signal })).status === 200;
    }, "a place to become free");
  });

  test("the page and its parts come from here alone, with a policy that says so", async () => {
    const named = [...(await (await get("/")).text()).matchAll(/(?:src|href)="(\/[^"]+)"/g)];
    expect(named.length).toBeGreaterThanOrEqual(3);
    const types = new Map([
      ["js", "text/javascript"],
      ["css", "text/css"],
      ["svg", "image/svg+xml"],
    ]);
    for (const path of ["/", ...named.map(([, path]) => path!)]) {
      const response = await get(path);
      const type = types.get(path.split(".").at(-1)!) ?? "text/html";
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toContain(type);
      expect(response.headers.get("content-security-policy")).toContain("default-src 'self'");
      const links = (await response.text()).match(/(?:src|href)="https?:[^"]*"|@import|url\(/g);
      expect(links).toBeNull();
    }
  });

  test("what carries its hash in its name may be kept for ever, and comes compressed", async () => {
    const html = await get("/");
    expect(html.headers.get("cache-control")).toBe("no-store");
    const script = /src="(\/assets\/[^"]+\.js)"/.exec(await html.text())![1]!;
    for (const encoding of ["br", "gzip", "identity"]) {
      const headers = { "accept-encoding": encoding };
      const response = await fetch(`${hub.url}${script}`, { headers });
      expect(response.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
      expect(response.headers.get("content-encoding") ?? "identity").toBe(encoding);
      expect(response.headers.get("vary")).toBe("accept-encoding");
      expect(await response.text()).toContain("/live");
    }
  });

  test("anything else is 404 and says what there is", async () => {
    const response = await get("/nothing");
    expect(response.status).toBe(404);
    expect(await response.text()).toContain("/healthz");
  });
});

describe("starting", () => {
  test("on a taken port fails with GATEWAY_PORT_TAKEN before the database is touched", async () => {
    const untouched = await createDatabase({ migrated: false });
    onTestFinished(() => untouched.drop());
    const starting = startTestHub(untouched.url, { port: hub.port });
    await expect(starting).rejects.toMatchObject({ code: "GATEWAY_PORT_TAKEN" });
    const { rows } = await untouched.pool.query(
      "select from pg_tables where schemaname = 'public'",
    );
    expect(rows).toEqual([]);
  });

  test("on a public address fails with GATEWAY_PUBLIC", async () => {
    await expect(startTestHub(database.url, { bind: "0.0.0.0" })).rejects.toMatchObject({
      code: "GATEWAY_PUBLIC",
    });
  });

  test("without a database waits, and gives up with DATABASE_UNREACHABLE", async () => {
    const url = "postgres://nobody@127.0.0.1:9/nothing";
    await expect(startTestHub(url, { databaseWaitMs: 700 })).rejects.toMatchObject({
      code: "DATABASE_UNREACHABLE",
    });
  });

  test("a database that comes later is found; until then edges are told to come back", async () => {
    const { proxy, url } = await FaultProxy.before(database.url);
    onTestFinished(() => proxy.close());
    await proxy.refuse();
    const port = await freePort();
    const starting = startTestHub(url, { port });
    const health = () =>
      fetch(`http://127.0.0.1:${port}/healthz`).then(
        ({ status }) => status,
        () => 0,
      );
    await until(async () => (await health()) === 503, "/healthz to say that it is not ready");
    await expect(testTransport(`ws://127.0.0.1:${port}`).open()).rejects.toMatchObject({
      code: "DATABASE_UNREACHABLE",
      retry: true,
    });
    await proxy.heal();
    const late = await starting;
    expect(await health()).toBe(200);
    await late.stop();
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
