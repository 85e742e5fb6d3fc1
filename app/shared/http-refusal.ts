// Turning away a socket that is not (or no longer) HTTP's: in HTTP, with a code, and closed.
import type { Duplex } from "node:stream";
import { ERRORS } from "./errors.ts";
import type { ErrorCode } from "./errors.ts";

export function endWithError(socket: Duplex, status: string, code: ErrorCode): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify({ code, hint: ERRORS[code].hint });
  const head = [
    `HTTP/1.1 ${status}`,
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
}
