// The proxy with its real allow-list, in front of a Kiwoom that says what a test wants. Only what lies beyond
// the list is the test's: names, and where their addresses lead.
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { onTestFinished } from "vitest";
import { startProxy } from "../../app/proxy/proxy.ts";
import type { Proxy, ProxyLimits } from "../../app/proxy/proxy.ts";
import { systemClock } from "../../app/shared/clock.ts";
import type { Clock } from "../../app/shared/clock.ts";
import type { Event } from "../../app/shared/events.ts";
import { recordingReporter } from "../support/hub.ts";

/** Of nobody: IANA keeps it for documentation. */
export const PUBLIC = "203.0.113.10";

export interface Rig {
  proxy: Proxy;
  port: number;
  events: Event[];
  /** What was connected to, as `address:port`. */
  reached: string[];
  /** Whether it closes when its client has, as servers do. */
  broker: { endsToo: boolean };
  /** The other ends of the tunnels. */
  ends: Socket[];
  /** What names resolve to. */
  names: { resolve: (host: string) => Promise<string[]> };
  /** By address: where a connection to it really goes; the broker unless it says otherwise. */
  routes: Map<string, number>;
  /** Sends `text`, and returns all that comes until the proxy closes. */
  say: (text: string | Uint8Array) => Promise<string>;
  /** A CONNECT; resolves with the answer's head once it is there. */
  ask: (authority: string) => Promise<{ socket: Socket; head: string }>;
}

export async function startRig(limits: Partial<ProxyLimits> = {}, clock: Clock = systemClock) {
  const ends: Socket[] = [];
  const broker = { endsToo: true };
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    ends.push(socket);
    socket.on("error", () => undefined);
    socket.once("end", () => {
      if (broker.endsToo) socket.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const brokerPort = (server.address() as AddressInfo).port;
  const reporter = recordingReporter();
  const reached: string[] = [];
  const routes = new Map<string, number>();
  const names: Rig["names"] = { resolve: () => Promise.resolve([PUBLIC]) };
  const proxy = await startProxy({
    ...{ port: 0, bind: "127.0.0.1", allowPublic: false, version: "t", clock, reporter, limits },
    world: {
      resolve: (host) => names.resolve(host),
      connect(address, port) {
        reached.push(`${address}:${port}`);
        const to = routes.get(address) ?? brokerPort;
        return connect({ port: to, host: "127.0.0.1", allowHalfOpen: true });
      },
    },
  });
  const port = Number(new URL(proxy.url).port);
  const sockets: Socket[] = [];
  onTestFinished(async () => {
    for (const socket of [...sockets, ...ends]) socket.destroy();
    await proxy.stop(0);
    server.close();
  });

  function open(): Socket {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    socket.on("error", () => undefined);
    sockets.push(socket);
    return socket;
  }
  async function say(text: string | Uint8Array): Promise<string> {
    const socket = open();
    socket.write(text);
    let answer = "";
    socket.on("data", (chunk: Buffer) => (answer += chunk.toString("latin1")));
    await new Promise((resolve) => socket.once("end", resolve).once("close", resolve));
    socket.destroy();
    return answer;
  }
  async function ask(authority: string) {
    const socket = open();
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n\r\n`);
    const head = await new Promise<string>((resolve) => {
      socket.once("data", (chunk: Buffer) => resolve(chunk.toString()));
      socket.once("close", () => resolve(""));
    });
    return { socket, head };
  }
  const rig: Rig = {
    ...{ proxy, port, events: reporter.events, reached, broker, ends, names, routes, say, ask },
  };
  return rig;
}
