// A thin shell around one WebSocket to a broker: bounded handshake, watchdog on silence, bounded close.
// Tells its owner exactly once that it is gone, and only when the socket really is: whoever waits for
// that never holds two at a time.
import { WebSocket } from "ws";
import type { ClientOptions } from "ws";
import type { Clock, Timer } from "../../shared/clock.ts";
import { TickhubError } from "../../shared/errors.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import type { Route } from "../../shared/dial/route.ts";
import type { SocketBytes } from "../../shared/socket-bytes.ts";

/** Why and how a socket ended. */
export interface Closing {
  code: ErrorCode;
  reason: string;
  /** Both sides said goodbye, or there never was a connection: the broker holds no ghost of it. */
  clean: boolean;
  /** A message longer than the limit came; it was not read. */
  tooLarge: boolean;
}

export interface SocketLimits {
  handshakeMs: number;
  /** No message of any kind for this long: the link is dead. */
  silenceMs: number;
  /** How long the broker may take to answer our close frame. */
  closeMs: number;
  frameBytesMax: number;
  /** Unsent bytes after which the broker counts as not reading. */
  unsentBytesMax: number;
}

export interface SocketOptions {
  url: string;
  clock: Clock;
  limits: SocketLimits;
  /** Through proxies. */
  route?: Route | undefined;
  /** Counts what is written. */
  bytes?: SocketBytes | undefined;
  opened: () => void;
  message: (bytes: Uint8Array) => void;
  closed: (closing: Closing) => void;
}

export class BrokerSocket {
  readonly #options: SocketOptions;
  readonly #ws: WebSocket;
  #timer: Timer;
  #heardMs = 0;
  #isOpen = false;
  #isMuted = false;
  #isClosing = false;
  #cause: Pick<Closing, "code" | "reason"> | undefined;
  #isCut = false;
  #isTooLarge = false;

  constructor(options: SocketOptions) {
    this.#options = options;
    const { clock, limits } = options;
    // `closeTimeout` is missing from the library's types. It bounds the one wait we are not told of: the
    // broker says goodbye and leaves the connection open.
    const settings: ClientOptions & { closeTimeout: number } = {
      // Broken bytes inside text happen in production; closing with 1007 then locks the account's slot.
      skipUTF8Validation: true,
      perMessageDeflate: false,
      maxPayload: limits.frameBytesMax,
      closeTimeout: limits.closeMs,
    };
    const url = new URL(options.url);
    this.#ws = new WebSocket(url, {
      ...settings,
      ...options.route?.socketOptions(url),
      ...options.bytes?.socketOptions(),
    });
    this.#timer = clock.after(limits.handshakeMs, () => {
      this.#kill("FEED_UNREACHABLE", `no handshake within ${limits.handshakeMs} ms`);
    });
    this.#ws.on("open", () => this.#opened());
    this.#ws.on("message", (data: Buffer) => this.#heard(data));
    this.#ws.on("ping", () => this.#checkUnsent());
    this.#ws.on("error", (error: Error & { code?: string }) => this.#failed(error));
    this.#ws.on("close", (code: number, reason: Buffer) => this.#closed(code, reason.toString()));
  }

  /** Sends one text message; without effect once the socket is closing. */
  send(message: string | Uint8Array): void {
    if (this.#ws.readyState !== WebSocket.OPEN) return;
    this.#ws.send(message, { binary: false });
    this.#checkUnsent();
  }

  /** Closes with a handshake; destroys the socket when the broker does not answer in time. */
  close(): void {
    if (!this.#isOpen) {
      this.#ws.terminate();
      return;
    }
    this.#terminateSoon();
    this.#ws.close(1000);
  }

  /** Ends it now, without goodbye. No message is handed on after this call. */
  destroy(): void {
    this.#isMuted = true;
    this.#ws.terminate();
  }

  #opened(): void {
    this.#isOpen = true;
    this.#heardMs = this.#options.clock.monoMs();
    this.#timer.cancel();
    this.#watch();
    this.#options.opened();
  }

  #heard(data: Buffer): void {
    if (this.#isMuted) return;
    this.#heardMs = this.#options.clock.monoMs();
    this.#options.message(data);
  }

  #watch(): void {
    const { clock, limits } = this.#options;
    const leftMs = limits.silenceMs - (clock.monoMs() - this.#heardMs);
    if (leftMs <= 0) this.#kill("FEED_SILENT", `no message for ${limits.silenceMs} ms`);
    else this.#timer = clock.after(leftMs, () => this.#watch());
  }

  #checkUnsent(): void {
    if (this.#ws.bufferedAmount <= this.#options.limits.unsentBytesMax) return;
    this.#kill("FEED_SILENT", "the broker does not read what we send");
  }

  #terminateSoon(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    const { clock, limits } = this.#options;
    this.#timer.cancel();
    this.#timer = clock.after(limits.closeMs, () => this.#ws.terminate());
  }

  #kill(code: ErrorCode, reason: string): void {
    this.#cause ??= { code, reason };
    this.#isCut = true;
    this.#ws.terminate();
  }

  #failed(error: Error & { code?: string }): void {
    this.#isTooLarge ||= error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH";
    const away = error instanceof TickhubError ? error.code : "FEED_UNREACHABLE";
    const code = this.#isOpen ? "FEED_CLOSED" : away;
    this.#cause ??= { code, reason: error.message || (error.code ?? error.name) };
    // The library has answered a message it cannot read with a close frame of its own.
    if (this.#isOpen) this.#terminateSoon();
  }

  #closed(code: number, reason: string): void {
    this.#timer.cancel();
    this.#options.closed({
      ...(this.#cause ?? { code: "FEED_CLOSED", reason: `closed with ${code} ${reason}`.trim() }),
      clean: !this.#isCut && (!this.#isOpen || code !== 1006),
      tooLarge: this.#isTooLarge && !this.#isMuted,
    });
  }
}
