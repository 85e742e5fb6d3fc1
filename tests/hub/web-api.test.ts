// The page's questions over real HTTP against a real hub: 100 symbols, rows that came through the gateway, answers
// compared with what was sent.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Transport } from "../../app/edge/uplink/transport.ts";
import { encodeBatch } from "../../app/shared/batch.ts";
import { systemClock } from "../../app/shared/clock.ts";
import { kstDay } from "../../app/shared/market-time.ts";
import type { Trade } from "../../app/shared/tick.ts";
import type {
  ApiError,
  Bars,
  GapList,
  LogList,
  Session,
  Strip,
  SymbolList,
  TradeList,
} from "../../app/shared/web-api.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { eventsOf } from "../support/event-source.ts";
import { claim, startTestHub, testTransport, until } from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";
import { trade } from "../support/records.ts";

const SYMBOLS = Array.from({ length: 100 }, (_, i) => `A${String(i).padStart(5, "0")}`);
const PLACE = "source=kis:1&venue=KRX&symbol=A00007";
const PAST = 20261125;

let database: TestDatabase;
let hub: TestHub;
let transport: Transport;
let sent: Trade[] = [];
const nowMs = Math.floor(systemClock.nowMs() / 1_000) * 1_000;
const day = kstDay(nowMs);

/** 100 symbols with 30 trades each, one in 40 s: over the last 20 minutes. */
function made(): Trade[] {
  return SYMBOLS.flatMap((symbol, s) =>
    Array.from({ length: 30 }, (_, i) =>
      trade({
        ...{ symbol, day, seq: (i + 1) * 10, size: 10, price: 1_000 + s + ((i * 7) % 13) },
        exchangeMs: nowMs - (30 - i) * 40_000,
        ...{ edgeRecvMs: systemClock.nowMs(), capture: s * 30 + i + 1, side: i % 2 ? 1 : -1 },
      }),
    ),
  );
}

beforeAll(async () => {
  database = await createDatabase({ migrated: false });
  hub = await startTestHub(database.url, {
    symbols: SYMBOLS.map((symbol) => ({ venue: "KRX", symbol })),
    accounts: [
      { account: "kis:1", broker: "kis", cap: 400 },
      { account: "kiwoom:1", broker: "kiwoom", cap: 400 },
    ],
  });
  transport = testTransport(hub.gatewayUrl);
  await transport.open();
  const holder = randomUUID();
  const epoch = await claim(transport, holder);
  sent = made();
  const head = {
    table: "trade",
    stream: randomUUID(),
    number: 1,
    account: "kis:1",
    epoch,
  } as const;
  await transport.send(encodeBatch(head, sent), holder);
  await database.pool.query(
    "insert into instrument (venue, symbol, name) values ('KRX', 'A00007', '일곱전자')",
  );
  await database.pool.query(
    `insert into coverage (source, venue, symbol, day, channel, from_at, to_at, state)
     select 'kis:9', 'KRX', 'A00001', '2026-11-25', 'trade', ('2026-11-25 ' || f || '+09')::timestamptz,
       ('2026-11-25 ' || t || '+09')::timestamptz, state
     from (values ('00:00', '08:30', 'not expected'), ('08:30', '09:00', 'not recorded'),
       ('09:00', '12:00', 'verified'), ('12:00', '12:07', 'gap'), ('12:07', '15:30', 'volume-verified'),
       ('15:30', '18:00', 'alive'), ('18:00', '24:00', 'not expected')) as c (f, t, state)`,
  );
  await database.pool.query(
    `insert into gap (source, venue, symbol, day, channel, kind, from_at, to_at, seq_from, seq_to, reason, state)
     values ('kis:9', 'KRX', 'A00001', '2026-11-25', 'trade', 'hole', '2026-11-25 12:00+09',
         '2026-11-25 12:07+09', 100, 350, 'VOLUME_STEP', 'lost'),
       ('kis:9', 'KRX', 'A00001', '2026-11-25', 'trade', 'hole', '2026-11-25 10:00+09',
         '2026-11-25 10:01+09', 10, 30, 'FEED_CLOSED', 'refilled'),
       ('kis:9', 'KRX', 'A00002', '2026-11-25', 'book', 'time', '2026-11-25 11:00+09',
         '2026-11-25 11:01+09', null, null, 'KILLED', 'lost'),
       ('kis:9', 'KRX', 'A00001', '2026-11-25', 'trade', 'tail', '2026-11-25 15:29+09',
         '2026-11-25 15:30+09', 500, null, 'DAY_END', 'suspected')`,
  );
});
afterAll(async () => {
  await transport.close();
  await hub.stop();
  await database.drop();
});

async function ask<T>(path: string): Promise<T> {
  const response = await fetch(hub.url + path);
  expect(response.status, path).toBe(200);
  return (await response.json()) as T;
}

/** What was sent of one symbol, as bars. */
function barsOf(
  symbol: string,
  stepMs: number,
): Omit<Bars, "source" | "venue" | "symbol" | "stepMs"> {
  const bars = new Map<number, Trade[]>();
  for (const one of sent) {
    if (one.symbol !== symbol) continue;
    const atMs = Math.floor(one.exchangeMs / stepMs) * stepMs;
    bars.set(atMs, [...(bars.get(atMs) ?? []), one]);
  }
  const each = [...bars.values()].map((own) => own.map(({ price }) => price));
  return {
    timesMs: [...bars.keys()],
    open: each.map((prices) => prices[0]!),
    high: each.map((prices) => Math.max(...prices)),
    low: each.map((prices) => Math.min(...prices)),
    close: each.map((prices) => prices.at(-1)!),
    volume: [...bars.values()].map((own) => own.reduce((sum, { size }) => sum + size, 0)),
  };
}

describe("what is asked and answered", () => {
  test("symbols are those of the plan, with their names and who collects them", async () => {
    const list = await ask<SymbolList>("/api/symbols");
    expect(list.day).toBe(day);
    expect(list.symbols.map(({ symbol }) => symbol)).toEqual(SYMBOLS);
    expect(list.symbols[7]).toEqual({
      ...{ venue: "KRX", symbol: "A00007", name: "일곱전자", zone: "Asia/Seoul" },
      sources: ["kis:1", "kiwoom:1"],
    });
    expect(list.symbols[8]!.name).toBeNull();
  });

  test.each([5_000, 60_000, 300_000, 3_600_000])(
    "bars of %i ms are the trades sent",
    async (stepMs) => {
      const span = `fromMs=${nowMs - 1_800_000}&toMs=${nowMs + 60_000}`;
      const bars = await ask<Bars>(`/api/bars?${PLACE}&${span}&stepMs=${stepMs}`);
      const { source, venue, symbol, stepMs: step, ...columns } = bars;
      expect({ source, venue, symbol, step }).toEqual({
        ...{ source: "kis:1", venue: "KRX", symbol: "A00007", step: stepMs },
      });
      expect(columns).toEqual(barsOf("A00007", stepMs));
    },
  );

  test("a bar of a day begins at midnight of its venue and has the whole day's volume", async () => {
    const span = `fromMs=${nowMs - 5 * 86_400_000}&toMs=${nowMs + 60_000}&stepMs=86400000`;
    const { timesMs, volume, open } = await ask<Bars>(`/api/bars?${PLACE}&${span}`);
    expect(timesMs).toHaveLength(1);
    expect(new Date(timesMs[0]! + 9 * 3_600_000).toISOString()).toContain("T00:00:00.000Z");
    expect([volume, open]).toEqual([[300], [barsOf("A00007", 60_000).open[0]]]);
  });

  test("trades come newest first, as many as asked for", async () => {
    const { trades } = await ask<TradeList>(`/api/trades?${PLACE}&limit=5`);
    const own = sent.filter(({ symbol }) => symbol === "A00007").reverse();
    expect(trades).toEqual(
      own.slice(0, 5).map(({ exchangeMs, price, size, side, seq }) => {
        return { exchangeMs, price, size, side, seq, origin: "live" };
      }),
    );
    expect((await ask<TradeList>(`/api/trades?${PLACE}`)).trades).toHaveLength(30);
  });

  test("a place nobody knows has nothing, and that is no error", async () => {
    const nobody = "source=kis:1&venue=KRX&symbol=NOBODY";
    const span = `fromMs=${nowMs - 60_000}&toMs=${nowMs}&stepMs=1000`;
    expect((await ask<Bars>(`/api/bars?${nobody}&${span}`)).timesMs).toEqual([]);
    expect((await ask<TradeList>(`/api/trades?${nobody}`)).trades).toEqual([]);
    expect((await ask<GapList>(`/api/gaps?${nobody}&day=${PAST}`)).gaps).toEqual([]);
  });

  test("the strip of a past day has the worst of each step", async () => {
    const strip = await ask<Strip>(`/api/strip?day=${PAST}`);
    const at = (time: string) => {
      const ms = Date.parse(`2026-11-25T${time}:00+09:00`);
      return strip.rows[0]!.cells[Math.floor((ms - strip.fromMs) / strip.stepMs)];
    };
    expect(strip.rows).toMatchObject([{ source: "kis:9", venue: "KRX", symbol: "A00001" }]);
    expect(strip.rows[0]!.cells).toHaveLength((strip.toMs - strip.fromMs) / strip.stepMs);
    expect(["08:35", "09:30", "10:00", "12:00", "12:05", "12:10", "15:40"].map(at)).toEqual([
      "n",
      "v",
      "r",
      "g",
      "g",
      "w",
      "a",
    ]);
    expect(strip.rows[0]!.verifiedShare).toBeCloseTo((180 + 203) / (180 + 7 + 203 + 150), 6);
  });

  test("today's strip has a row for each place that is collected", async () => {
    let strip = {} as Strip;
    await until(async () => {
      strip = await ask<Strip>("/api/strip?stepMs=60000");
      return strip.rows.filter(({ source }) => source === "kis:1").length === 100;
    }, "the ledger of coverage to be written");
    expect(strip).toMatchObject({ day, stepMs: 60_000 });
    for (const { cells } of strip.rows) expect(cells).toMatch(/^[vwasgrn. ]+$/);
  });

  test("gaps of a day are listed whatever became of them, but not the question about its end", async () => {
    const { gaps, day: of } = await ask<GapList>(`/api/gaps?day=${PAST}`);
    expect(of).toBe(PAST);
    expect(gaps.map(({ reason, state }) => `${reason} ${state}`)).toEqual([
      ...["VOLUME_STEP lost", "KILLED lost", "FEED_CLOSED refilled"],
    ]);
    expect(gaps[0]).toEqual({
      ...{ id: expect.any(Number) as number, source: "kis:9", venue: "KRX", symbol: "A00001" },
      ...{ channel: "trade", kind: "hole", state: "lost", reason: "VOLUME_STEP" },
      fromMs: Date.parse("2026-11-25T12:00:00+09:00"),
      toMs: Date.parse("2026-11-25T12:07:00+09:00"),
      missingVolume: 250,
    });
    const own = await ask<GapList>(`/api/gaps?day=${PAST}&symbol=A00002`);
    expect(own.gaps.map(({ missingVolume }) => missingVolume)).toEqual([null]);
  });

  test("the session says what may be done, and by default nothing", async () => {
    expect(await ask<Session>("/api/session")).toEqual({ version: "0.0.0-test", actions: false });
  });

  test("a stream of logs begins with what there is", async () => {
    const [first] = await eventsOf(await fetch(`${hub.url}/api/logs/live?level=warn`), 1);
    const { lines, lastId } = first!.data as LogList;
    expect(Array.isArray(lines)).toBe(true);
    expect(typeof lastId).toBe("number");
  });
});

describe("a question of the wrong form", () => {
  const span = (fromMs: number, toMs: number) => `fromMs=${fromMs}&toMs=${toMs}`;
  test.each([
    ["/api/bars?source=kis:1&venue=KRX", "symbol: "],
    [`/api/bars?${PLACE}&${span(2, 1)}&stepMs=1000`, "fromMs: before toMs"],
    [`/api/bars?${PLACE}&${span(0, 9)}&stepMs=7`, "stepMs: one of 1000, "],
    [`/api/bars?${PLACE}&${span(0, 2_001_000)}&stepMs=1000`, "stepMs: at most 2000 steps"],
    [`/api/bars?${PLACE}&fromMs=1e3&toMs=9&stepMs=1000`, "fromMs: a whole number"],
    [`/api/trades?${PLACE}&limit=501`, "limit: from 1 to 500"],
    [`/api/trades?${PLACE}&limit=-1`, "limit: a whole number"],
    [`/api/trades?${PLACE}&limt=5`, "limt"],
    ["/api/strip?day=20260231", "day: a day, YYYYMMDD"],
    ["/api/strip?day=20260227&day=20260228", "day: "],
    ["/api/gaps?symbol=", "symbol: "],
    ["/api/logs?level=loud", "level: "],
    ["/api/watch?source=kis:1", "venue: "],
    ["/api/symbols?x=1", "x"],
  ])("%s is 400 and names the problem", async (path, problem) => {
    const response = await fetch(hub.url + path);
    expect(response.status).toBe(400);
    const body = (await response.json()) as ApiError;
    expect(body).toMatchObject({ code: "REQUEST_INVALID", hint: expect.any(String) as string });
    expect(body.problems!.join("\n")).toContain(problem);
  });

  test("of a text that would be SQL is answered like any other", async () => {
    const symbol = encodeURIComponent("'; drop table trade; --");
    const list = await ask<TradeList>(`/api/trades?source=kis:1&venue=KRX&symbol=${symbol}`);
    expect(list.trades).toEqual([]);
    const { rows } = await database.pool.query("select count(*)::int as n from trade");
    expect(rows).toEqual([{ n: 3_000 }]);
  });
});

describe("the way to the tables", () => {
  test("is a pool of its own that can only read, with a limit on each statement", async () => {
    await ask<SymbolList>("/api/symbols");
    const { rows } = await database.pool.query<{ name: string; n: number }>(
      `select application_name as name, count(*)::int as n from pg_stat_activity
       where datname = current_database() and application_name like 'tickhub-%' group by 1`,
    );
    const count = new Map(rows.map(({ name, n }) => [name, n]));
    expect(count.get("tickhub-page")).toBeGreaterThanOrEqual(1);
    expect(count.get("tickhub-page")).toBeLessThanOrEqual(2);
  });

  test("ten pages that ask at once, and a table that is locked under them, hold up no batch", async () => {
    const blocker = await database.pool.connect();
    try {
      await blocker.query("begin");
      // Whoever reads coverage waits; nothing on the way in does.
      await blocker.query("lock table coverage in access exclusive mode");
      const asked = Array.from({ length: 10 }, () => fetch(`${hub.url}/api/strip?day=20261124`));
      const holder = randomUUID();
      const { lease } = await transport.ask({
        ...{ account: "kiwoom:1", holder, edge: "kis", wish: "claim", status: {} },
      });
      const head = { table: "trade", stream: randomUUID(), number: 1 } as const;
      const batch = encodeBatch({ ...head, account: "kiwoom:1", epoch: lease.epoch! }, made());
      await expect(transport.send(batch, holder)).resolves.toMatchObject({ committed: 3_000 });
      const answers = await Promise.all(asked);
      expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(503));
      expect(await answers[0]!.json()).toMatchObject({ code: "DATABASE_SLOW" });
    } finally {
      await blocker.query("rollback");
      blocker.release();
    }
    expect((await ask<Strip>("/api/strip?day=20261124")).rows).toEqual([]);
  });
});

describe("what is sent", () => {
  /** Without fetch, which hides the encoding. */
  const raw = (path: string, encoding: string) =>
    new Promise<{ headers: Record<string, unknown>; body: Buffer }>((resolve, reject) => {
      request(hub.url + path, { headers: { "accept-encoding": encoding } }, (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("end", () =>
          resolve({ headers: response.headers, body: Buffer.concat(parts) }),
        );
      })
        .on("error", reject)
        .end();
    });

  test("is compressed where that is worth it and wanted", async () => {
    const plain = await raw("/api/symbols", "identity");
    const small = await raw("/api/symbols", "br, gzip");
    expect(plain.headers["content-encoding"]).toBeUndefined();
    expect(small.headers).toMatchObject({ "content-encoding": "gzip", vary: "accept-encoding" });
    expect(gunzipSync(small.body).equals(plain.body)).toBe(true);
    expect(small.body.length).toBeLessThan(plain.body.length / 4);
    expect((await raw("/api/session", "gzip")).headers["content-encoding"]).toBeUndefined();
    expect((await raw("/api/symbols", "gzip;q=0")).headers["content-encoding"]).toBeUndefined();
  });

  test("has the headers of the page", async () => {
    for (const path of ["/api/session", "/api/bars"]) {
      const { headers } = await fetch(hub.url + path);
      expect(headers.get("content-security-policy")).toContain("default-src 'self'");
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("cache-control")).toBe("no-store");
      expect(headers.get("access-control-allow-origin")).toBeNull();
    }
  });
});

describe("docs/api.md", () => {
  test("has a heading and an example for each route, and no other", () => {
    const source = readFileSync("app/hub/web/api.ts", "utf8");
    const routes = [...source.matchAll(/"(\/api\/[a-z/]+)"/g)].map(([, path]) => path!);
    const page = readFileSync("docs/api.md", "utf8");
    const sections = page.split(/^### /m).slice(1);
    const headed = sections.map((section) => /^`(?:GET|POST) (\/api\/[a-z/]+)`/.exec(section)?.[1]);
    expect(headed.filter(Boolean).sort()).toEqual([...new Set(routes)].sort());
    for (const section of sections.filter((one) => one.includes("/api/"))) {
      expect(section, section.slice(0, 40)).toMatch(/```/);
    }
  });
});
