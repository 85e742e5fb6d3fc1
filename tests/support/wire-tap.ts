// Stands between a client and PostgreSQL and counts round trips: each Sync or simple query the client sends
// is one wait for the server. https://www.postgresql.org/docs/17/protocol-message-formats.html
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

const SYNC = 0x53;
const QUERY = 0x51;

export interface WireTap {
  /** The server's URL, through the tap. */
  url: string;
  /** Since the start, over all connections. */
  roundTrips(): number;
  close(): Promise<void>;
}

/** `answer` may change what the server says, length for length. */
export async function tapWire(
  serverUrl: string,
  answer: (bytes: Buffer) => Buffer = (bytes) => bytes,
): Promise<WireTap> {
  const target = new URL(serverUrl);
  const sockets = new Set<Socket>();
  let trips = 0;
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    const count = counter(() => trips++);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("error", () => undefined);
      from.on("close", () => to.destroy());
      from.on("data", (chunk) => {
        if (from === near) count(chunk);
        to.write(from === near ? chunk : answer(chunk));
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = new URL(serverUrl);
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    roundTrips: () => trips,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Follows one client's messages: the first has no type, all others a type and their length. */
function counter(onTrip: () => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  let typeBytes = 0;
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= typeBytes + 4) {
      const length = typeBytes + rest.readInt32BE(typeBytes);
      if (rest.length < length) return;
      if (typeBytes === 1 && (rest[0] === SYNC || rest[0] === QUERY)) onTrip();
      rest = rest.subarray(length);
      typeBytes = 1;
    }
  };
}
