// How a server of ours takes its port: with the reason in words when it cannot.
import { isIPv6 } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { codeOf, TickhubError } from "./errors.ts";

export interface Place {
  /** 0 picks a free one. */
  port: number;
  bind: string;
  /** The setting or option that names `bind`, for the error. */
  name: string;
}

/** Listens. Throws GATEWAY_PORT_TAKEN, CONFIG_INVALID. Returns `http://address:port`. */
export async function listenOn(server: Server, { port, bind, name }: Place): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    const failed = (cause: Error) => reject(refusalOf(cause, { port, bind, name }));
    server.once("error", failed);
    server.listen(port, bind, () => {
      server.off("error", failed);
      resolve();
    });
  });
  return urlOf(server.address() as AddressInfo, bind);
}

/** `http://[::1]:8610`. */
export function urlOf({ port }: AddressInfo, bind: string): string {
  return `http://${isIPv6(bind) ? `[${bind}]` : bind}:${port}`;
}

/** What it means that `place` could not be listened on; an error that is none of these stays as it is. */
export function refusalOf(cause: Error, { port, bind, name }: Place): Error {
  switch (codeOf(cause)) {
    case "EADDRINUSE":
      return new TickhubError("GATEWAY_PORT_TAKEN", { bind, port }, { cause });
    case "EADDRNOTAVAIL": {
      const reason = "not an address of this machine";
      return new TickhubError("CONFIG_INVALID", { name, value: bind, reason }, { cause });
    }
    default:
      return cause;
  }
}
