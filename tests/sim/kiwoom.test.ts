import { afterEach, describe, expect, test } from "vitest";
import type { SimInput } from "../../app/sim/options.ts";
import type { Sim } from "../../app/sim/sim.ts";
import { startSim } from "../../app/sim/sim.ts";
import {
  answers,
  kiwoomClient,
  kiwoomRecords,
  kiwoomRows,
  kiwoomToken,
  post,
  RawClient,
  reg,
  register,
  waitFor,
} from "./client.ts";

let sim: Sim;
afterEach(() => sim.close());

/** Quiet unless a test wants data: then it says so with a rate. */
async function start(input: SimInput = {}): Promise<Sim> {
  sim = await startSim({ rate: 0.001, openingMs: 0, regsPerSecond: 1000, ...input });
  return sim;
}

async function codeOf(client: RawClient, message: object): Promise<number> {
  const before = answers(client, "REG");
  client.send(message);
  await waitFor(() => answers(client, "REG") > before);
  return client
    .controls()
    .filter(({ trnm }) => trnm === "REG")
    .at(-1)!.return_code!;
}

describe("LOGIN", () => {
  test("is answered as the broker answers it, and nothing comes before", async () => {
    const { urls } = await start({ pingMs: 10 });
    const token = await kiwoomToken(urls);
    const client = await new RawClient(urls.kiwoomWs).opened();
    client.send({ trnm: "LOGIN", token });
    await waitFor(() => client.frames.length > 2);
    expect(client.frames[0]).toBe(`{"trnm":"LOGIN","return_code":0,"return_msg":"","sor_yn":"Y"}`);
    expect(client.frames[1]).toBe(`{"trnm":"PING"}`);
  });

  test("with an unknown token is refused, and may be tried again", async () => {
    const { urls } = await start();
    const client = await new RawClient(urls.kiwoomWs).opened();
    client.send({ trnm: "LOGIN", token: "no-such-token" });
    const refusal = await client.control(({ trnm }) => trnm === "LOGIN");
    expect(refusal.return_code).toBe(805_004);
    expect(refusal.return_msg).toContain("CODE=8005");
    client.send({ trnm: "LOGIN", token: await kiwoomToken(urls) });
    await client.control(({ trnm, return_code }) => trnm === "LOGIN" && return_code === 0);
  });

  test("missing for too long, or not the first message, is R10004 and a close", async () => {
    const { urls } = await start({ loginTimeoutMs: 50 });
    const idle = await new RawClient(urls.kiwoomWs).opened();
    await waitFor(() => idle.closed !== undefined);
    const hasty = await new RawClient(urls.kiwoomWs).opened();
    hasty.send(reg(["005930"], ["0B"]));
    await waitFor(() => hasty.closed !== undefined);
    for (const client of [idle, hasty]) {
      expect(client.controls()[0]!.code).toBe("R10004");
      expect(client.closed).toEqual({ code: 1000, reason: "Bye" });
    }
  });

  test("twice with one app key throws out the older session: R10001, close 1000 Bye", async () => {
    const { urls } = await start();
    const older = await kiwoomClient(urls);
    const newer = await kiwoomClient(urls);
    await waitFor(() => older.closed !== undefined);
    expect(older.controls().at(-1)!.code).toBe("R10001");
    expect(older.closed).toEqual({ code: 1000, reason: "Bye" });
    expect(newer.closed).toBeUndefined();
    expect(sim.counts()).toMatchObject({ doubleSockets: 1, evictions: 1 });
  });

  test("on the US socket is a session of its own", async () => {
    const { urls } = await start();
    const domestic = await kiwoomClient(urls);
    await kiwoomClient(urls, { us: true });
    await kiwoomClient(urls, { appkey: "app-2" });
    expect(domestic.closed).toBeUndefined();
    expect(sim.counts()).toMatchObject({ doubleSockets: 0, openSockets: { kiwoom: 3 } });
  });

  test("is possible on the two documented paths only", async () => {
    const { urls } = await start();
    const lost = new RawClient(urls.kiwoomWs.replace("dostk", "nowhere"));
    await waitFor(() => lost.closed !== undefined);
    expect(sim.counts().openSockets.kiwoom).toBe(0);
  });
});

describe("REG", () => {
  test("takes arrays only, and rubbish codes without a word", async () => {
    const { urls } = await start();
    const client = await kiwoomClient(urls);
    expect(await codeOf(client, reg("005930", ["0B"]))).toBe(105_111);
    expect(await codeOf(client, reg(["005930"], "0B"))).toBe(105_111);
    expect(await codeOf(client, { trnm: "REG", grp_no: "1", refresh: "1" })).toBe(105_111);
    expect(await codeOf(client, reg(["RUBBISH"], ["0B", "ZZ"]))).toBe(0);
  });

  test("more than five a second is 105110", async () => {
    const { urls } = await start({ regsPerSecond: 5 });
    const client = await kiwoomClient(urls);
    for (let i = 0; i < 12; i++) client.send(reg([`90000${i}`], ["0B"]));
    await waitFor(() => answers(client, "REG") === 12);
    const codes = client.controls().map((message) => message.return_code);
    expect(codes).toContain(105_110);
  });

  test("counts items, not types: 200 fit, the 201st is 105115 and leaves what stood", async () => {
    const { urls } = await start();
    const client = await kiwoomClient(urls);
    const codes = Array.from({ length: 201 }, (_, i) => String(900_000 + i));
    expect(await codeOf(client, reg(codes.slice(0, 200), ["0B", "0D"]))).toBe(0);
    expect(await codeOf(client, reg([""], ["0s", "1h"]))).toBe(0);
    expect(await codeOf(client, reg([codes[0]], ["0H"]))).toBe(0);
    expect(await codeOf(client, reg([codes[200]], ["0B"]))).toBe(105_115);
    client.send({ ...reg([codes[0]], ["0B", "0D", "0H"]), trnm: "REMOVE" });
    await waitFor(() => answers(client, "REMOVE") === 1);
    expect(await codeOf(client, reg([codes[200]], ["0B"]))).toBe(0);
    expect(await codeOf(client, reg([codes[0]], ["0B"], "0"))).toBe(0);
    sim.fault({ kind: "cap", broker: "kiwoom", cap: 1 });
    expect(await codeOf(client, reg([codes[1]], ["0B"]))).toBe(105_115);
  });
});

describe("heartbeat", () => {
  test("an echo keeps the session, its absence is R10002", async () => {
    const { urls } = await start({ pingMs: 10, echoTimeoutMs: 150 });
    const good = await kiwoomClient(urls, { appkey: "app-1" });
    const mute = await kiwoomClient(urls, { appkey: "app-2" });
    mute.echo = false;
    await waitFor(() => mute.closed !== undefined);
    expect(mute.controls().at(-1)!.code).toBe("R10002");
    await waitFor(() => answers(good, "PING") > 20);
    expect(good.closed).toBeUndefined();
  });

  test("an echoed SYSTEM ends the session", async () => {
    const { urls } = await start();
    const client = await kiwoomClient(urls);
    client.send({ trnm: "SYSTEM", code: "R10001", message: "" });
    await waitFor(() => client.closed !== undefined);
    expect(client.closed!.code).toBe(1000);
  });
});

describe("data", () => {
  test("counts equal the rows the client found, and stop is final", async () => {
    const { urls } = await start({ rate: 2000, openingMs: 300, expect: ["kiwoom"] });
    const client = await kiwoomClient(urls);
    await register(client, [""], ["0s", "1h"]);
    await register(client, sim.symbols, ["0D", "0H", "0A"]);
    await register(client, sim.symbols, ["0B"]);
    await waitFor(() => sim.counts().records > 16_000);
    sim.stop({ close: true });
    const tally = sim.counts().kiwoom["app-1"]!;
    await waitFor(() => kiwoomRecords(client.frames) === tally.records);
    expect(tally.trades + tally.books + tally.statuses).toBe(tally.records);
    expect(tally.frames).toBeLessThan(tally.records);
    expect(sim.counts().kiwoom["app-1"]).toEqual(tally);

    const rows = kiwoomRows(client.frames);
    expect(new Set(rows.map((row) => row.type))).toEqual(
      new Set(["0A", "0B", "0D", "0H", "0s", "1h"]),
    );
    const marks = (type: string, fid: number) =>
      rows.filter((row) => row.type === type).map((row) => row.values[fid]);
    expect(marks("0s", 215)).toEqual(["0", "3", "2", "4"]);
    expect(marks("1h", 9068)).toEqual(["1", "2"]);
  });

  test("a row says who started the trade, and the day's sums step by it", async () => {
    const { urls } = await start({ rate: 2000, symbols: 1 });
    const client = await kiwoomClient(urls);
    await register(client, ["005930", "005930_NX"], ["0B"]);
    await waitFor(() => sim.counts().records > 400);
    sim.stop();
    await waitFor(() => kiwoomRecords(client.frames) === sim.counts().records);
    const rows = kiwoomRows(client.frames);
    const plain = rows.filter((row) => row.item === "005930").map((row) => row.values);
    for (let i = 1; i < plain.length; i++) {
      const [before, now] = [plain[i - 1]!, plain[i]!];
      expect(Number(now[13]) - Number(before[13])).toBe(Math.abs(Number(now[15])));
      expect(now[9081]).toBe("KRX");
      const base = Math.abs(Number(now[10])) - Number(now[11]);
      expect(base).toBe(71_000);
      if (now[15]!.startsWith("+")) expect(Number(now[1072])).toBe(Number(before[1072]) + 1);
      else if (now[15]!.startsWith("-")) expect(Number(now[1071])).toBe(Number(before[1071]) + 1);
    }
    const nxt = rows.filter((row) => row.item === "005930_NX");
    expect(nxt.length).toBeGreaterThan(50);
    expect(nxt.every((row) => row.values[9081] === "NXT")).toBe(true);
  });

  test("US items come on the US socket, as codes or as objects", async () => {
    const { urls } = await start({ rate: 1000, us: true, symbols: 0 });
    const client = await kiwoomClient(urls, { us: true });
    await register(client, [{ jmcode: "NVDA", stex_tp: "ND" }, "AAPL"], ["FE", "FT"]);
    const kinds = () =>
      new Set(kiwoomRows(client.frames).map((row) => `${row.type} ${row.item} ${row.stexTp!}`));
    await waitFor(() => kinds().size === 4);
    expect(kinds()).toEqual(new Set(["FE NVDA ND", "FT NVDA ND", "FE AAPL ND", "FT AAPL ND"]));
    const price = kiwoomRows(client.frames).find((row) => row.type === "FE")!.values[10];
    expect(price).toMatch(/^[+-]?\d+\.\d{4}$/);
  });
});

describe("faults", () => {
  test("garbage and truncated frames cannot be read and count one record each", async () => {
    const { urls } = await start({ rate: 1000, symbols: 1 });
    const client = await kiwoomClient(urls);
    await register(client, ["005930"], ["0B", "0D"]);
    await waitFor(() => sim.counts().records > 10);
    sim.fault({ kind: "garbage", broker: "kiwoom", count: 6 });
    sim.fault({ kind: "truncate", broker: "kiwoom", count: 4 });
    sim.fault({ kind: "extra-field", broker: "kiwoom", count: 2 });
    await waitFor(() => client.frames.some((frame) => frame.includes(`"99999":"7"`)));
    await waitFor(() => sim.counts().kiwoom["app-1"]!.garbage === 10);
    sim.stop();
    await waitFor(() => kiwoomRecords(client.frames) === sim.counts().records);
    const unreadable = client.frames.filter(
      (frame) => kiwoomRecords([frame]) === 1 && !isJson(frame),
    );
    expect(unreadable).toHaveLength(10);
    expect(sim.fault({ kind: "wrong-count", broker: "kiwoom" })).toBe(0);
  });

  test("drop, close1000 and evict end the session the way they say", async () => {
    const { urls } = await start();
    const ends: unknown[] = [];
    for (const kind of ["drop", "close1000", "evict"] as const) {
      const client = await kiwoomClient(urls);
      sim.fault({ kind, broker: "kiwoom", account: "app-1" });
      await waitFor(() => client.closed !== undefined);
      ends.push(client.closed!.code, client.controls().at(-1)!.code);
    }
    expect(ends).toEqual([1006, undefined, 1000, undefined, 1000, "R10001"]);
  });

  test("no-ack, rate-limit and auth-refuse spoil the next answers", async () => {
    const { urls } = await start();
    const client = await kiwoomClient(urls);
    sim.fault({ kind: "no-ack", broker: "kiwoom", count: 1 });
    client.send(reg(["005930"], ["0B"]));
    sim.fault({ kind: "rate-limit", broker: "kiwoom", count: 1 });
    await waitFor(() => answers(client, "REG") === 0);
    expect(await codeOf(client, reg(["005930"], ["0B"]))).toBe(105_110);
    expect(await codeOf(client, reg(["005930"], ["0B"]))).toBe(0);

    sim.fault({ kind: "auth-refuse", broker: "kiwoom", count: 1 });
    const { status, body } = await post(`${urls.kiwoomRest}/oauth2/token`, {
      appkey: "app-1",
      secretkey: "s",
    });
    expect(status).toBe(200);
    expect(body.return_code).toBe(3);
    expect(body.return_msg).toContain("8050");
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe("REST", () => {
  const api = async (
    id: string,
    body: object,
    more: Record<string, string> = {},
    path = "stkinfo",
  ) => {
    const token = await kiwoomToken(sim.urls);
    const headers = { "api-id": id, authorization: `Bearer ${token}`, ...more };
    return post(`${sim.urls.kiwoomRest}/api/dostk/${path}`, body, headers);
  };

  test("ka10003 pages return every trade once with its cumulative volume, though trading goes on", async () => {
    await start({ rate: 300, symbols: 1, pageRows: 20, kiwoomRequestsPerSecond: 1000 });
    const client = await kiwoomClient(sim.urls);
    await register(client, ["005930"], ["0B"]);
    await waitFor(() => sim.counts().records > 150);
    const sent = kiwoomRows(client.frames).map(({ values }) => [values[13]!, values[15]!]);
    const found = new Map<string, string>();
    let pages = 0;
    for (let next: Record<string, string> | undefined = {}; next; pages++) {
      const { body, headers } = await api("ka10003", { stk_cd: "005930" }, next);
      const rows = body.cntr_infr as { acc_trde_qty: string; cntr_trde_qty: string }[];
      for (const row of rows) {
        expect(found.has(row.acc_trde_qty)).toBe(false);
        found.set(row.acc_trde_qty, row.cntr_trde_qty);
      }
      const key = headers.get("next-key");
      next = headers.get("cont-yn") === "Y" ? { "cont-yn": "Y", "next-key": key! } : undefined;
    }
    expect(pages).toBeGreaterThan(5);
    for (const [cum, size] of sent) expect(found.get(cum!)).toBe(size);
  });

  test("ka10084, ka10079 and ka10080 tell the same day", async () => {
    await start({ rate: 500, symbols: 1 });
    const client = await kiwoomClient(sim.urls);
    await register(client, ["005930"], ["0B"]);
    await waitFor(() => sim.counts().records > 60);
    sim.stop();
    const day = await api("ka10084", { stk_cd: "005930_AL", tdy_pred: "1", tic_min: "0" });
    const [latest] = day.body.tdy_pred_cntr as { acc_trde_qty: string }[];
    const ticks = await api("ka10079", { stk_cd: "005930", tic_scope: "1" }, {}, "chart");
    const [tick] = ticks.body.stk_tic_chart_qry as { cntr_tm: string }[];
    expect(tick!.cntr_tm).toMatch(/^20\d{12}$/);
    const bars = await api("ka10080", { stk_cd: "005930", tic_scope: "1" }, {}, "chart");
    const [bar] = bars.body.stk_min_pole_chart_qry as { acc_trde_qty: string }[];
    expect(bar!.acc_trde_qty).toBe(latest!.acc_trde_qty);
    const yesterday = await api("ka10084", { stk_cd: "005930", tdy_pred: "2" });
    expect(yesterday.body.tdy_pred_cntr).toEqual([]);
  });

  test("errors are HTTP 200 with a code in the text; only the rate is 429", async () => {
    await start({ kiwoomRequestsPerSecond: 1 });
    const code = async (asked: ReturnType<typeof api>) => {
      const { status, body } = await asked;
      return `${status} ${String(body.return_code)} ${/\[(\d+)/.exec(String(body.return_msg))?.[1] ?? ""}`;
    };
    expect(await code(api("", { stk_cd: "005930" }))).toBe("200 2 1501");
    expect(await code(api("ka99999", { stk_cd: "005930" }))).toBe("200 2 1505");
    expect(await code(api("ka10080", { stk_cd: "005930" }))).toBe("200 2 1504");
    const bearer = { authorization: "Bearer wrong" };
    expect(await code(api("ka10003", { stk_cd: "005930" }, bearer))).toBe("200 3 8005");
    expect(await code(api("ka10003", {}))).toBe("200 2 1511");
    const many = await Promise.all([1, 2, 3].map(() => code(api("ka10003", { stk_cd: "005930" }))));
    expect(many).toContain("429 5 1700");
    const { body } = await post(`${sim.urls.kiwoomRest}/oauth2/token`, {});
    expect(body.return_code).toBe(3);
  });

  test("the same token comes until it is revoked", async () => {
    await start();
    const token = await kiwoomToken(sim.urls);
    expect(await kiwoomToken(sim.urls)).toBe(token);
    const revoke = () => post(`${sim.urls.kiwoomRest}/oauth2/revoke`, { token });
    expect((await revoke()).body.return_code).toBe(0);
    expect((await revoke()).body.return_code).toBe(3);
    expect(await kiwoomToken(sim.urls)).not.toBe(token);
  });
});
