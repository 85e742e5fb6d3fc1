// A question to the tailscaled on this machine, over its LocalAPI: HTTP on a unix socket.
import { existsSync, globSync } from "node:fs";
import { request } from "node:http";
import { z } from "zod";
import type { Clock } from "./clock.ts";

export const TAILSCALE_SOCKET = "/var/run/tailscale/tailscaled.sock";
/** Where an edge's container has it, in a folder with a name of its own (images/edge/entrypoint.sh). */
const CONTAINER_SOCKETS = "/tmp/tailscale.*/tailscaled.sock";
const ANSWER_MS = 2_000;

export interface TailscaledQuestion {
  socketPath: string;
  /** `/localapi/v0/status` */
  path: string;
  answerBytesMax: number;
  clock: Clock;
}

/** Where the tailscaled of this machine or container listens; the machine's usual place when there is none. */
export function tailscaledSocket(): string {
  if (existsSync(TAILSCALE_SOCKET)) return TAILSCALE_SOCKET;
  return globSync(CONTAINER_SOCKETS)[0] ?? TAILSCALE_SOCKET;
}

/** The body of a 200, null for any other status. Rejects when nobody answers in time. */
export function askTailscaled(question: TailscaledQuestion): Promise<string | null> {
  const { socketPath, path, answerBytesMax, clock } = question;
  return new Promise((resolve, reject) => {
    const patience = clock.after(ANSWER_MS, () => asked.destroy(new Error("no answer")));
    const asked = request({ socketPath, path, headers: { host: "local-tailscaled.sock" } });
    asked.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
        if (text.length > answerBytesMax) asked.destroy(new Error("too long an answer"));
      });
      response.on("end", () => resolve(response.statusCode === 200 ? text : null));
      response.on("error", reject);
    });
    asked.on("error", reject);
    asked.on("close", () => {
      patience.cancel();
      reject(new Error("the answer was cut short"));
    });
    asked.end();
  });
}

/** The state of this node and of its way to each peer. */
export const STATUS_PATH = "/localapi/v0/status";

/**
 * A peer in the answer to STATUS_PATH, as far as it is read (tailscale v1.94, ipnstate.PeerStatus): in
 * `{"BackendState":"Running","Self":{…},"Peer":{"nodekey:…":{"HostName":"tickhub-hub","DNSName":"tickhub-hub.x.ts.net.",
 * "TailscaleIPs":["100.64.0.1"],"Tags":["tag:hub"],"CurAddr":"","Relay":"tok","PeerRelay":"","Online":true,"Active":true}}}`.
 * `CurAddr` is the address of a direct path, else empty; then `PeerRelay` names a relaying peer, else `Relay` the
 * DERP region. `Relay` is the peer's home region also when the path is direct, and of idle peers.
 */
export const peerSchema = z.object({
  HostName: z.string().nullish(),
  DNSName: z.string().nullish(),
  TailscaleIPs: z.array(z.string()).nullish(),
  Tags: z.array(z.string()).nullish(),
  CurAddr: z.string().nullish(),
  Relay: z.string().nullish(),
  PeerRelay: z.string().nullish(),
  Online: z.boolean().nullish(),
  Active: z.boolean().nullish(),
  /** Absent where the key has no end. */
  KeyExpiry: z.string().nullish(),
});
export type TailnetPeer = z.infer<typeof peerSchema>;
