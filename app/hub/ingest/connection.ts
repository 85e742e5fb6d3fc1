// One edge's WebSocket, from its hello to its close: batches in, verdicts out, questions answered.
// Promises: an ack goes out only after the commit; what is under way is bounded in count and bytes, beyond
// which the socket is not read; whatever arrives, the worst is that this one connection closes.
import type { RawData, WebSocket } from "ws";
import type { Socket } from "node:net";
import { readHeader, WIRE_VERSIONS } from "../../shared/batch.ts";
import type { BatchHeader } from "../../shared/batch.ts";
import { isSameKind } from "../../shared/brokers.ts";
import type { BrokerKind } from "../../shared/brokers.ts";
import type { Clock, Timer } from "../../shared/clock.ts";
import { codeOf, ERRORS, TickhubError } from "../../shared/errors.ts";
import type { ErrorCode, ErrorContext } from "../../shared/errors.ts";
import type { Emit } from "../../shared/events.ts";
import {
  CLOSE_GOING_AWAY,
  CLOSE_REFUSED,
  edgeMessageSchema,
  parseMessage,
  TEXT_BYTES_MAX,
} from "../../shared/gateway-protocol.ts";
import type { Ask, Hello, HubMessage, Standing } from "../../shared/gateway-protocol.ts";
import { startHeartbeat, TICK_MAX_MS } from "../../shared/heartbeat.ts";
import type { HeartbeatTimes } from "../../shared/heartbeat.ts";
import { isUnleased } from "../../shared/own-account.ts";
import { TABLES, TABLES_TAKEN } from "../../shared/table.ts";
import { asStoreError } from "../../store/database.ts";
import type { Verdict } from "../../shared/tick.ts";
import type { EdgeRate } from "./rate.ts";

/** What a connection needs from the hub behind it. */
export interface Backend {
  /** Resolves after commit. Rejects with a TickhubError. */
  write(bytes: Uint8Array, from: { edge: string; holder: string }): Promise<Verdict>;
  ask(edge: string, question: Ask): Promise<Standing>;
  /** The database's system identifier. */
  system(): Promise<string>;
  mayUse(edge: string, account: string): boolean;
  /** After the commit, for the live view. */
  stored(bytes: Uint8Array, header: BatchHeader, verdict: Verdict): void;
}

export interface ConnectionLimits {
  /** Largest message accepted; larger ones close the connection with 1009. */
  batchBytesMax: number;
  inFlightMax: number;
  inFlightBytesMax: number;
  questionsMax: number;
  holdersMax: number;
  /** From the upgrade to the hello. */
  helloMs: number;
}

export interface ConnectionOptions {
  edge: string;
  address: string;
  version: string;
  brokers: BrokerKind;
  backend: Backend;
  limits: ConnectionLimits;
  /** The edge's, shared by its connections. */
  rate: EdgeRate;
  heartbeat: HeartbeatTimes;
  clock: Clock;
  emit: Emit;
}

/**
 *   greeting --hello--> open --stop()--> finishing --last write--> closed
 *       +--- refuse() ----+---- socket gone ----+----------------> closed
 */
type State = "greeting" | "open" | "finishing" | "closed";

export class EdgeConnection {
  readonly edge: string;
  readonly openedMs: number;
  readonly #socket: WebSocket;
  readonly #raw: Socket;
  readonly #options: ConnectionOptions;
  readonly #holders = new Map<string, string>();
  #heartbeat: Timer;
  readonly #helloTimer: Timer;
  /** Runs while the edge is over its rate. */
  #pause: Timer | null = null;
  #state: State = "greeting";
  #batches = 0;
  #inFlight = 0;
  #inFlightBytes = 0;
  #questions = 0;
  #code = "";
  #finished: () => void = () => undefined;

  constructor(socket: WebSocket, raw: Socket, options: ConnectionOptions) {
    const { clock, limits, heartbeat } = options;
    this.#raw = raw;
    this.edge = options.edge;
    this.openedMs = clock.monoMs();
    this.#socket = socket;
    this.#options = options;
    socket.on("message", (data, isBinary) => this.#hear(data, isBinary));
    socket.on("ping", (data) => this.#count("asks", data.length));
    socket.on("error", (error) => this.#broken(error));
    socket.on("close", (code) => this.#closed(code));
    this.#helloTimer = clock.after(limits.helloMs, () =>
      this.#refuse("GATEWAY_PROTOCOL", { expected: "hello" }),
    );
    this.#heartbeat = this.#beat(heartbeat);
  }

  #beat(times: HeartbeatTimes): Timer {
    const socket = this.#socket;
    return startHeartbeat({
      clock: this.#options.clock,
      ...times,
      socket: this.#raw,
      isPaused: () => socket.isPaused,
      ping: () => socket.ping(),
      dead: () => {
        this.#code = "UPLINK_TIMEOUT";
        socket.terminate();
      },
    });
  }

  /** An edge whose bytes are dear asks for fewer pings. It can only be slower than we are, and not for ever. */
  #slowDown(tickMs: number): void {
    const { heartbeat } = this.#options;
    this.#heartbeat.cancel();
    const slowerMs = Math.max(heartbeat.tickMs, Math.min(tickMs, TICK_MAX_MS));
    this.#heartbeat = this.#beat({ ...heartbeat, tickMs: slowerMs });
  }

  /** Batches and bytes received and not yet answered. */
  load(): { inFlight: number; inFlightBytes: number; isPaused: boolean } {
    return {
      inFlight: this.#inFlight,
      inFlightBytes: this.#inFlightBytes,
      isPaused: this.#socket.isPaused,
    };
  }

  /** Reads no more, lets the writes under way finish and be acked, then closes. */
  async stop(): Promise<void> {
    if (this.#state === "closed") return;
    this.#state = "finishing";
    this.#socket.pause();
    if (this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#finished = resolve;
      });
    }
    this.#socket.resume();
    this.#socket.close(CLOSE_GOING_AWAY, "hub stops");
  }

  terminate(): void {
    this.#socket.terminate();
  }

  #hear(data: RawData, isBinary: boolean): void {
    if (this.#state === "closed" || this.#state === "finishing" || !Buffer.isBuffer(data)) return;
    this.#count(isBinary ? "batches" : "asks", data.length);
    if (isBinary) {
      if (this.#state === "open") this.#batch(data);
      else this.#refuse("GATEWAY_PROTOCOL", { expected: "hello" });
      return;
    }
    const small = data.length <= TEXT_BYTES_MAX;
    const message = small ? parseMessage(edgeMessageSchema, data.toString()) : undefined;
    if (!message || (message.type === "hello") !== (this.#state === "greeting")) {
      this.#refuse("GATEWAY_PROTOCOL", { bytes: data.length, state: this.#state });
    } else if (message.type === "hello") void this.#greet(message);
    else if (message.type === "holder") this.#hold(message.account, message.holder);
    else void this.#answer(message);
  }

  async #greet(hello: Hello): Promise<void> {
    this.#helloTimer.cancel();
    const wire = WIRE_VERSIONS.find((version) => hello.wire.includes(version));
    if (wire === undefined) {
      const theirs = hello.wire.join(" ");
      this.#refuse("WIRE_VERSION", {
        hub: WIRE_VERSIONS.join(" "),
        edge: theirs,
        release: hello.version,
      });
      return;
    }
    const { backend, limits, clock, emit, address, version, brokers } = this.#options;
    if (!isSameKind(this.edge, hello.brokers, brokers)) {
      this.#refuse("EDGE_BROKERS", { hub: brokers, edge: hello.brokers ?? "real" });
      return;
    }
    const system = await backend.system();
    if (this.#state !== "greeting") return;
    this.#state = "open";
    if (hello.tickMs !== undefined) this.#slowDown(hello.tickMs);
    const { batchBytesMax, inFlightMax, inFlightBytesMax } = limits;
    this.#tell({
      type: "welcome",
      wire,
      hub: version,
      system,
      hubMs: clock.nowMs(),
      limits: { batchBytesMax, inFlightMax, inFlightBytesMax },
      tables: TABLES_TAKEN.map((table) => TABLES[table]),
      brokers,
    });
    emit({ event: "edge_connected", edge: this.edge, address, version: hello.version });
  }

  #hold(account: string, holder: string): void {
    const full = this.#holders.size >= this.#options.limits.holdersMax;
    if (full && !this.#holders.has(account))
      this.#refuse("GATEWAY_PROTOCOL", { accounts: this.#holders.size });
    else this.#holders.set(account, holder);
  }

  async #answer(ask: Ask): Promise<void> {
    const { backend, limits } = this.#options;
    if (this.#questions >= limits.questionsMax) {
      this.#refuse("GATEWAY_PROTOCOL", { questions: this.#questions });
      return;
    }
    this.#hold(ask.account, ask.holder);
    this.#questions++;
    try {
      if (!backend.mayUse(this.edge, ask.account)) {
        throw new TickhubError("EDGE_ACCOUNT", { edge: this.edge, account: ask.account });
      }
      const standing = await backend.ask(this.edge, ask);
      this.#tell({ type: "standing", id: ask.id, standing });
    } catch (error) {
      const { code, context } = factsOf(error);
      this.#tell({ type: "unanswered", id: ask.id, code, context });
    } finally {
      this.#questions--;
    }
  }

  #batch(bytes: Buffer): void {
    const message = ++this.#batches;
    let header: BatchHeader;
    try {
      header = readHeader(bytes);
    } catch (error) {
      const { code, context } = factsOf(error);
      this.#tell({ type: "unreadable", message, code, context });
      this.#options.emit({
        event: "batch_refused",
        edge: this.edge,
        account: "",
        code,
        stream: "",
        number: message,
      });
      return;
    }
    void this.#store(bytes, header);
  }

  async #store(bytes: Buffer, header: BatchHeader): Promise<void> {
    const { backend, clock, emit } = this.#options;
    const { account, table } = header;
    const startMs = clock.monoMs();
    this.#inFlight++;
    this.#inFlightBytes += bytes.length;
    this.#throttle();
    const verdict = await this.#judge(bytes, header);
    this.#inFlight--;
    this.#inFlightBytes -= bytes.length;
    this.#throttle();
    if (this.#inFlight === 0) this.#finished();
    if (!verdict) return;
    const { committed: rows, duplicate, quarantined } = verdict;
    const tookMs = clock.monoMs() - startMs;
    const counts = { rows, duplicate, quarantined };
    emit({ event: "batch_stored", edge: this.edge, account, table, ...counts, tookMs });
    backend.stored(bytes, header, verdict);
  }

  /** Writes and answers: an ack with the verdict, or a nack and null. */
  async #judge(bytes: Buffer, header: BatchHeader): Promise<Verdict | null> {
    const { backend, emit } = this.#options;
    const { stream, number, account } = header;
    try {
      const holder = this.#holderFor(header);
      const verdict = await backend.write(bytes, { edge: this.edge, holder });
      const { committed, duplicate, quarantined, lost } = verdict;
      this.#tell({ type: "ack", stream, number, committed, duplicate, quarantined, lost });
      return verdict;
    } catch (error) {
      const { code, retry, context } = factsOf(error);
      this.#tell({ type: "nack", stream, number, code, retry, context });
      emit({ event: "batch_refused", edge: this.edge, account, code, stream, number });
      return null;
    }
  }

  /** Throws what makes this batch unacceptable before the database is asked. */
  #holderFor(header: BatchHeader): string {
    const { account, epoch, table } = header;
    if (!this.#options.backend.mayUse(this.edge, account)) {
      throw new TickhubError("EDGE_ACCOUNT", { edge: this.edge, account });
    }
    // Else epoch 0 is a tape's: replays go straight to a database, never through the gateway.
    if (epoch === 0 && !isUnleased(account, table))
      throw new TickhubError("OUTSIDE_LEASE", { account, epoch });
    const holder = this.#holders.get(account);
    if (holder === undefined)
      throw new TickhubError("GATEWAY_PROTOCOL", { account, expected: "holder" });
    return holder;
  }

  /** What came too fast is taken all the same; the next is not read before the edge's rate allows it. */
  #count(kind: "asks" | "batches", bytes: number): void {
    const { rate, clock, emit } = this.#options;
    rate.took(kind, bytes, clock.monoMs());
    if (this.#pause || rate.waitMs(clock.monoMs()) === 0) return;
    emit({ event: "edge_paused", edge: this.edge });
    this.#rest();
  }

  #rest(): void {
    const { rate, clock } = this.#options;
    const waitMs = rate.waitMs(clock.monoMs());
    this.#pause = waitMs > 0 ? clock.after(waitMs, () => this.#rest()) : null;
    this.#throttle();
  }

  /** A full connection is not read until half of what it holds is stored: TCP holds the edge back. */
  #throttle(): void {
    if (this.#state !== "open") return;
    const { inFlightMax, inFlightBytesMax } = this.#options.limits;
    const fill = Math.max(this.#inFlight / inFlightMax, this.#inFlightBytes / inFlightBytesMax);
    const isOver = this.#pause !== null;
    if ((isOver || fill >= 1) && !this.#socket.isPaused) this.#socket.pause();
    else if (!isOver && fill <= 0.5 && this.#socket.isPaused) this.#socket.resume();
  }

  #tell(message: HubMessage): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #refuse(code: ErrorCode, context: ErrorContext): void {
    if (this.#state === "closed" || this.#code !== "") return;
    this.#code = code;
    this.#tell({ type: "refused", code, hint: ERRORS[code].hint, context });
    this.#options.emit({
      event: "edge_refused",
      edge: this.edge,
      address: this.#options.address,
      code,
    });
    this.#socket.close(CLOSE_REFUSED, code);
  }

  /** ws closes the socket itself: 1009 for a message beyond maxPayload, 1002 for a broken frame. */
  #broken(error: Error): void {
    const cause = codeOf(error);
    if (!cause.startsWith("WS_ERR")) {
      this.#code ||= "UPLINK_CLOSED";
      return;
    }
    const tooLarge = cause === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH";
    this.#code = tooLarge ? "GATEWAY_FRAME_TOO_LARGE" : "GATEWAY_PROTOCOL";
    const { emit, address } = this.#options;
    emit({ event: "edge_refused", edge: this.edge, address, code: this.#code });
  }

  #closed(close: number): void {
    const wasOpen = this.#state === "open" || this.#state === "finishing";
    this.#state = "closed";
    this.#heartbeat.cancel();
    this.#helloTimer.cancel();
    this.#pause?.cancel();
    if (!wasOpen) return;
    const code = this.#code || (close === 1000 ? "OK" : "UPLINK_CLOSED");
    const openMs = this.#options.clock.monoMs() - this.openedMs;
    this.#options.emit({ event: "edge_disconnected", edge: this.edge, code, openMs });
  }
}

/** A thrown value as the other side gets it. */
function factsOf(thrown: unknown): { code: string; retry: boolean; context: ErrorContext } {
  const { code, retry, context } = asStoreError(thrown);
  return { code, retry, context };
}
