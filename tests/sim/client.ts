// A broker's client with nothing clever in it: it keeps what came, and counts records by splitting.
import { vi } from "vitest";
import WebSocket from "ws";
import type { SimUrls } from "../../app/sim/sim.ts";

export class RawClient {
  readonly frames: string[] = [];
  closed: { code: number; reason: string } | undefined;
  readonly socket: WebSocket;
  /** Answers PINGPONG and PING by echoing them. */
  echo = true;

  constructor(url: string) {
    this.socket = new WebSocket(url, { skipUTF8Validation: true, perMessageDeflate: false });
    this.socket.on("message", (data: Buffer) => {
      const text = data.toString("latin1").startsWith("{")
        ? data.toString()
        : data.toString("latin1");
      if (isHeartbeat(text)) {
        if (this.echo) this.socket.send(text);
      }
      this.frames.push(text);
    });
    this.socket.on("close", (code, reason) => {
      this.closed = { code, reason: reason.toString() };
    });
    this.socket.on("error", () => undefined);
  }

  async opened(): Promise<this> {
    await waitFor(() => this.socket.readyState === WebSocket.OPEN);
    return this;
  }

  send(message: object): void {
    this.socket.send(JSON.stringify(message));
  }

  /** The first control message that `matches`, waited for. */
  async control(matches: (message: Message) => boolean): Promise<Message> {
    return await vi.waitFor(() => {
      const found = this.controls().find(matches);
      if (!found) throw new Error(`not yet among ${this.frames.length} frames`);
      return found;
    }, WAIT);
  }

  controls(): Message[] {
    return this.frames.flatMap((frame) => {
      try {
        const message = JSON.parse(frame) as Message;
        return message.trnm === "REAL" ? [] : [message];
      } catch {
        return [];
      }
    });
  }

  /** Closes with a handshake. */
  async leave(): Promise<void> {
    this.socket.close(1000);
    await waitFor(() => this.closed !== undefined);
  }
}

export interface Message {
  trnm?: string;
  code?: string;
  return_code?: number;
  return_msg?: string;
  header?: { tr_id?: string; tr_key?: string; datetime?: string };
  body?: { rt_cd: string; msg_cd: string; msg1: string; output?: { iv: string; key: string } };
}

const WAIT = { timeout: 10_000, interval: 5 };

export async function waitFor(condition: () => boolean): Promise<void> {
  await vi.waitFor(() => {
    if (!condition()) throw new Error("not yet");
  }, WAIT);
}

/** Asks again and again until there is an answer. */
export async function eventually<T>(ask: () => Promise<T | undefined>): Promise<T> {
  return await vi.waitFor(async () => {
    const answer = await ask();
    if (answer === undefined) throw new Error("not yet");
    return answer;
  }, WAIT);
}

function isHeartbeat(text: string): boolean {
  return text.includes(`"PINGPONG"`) || text === `{"trnm":"PING"}`;
}

/** KIS records in data frames: by the head's count, or one for a frame without a readable head. */
export function kisRecords(frames: readonly string[]): number {
  let records = 0;
  for (const frame of frames) {
    if (frame.startsWith("{")) continue;
    const [, count] = /^0\|[A-Z0-9]+\|(\d{3})\|/.exec(frame) ?? [];
    records += count === undefined ? 1 : Number(count);
  }
  return records;
}

/** The fields of every H0STCNT0 record in data frames. */
export function kisTrades(frames: readonly string[]): string[][] {
  const width = 47;
  return frames
    .filter((frame) => frame.startsWith("0|H0STCNT0|"))
    .flatMap((frame) => {
      const fields = frame.split("|")[3]!.split("^");
      return Array.from({ length: fields.length / width }, (_, i) =>
        fields.slice(width * i, width * (i + 1)),
      );
    });
}

export interface KiwoomRow {
  type: string;
  item: string;
  stexTp?: string;
  values: Record<string, string>;
}

/** The rows of every REAL frame. */
export function kiwoomRows(frames: readonly string[]): KiwoomRow[] {
  return frames
    .map((frame) => JSON.parse(frame) as { trnm: string; data: KiwoomRow[] })
    .filter(({ trnm }) => trnm === "REAL")
    .flatMap(({ data }) => data);
}

/** Kiwoom rows in REAL frames, or one for a frame that is no JSON. */
export function kiwoomRecords(frames: readonly string[]): number {
  let records = 0;
  for (const frame of frames) {
    try {
      const { trnm, data } = JSON.parse(frame) as { trnm?: string; data?: unknown[] };
      if (trnm === "REAL") records += data!.length;
    } catch {
      records += 1;
    }
  }
  return records;
}

export async function post(
  url: string,
  body: object,
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: Headers; body: Record<string, unknown> }> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as Record<string, unknown>;
  return { status: response.status, headers: response.headers, body: answer };
}

export async function approvalKey({ kisRest }: SimUrls, appkey = "app-1"): Promise<string> {
  const { body } = await post(`${kisRest}/oauth2/Approval`, {
    ...{ grant_type: "client_credentials", appkey, secretkey: "secret" },
  });
  return body.approval_key as string;
}

export function kisRequest(approval_key: string, tr_id: string, tr_key: string, tr_type = "1") {
  return {
    header: { approval_key, custtype: "P", tr_type, "content-type": "utf-8" },
    body: { input: { tr_id, tr_key } },
  };
}

/** A KIS client that has registered every one of `registrations`. */
export async function kisClient(
  urls: SimUrls,
  registrations: readonly (readonly [tr: string, key: string])[],
  appkey = "app-1",
): Promise<RawClient> {
  const approval = await approvalKey(urls, appkey);
  const client = await new RawClient(`${urls.kisWs}/tryitout`).opened();
  for (const [tr, key] of registrations) client.send(kisRequest(approval, tr, key));
  for (const [tr, key] of registrations) {
    await client.control(({ header }) => header?.tr_id === tr && header.tr_key === key);
  }
  return client;
}

export async function kiwoomToken({ kiwoomRest }: SimUrls, appkey = "app-1"): Promise<string> {
  const { body } = await post(`${kiwoomRest}/oauth2/token`, {
    ...{ grant_type: "client_credentials", appkey, secretkey: "secret" },
  });
  return body.token as string;
}

/** A Kiwoom client that has logged in. */
export async function kiwoomClient(
  urls: SimUrls,
  { appkey = "app-1", us = false } = {},
): Promise<RawClient> {
  const token = await kiwoomToken(urls, appkey);
  const client = await new RawClient(us ? urls.kiwoomUsWs : urls.kiwoomWs).opened();
  client.send({ trnm: "LOGIN", token });
  await client.control(({ trnm }) => trnm === "LOGIN");
  return client;
}

export function reg(item: unknown, type: unknown, refresh = "1") {
  return { trnm: "REG", grp_no: "1", refresh, data: [{ item, type }] };
}

/** Registers and waits for the answer. */
export async function register(
  client: RawClient,
  items: readonly unknown[],
  types: readonly string[],
): Promise<void> {
  const before = answers(client, "REG");
  client.send(reg(items, types));
  await waitFor(() => answers(client, "REG") > before);
}

export function answers(client: RawClient, trnm: string): number {
  return client.controls().filter((message) => message.trnm === trnm).length;
}
