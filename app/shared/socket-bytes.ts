// How many bytes this process wrote into its sockets since its start: what a vendor of egress counts, but for
// the packets' own headers. Promises: never less than before; a socket that is gone keeps its bytes; under
// TLS the encrypted bytes, where Node tells them.
import type { ClientRequest } from "node:http";
import type { ClientOptions } from "ws";

/** Of a `net.Socket`, a `tls.TLSSocket` or what stands for one. */
export interface CountedSocket {
  readonly bytesWritten: number;
  once(event: "close" | "secureConnect", listener: () => void): unknown;
}

/** Node does not show what TLS makes of our bytes but here, and only while the socket is open. */
interface WithParent {
  _handle?: { _parent?: { bytesWritten?: number } } | null;
}

/** What TLS has added to an open socket's own bytes by the last look. */
interface Seen {
  addedBytes: number;
}

export class SocketBytes {
  /** Messages both ways, where whoever uses the socket counts them: each costs a packet's headers. */
  messages = 0;
  /** HTTP requests, WebSocket handshakes among them. */
  requests = 0;
  #goneBytes = 0;
  readonly #open = new Map<CountedSocket, Seen>();

  /** Counts `socket` from its first byte, however late it is shown; again, it changes nothing. */
  watch(socket: CountedSocket): void {
    if (this.#open.has(socket)) return;
    const seen: Seen = { addedBytes: 0 };
    this.#open.set(socket, seen);
    socket.once("secureConnect", () => look(socket, seen));
    socket.once("close", () => {
      this.#open.delete(socket);
      this.#goneBytes += socket.bytesWritten + seen.addedBytes;
    });
  }

  /** Bytes written by now, those the kernel has not taken yet among them. */
  written(): number {
    let bytes = this.#goneBytes;
    for (const [socket, seen] of this.#open) bytes += look(socket, seen);
    return bytes;
  }

  /** For a WebSocket of the library `ws`: counts from its handshake on. */
  socketOptions(): ClientOptions {
    return {
      finishRequest: (request) => {
        this.watchRequest(request);
        request.end();
      },
    };
  }

  /** For a request of `node:http`; its socket may have served others before. */
  watchRequest(request: ClientRequest): void {
    this.requests++;
    request.on("socket", (socket) => this.watch(socket));
  }
}

function look(socket: CountedSocket, seen: Seen): number {
  const under = (socket as unknown as WithParent)._handle?._parent?.bytesWritten ?? 0;
  seen.addedBytes = Math.max(seen.addedBytes, under - socket.bytesWritten);
  return socket.bytesWritten + seen.addedBytes;
}
