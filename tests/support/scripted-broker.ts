// A broker that does exactly what a test says, and nothing more: HTTP and WebSocket on one loopback
// port. It keeps every request and message, and counts sockets where a broker counts them: at its own end.
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { vi } from "vitest";
import { WebSocketServer } from "ws";
import type { WebSocket } from "ws";

export interface HttpReply {
  status: number;
  /** JSON, or text as it stands. */
  body: unknown;
  headers?: Record<string, string>;
}

export interface BrokerScript {
  /** The answer to a POST; undefined: none ever comes. */
  post: (body: Record<string, string>, path: string) => HttpReply | undefined;
  /** "ignore": the connection opens and the handshake is never answered. */
  handshake: "accept" | "ignore";
  /** What a message from the client sets off. */
  message: (text: string, socket: ScriptedSocket) => void;
}

/** Waits for a condition of the real world; clocks of tests do not move meanwhile. */
export async function until(condition: () => boolean): Promise<void> {
  const wait = { timeout: 10_000, interval: 2 };
  await vi.waitFor(() => {
    if (!condition()) throw new Error("not yet");
  }, wait);
}

/** One client's connection, seen from the broker. */
export class ScriptedSocket {
  readonly path: string;
  /** Every text message, in order. */
  readonly received: string[] = [];
  /** Of the client's close frame; 1006 without one. Undefined while the socket is open. */
  closedWith: number | undefined;
  readonly #websocket: WebSocket;
  readonly #tcp: Socket;

  constructor(websocket: WebSocket, tcp: Socket, path: string) {
    this.#websocket = websocket;
    this.#tcp = tcp;
    this.path = path;
  }

  /** One text message; bytes go out as they are, valid UTF-8 or not. */
  send(message: string | Uint8Array | object): void {
    const isText = typeof message === "string" || message instanceof Uint8Array;
    this.#websocket.send(isText ? message : JSON.stringify(message), { binary: false });
  }

  /** Several messages in one packet, so that the client reads them in one turn. */
  sendTogether(messages: readonly (string | Uint8Array)[]): void {
    this.#tcp.cork();
    for (const message of messages) this.send(message);
    this.#tcp.uncork();
  }

  /** Says goodbye. */
  close(code: number, reason = ""): void {
    this.#websocket.close(code, reason);
  }

  /** Says goodbye with 1000 and leaves the connection open. */
  closeHalf(): void {
    this.deaf();
    this.#tcp.write(Buffer.from([0x88, 0x02, 0x03, 0xe8]));
  }

  /** Drops the connection without a word: 1006 at the client. */
  cut(): void {
    this.#websocket.terminate();
  }

  /** Reads nothing from now on, not even a close frame, until `hear`. */
  deaf(): void {
    this.#websocket.pause();
  }

  hear(): void {
    this.#websocket.resume();
  }
}

export class ScriptedBroker {
  readonly script: BrokerScript;
  /** Bodies of POSTs, in order. */
  readonly requests: Record<string, string>[] = [];
  /** Every socket there has been, in order. */
  readonly sockets: ScriptedSocket[] = [];
  /** Connections that asked for a WebSocket and are open now, and the most there ever were at a time. */
  open = 0;
  openMost = 0;
  readonly #server: Server;
  readonly #websockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });

  private constructor(script: BrokerScript) {
    this.script = script;
    this.#server = createServer((request, response) => {
      void read(request).then((body) => {
        this.requests.push(body);
        const reply = this.script.post(body, request.url ?? "/");
        if (!reply) return;
        response.writeHead(reply.status, reply.headers);
        response.end(typeof reply.body === "string" ? reply.body : JSON.stringify(reply.body));
      });
    });
    this.#server.on("upgrade", (request, tcp: Socket, head) => this.#upgrade(request, tcp, head));
  }

  static async start(script: BrokerScript): Promise<ScriptedBroker> {
    const broker = new ScriptedBroker(script);
    broker.#server.listen(0, "127.0.0.1");
    await once(broker.#server, "listening");
    return broker;
  }

  get restUrl(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get wsUrl(): string {
    return `ws://127.0.0.1:${this.#port}`;
  }

  /** The newest socket. */
  get socket(): ScriptedSocket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error("no socket yet");
    return socket;
  }

  async close(): Promise<void> {
    for (const client of this.#websockets.clients) client.terminate();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  #upgrade(request: IncomingMessage, tcp: Socket, head: Buffer): void {
    this.open++;
    this.openMost = Math.max(this.openMost, this.open);
    tcp.on("close", () => this.open--);
    tcp.on("error", () => undefined);
    if (this.script.handshake === "ignore") {
      tcp.on("end", () => tcp.destroy());
      tcp.resume();
      return;
    }
    this.#websockets.handleUpgrade(request, tcp, head, (websocket) => {
      const socket = new ScriptedSocket(websocket, tcp, request.url ?? "/");
      this.sockets.push(socket);
      websocket.on("message", (data: Buffer) => {
        socket.received.push(data.toString());
        this.script.message(data.toString(), socket);
      });
      websocket.on("close", (code) => (socket.closedWith = code));
      websocket.on("error", () => undefined);
    });
  }
}

async function read(request: IncomingMessage): Promise<Record<string, string>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString()) as Record<string, string>;
}
