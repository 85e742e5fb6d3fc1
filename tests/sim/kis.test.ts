import { afterEach, describe, expect, test } from "vitest";
import type { SimInput } from "../../app/sim/options.ts";
import type { Sim } from "../../app/sim/sim.ts";
import { startSim } from "../../app/sim/sim.ts";
import {
  approvalKey,
  eventually,
  kisClient,
  kisRecords,
  kisRequest,
  kisTrades,
  post,
  RawClient,
  waitFor,
} from "./client.ts";

let sim: Sim;
afterEach(() => sim.close());

/** Quiet unless a test wants data: then it says so with a rate. */
async function start(input: SimInput = {}): Promise<Sim> {
  sim = await startSim({ rate: 0.001, openingMs: 0, slotHoldMs: 0, ...input });
  return sim;
}

const SAMSUNG = ["H0STCNT0", "005930"] as const;

async function answerTo(client: RawClient, message: object): Promise<string> {
  const before = client.controls().length;
  client.send(message);
  await waitFor(() => client.controls().length > before);
  return client.controls()[before]!.body!.msg_cd;
}

describe("registration", () => {
  test("a success carries iv and key, and names TR and key", async () => {
    const { urls } = await start();
    const client = await kisClient(urls, [SAMSUNG]);
    expect(client.frames[0]).toMatch(
      /^\{"header":\{"tr_id":"H0STCNT0","tr_key":"005930","encrypt":"N"\},"body":\{"rt_cd":"0","msg_cd":"OPSP0000","msg1":"SUBSCRIBE SUCCESS","output":\{"iv":"[0-9a-f]{16}","key":"[0-9a-f]{32}"\}\}\}$/,
    );
  });

  test("every refusal has the broker's code", async () => {
    const { urls } = await start();
    const approval = await approvalKey(urls);
    const client = await kisClient(urls, [SAMSUNG]);
    const to = (message: object) => answerTo(client, message);
    const plain = kisRequest(approval, "H0STCNT0", "000660");
    const { header, body } = plain;

    expect(await to(kisRequest(approval, ...SAMSUNG))).toBe("OPSP0002");
    expect(await to(kisRequest(approval, "H0STASP0", "005930", "2"))).toBe("OPSP0003");
    expect(await to(kisRequest(approval, ...SAMSUNG, "2"))).toBe("OPSP0001");
    expect(await to(kisRequest("no-such-key", ...SAMSUNG))).toBe("OPSP0011");
    expect(await to(kisRequest(approval, "H0NOSUCH", "005930"))).toBe("OPSP8991");
    expect(await to(kisRequest(approval, "H0STCNT0", ""))).toBe("OPSP8992");
    expect(await to({ header, body: { input: { tr_id: "H0STCNT0", tr_key: 5930 } } })).toBe(
      "OPSP8993",
    );
    expect(await to({ hello: "world" })).toBe("OPSP8994");
    expect(await to(kisRequest(approval, ...SAMSUNG, "0"))).toBe("OPSP8997");
    expect(await to({ header: { ...header, custtype: "X" }, body })).toBe("OPSP8998");
    expect(client.closed).toBeUndefined();
  });

  test("the 42nd is refused, and the cap can be lower", async () => {
    const { urls } = await start({ symbols: 50 });
    const keys = sim.symbols.map((code) => ["H0STCNT0", code] as const);
    const client = await kisClient(urls, keys.slice(0, 42));
    const codes = client.controls().map((message) => message.body!.msg_cd);
    expect(codes.filter((code) => code === "OPSP0000")).toHaveLength(41);
    expect(codes[41]).toBe("OPSP0008");

    sim.fault({ kind: "cap", broker: "kis", cap: 3 });
    const other = await kisClient(urls, keys.slice(0, 4), "app-2");
    expect(other.controls()[3]!.body!.msg_cd).toBe("OPSP0008");
  });
});

describe("the single socket of an app key", () => {
  test("a second one is told OPSP8996 and cut; the first goes on", async () => {
    const { urls } = await start();
    const approval = await approvalKey(urls);
    const first = await kisClient(urls, [SAMSUNG]);
    const second = await new RawClient(`${urls.kisWs}/tryitout`).opened();
    second.send(kisRequest(approval, "H0STASP0", "005930"));
    await waitFor(() => second.closed !== undefined);
    expect(second.closed!.code).toBe(1006);
    expect(second.controls()[0]!.header!.tr_id).toBe("(null)");
    expect(second.controls()[0]!.body).toMatchObject({ rt_cd: "9", msg_cd: "OPSP8996" });
    expect(await answerTo(first, kisRequest(approval, "H0STASP0", "005930"))).toBe("OPSP0000");
    expect(sim.counts().doubleSockets).toBe(1);
  });

  test("a close handshake frees the slot at once, an unclean drop keeps it", async () => {
    const { urls } = await start({ slotHoldMs: 300 });
    await (await kisClient(urls, [SAMSUNG])).leave();
    const second = await kisClient(urls, [SAMSUNG]);
    second.socket.terminate();
    await waitFor(() => sim.counts().openSockets.kis === 0);

    const approval = await approvalKey(urls);
    const tooEarly = await new RawClient(urls.kisWs).opened();
    tooEarly.send(kisRequest(approval, ...SAMSUNG));
    await waitFor(() => tooEarly.closed !== undefined);
    expect(tooEarly.controls()[0]!.body!.msg_cd).toBe("OPSP8996");

    const codeNow = async () => {
      const client = await new RawClient(urls.kisWs).opened();
      client.send(kisRequest(approval, ...SAMSUNG));
      return (await client.control(() => true)).body!.msg_cd;
    };
    await eventually(async () => ((await codeNow()) === "OPSP0000" ? true : undefined));
    expect(sim.counts().doubleSockets).toBe(0);
  });

  test("slot-lock refuses whoever comes", async () => {
    const { urls } = await start();
    sim.fault({ kind: "slot-lock", broker: "kis", ms: 60_000 });
    const client = await new RawClient(urls.kisWs).opened();
    client.send(kisRequest(await approvalKey(urls), ...SAMSUNG));
    await waitFor(() => client.closed !== undefined);
    expect(client.controls()[0]!.body!.msg_cd).toBe("OPSP8996");
    sim.fault({ kind: "clear", broker: "kis" });
    expect((await kisClient(urls, [SAMSUNG])).controls()[0]!.body!.msg_cd).toBe("OPSP0000");
  });

  test("sockets beyond the limit do not get in", async () => {
    const { urls } = await start({ socketsMax: 2 });
    await new RawClient(urls.kisWs).opened();
    await new RawClient(urls.kisWs).opened();
    const third = new RawClient(urls.kisWs);
    await waitFor(() => third.closed !== undefined);
    expect(sim.counts().openSockets.kis).toBe(2);
  });
});

describe("PINGPONG", () => {
  test("comes with a Korean date and time", async () => {
    const { urls } = await start({ pingpongMs: 20 });
    const client = await kisClient(urls, [SAMSUNG]);
    const { header } = await client.control((message) => message.header?.tr_id === "PINGPONG");
    expect(header!.datetime).toMatch(/^20\d{12}$/);
  });

  test("both ways of answering keep the socket, none loses it", async () => {
    const { urls } = await start({ pingpongMs: 20, pongTimeoutMs: 200 });
    const echoing = await kisClient(urls, [SAMSUNG], "app-1");
    const ponging = await kisClient(urls, [SAMSUNG], "app-2");
    ponging.echo = false;
    ponging.socket.on("message", (data) => ponging.socket.pong(data));
    const silent = await kisClient(urls, [SAMSUNG], "app-3");
    silent.echo = false;
    await waitFor(() => silent.closed !== undefined);
    await waitFor(() => echoing.frames.length > 20 && ponging.frames.length > 20);
    expect(echoing.closed).toBeUndefined();
    expect(ponging.closed).toBeUndefined();
  });
});

describe("data", () => {
  const everything = (codes: readonly string[]) =>
    codes.flatMap((code) => ["H0STCNT0", "H0STASP0"].map((tr) => [tr, code] as const));

  test("counts equal what the client split out of its frames, and stop is final", async () => {
    const { urls } = await start({ rate: 3000, openingMs: 300, expect: ["kis"] });
    const client = await kisClient(urls, everything(sim.symbols));
    await waitFor(() => sim.counts().records > 6000);
    sim.stop({ close: true });
    const tally = sim.counts().kis["app-1"]!;
    await waitFor(() => kisRecords(client.frames) === tally.records);
    expect(tally.trades + tally.books).toBe(tally.records);
    expect(sim.counts().kis["app-1"]).toEqual(tally);
    expect(sim.market().done).toBe(true);

    const heads = client.frames.map((frame) => frame.slice(0, 14));
    for (const head of ["0|H0STCNT0|001", "0|H0STCNT0|004", "0|H0STASP0|001"])
      expect(heads).toContain(head);
    const phases = new Set(
      client.frames.map((frame) => /^0\|H0STASP0[^^]*\^\d+\^(\w)/.exec(frame)?.[1]),
    );
    expect(phases).toEqual(new Set([undefined, "0", "A", "B"]));
  });

  test("a record for a symbol nobody registers is neither sent nor counted", async () => {
    const { urls } = await start({ rate: 2000 });
    const client = await kisClient(urls, [SAMSUNG]);
    await waitFor(() => kisRecords(client.frames) > 50);
    sim.stop();
    const data = client.frames.filter((frame) => frame.startsWith("0|"));
    expect(
      data.every((frame) => frame.startsWith("0|H0STCNT0|") && frame.includes("005930^")),
    ).toBe(true);
    expect(sim.counts().kis["app-1"]!.books).toBe(0);
  });

  test("NXT, unified and US registrations get their own widths", async () => {
    const { urls } = await start({ rate: 3000, us: true });
    const trs = { H0NXCNT0: 47, H0UNCNT0: 47, H0NXASP0: 62, H0UNASP0: 66 };
    const domestic = Object.keys(trs).map((tr) => [tr, "005930"] as const);
    const us = [
      ["HDFSCNT0", "DNASAAPL"],
      ["HDFSASP0", "RBAQNVDA"],
    ] as const;
    const client = await kisClient(urls, [...domestic, ...us]);
    const widths: Record<string, number> = { ...trs, HDFSCNT0: 26, HDFSASP0: 71 };
    for (const [tr, width] of Object.entries(widths)) {
      const head = `0|${tr}|001|`;
      await waitFor(() => client.frames.some((frame) => frame.startsWith(head)));
      const frame = client.frames.find((one) => one.startsWith(head))!;
      expect(frame.slice(head.length).split("^")).toHaveLength(width);
    }
  });

  test("H0STMKO0 tells of VI and halt", async () => {
    const { urls } = await start({ rate: 500, symbols: 3 });
    const client = await kisClient(
      urls,
      sim.symbols.map((code) => ["H0STMKO0", code] as const),
    );
    const events = () => client.frames.filter((frame) => /^0\|H0STMKO0.*\^Y\^/.test(frame));
    await waitFor(() => events().length === 2);
    sim.stop({ close: true });
    await waitFor(() => client.frames.some((frame) => frame.includes("^129^")));
    expect(events()).toEqual([
      "0|H0STMKO0|001|000660^N^(null)^112^311^^^55^Y^N",
      "0|H0STMKO0|001|247540^Y^(null)^164^311^^^58^N^N",
    ]);
  });
});

describe("faults", () => {
  test("garbage, truncated and miscounted frames count what a careful reader makes of them", async () => {
    const { urls } = await start({ rate: 1000, expect: ["kis"], symbols: 1 });
    const client = await kisClient(urls, [SAMSUNG, ["H0STASP0", "005930"]]);
    await waitFor(() => sim.counts().records > 20);
    expect(sim.fault({ kind: "garbage", broker: "kis", count: 8 })).toBe(1);
    sim.fault({ kind: "truncate", broker: "kis", count: 5 });
    await waitFor(() => sim.counts().kis["app-1"]!.garbage === 13);
    sim.fault({ kind: "wrong-count", broker: "kis", count: 3 });
    sim.fault({ kind: "extra-field", broker: "kis", ms: 100 });
    await waitFor(() => client.frames.some((frame) => frame.endsWith("^7")));
    await waitFor(() => client.frames.some((frame) => frame.startsWith("0|H0STASP0|002|")));
    sim.stop();
    const tally = sim.counts().kis["app-1"]!;
    await waitFor(
      () => client.frames.filter((frame) => !frame.startsWith("{")).length === tally.frames,
    );
    const odd = client.frames.filter(
      (frame) => !/^0\|H0ST(CNT|ASP)0\|\d{3}\|.{40}/.test(frame) && !frame.startsWith("{"),
    );
    expect(odd).toHaveLength(8);
  });

  test("a stalled socket says nothing at all, a silent one only PINGPONG", async () => {
    const { urls } = await start({ rate: 1000, pingpongMs: 20 });
    const stalled = await kisClient(urls, [SAMSUNG], "app-1");
    const silent = await kisClient(urls, [SAMSUNG], "app-2");
    await waitFor(() => kisRecords(stalled.frames) > 0 && kisRecords(silent.frames) > 0);
    sim.fault({ kind: "stall", broker: "kis", account: "app-1" });
    sim.fault({ kind: "silent", broker: "kis", account: "app-2" });
    const before = { ...sim.counts().kis };
    await waitFor(() => kisRecords(silent.frames) === before["app-2"]!.records);
    const heard = stalled.frames.length;
    const pings = () => silent.controls().filter((one) => one.header?.tr_id === "PINGPONG").length;
    const pingsBefore = pings();
    await waitFor(() => pings() > pingsBefore + 5);
    expect(stalled.frames.length - heard).toBeLessThanOrEqual(3);
    expect(sim.counts().kis).toEqual(before);
    expect(stalled.closed).toBeUndefined();
  });

  test("drop, close1000 and evict end the socket the way they say", async () => {
    const { urls } = await start();
    const ends: (number | string)[] = [];
    for (const kind of ["drop", "close1000", "evict"] as const) {
      const client = await kisClient(urls, [SAMSUNG]);
      expect(sim.fault({ kind, broker: "kis" })).toBe(1);
      await waitFor(() => client.closed !== undefined);
      ends.push(client.closed!.code, client.controls().at(-1)!.body!.msg_cd);
    }
    expect(ends).toEqual([1006, "OPSP0000", 1000, "OPSP0000", 1006, "OPSP8996"]);
  });

  test("no-ack swallows registrations, auth-refuse makes known keys unknown", async () => {
    const { urls } = await start();
    const approval = await approvalKey(urls);
    const client = await new RawClient(urls.kisWs).opened();
    sim.fault({ kind: "no-ack", broker: "kis", count: 1 });
    client.send(kisRequest(approval, ...SAMSUNG));
    expect(await answerTo(client, kisRequest(approval, "H0STASP0", "005930"))).toBe("OPSP0000");
    expect(client.controls()).toHaveLength(1);

    sim.fault({ kind: "auth-refuse", broker: "kis", count: 1 });
    expect(await answerTo(client, kisRequest(approval, ...SAMSUNG))).toBe("OPSP0011");
    const refused = await post(`${urls.kisRest}/oauth2/Approval`, {
      appkey: "app-1",
      secretkey: "s",
    });
    expect(refused.status).toBe(403);
    expect(await answerTo(client, kisRequest(await approvalKey(urls), ...SAMSUNG))).toBe(
      "OPSP0000",
    );
  });
});

describe("REST", () => {
  interface Row {
    stck_cntg_hour: string;
    acml_vol: string;
    cnqn: string;
  }

  async function headers(tr_id: string): Promise<Record<string, string>> {
    const { body } = await post(`${sim.urls.kisRest}/oauth2/tokenP`, {
      ...{ grant_type: "client_credentials", appkey: "app-1", appsecret: "s" },
    });
    return {
      authorization: `Bearer ${String(body.access_token)}`,
      appkey: "app-1",
      appsecret: "s",
      tr_id,
    };
  }

  async function get(path: string, query: Record<string, string>, head: Record<string, string>) {
    const url = `${sim.urls.kisRest}/uapi/domestic-stock/v1/quotations/${path}?${new URLSearchParams(query).toString()}`;
    const response = await fetch(url, { headers: head });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  test("paging back by the hour returns every trade once, with its cumulative volume", async () => {
    await start({ rate: 60, symbols: 3, kisRequestsPerSecond: 1000 });
    const client = await kisClient(sim.urls, [SAMSUNG]);
    await waitFor(() => sim.counts().kis["app-1"]!.trades > 60);
    sim.stop();
    await waitFor(() => kisRecords(client.frames) === sim.counts().kis["app-1"]!.records);

    const head = await headers("FHPST01060000");
    const found = new Map<number, number>();
    for (let hour = "235959", size = -1; size !== found.size;) {
      size = found.size;
      const query = {
        FID_COND_MRKT_DIV_CODE: "J",
        FID_INPUT_ISCD: "005930",
        FID_INPUT_HOUR_1: hour,
      };
      const { body } = await get("inquire-time-itemconclusion", query, head);
      const rows = body.output2 as Row[];
      expect(rows.length).toBeLessThanOrEqual(30);
      for (const row of rows) found.set(Number(row.acml_vol), Number(row.cnqn));
      hour = rows.at(-1)!.stck_cntg_hour;
    }
    const sent = kisTrades(client.frames);
    for (const fields of sent) expect(found.get(Number(fields[13]))).toBe(Number(fields[12]));
    const cums = [...found].sort(([a], [b]) => a - b);
    for (let i = 1; i < cums.length; i++) expect(cums[i]![0] - cums[i]![1]).toBe(cums[i - 1]![0]);
    expect(found.size).toBeGreaterThanOrEqual(sent.length);
  });

  test("the last trades come without cumulative volume, and every day is open", async () => {
    await start({ rate: 2000, kisRequestsPerSecond: 1000 });
    const query = { FID_COND_MRKT_DIV_CODE: "J", FID_INPUT_ISCD: "005930" };
    const head = await headers("FHKST01010300");
    const trades = await eventually(async () => {
      const { body } = await get("inquire-ccnl", query, head);
      const rows = body.output as object[] | undefined;
      return rows?.length === 30 ? rows : undefined;
    });
    expect(trades[0]).not.toHaveProperty("acml_vol");
    const { body } = await get("chk-holiday", { BASS_DT: "20260922" }, await headers("CTCA0903R"));
    const [day] = body.output as object[];
    expect(day).toMatchObject({ bass_dt: "20260922", wday_dvsn_cd: "03", opnd_yn: "Y" });
  });

  test("too many calls are HTTP 500 with EGW00201, a bad token EGW00121, a hasty token EGW00133", async () => {
    await start({ kisRequestsPerSecond: 2, tokenIntervalMs: 60_000 });
    const head = await headers("CTCA0903R");
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => get("chk-holiday", {}, head)),
    );
    const refused = answers.filter(({ status }) => status === 500);
    expect(refused.length).toBeGreaterThanOrEqual(2);
    expect(refused[0]!.body.msg_cd).toBe("EGW00201");
    const unknown = await get("chk-holiday", {}, { ...head, authorization: "Bearer x" });
    expect(unknown.body.msg_cd).toBe("EGW00121");
    const hasty = await post(`${sim.urls.kisRest}/oauth2/tokenP`, {
      appkey: "app-1",
      appsecret: "s",
    });
    expect(hasty.body.error_code).toBe("EGW00133");
  });

  test("accounts cannot be made up without end", async () => {
    await start();
    const statuses: number[] = [];
    for (let i = 0; i < 65; i++) {
      const { status } = await post(`${sim.urls.kisRest}/oauth2/Approval`, {
        appkey: `a${i}`,
        secretkey: "s",
      });
      statuses.push(status);
    }
    expect(statuses.filter((status) => status === 200)).toHaveLength(64);
    expect(statuses[64]).toBe(403);
  });
});
