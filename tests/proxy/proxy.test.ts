// The proxy in front of Kiwoom over real sockets: what it connects, what it refuses, and what ends.
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { KIWOOM_TARGETS } from "../../app/proxy/proxy.ts";
import { systemClock } from "../../app/shared/clock.ts";
import { dialThrough } from "../../app/shared/dial/dial.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { until } from "../support/scripted-broker.ts";
import { PUBLIC, startRig } from "./rig.ts";
import type { Rig } from "./rig.ts";

const REAL = "api.kiwoom.com:10000";
const refusals = ({ events }: Rig) =>
  events.flatMap((event) => (event.event === "proxy_refused" ? [event.code] : []));
const health = async ({ port }: Rig) =>
  (await (await fetch(`http://127.0.0.1:${port}/healthz`)).json()) as Record<string, unknown>;

describe("the proxy connects", () => {
  it.each([...KIWOOM_TARGETS])("%s", async (target) => {
    const rig = await startRig();
    const { socket, head } = await rig.ask(target);
    expect(head).toBe("HTTP/1.1 200 Connection established\r\n\r\n");
    expect(rig.reached).toEqual([`${PUBLIC}:${target.split(":")[1]}`]);
    socket.write("up");
    const [far] = rig.ends as [Socket];
    await until(() => far.bytesRead === 2);
    far.write("down");
    const down = await new Promise<Buffer>((resolve) => socket.once("data", resolve));
    expect(down.toString()).toBe("down");
  });

  it("with bytes that came along with the request, which are the target's", async () => {
    const rig = await startRig();
    const socket = connect(rig.port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    socket.write(`CONNECT ${REAL} HTTP/1.1\r\n\r\nhello`);
    await until(() => rig.ends[0]?.bytesRead === 5);
    expect(String(rig.ends[0]!.read())).toBe("hello");
  });

  it("and leaves each side to end for itself: what comes after one end still arrives", async () => {
    const rig = await startRig();
    rig.broker.endsToo = false;
    const { socket } = await rig.ask(REAL);
    const [far] = rig.ends as [Socket];
    socket.end("the last word");
    const up = Buffer.concat((await far.toArray()) as Buffer[]);
    expect(up.toString()).toBe("the last word");
    const answer = "x".repeat(3_000_000);
    far.end(answer);
    const down = Buffer.concat((await socket.toArray()) as Buffer[]);
    expect(down).toHaveLength(answer.length);
    await until(() => rig.events.some(({ event }) => event === "proxy_closed"));
    expect(rig.events).toContainEqual({
      event: "proxy_closed",
      client: "127.0.0.1",
      target: REAL,
      reason: "ended",
      upBytes: 13,
      downBytes: answer.length,
      openMs: expect.any(Number) as number,
    });
  });

  it("to the next address when the first does not answer", async () => {
    const rig = await startRig();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    rig.routes.set("203.0.113.1", (other.address() as AddressInfo).port);
    await new Promise((resolve) => other.close(resolve));
    rig.names.resolve = () => Promise.resolve(["203.0.113.1", PUBLIC]);
    expect((await rig.ask(REAL)).head).toContain(" 200 ");
    expect(rig.reached).toEqual(["203.0.113.1:10000", `${PUBLIC}:10000`]);
  });
});

describe("the proxy refuses other hosts", () => {
  it.each([
    "example.com:443",
    "openapi.koreainvestment.com:9443",
    "api.kiwoom.com",
    "api.kiwoom.com:",
    "api.kiwoom.com:80",
    "api.kiwoom.com:22",
    "api.kiwoom.com:0443",
    "api.kiwoom.com:443:443",
    "api.kiwoom.com.:443",
    "API.KIWOOM.COM:443",
    "api.kiwoom.com.example.com:443",
    "example.com#api.kiwoom.com:443",
    "user@api.kiwoom.com:443",
    "api.kiwoom.com:443@example.com:443",
    "http://api.kiwoom.com:443",
    "127.0.0.1:443",
    "localhost:10000",
    "[::1]:443",
    "169.254.169.254:80",
    "203.0.113.10:443",
    "*",
    "/",
  ])("%s", async (authority) => {
    const rig = await startRig();
    const { head } = await rig.ask(authority);
    expect(head).toMatch(/^HTTP\/1\.1 40[03] /);
    expect(head).toMatch(/"code":"PROXY_(FORBIDDEN|PROTOCOL)"/);
    expect(rig.reached).toEqual([]);
    expect(refusals(rig)).toHaveLength(1);
  });

  it("whatever is asked for, unless it is one of the four word for word", async () => {
    const rig = await startRig();
    const part = fc.constantFrom("api", "mockapi", ".", "kiwoom", "com", ":", "443", "10000", "@");
    const words = fc.array(part, { maxLength: 8 }).map((parts) => parts.join(""));
    const texts = fc.string({ unit: "grapheme-ascii", maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(fc.oneof(words, texts), async (authority) => {
        fc.pre(!KIWOOM_TARGETS.has(authority) && !/[\r\n]/.test(authority));
        const answer = await rig.say(`CONNECT ${authority} HTTP/1.1\r\nhost: x\r\n\r\n`);
        expect(answer).toMatch(/^HTTP\/1\.1 40[03] /);
        expect(rig.reached).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  it("whatever bytes come, and goes on afterwards", async () => {
    const rig = await startRig({ headMs: 40 });
    const start = fc.constantFrom(
      "",
      "CONNECT ",
      "GET /",
      "CONNECT api.kiwoom.com:443 HTTP/1.1\r\n",
    );
    await fc.assert(
      fc.asyncProperty(
        start,
        fc.uint8Array({ minLength: 1, maxLength: 300 }),
        async (head, rest) => {
          await rig.say(Buffer.concat([Buffer.from(head), rest, Buffer.from("\r\n")]));
          expect(rig.reached).toEqual([]);
        },
      ),
      { numRuns: 60 },
    );
    expect(await health(rig)).toMatchObject({ ok: true, tunnels: 0 });
  });

  it.each([
    "GET http://api.kiwoom.com/ HTTP/1.1\r\nhost: api.kiwoom.com",
    "POST https://api.kiwoom.com:443/oauth2/token HTTP/1.1\r\nhost: x\r\ncontent-length: 0",
    "GET / HTTP/1.1\r\nhost: x",
    "POST /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 0",
    "OPTIONS * HTTP/1.1\r\nhost: x",
    "GET /edge HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket",
  ])("%s: it is a proxy for CONNECT alone", async (request) => {
    const rig = await startRig();
    const answer = await rig.say(`${request}\r\n\r\n`);
    expect(answer).toContain("403 Forbidden");
    expect(answer).toContain("PROXY_FORBIDDEN");
    expect(rig.reached).toEqual([]);
  });

  it.each([
    ["this machine", ["127.0.0.1"]],
    ["a private network", ["10.0.0.7"]],
    ["a cloud's metadata", ["169.254.169.254"]],
    ["the tailnet", ["100.64.0.1"]],
    ["a public address and a private one", [PUBLIC, "192.168.0.1"]],
    ["this machine in IPv6", ["::1"]],
    ["an IPv4 address inside IPv6", ["::ffff:10.0.0.7"]],
    ["a unique local address", ["fd7a:115c:a1e0::1"]],
    ["6to4", ["2002:a00:1::1"]],
    ["no address", ["not an address"]],
  ])("a name that leads to %s", async (_what, addresses) => {
    const rig = await startRig();
    rig.names.resolve = () => Promise.resolve(addresses);
    const { head } = await rig.ask(REAL);
    expect(head).toContain("403 Forbidden");
    expect(rig.reached).toEqual([]);
    expect(refusals(rig)).toEqual(["PROXY_FORBIDDEN"]);
  });

  it("with a code that an edge behind it can tell", async () => {
    const rig = await startRig();
    const limits = { clock: systemClock, answerMs: 5_000 };
    const dial = dialThrough([new URL(rig.proxy.url)], limits);
    await expect(dial({ host: "example.com", port: 443 })).rejects.toMatchObject({
      code: "PROXY_REFUSED",
      context: { reason: "HTTP 403", target: "example.com:443" },
    });
    const socket = await dial({ host: "api.kiwoom.com", port: 443 });
    socket.destroy();
    expect(rig.reached).toEqual([`${PUBLIC}:443`]);
  });
});

describe("the proxy's limits", () => {
  it("a head that is too long is answered with 400", async () => {
    const rig = await startRig();
    const answer = await rig.say(`CONNECT ${REAL} HTTP/1.1\r\nx: ${"y".repeat(5_000)}\r\n\r\n`);
    expect(answer).toContain("400 Bad Request");
    expect(rig.reached).toEqual([]);
  });

  it("a head that comes a byte at a time is cut off at its time, however often something comes", async () => {
    const clock = new FakeClock();
    const rig = await startRig({ headMs: 5_000 }, clock);
    const socket = connect(rig.port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    let answer = "";
    socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
    await new Promise((resolve) => socket.once("connect", resolve));
    for (let second = 0; second < 20 && !socket.closed; second++) {
      socket.write("C");
      await clock.advanceSlowly(1_000, 100);
    }
    await until(() => socket.closed);
    expect(answer).toContain("PROXY_PROTOCOL");
    expect(refusals(rig)).toEqual(["PROXY_PROTOCOL"]);
  });

  it("one tunnel more than allowed is 503, until another has ended", async () => {
    const rig = await startRig({ tunnelsMax: 2 });
    const first = await rig.ask(REAL);
    await rig.ask(REAL);
    expect((await rig.ask(REAL)).head).toContain("503 Service Unavailable");
    expect(refusals(rig)).toEqual(["PROXY_FULL"]);
    first.socket.destroy();
    await until(() => rig.events.some(({ event }) => event === "proxy_closed"));
    expect((await rig.ask(REAL)).head).toContain(" 200 ");
  });

  it("a tunnel in which nothing moves is ended, and one in which something does is not", async () => {
    const clock = new FakeClock();
    const rig = await startRig({ idleMs: 60_000 }, clock);
    const { socket } = await rig.ask(REAL);
    const [far] = rig.ends as [Socket];
    clock.advance(59_000);
    far.write("PING");
    await new Promise((resolve) => socket.once("data", resolve));
    clock.advance(59_000);
    expect(rig.events.some(({ event }) => event === "proxy_closed")).toBe(false);
    clock.advance(1_000);
    await until(() => rig.events.some(({ event }) => event === "proxy_closed"));
    expect(rig.events.at(-1)).toMatchObject({ reason: "idle", downBytes: 4, openMs: 119_000 });
  });

  it("a target that does not answer is 502 in bounded time", async () => {
    const clock = new FakeClock();
    const rig = await startRig({ connectMs: 8_000 }, clock);
    rig.names.resolve = () => new Promise(() => undefined);
    const asking = rig.ask(REAL);
    await until(() => rig.events.length === 1);
    while ((await Promise.race([asking, Promise.resolve(null)])) === null)
      await clock.advanceSlowly(4_000, 1_000);
    expect((await asking).head).toContain("502 Bad Gateway");
    rig.names.resolve = () => Promise.reject(new Error("ENOTFOUND"));
    expect((await rig.ask(REAL)).head).toContain("PROXY_TARGET");
  });

  it("a client that is cut in mid-stream takes its tunnel along", async () => {
    const rig = await startRig();
    const { socket } = await rig.ask(REAL);
    const [far] = rig.ends as [Socket];
    far.resume();
    socket.resetAndDestroy();
    await until(() => far.closed);
    await until(() => rig.events.some(({ event }) => event === "proxy_closed"));
    expect(rig.events.at(-1)).toMatchObject({ reason: "broken" });
  });
});

describe("the proxy's end", () => {
  it("takes nothing new, waits for tunnels, and ends what is left", async () => {
    const clock = new FakeClock();
    const rig = await startRig({}, clock);
    const [first, second] = [await rig.ask(REAL), await rig.ask(REAL)];
    let isStopped = false;
    const stopping = rig.proxy.stop(10_000).then(() => (isStopped = true));
    await expect(fetch(`${rig.proxy.url}/healthz`)).rejects.toThrow();
    first.socket.end();
    await until(() => rig.events.some(({ event }) => event === "proxy_closed"));
    expect(isStopped).toBe(false);
    clock.advance(10_000);
    await stopping;
    const ends = rig.events.flatMap((one) => (one.event === "proxy_closed" ? [one.reason] : []));
    expect(ends).toEqual(["ended", "stopped"]);
    await until(() => second.socket.destroyed || second.socket.readableEnded);
  });

  it("comes at once when no tunnel is open", async () => {
    const rig = await startRig({}, new FakeClock());
    await rig.proxy.stop(10_000);
    expect(rig.events.filter(({ event }) => event === "proxy_closed")).toEqual([]);
  });
});

it("/healthz and /metrics tell how many tunnels there are", async () => {
  const rig = await startRig();
  await rig.ask(REAL);
  expect(await health(rig)).toEqual({ ok: true, version: "t", draining: false, tunnels: 1 });
  const metrics = await (await fetch(`http://127.0.0.1:${rig.port}/metrics`)).text();
  expect(metrics).toMatch(/^tickhub_proxy_tunnels\{.*\} 1$/m);
  expect(metrics).toMatch(/^tickhub_proxy_opened_total\{.*target="api.kiwoom.com:10000".*\} 1$/m);
});
