// The link to the hub's gateway: one WebSocket, batches as binary messages, everything else as small JSON
// (docs/wire.md). Promises: nothing it is sent can crash the edge; a dead link is found within five
// seconds; whatever was under way is rejected with the reason, so that the outbox sends it again.
import { WebSocket } from "ws";
import type { ClientOptions, RawData } from "ws";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { z } from "zod";
import { readHeader, WIRE_VERSIONS } from "../../shared/batch.ts";
import { isSameKind } from "../../shared/brokers.ts";
import type { Timer } from "../../shared/clock.ts";
import { codeOf, TickhubError } from "../../shared/errors.ts";
import {
  errorOf,
  GATEWAY_PATH,
  hubMessageSchema,
  parseMessage,
  TEXT_BYTES_MAX,
} from "../../shared/gateway-protocol.ts";
import type { EdgeMessage, HubMessage, Standing, Welcome } from "../../shared/gateway-protocol.ts";
import { HEARTBEAT, startHeartbeat } from "../../shared/heartbeat.ts";
import { tableOf, TABLES_UNSAID } from "../../shared/table.ts";
import type { Verdict } from "../../shared/tick.ts";
import type { Opened, Question, Transport, TransportOptions } from "./transport.ts";

/** Longest error page of a stranger's HTTP server that is read before giving up on it. */
const REFUSAL_BYTES_MAX = 8 * 1024;
const UNREACHABLE = new Set([
  ...["ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "EPIPE"],
  ...["EHOSTUNREACH", "EHOSTDOWN", "ENETUNREACH", "ENETDOWN", "EADDRNOTAVAIL"],
]);

interface Waiter<T> {
  resolve: (value: T) => void;
  reject: (error: TickhubError) => void;
  timer: Timer;
}

/**
 *   new --open()--> opening --welcome--> open --close()--> closed
 *                      +----- fail() ------+--------------> closed
 */
type State =
  | { name: "new" }
  | { name: "opening"; socket: WebSocket; welcome: Waiter<Opened> }
  | { name: "open"; socket: WebSocket }
  | { name: "closed"; error: TickhubError };

export class GatewayTransport implements Transport {
  readonly url: string;
  readonly #options: TransportOptions;
  readonly #target: URL;
  #state: State = { name: "new" };
  #heartbeat: Timer | null = null;
  #closedListener: (error: TickhubError) => void = () => undefined;
  /** By stream and number; `message` is the batch's place on this connection, counted from 1. */
  readonly #batches = new Map<string, Waiter<Verdict> & { message: number }>();
  #sent = 0;
  readonly #questions = new Map<number, Waiter<Standing>>();
  #asked = 0;
  /** Holder that the hub knows for each account on this connection. */
  readonly #holders = new Map<string, string>();

  constructor(url: URL, options: TransportOptions) {
    this.#options = options;
    this.#target = new URL(url);
    if (url.pathname === "/") this.#target.pathname = GATEWAY_PATH;
    this.url = `${url.protocol}//${url.host}${this.#target.pathname}`;
    this.#target.searchParams.set("edge", options.edge);
  }

  open(): Promise<Opened> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(this.#target, this.#socketOptions());
      const welcome = this.#waiter({ resolve, reject }, this.#options.answerMs, () =>
        this.#fail(
          new TickhubError("UPLINK_UNREACHABLE", {
            url: this.url,
            waitedMs: this.#options.answerMs,
          }),
        ),
      );
      this.#state = { name: "opening", socket, welcome };
      socket.on("upgrade", (response) => this.#watch(socket, response.socket));
      socket.on("open", () => this.#tell(this.#hello()));
      socket.on("message", (data, isBinary) => this.#hear(data, isBinary));
      socket.on("unexpected-response", (_request, response) => void this.#refused(response));
      socket.on("error", (error) => this.#fail(socketError(error, this.url)));
      socket.on("close", (code, reason) =>
        this.#fail(
          new TickhubError("UPLINK_CLOSED", {
            url: this.url,
            close: code,
            reason: reason.toString(),
          }),
        ),
      );
    });
  }

  ask(question: Question): Promise<Standing> {
    const { account, holder, wish, status } = question;
    return new Promise((resolve, reject) => {
      if (this.#state.name !== "open") {
        reject(this.#closedError());
        return;
      }
      const id = ++this.#asked;
      const { answerMs } = this.#options;
      this.#questions.set(
        id,
        this.#waiter({ resolve, reject }, answerMs, () => {
          this.#questions.delete(id);
          reject(new TickhubError("UPLINK_TIMEOUT", { account, waitedMs: answerMs }));
        }),
      );
      this.#holders.set(account, holder);
      this.#tell({ type: "ask", id, account, holder, wish, status });
    });
  }

  send(bytes: Uint8Array, holder: string): Promise<Verdict> {
    return new Promise((resolve, reject) => {
      if (this.#state.name !== "open") {
        reject(this.#closedError());
        return;
      }
      const { account, stream, number } = readHeader(bytes);
      if (this.#holders.get(account) !== holder) {
        this.#holders.set(account, holder);
        this.#tell({ type: "holder", account, holder });
      }
      const key = `${stream}/${number}`;
      const { verdictMs } = this.#options;
      // The hub is alive (the heartbeat says so) but its verdict is overdue: only a new link can tell.
      const waiter = this.#waiter({ resolve, reject }, verdictMs, () =>
        this.#fail(new TickhubError("UPLINK_TIMEOUT", { stream, number, waitedMs: verdictMs })),
      );
      this.#batches.set(key, { ...waiter, message: ++this.#sent });
      this.#count();
      this.#state.socket.send(bytes, { binary: true });
    });
  }

  onClosed(listener: (error: TickhubError) => void): void {
    this.#closedListener = listener;
  }

  async close(): Promise<void> {
    if (this.#state.name !== "open" && this.#state.name !== "opening") return;
    const { socket } = this.#state;
    this.#closedListener = () => undefined;
    const gone = new Promise<void>((resolve) => {
      socket.once("close", () => resolve());
    });
    socket.close(1000);
    const timer = this.#options.clock.after(this.#options.answerMs, () => socket.terminate());
    await gone;
    timer.cancel();
  }

  #socketOptions(): ClientOptions {
    return {
      headers: { authorization: `Bearer ${this.#options.token}` },
      handshakeTimeout: this.#options.answerMs,
      maxPayload: TEXT_BYTES_MAX,
      perMessageDeflate: false,
      ...this.#options.route?.socketOptions(this.#target),
      ...this.#options.bytes?.socketOptions(),
    };
  }

  #hello(): EdgeMessage {
    const { edge, version, bootId, brokers, clock, heartbeat } = this.#options;
    const { tickMs } = heartbeat;
    return {
      ...{ type: "hello", wire: WIRE_VERSIONS, edge, version, bootId, sentMs: clock.nowMs() },
      // The usual tick is the hub's own, whatever it is by now.
      ...(tickMs === HEARTBEAT.tickMs ? {} : { tickMs }),
      ...(brokers === undefined ? {} : { brokers }),
    };
  }

  #watch(socket: WebSocket, raw: Socket): void {
    const { clock, heartbeat } = this.#options;
    this.#heartbeat = startHeartbeat({
      clock,
      ...heartbeat,
      socket: raw,
      isPaused: () => false,
      ping: () => {
        this.#count();
        socket.ping();
      },
      dead: () =>
        this.#fail(new TickhubError("UPLINK_TIMEOUT", { url: this.url, reason: "no heartbeat" })),
    });
  }

  #tell(message: EdgeMessage): void {
    if (this.#state.name !== "open" && this.#state.name !== "opening") return;
    this.#count();
    this.#state.socket.send(JSON.stringify(message));
  }

  /** A message of either side, which is a packet at least. */
  #count(): void {
    if (this.#options.bytes) this.#options.bytes.messages++;
  }

  #hear(data: RawData, isBinary: boolean): void {
    if (this.#state.name === "closed") return;
    this.#count();
    const message = isBinary ? undefined : parseMessage(hubMessageSchema, textOf(data));
    if (!message) {
      this.#fail(new TickhubError("UPLINK_PROTOCOL", { url: this.url, bytes: lengthOf(data) }));
      return;
    }
    if (message.type === "welcome") this.#welcomed(message);
    else if (message.type === "refused") {
      this.#fail(errorOf(message.code, message.context, "UPLINK_PROTOCOL"));
    } else this.#answered(message);
  }

  #welcomed(message: Welcome): void {
    if (this.#state.name !== "opening") return;
    const { edge, brokers } = this.#options;
    if (!isSameKind(edge, brokers, message.brokers)) {
      const kinds = { hub: message.brokers ?? "real", edge: brokers ?? "real" };
      this.#fail(new TickhubError("EDGE_BROKERS", kinds));
      return;
    }
    const { socket, welcome } = this.#state;
    this.#state = { name: "open", socket };
    welcome.timer.cancel();
    const { inFlightMax, inFlightBytesMax } = message.limits;
    const { system, hub, hubMs, tables: numbers } = message;
    const tables = numbers?.flatMap((number) => tableOf(number) ?? []) ?? TABLES_UNSAID;
    welcome.resolve({ system, hub, hubMs, inFlightMax, inFlightBytesMax, tables });
  }

  /** Settles the promise a verdict or an answer belongs to. One that nobody waits for any more is dropped. */
  #answered(message: Exclude<HubMessage, { type: "welcome" | "refused" }>): void {
    switch (message.type) {
      case "ack": {
        const { stream, number, committed, duplicate, quarantined, lost } = message;
        const waiter = this.#settle(`${stream}/${number}`);
        waiter?.resolve({ stream, number, committed, duplicate, quarantined, lost });
        return;
      }
      case "nack": {
        const { stream, number, code, context } = message;
        const facts = { ...context, stream, number };
        this.#settle(`${stream}/${number}`)?.reject(errorOf(code, facts, "UPLINK_PROTOCOL"));
        return;
      }
      case "unreadable": {
        const { code, context } = message;
        const named = [...this.#batches].find(([, waiter]) => waiter.message === message.message);
        if (named) this.#settle(named[0])?.reject(errorOf(code, context, "BATCH_CORRUPT"));
        return;
      }
      case "standing":
        this.#question(message.id)?.resolve(message.standing);
        return;
      case "unanswered":
        this.#question(message.id)?.reject(
          errorOf(message.code, message.context, "UPLINK_PROTOCOL"),
        );
    }
  }

  #settle(key: string): Waiter<Verdict> | undefined {
    const waiter = this.#batches.get(key);
    this.#batches.delete(key);
    waiter?.timer.cancel();
    return waiter;
  }

  #question(id: number): Waiter<Standing> | undefined {
    const waiter = this.#questions.get(id);
    this.#questions.delete(id);
    waiter?.timer.cancel();
    return waiter;
  }

  /** An HTTP answer instead of an upgrade: our hub's reason in JSON, or some other server altogether. */
  async #refused(response: IncomingMessage): Promise<void> {
    let text = "";
    try {
      for await (const chunk of response) {
        text += String(chunk);
        if (text.length > REFUSAL_BYTES_MAX) break;
      }
    } catch {
      // What was read so far decides.
    }
    response.destroy();
    const facts = { url: this.url, status: response.statusCode ?? 0 };
    const refusal = parseMessage(z.object({ code: z.string() }), text);
    this.#fail(errorOf(refusal?.code ?? "no tickhub answer", facts, "UPLINK_PROTOCOL"));
  }

  /** The one way out: ends the socket and tells everybody who waits. */
  #fail(error: TickhubError): void {
    if (this.#state.name === "closed" || this.#state.name === "new") return;
    const before = this.#state;
    this.#state = { name: "closed", error };
    this.#heartbeat?.cancel();
    before.socket.terminate();
    for (const waiter of [...this.#batches.values(), ...this.#questions.values()]) {
      waiter.timer.cancel();
      waiter.reject(error);
    }
    this.#batches.clear();
    this.#questions.clear();
    if (before.name === "opening") {
      before.welcome.timer.cancel();
      before.welcome.reject(error);
    } else this.#closedListener(error);
  }

  #closedError(): TickhubError {
    return this.#state.name === "closed"
      ? this.#state.error
      : new TickhubError("UPLINK_UNREACHABLE", { url: this.url });
  }

  #waiter<T>(
    promise: { resolve: (value: T) => void; reject: (error: TickhubError) => void },
    delayMs: number,
    overdue: () => void,
  ): Waiter<T> {
    return { ...promise, timer: this.#options.clock.after(delayMs, overdue) };
  }
}

function socketError(error: Error, url: string): TickhubError {
  if (error instanceof TickhubError) return error;
  const code = codeOf(error);
  const ours = UNREACHABLE.has(code) || error.message.includes("handshake has timed out");
  return new TickhubError(
    ours ? "UPLINK_UNREACHABLE" : "UPLINK_PROTOCOL",
    { url, code },
    { cause: error },
  );
}

function textOf(data: RawData): string {
  return Buffer.isBuffer(data) ? data.toString() : "";
}

function lengthOf(data: RawData): number {
  return Array.isArray(data) ? data.length : data.byteLength;
}
