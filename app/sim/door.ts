// A broker's address: HTTP and websocket on one loopback port.
import type { AddressInfo, Socket } from "node:net";
import Fastify from "fastify";
import type { FastifyInstance } from "fastify";
import { WebSocketServer } from "ws";
import type { ServerOptions, WebSocket } from "ws";

/** A feed's longest message registers some hundred symbols. */
const MESSAGE_BYTES_MAX = 64 * 1024;
/** A client that does not answer our close frame for so long is cut off. */
const CLOSE_MS = 1_000;

export interface Door {
  readonly port: number;
  openSockets(): number;
  /** Bytes given to the sockets that they have not taken. */
  bufferedBytes(): number;
  close(): Promise<void>;
}

export interface DoorOptions {
  /** 0 picks one. */
  port: number;
  socketsMax: number;
  /** Adds the HTTP routes. */
  serve: (server: FastifyInstance) => void;
  /** Takes a websocket that came in at `path`; undefined when the door has no websockets. */
  accept?: (client: WebSocket, socket: Socket, path: string) => void;
}

/** Opens on 127.0.0.1 and nowhere else. */
export async function openDoor({ port, socketsMax, serve, accept }: DoorOptions): Promise<Door> {
  const server = Fastify({ bodyLimit: MESSAGE_BYTES_MAX, forceCloseConnections: true });
  serve(server);
  // `closeTimeout` is missing from the library's types.
  const settings: ServerOptions & { closeTimeout: number } = {
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MESSAGE_BYTES_MAX,
    closeTimeout: CLOSE_MS,
  };
  const websockets = new WebSocketServer(settings);
  server.server.on("upgrade", (request, socket: Socket, head) => {
    if (!accept || websockets.clients.size >= socketsMax) {
      socket.destroy();
      return;
    }
    const [path] = (request.url ?? "/").split("?");
    websockets.handleUpgrade(request, socket, head, (client) => accept(client, socket, path!));
  });
  await server.listen({ port, host: "127.0.0.1" });
  return {
    port: (server.server.address() as AddressInfo).port,
    openSockets: () => websockets.clients.size,
    bufferedBytes: () => {
      let bytes = 0;
      for (const client of websockets.clients) bytes += client.bufferedAmount;
      return bytes;
    },
    close: async () => {
      for (const client of websockets.clients) client.terminate();
      await server.close();
    },
  };
}
