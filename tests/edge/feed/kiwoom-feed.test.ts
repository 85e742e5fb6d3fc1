// Kiwoom's feed against a broker of its own protocol on loopback: real HTTP, real sockets, and a clock
// that moves only when a test says so.
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { WebSocket } from "ws";
import { WebSocketServer } from "ws";
import type { Feed, FeedSink, Registration } from "../../../app/edge/feed/feed.ts";
import { KIWOOM_TIMINGS, kiwoomActionOf } from "../../../app/edge/feed/kiwoom/protocol.ts";
import type { KiwoomAction } from "../../../app/edge/feed/kiwoom/protocol.ts";
import { createKiwoomFeed } from "../../../app/edge/feed/kiwoom/session.ts";
import type { KiwoomFeedOptions } from "../../../app/edge/feed/kiwoom/session.ts";
import { systemClock } from "../../../app/shared/clock.ts";
import type { Event } from "../../../app/shared/events.ts";
import type { Reject, Tick } from "../../../app/shared/tick.ts";
import { startSim } from "../../../app/sim/sim.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const DOMESTIC = "/api/dostk/websocket";
const US = "/api/us/websocket";
const PING = `{"trnm":"PING"}`;
const APP_KEY = "app-key-4711";
const SECRET = "secret-0815";
/** A trade as captured on 2026-07-16, moved to the test's morning. */
const TRADE = `{"data":[{"values":{"20":"085959","10":"+686000","11":"+25000","13":"98232","15":"+3"},"type":"0B","name":"주식체결","item":"000000"}],"trnm":"REAL"}`;

interface Request {
  trnm: string;
  token?: string;
  grp_no?: string;
  refresh?: string;
  data: { item: unknown[]; type: string[] }[];
}

/** One socket as the broker sees it. */
class Line {
  readonly path: string;
  readonly socket: WebSocket;
  /** Text of every message, in order, and when it came by the test's clock. */
  readonly received: string[] = [];
  readonly atMs: number[] = [];
  closeCode: number | undefined;
  readonly #broker: Broker;
  readonly #unsettled = new Set<() => void>();

  constructor(path: string, socket: WebSocket, broker: Broker) {
    this.path = path;
    this.socket = socket;
    this.#broker = broker;
    socket.on("message", (data: Buffer, isBinary) => this.#heard(data.toString(), isBinary));
    socket.on("close", (code) => (this.closeCode = code));
    for (const event of ["pong", "close"]) {
      socket.on(event, () => this.#unsettled.forEach((resolve) => resolve()));
    }
    socket.on("error", () => undefined);
  }

  get isGone(): boolean {
    return this.closeCode !== undefined;
  }

  send(message: object | string): void {
    this.socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  /** Announces it, and closes the way the broker does. */
  dismiss(code: string): void {
    this.send({ trnm: "SYSTEM", code, message: "접속을 종료합니다" });
    this.socket.close(1000, "Bye");
  }

  /** All that the client sent in answer to what it was sent so far has arrived: its pong comes after. */
  async settled(): Promise<void> {
    if (this.socket.readyState !== this.socket.OPEN) return;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const settle = () => resolve(undefined);
    this.#unsettled.add(settle);
    this.socket.ping();
    await promise;
    this.#unsettled.delete(settle);
  }

  requests(...names: string[]): Request[] {
    return this.received
      .map((message) => JSON.parse(message) as Request)
      .filter(({ trnm }) => names.includes(trnm));
  }

  #heard(message: string, isBinary: boolean): void {
    expect(isBinary).toBe(false);
    this.received.push(message);
    this.atMs.push(clock.monoMs());
    const request = JSON.parse(message) as Request;
    const answer = this.#broker.answer(request, this);
    if (answer) this.send({ trnm: request.trnm, return_msg: "", ...answer });
  }
}

type Answer = { return_code: number; return_msg?: string } | undefined;

/** Kiwoom with nothing clever in it: tests put their own `answer` and `issue` in its place. */
class Broker {
  readonly lines: Line[] = [];
  /** Sockets that were opened while another of the same path was open. */
  doubles = 0;
  tokens = 0;
  answer: (request: Request, line: Line) => Answer = () => ({ return_code: 0 });
  /** Body of the answer to a token request, or a status. */
  issue: () => object | number | undefined = () => this.token();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response));
    new WebSocketServer({ server: this.#server }).on("connection", (socket, { url }) => {
      const path = String(url);
      if (this.on(path).some((line) => !line.isGone)) this.doubles++;
      this.lines.push(new Line(path, socket, this));
    });
  }

  static async start(): Promise<Broker> {
    const broker = new Broker();
    await once(broker.#server.listen(0, "127.0.0.1"), "listening");
    return broker;
  }

  get authority(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  on(path: string): Line[] {
    return this.lines.filter((line) => line.path === path);
  }

  token(expires = "20261124090000"): object {
    return { expires_dt: expires, token: `token-${this.tokens}`, return_code: 0, return_msg: "" };
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    expect(request.url).toBe("/oauth2/token");
    const body: unknown = JSON.parse(await text(request));
    const grant = { grant_type: "client_credentials", appkey: APP_KEY, secretkey: SECRET };
    expect(body).toEqual(grant);
    this.tokens++;
    const answer = this.issue();
    if (answer === undefined) return;
    response.statusCode = typeof answer === "number" ? answer : 200;
    response.end(typeof answer === "number" ? "" : JSON.stringify(answer));
  }

  async close(): Promise<void> {
    for (const { socket } of this.lines) socket.terminate();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

let clock: FakeClock;
let broker: Broker;
let feed: Feed;
let events: Event[];
let rows: (Tick | Reject)[];
let registering: string[];
let moves: string[];
const sink: FeedSink = {
  ticks: (ticks) => rows.push(...ticks),
  reject: (reject) => rows.push(reject),
  registering: ({ symbol, channel }) => registering.push(`${symbol} ${channel}`),
  moved: (name, to, code) => moves.push([name, to, ...(code === null ? [] : [code])].join(" ")),
};

beforeEach(async () => {
  clock = new FakeClock();
  broker = await Broker.start();
  [events, rows, registering, moves] = [[], [], [], []];
});

afterEach(async () => {
  feed.destroy();
  await feed.stop();
  expect(broker.doubles).toBe(0);
  const told = JSON.stringify(events);
  for (const secret of [APP_KEY, SECRET, "token-"]) expect(told).not.toContain(secret);
  await broker.close();
});

function start(plan: readonly Registration[], options: Partial<KiwoomFeedOptions> = {}): void {
  feed = createKiwoomFeed({
    source: "kiwoom:1",
    appKey: APP_KEY,
    secret: SECRET,
    restUrl: `http://${broker.authority}`,
    wsUrl: `ws://${broker.authority}${DOMESTIC}`,
    clock,
    market: (wallMs) => wallMs,
    emit: (event) => events.push(event),
    sink,
    ...options,
  });
  feed.start(plan);
}

/** Waits for sockets, never for the test's clock. */
async function until(condition: () => unknown): Promise<void> {
  await vi.waitFor(() => expect(condition()).toBeTruthy(), { timeout: 10_000, interval: 2 });
}

/**
 * Lets the test's clock run until `condition` holds: over a wait in one leap, else in small steps with all
 * messages delivered between them, and not at all while a connection is being made.
 */
async function runUntil(condition: () => unknown): Promise<void> {
  const giveUpMs = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > giveUpMs) throw new Error(`still ${JSON.stringify(feed.state())}`);
    if (feed.state().name !== "connecting") clock.advance(waiting() ? waitMs() : 50);
    await new Promise((resolve) => setImmediate(resolve));
    for (const socket of broker.lines) await socket.settled();
  }
}

/** Stops the feed, which takes its time. */
async function stop(): Promise<void> {
  let isStopped = false;
  void feed.stop().then(() => (isStopped = true));
  await runUntil(() => isStopped);
}

/** The n-th socket of a path, once it is there. */
async function line(n = 0, path = DOMESTIC): Promise<Line> {
  await until(() => broker.on(path).length > n);
  return broker.on(path)[n]!;
}

const isLive = () => feed.state().name === "live";

async function startLive(
  plan: readonly Registration[],
  options: Partial<KiwoomFeedOptions> = {},
): Promise<Line> {
  start(plan, options);
  await runUntil(isLive);
  return line(0, plan.some(({ venue }) => venue === "KRX") ? DOMESTIC : US);
}

function one(symbol: string, channel: Registration["channel"] = "trade", venue = "KRX") {
  return { venue, symbol, channel };
}

function symbols(count: number, ...channels: Registration["channel"][]): Registration[] {
  return Array.from({ length: count }, (_, i) => String(i).padStart(6, "0")).flatMap((symbol) =>
    channels.map((channel) => one(symbol, channel)),
  );
}

const eventsOf = <Name extends Event["event"]>(name: Name) =>
  events.filter((event): event is Event & { event: Name } => event.event === name);
const alarms = () => eventsOf("feed_alarmed").map(({ code }) => code);
const waiting = () => {
  const state = feed.state();
  return state.name === "waiting" ? state : undefined;
};
const waitMs = () => (waiting()?.untilMs ?? NaN) - clock.nowMs();

describe("LOGIN", () => {
  it("goes first with the bare token, and nothing before its answer: no REG, no echo", async () => {
    broker.answer = () => undefined;
    start(symbols(1, "trade"));
    const socket = await line();
    await until(() => socket.received.length > 0);
    socket.send(PING);
    feed.replan(symbols(2, "trade"));
    await socket.settled();
    expect(socket.received).toEqual([`{"trnm":"LOGIN","token":"token-1"}`]);
    broker.answer = () => ({ return_code: 0 });
    socket.send({ trnm: "LOGIN", return_code: 0, return_msg: "", sor_yn: "Y" });
    await until(() => socket.requests("REG").length > 0);
    expect(socket.requests("REG")[0]!.data[0]!.item).toEqual(["000000", "000001"]);
  });

  it("unanswered for 10 s ends in a reconnect", async () => {
    broker.answer = () => undefined;
    start(symbols(1, "trade"));
    const socket = await line();
    await until(() => socket.received.length > 0);
    clock.advance(9_999);
    expect(feed.state().name).toBe("connecting");
    clock.advance(1);
    await until(waiting);
    expect(waiting()?.code).toBe("FEED_ACK_TIMEOUT");
    broker.answer = () => ({ return_code: 0 });
    await runUntil(isLive);
    expect(broker.lines).toHaveLength(2);
  });

  it("with a dead token gets another, and is said again on the same socket", async () => {
    broker.answer = ({ trnm, token }) =>
      trnm === "LOGIN" && token === "token-1"
        ? {
            return_code: 805_004,
            return_msg: "토큰 인증에 실패했습니다 [CODE=8005, MESSAGE=Token이 유효하지 않습니다]",
          }
        : { return_code: 0 };
    const socket = await startLive(symbols(1, "trade"));
    expect(socket.requests("LOGIN").map(({ token }) => token)).toEqual(["token-1", "token-2"]);
    expect(broker.lines).toHaveLength(1);
    expect(alarms()).toEqual([]);
  });

  it("is not reached where the token is refused, and the refusal is told without our keys", async () => {
    broker.issue = () => ({ return_code: 3, return_msg: `[8030: ${APP_KEY} ${SECRET}]`.repeat(9) });
    start(symbols(1, "trade"));
    await until(waiting);
    expect(eventsOf("feed_alarmed")).toMatchObject([
      { code: "FEED_AUTH", reason: expect.stringContaining("[8030: … …]") as string },
    ]);
    expect(broker.lines).toEqual([]);
  });

  it("refused with the new token as well is FEED_AUTH: an alarm, and a wait of minutes", async () => {
    // It repeats what it was sent; `afterEach` looks for it in the events.
    broker.answer = ({ token }) => ({
      return_code: 3,
      return_msg: `[8005:${token}이 유효하지 않습니다]`,
    });
    start(symbols(1, "trade"));
    await until(waiting);
    expect(broker.tokens).toBe(2);
    expect(broker.lines).toHaveLength(1);
    expect(alarms()).toEqual(["FEED_AUTH"]);
    expect(waitMs()).toBeGreaterThanOrEqual(300_000);
    clock.advance(299_999);
    await new Promise((resolve) => setImmediate(resolve));
    expect(broker.tokens).toBe(2);
    await runUntil(() => broker.tokens > 2);
  });

  it.each(["8050", "8010"])(
    "refused with %s is FEED_ADDRESS_REFUSED, and its token is dropped",
    async (code) => {
      broker.answer = () => ({
        return_code: 3,
        return_msg: `인증에 실패했습니다[${code}:지정단말기]`,
      });
      start(symbols(1, "trade"));
      await until(waiting);
      expect(alarms()).toEqual(["FEED_ADDRESS_REFUSED"]);
      expect(broker.tokens).toBe(1);
      broker.answer = () => ({ return_code: 0 });
      await runUntil(isLive);
      expect(broker.tokens).toBe(2);
    },
  );
});

describe("the token", () => {
  it("is kept until ten minutes before it expires, in Korean time", async () => {
    broker.issue = () => broker.token("20261124083713");
    await startLive(symbols(1, "trade"));
    const again = async (wallMs: number) => {
      await stop();
      clock.jumpWall(wallMs);
      feed.start(symbols(1, "trade"));
      await runUntil(isLive);
      return broker.tokens;
    };
    const dueMs = Date.parse("2026-11-24T08:27:13+09:00") - clock.nowMs();
    expect(await again(dueMs - 60_000)).toBe(1);
    expect(await again(60_000)).toBe(2);
  });

  it("is asked for once by both sockets", async () => {
    start([one("000000"), one("NVDA", "trade", "NAS")]);
    await runUntil(isLive);
    expect(broker.lines).toHaveLength(2);
    expect(broker.tokens).toBe(1);
  });

  it("whose expiry cannot be read is kept for an hour", async () => {
    broker.issue = () => broker.token("soon");
    await startLive(symbols(1, "trade"));
    for (const [wallMs, tokens] of [
      [3_500_000, 1],
      [100_000, 2],
    ] as const) {
      await stop();
      clock.jumpWall(wallMs);
      feed.start(symbols(1, "trade"));
      await runUntil(isLive);
      expect(broker.tokens).toBe(tokens);
    }
  });

  const refusal = (code: string) => () => ({
    return_code: 3,
    return_msg: `인증에 실패했습니다[${code}:…]`,
  });
  it.each([
    { says: "8050", issue: refusal("8050"), code: "FEED_ADDRESS_REFUSED", isAlarm: true },
    { says: "8010", issue: refusal("8010"), code: "FEED_ADDRESS_REFUSED", isAlarm: true },
    { says: "8001", issue: refusal("8001"), code: "FEED_AUTH", isAlarm: true },
    { says: "8030", issue: refusal("8030"), code: "FEED_AUTH", isAlarm: true },
    {
      says: "1700",
      issue: () => ({ return_code: 5, return_msg: "[1700:유량=5]" }),
      code: "FEED_RATE_LIMITED",
    },
    { says: "429", issue: () => 429, code: "FEED_RATE_LIMITED" },
    { says: "503", issue: () => 503, code: "FEED_UNREACHABLE" },
    { says: "no token", issue: () => ({ return_code: 0 }), code: "FEED_AUTH", isAlarm: true },
  ])(
    "refused with $says is $code, and no socket is opened",
    async ({ issue, code, isAlarm = false }) => {
      broker.issue = issue;
      start(symbols(1, "trade"));
      await until(waiting);
      expect(waiting()?.code).toBe(code);
      expect(alarms()).toEqual(isAlarm ? [code] : []);
      expect(waitMs() >= 300_000).toBe(isAlarm);
      expect(broker.lines).toEqual([]);
    },
  );

  it("that never comes is given up after 10 s, or at once by a stop", async () => {
    broker.issue = () => undefined;
    start(symbols(1, "trade"));
    await until(() => broker.tokens === 1);
    clock.advance(10_000);
    await until(waiting);
    expect(waiting()?.code).toBe("FEED_UNREACHABLE");
    await runUntil(() => broker.tokens === 2);
    await feed.stop();
    expect(feed.state()).toEqual({ name: "stopped" });
    expect(broker.lines).toEqual([]);
  });
});

describe("registrations", () => {
  it("go out in chunks of 50 items with all their types, 350 ms apart, the market's clock and VI last", async () => {
    const socket = await startLive(symbols(120, "trade", "book"));
    const asked = socket.requests("REG");
    expect(asked.map(({ data }) => data[0]!.item.length)).toEqual([50, 50, 20, 1]);
    expect(asked[0]).toEqual({
      trnm: "REG",
      grp_no: "1",
      refresh: "1",
      data: [{ item: symbols(50, "trade").map(({ symbol }) => symbol), type: ["0B", "0D"] }],
    });
    expect(asked[3]!.data).toEqual([{ item: [""], type: ["0s", "1h"] }]);
    const sentMs = socket.atMs.slice(1);
    for (let i = 1; i < sentMs.length; i++) {
      expect(sentMs[i]! - sentMs[i - 1]!).toBeGreaterThanOrEqual(350);
    }
    expect(feed.state()).toMatchObject({ name: "live", registrations: 240 });
    expect(eventsOf("feed_subscribed")).toMatchObject([{ registrations: 240 }]);
  });

  it("are asked for one at a time; a PING in between is echoed and is no answer, nor is one to REMOVE", async () => {
    broker.answer = ({ trnm }) => (trnm === "LOGIN" ? { return_code: 0 } : undefined);
    start(symbols(60, "trade"));
    const socket = await line();
    await until(() => socket.requests("REG").length === 1);
    socket.send({ trnm: "REMOVE", return_code: 0, return_msg: "" });
    socket.send(PING);
    clock.advance(5_000);
    await socket.settled();
    expect(socket.requests("REG")).toHaveLength(1);
    expect(socket.received.at(-1)).toBe(PING);
    expect(feed.state()).toEqual({ name: "subscribing", confirmed: 0, wanted: 60 });
    socket.send({ trnm: "REG", return_code: 0, return_msg: "" });
    await until(() => socket.requests("REG").length === 2);
    expect(feed.state()).toEqual({ name: "subscribing", confirmed: 50, wanted: 60 });
  });

  it("unanswered are asked for once more; then the session is given up", async () => {
    broker.answer = ({ trnm }) => (trnm === "LOGIN" ? { return_code: 0 } : undefined);
    start(symbols(1, "trade"));
    const socket = await line();
    await until(() => socket.requests("REG").length === 1);
    clock.advance(10_000);
    await until(() => socket.requests("REG").length === 2);
    expect(socket.received[1]).toBe(socket.received[2]);
    clock.advance(10_000);
    await until(waiting);
    expect(waiting()?.code).toBe("FEED_ACK_TIMEOUT");
  });

  it("refused as too frequent (105110) are repeated after 1, 2, 4 seconds, until they are taken", async () => {
    let refusals = 3;
    broker.answer = ({ trnm }) => ({ return_code: trnm === "REG" && refusals-- > 0 ? 105_110 : 0 });
    const socket = await startLive(symbols(1, "trade"));
    const [a, b, c, d, market] = socket.requests("REG").map(({ data }) => data[0]!.item);
    expect([a, b, c, d, market]).toEqual([["000000"], ["000000"], ["000000"], ["000000"], [""]]);
    const [first = 0, ...later] = socket.atMs.slice(1, 5);
    const gaps = later.map((ms, i) => ms - [first, ...later][i]!);
    for (const [i, gapMs] of gaps.entries()) {
      expect(gapMs).toBeGreaterThanOrEqual(1_000 * 2 ** i);
      expect(gapMs).toBeLessThan(1_000 * 2 ** i + 350);
    }
    expect(broker.lines).toHaveLength(1);
  });

  it.each([105_115, 105_118])(
    "refused for want of room (%i) teach the cap, exactly and for good",
    async (code) => {
      const held = new Map<Line, Set<unknown>>();
      broker.answer = ({ trnm, data }, from) => {
        if (trnm !== "REG") return { return_code: 0 };
        const items = (held.get(from) ?? new Set()).union(new Set(data[0]!.item));
        items.delete("");
        if (items.size > 70) return { return_code: code };
        held.set(from, items);
        return { return_code: 0 };
      };
      const caps: number[] = [];
      const socket = await startLive(symbols(100, "trade", "book"), {
        onCap: (cap) => caps.push(cap),
      });
      expect(caps).toEqual([70]);
      expect(eventsOf("feed_cap_learned")).toMatchObject([{ cap: 70, refused: 30 }]);
      expect(held.get(socket)!.size).toBe(70);
      expect(feed.state()).toMatchObject({ registrations: 140 });
      socket.socket.close(1001);
      await until(() => !isLive());
      await runUntil(isLive);
      const second = await line(1);
      // Known by now: no request is refused any more.
      expect(second.requests("REG").map(({ data }) => data[0]!.item.length)).toEqual([50, 20]);
      expect(caps).toEqual([70]);
    },
  );

  it("of one item nobody takes cost only that item", async () => {
    broker.answer = ({ trnm, data }) => {
      const isBad = trnm === "REG" && data[0]!.item.includes("000033");
      return isBad ? { return_code: 1999, return_msg: "000033 001700" } : { return_code: 0 };
    };
    await startLive(symbols(100, "trade", "book"));
    expect(feed.state()).toMatchObject({ registrations: 198 });
    const refused = eventsOf("feed_subscription_refused").map(({ key, code }) => [key, code]);
    expect(refused).toEqual([
      ["KRX:000033:trade", "1999"],
      ["KRX:000033:book", "1999"],
    ]);
  });

  it("of a further type without room are given up, the item stays", async () => {
    const socket = await startLive(symbols(2, "trade"));
    broker.answer = ({ data }) => ({ return_code: data[0]!.type.includes("0D") ? 105_115 : 0 });
    feed.replan(symbols(2, "trade", "book"));
    expect(isLive()).toBe(false);
    await runUntil(isLive);
    expect(feed.state()).toMatchObject({ registrations: 2 });
    expect(eventsOf("feed_subscription_refused")).toHaveLength(2);
    expect(eventsOf("feed_cap_learned")).toEqual([]);
    expect(socket.isGone).toBe(false);
  });

  it("leave the market's clock and VI out while every place is taken by a symbol", async () => {
    const socket = await startLive(symbols(2, "trade"), { limits: { itemsMax: 2 } });
    feed.replan([one("000000"), one("000009")]);
    await runUntil(isLive);
    const items = socket.requests("REG").map(({ data }) => data[0]!.item);
    expect(items).toEqual([["000000", "000001"], ["000009"]]);
    feed.replan([one("000000")]);
    await runUntil(isLive);
    expect(socket.requests("REG").at(-1)!.data[0]!.item).toEqual([""]);
  });

  it("without room for a single item mean that somebody else has it: an alarm, and a long wait", async () => {
    broker.answer = ({ trnm }) => ({ return_code: trnm === "REG" ? 105_115 : 0 });
    start(symbols(3, "trade"));
    await runUntil(waiting);
    expect(alarms()).toEqual(["FEED_SOCKET_TAKEN"]);
    expect(waitMs()).toBeGreaterThanOrEqual(60_000);
  });

  it("for venues Kiwoom does not have are refused one by one; suffixes name the others", async () => {
    const plan = [
      one("000001", "trade", "NXT"),
      one("000001", "book", "UN"),
      one("BTC", "trade", "XX"),
    ];
    start([...plan, one("000001", "status")]);
    await runUntil(isLive);
    const asked = (await line()).requests("REG").map(({ data }) => data[0]);
    expect(asked).toEqual([
      { item: ["000001_NX"], type: ["0B"] },
      { item: ["000001_AL"], type: ["0D"] },
      { item: [""], type: ["0s", "1h"] },
    ]);
    expect(eventsOf("feed_subscription_refused").map(({ key }) => key)).toEqual(["XX:BTC:trade"]);
  });
});

describe("a new plan", () => {
  it("removes what left and registers what came, type by type, and nothing else", async () => {
    const socket = await startLive(symbols(3, "trade", "book"));
    const from = socket.received.length;
    const kept = [one("000000"), one("000000", "book"), one("000001")];
    feed.replan([...kept, one("000009"), one("000009", "book")]);
    await runUntil(isLive);
    const asked = socket.received.slice(from).map((message) => JSON.parse(message) as Request);
    expect(asked.map(({ trnm, data }) => [trnm, data[0]!.item, data[0]!.type])).toEqual([
      ["REMOVE", ["000001"], ["0D"]],
      ["REMOVE", ["000002"], ["0B", "0D"]],
      ["REG", ["000009"], ["0B", "0D"]],
    ]);
    expect(asked[0]).not.toHaveProperty("refresh");
    expect(feed.state()).toMatchObject({ registrations: 5 });
  });

  it("that drops what is just being asked for removes it after the answer", async () => {
    const socket = await startLive(symbols(1, "trade"));
    broker.answer = () => undefined;
    feed.replan(symbols(2, "trade"));
    await runUntil(() => socket.requests("REG").length === 3);
    feed.replan(symbols(1, "trade"));
    broker.answer = () => ({ return_code: 0 });
    socket.send({ trnm: "REG", return_code: 0, return_msg: "" });
    await runUntil(isLive);
    expect(socket.requests("REMOVE").map(({ data }) => data[0]!.item)).toEqual([["000001"]]);
  });

  it("without a symbol closes the socket; the next one opens another", async () => {
    const socket = await startLive(symbols(1, "trade"));
    feed.replan([]);
    await runUntil(() => socket.isGone);
    expect(socket.closeCode).toBe(1000);
    await runUntil(() => feed.state().name === "idle");
    feed.replan(symbols(2, "trade"));
    await runUntil(isLive);
    expect(broker.lines).toHaveLength(2);
  });

  it("is told as a move of the sockets it opens and closes, and of no other", async () => {
    await startLive(symbols(1, "trade"));
    feed.replan([...symbols(2, "trade"), one("NVDA", "trade", "NAS")]);
    await line(0, US);
    await runUntil(isLive);
    feed.replan(symbols(3, "trade"));
    await runUntil(() => isLive() && broker.on(US)[0]!.isGone);
    await stop();
    const of = (name: string) => moves.filter((move) => move.startsWith(name));
    const changes = (name: string) => of(name).filter((move, i) => move !== of(name)[i - 1]);
    expect(changes("us")).toEqual(["us unplanned", "us away", "us live", "us unplanned"]);
    expect(changes("domestic")).toEqual(["domestic away", "domestic live", "domestic away"]);
  });

  it("opens the US socket with the first US symbol and closes it with the last", async () => {
    const domestic = await startLive(symbols(1, "trade"));
    expect(broker.on(US)).toEqual([]);
    const nvidia = [one("NVDA", "trade", "NAS"), one("NVDA", "book", "NAS")];
    feed.replan([...symbols(1, "trade"), ...nvidia]);
    const us = await line(0, US);
    await runUntil(isLive);
    expect(us.requests("LOGIN", "REG")).toEqual([
      { trnm: "LOGIN", token: "token-1" },
      {
        trnm: "REG",
        grp_no: "1",
        refresh: "1",
        data: [{ item: [{ jmcode: "NVDA", stex_tp: "ND" }], type: ["FE", "FT"] }],
      },
    ]);
    expect(feed.state()).toMatchObject({ registrations: 3 });
    feed.replan(symbols(1, "trade"));
    await runUntil(() => us.isGone);
    expect(domestic.isGone).toBe(false);
    expect(domestic.requests("REG")).toHaveLength(2);
  });

  it("of US symbols alone opens no domestic socket", async () => {
    await startLive([
      one("AAPL", "trade", "NAS"),
      one("IBM", "trade", "NYS"),
      one("SPY", "trade", "AMS"),
    ]);
    expect(broker.lines.map(({ path }) => path)).toEqual([US]);
    const [asked] = broker.lines[0]!.requests("REG");
    expect(asked!.data[0]!.item).toEqual([
      { jmcode: "AAPL", stex_tp: "ND" },
      { jmcode: "IBM", stex_tp: "NY" },
      { jmcode: "SPY", stex_tp: "NA" },
    ]);
  });
});

describe("while it is open", () => {
  it("PING is echoed byte for byte, SYSTEM never", async () => {
    const socket = await startLive(symbols(1, "trade"));
    const from = socket.received.length;
    const odd = `{ "trnm" : "PING","t":"\\u00e9 한글" }`;
    socket.send(odd);
    socket.send({ trnm: "SYSTEM", code: "R10003", message: "?" });
    socket.send({ trnm: "REG", return_code: 105_115, return_msg: "nobody asked" });
    socket.send(PING);
    await socket.settled();
    expect(socket.received.slice(from)).toEqual([odd, PING]);
    expect(isLive()).toBe(true);
  });

  it("records are handed on at the read, and so is what cannot be read", async () => {
    const socket = await startLive(symbols(1, "trade"));
    socket.send(TRADE);
    socket.send("?? not a frame ??");
    await until(() => rows.length === 2);
    expect(rows[0]).toMatchObject({ kind: "trade", symbol: "000000", price: 686_000, seq: 98_232 });
    expect(rows[0]!.edgeRecvMs).toBe(clock.nowMs());
    expect(rows[1]).toMatchObject({ kind: "reject", code: "FRAME_NOT_JSON" });
  });

  it("PINGs keep it alive; 45 s without any message end it", async () => {
    const socket = await startLive(symbols(1, "trade"));
    for (let i = 0; i < 12; i++) {
      clock.advance(10_000);
      socket.send(PING);
      await socket.settled();
    }
    expect(isLive()).toBe(true);
    expect(feed.lastFrameMs()).toBe(clock.nowMs());
    clock.advance(44_999);
    expect(isLive()).toBe(true);
    clock.advance(1);
    await until(waiting);
    expect(waiting()?.code).toBe("FEED_SILENT");
    expect(waitMs()).toBeGreaterThanOrEqual(KIWOOM_TIMINGS.waits.unclean.floorMs);
  });

  it("the end of the socket is followed by another that registers everything again", async () => {
    const socket = await startLive(symbols(60, "trade", "book"));
    expect(registering).toHaveLength(120);
    socket.socket.terminate();
    await until(waiting);
    expect(waiting()?.code).toBe("FEED_CLOSED");
    expect(waitMs()).toBeGreaterThanOrEqual(5_000);
    await runUntil(isLive);
    const second = await line(1);
    const items = (from: Line) => from.requests("REG").map(({ data }) => data);
    expect(items(second)).toEqual(items(socket));
    expect(registering).toHaveLength(240);
    expect(broker.tokens).toBe(1);
  });

  it('close 1000 "Bye" that nobody asked for is no normal end', async () => {
    const socket = await startLive(symbols(1, "trade"));
    socket.socket.close(1000, "Bye");
    await until(waiting);
    expect(eventsOf("feed_closed")).toMatchObject([
      { code: "FEED_CLOSED", reason: "closed with 1000 Bye" },
    ]);
    expect(waitMs()).toBeGreaterThanOrEqual(3_000);
    await runUntil(isLive);
    expect(broker.lines).toHaveLength(2);
  });

  it.each(["R10002", "R10004"])("SYSTEM %s is followed by a reconnect", async (code) => {
    const socket = await startLive(symbols(1, "trade"));
    socket.dismiss(code);
    await until(waiting);
    expect(eventsOf("feed_closed")[0]!.reason).toContain(code);
    await runUntil(isLive);
    expect(alarms()).toEqual([]);
  });

  it("a token that dies is renewed by the next session", async () => {
    const socket = await startLive(symbols(1, "trade"));
    broker.answer = ({ token }) => ({ return_code: token === undefined ? 8005 : 0 });
    feed.replan(symbols(2, "trade"));
    await runUntil(waiting);
    expect(alarms()).toEqual(["FEED_AUTH"]);
    expect(socket.isGone).toBe(true);
    broker.answer = () => ({ return_code: 0 });
    await runUntil(isLive);
    expect(broker.tokens).toBe(2);
  });
});

describe("evicted by another program (R10001)", () => {
  it("it waits for minutes, and after three in a row stops with FEED_EVICTED", async () => {
    start(symbols(1, "trade"));
    for (const n of [0, 1]) {
      await runUntil(isLive);
      (await line(n)).dismiss("R10001");
      await until(waiting);
      expect(waiting()?.code).toBe("FEED_SOCKET_TAKEN");
      expect(waitMs()).toBeGreaterThanOrEqual(60_000 * (n + 1));
    }
    await runUntil(isLive);
    (await line(2)).dismiss("R10001");
    await until(() => feed.state().name === "stopped");
    expect(feed.state()).toEqual({ name: "stopped", code: "FEED_EVICTED" });
    expect(alarms()).toEqual(["FEED_SOCKET_TAKEN", "FEED_SOCKET_TAKEN", "FEED_EVICTED"]);
    await clock.advanceSlowly(3_600_000, 60_000);
    expect(broker.lines).toHaveLength(3);
  });

  it("after half an hour of peace the counting starts again", async () => {
    start(symbols(1, "trade"), { timings: { silenceMs: 3_600_000 } });
    for (const n of [0, 1, 2]) {
      await runUntil(isLive);
      const socket = await line(n);
      if (n === 2) clock.advance(1_800_000);
      socket.dismiss("R10001");
      await until(waiting);
      expect(waiting()?.code).toBe("FEED_SOCKET_TAKEN");
    }
  });
});

describe("a stop", () => {
  it("removes everything, closes with 1000, and resolves when the socket is gone", async () => {
    const socket = await startLive(symbols(60, "trade", "book"));
    const from = socket.received.length;
    broker.answer = ({ trnm }) => {
      // What comes before the goodbye is still data.
      if (trnm === "REMOVE") socket.send(TRADE);
      return { return_code: 0 };
    };
    await stop();
    const asked = socket.received.slice(from).map((message) => JSON.parse(message) as Request);
    expect(asked.map(({ trnm, data }) => [trnm, data[0]!.item.length, data[0]!.type])).toEqual([
      ["REMOVE", 50, ["0B", "0D"]],
      ["REMOVE", 10, ["0B", "0D"]],
      ["REMOVE", 1, ["0s", "1h"]],
    ]);
    expect(socket.closeCode).toBe(1000);
    expect(rows).toHaveLength(3);
    expect(feed.state()).toEqual({ name: "stopped" });
    expect(alarms()).toEqual([]);
  });

  it("waits 5 s for the removal and 3 s for the goodbye, no longer", async () => {
    const socket = await startLive(symbols(1, "trade"));
    broker.answer = () => undefined;
    let isStopped = false;
    void feed.stop().then(() => (isStopped = true));
    await runUntil(() => socket.requests("REMOVE").length === 1);
    const askedMs = clock.monoMs();
    socket.socket.pause();
    clock.advance(5_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(isStopped).toBe(false);
    clock.advance(3_000);
    await until(() => isStopped);
    expect(clock.monoMs() - askedMs).toBe(8_000);
    socket.socket.resume();
    await until(() => socket.isGone);
  });

  it("before the answer to LOGIN closes at once; during a wait it ends the wait", async () => {
    broker.answer = () => undefined;
    start(symbols(1, "trade"));
    const socket = await line();
    await until(() => socket.received.length > 0);
    await feed.stop();
    expect(feed.state()).toEqual({ name: "stopped" });
    broker.issue = () => 503;
    start(symbols(1, "trade"));
    await until(waiting);
    await feed.stop();
    expect(feed.state()).toEqual({ name: "stopped" });
  });

  it("leaves no timer behind", async () => {
    await startLive(symbols(1, "trade"));
    await stop();
    expect(clock.pending()).toBe(0);
  });
});

describe("destroyed", () => {
  it("it hands on nothing more, says no goodbye, and its socket is gone", async () => {
    const socket = await startLive(symbols(1, "trade"));
    const from = socket.received.length;
    for (let i = 0; i < 100; i++) socket.send(TRADE);
    await until(() => rows.length > 0);
    feed.destroy();
    const read = rows.length;
    await until(() => socket.isGone);
    await feed.stop();
    expect(socket.closeCode).toBe(1006);
    expect(rows).toHaveLength(read);
    expect(socket.received).toHaveLength(from);
    expect(clock.pending()).toBe(0);
  });

  it("while it waits for a token or for LOGIN it comes to nothing", async () => {
    broker.issue = () => undefined;
    start(symbols(1, "trade"));
    await until(() => broker.tokens === 1);
    feed.destroy();
    await feed.stop();
    expect(broker.lines).toEqual([]);
    broker.issue = () => broker.token();
    broker.answer = () => undefined;
    start(symbols(1, "trade"));
    const socket = await line();
    await until(() => socket.received.length > 0);
    feed.destroy();
    await feed.stop();
    await until(() => socket.isGone);
    expect(feed.state()).toEqual({ name: "stopped" });
  });
});

describe("a broker that does not answer the goodbye", () => {
  it("is left after 3 s, and only then the next socket opens", async () => {
    const socket = await startLive(symbols(1, "trade"));
    clock.advance(1);
    socket.socket.pause();
    socket.send({ trnm: "SYSTEM", code: "R10002", message: "" });
    await until(() => feed.lastFrameMs() === clock.nowMs());
    clock.advance(2_999);
    expect(waiting()).toBeUndefined();
    expect(broker.lines).toHaveLength(1);
    clock.advance(1);
    await until(waiting);
    socket.socket.resume();
    await until(() => socket.isGone);
    await runUntil(isLive);
    expect(broker.lines).toHaveLength(2);
  });
});

describe("an answer's code", () => {
  it.each<[number, string, KiwoomAction]>([
    [0, "", "ok"],
    [3, "인증에 실패했습니다[8050:지정단말기 인증에 실패했습니다]", "address"],
    [3, "[8010:Token을 발급받은 IP와 서비스를 요청한 IP가 동일하지 않습니다]", "address"],
    [3, "[8005:Token이 유효하지 않습니다]", "token"],
    [3, "", "token"],
    [805_004, "[CODE=8005, MESSAGE=Token이 유효하지 않습니다]", "token"],
    [805_004, "", "token"],
    [8030, "", "auth"],
    [5, "[1700:허용된 요청 개수를 초과하였습니다. 유량=5, API ID=ka10080]", "slow"],
    [105_110, "", "slow"],
    [105_115, "001700", "cap"],
    [105_118, "008050", "cap"],
    [1999, "", "unknown"],
    [-1, "", "unknown"],
  ])("%i %s means %s", (returnCode, message, action) => {
    expect(kiwoomActionOf(returnCode, message)).toBe(action);
  });
});

describe("with the simulated broker", () => {
  it("every record it sends arrives, garbage and broken frames counted as rejects", async () => {
    const sim = await startSim({
      rate: 2_000,
      symbols: 40,
      openingMs: 100,
      pingMs: 50,
      regsPerSecond: 1_000,
    });
    const plan = sim.symbols.flatMap((symbol) => [one(symbol), one(symbol, "book")]);
    const { kiwoomRest: restUrl, kiwoomWs: wsUrl } = sim.urls;
    start(plan, { restUrl, wsUrl, clock: systemClock, timings: { paceMs: 5 } });
    const is = (kind: string) => rows.filter((row) => row.kind === kind).length;
    await until(isLive);
    sim.fault({ kind: "garbage", broker: "kiwoom", count: 7 });
    sim.fault({ kind: "truncate", broker: "kiwoom", count: 5 });
    await until(() => is("trade") > 500 && is("book") > 500);
    sim.stop();
    await until(() => rows.length === sim.counts().kiwoom[APP_KEY]!.records);
    expect(is("reject")).toBe(12);
    expect(isLive()).toBe(true);
    await feed.stop();
    await sim.close();
  });

  it("it comes back from a drop, a close, a dead link and an eviction, with one socket at a time", async () => {
    const sim = await startSim({ rate: 500, openingMs: 0, pingMs: 40, regsPerSecond: 1_000 });
    const soon = { floorMs: 5, baseMs: 5, ceilingMs: 20 };
    const waits = { clean: soon, unclean: soon, taken: soon, refused: soon };
    const { kiwoomRest: restUrl, kiwoomWs: wsUrl } = sim.urls;
    const timings = { paceMs: 5, silenceMs: 300, closeMs: 100, waits };
    start(
      sim.symbols.map((symbol) => one(symbol)),
      { restUrl, wsUrl, clock: systemClock, timings },
    );
    const faults = ["drop", "close1000", "stall", "evict"] as const;
    for (const [i, kind] of faults.entries()) {
      await until(isLive);
      sim.fault({ kind, broker: "kiwoom", ms: 2_000 });
      await until(() => eventsOf("feed_subscribed").length === i + 2);
      const got = rows.length;
      await until(() => rows.length > got);
    }
    const codes = eventsOf("feed_closed").map(({ code }) => code);
    expect(codes).toEqual(["FEED_CLOSED", "FEED_CLOSED", "FEED_SILENT", "FEED_SOCKET_TAKEN"]);
    expect(sim.counts().doubleSockets).toBe(0);
    await feed.stop();
    expect(sim.counts().openSockets.kiwoom).toBe(0);
    await sim.close();
  });
});
