// Which way packets take to the hub: directly, or by a relay of Tailscale's (DERP, which is slower and
// shared). Asked of the tailscaled on this machine, after the probes: a path is direct only once packets
// have flowed.
import { isIP } from "node:net";
import { z } from "zod";
import type { Clock } from "../shared/clock.ts";
import { codeOf } from "../shared/errors.ts";
import { isLoopback, isTailnet } from "../shared/private-address.ts";
import { askTailscaled, peerSchema, STATUS_PATH } from "../shared/tailscaled.ts";
import type { TailnetPeer } from "../shared/tailscaled.ts";

const ANSWER_BYTES_MAX = 8 * 1024 * 1024;

export type Path =
  | { name: "direct"; peer: string; address: string }
  /** By a DERP region (`tok`), or by a relay of one's own (an address). */
  | { name: "relayed"; peer: string; relay: string }
  /** Nothing has flowed lately, so nobody knows. */
  | { name: "idle"; peer: string }
  | { name: "this machine" }
  | { name: "not a tailnet address"; address: string }
  | { name: "unknown"; reason: string };

const statusSchema = z.object({
  Self: peerSchema.nullish(),
  Peer: z.record(z.string(), peerSchema).nullish(),
});

export interface PathQuestion {
  /** Of the hub, as the URL has it. */
  host: string;
  /** What it resolved to here; null where a proxy resolves it. */
  address: string | null;
  socketPath: string;
  clock: Clock;
}

export async function findPath(question: PathQuestion): Promise<Path> {
  const { host, address, socketPath, clock } = question;
  if (address !== null && !isTailnet(address)) {
    return isLoopback(address)
      ? { name: "this machine" }
      : { name: "not a tailnet address", address };
  }
  try {
    const limits = { answerBytesMax: ANSWER_BYTES_MAX, clock };
    const text = await askTailscaled({ socketPath, path: STATUS_PATH, ...limits });
    if (text === null) return { name: "unknown", reason: "tailscaled refused the question" };
    const status = statusSchema.parse(JSON.parse(text));
    const isIt = (peer: TailnetPeer) => isPeer(peer, host, address);
    if (status.Self && isIt(status.Self)) return { name: "this machine" };
    const peer = Object.values(status.Peer ?? {}).find(isIt);
    if (peer) return pathOf(peer);
    return address === null
      ? { name: "not a tailnet address", address: host }
      : { name: "unknown", reason: `no peer of the tailnet has ${address}` };
  } catch (error) {
    const isAbsent = ["ENOENT", "ECONNREFUSED"].includes(codeOf(error));
    const reason = isAbsent ? `no tailscaled at ${socketPath}` : codeOf(error);
    return { name: "unknown", reason };
  }
}

/** By address, by full name, or by the name's first label as MagicDNS completes it. */
function isPeer(
  { TailscaleIPs, DNSName, HostName }: TailnetPeer,
  host: string,
  address: string | null,
) {
  const wanted = address ?? (isIP(host) ? host : null);
  if (wanted !== null) return TailscaleIPs?.includes(wanted) ?? false;
  const name = host.toLowerCase().replace(/\.$/, "");
  const full = DNSName?.toLowerCase().replace(/\.$/, "") ?? "";
  return name === full || name === full.split(".")[0] || name === HostName?.toLowerCase();
}

function pathOf({ DNSName, HostName, CurAddr, Relay, PeerRelay, Active }: TailnetPeer): Path {
  const peer = DNSName?.replace(/\.$/, "") || HostName || "?";
  if (CurAddr) return { name: "direct", peer, address: CurAddr };
  if (!Active) return { name: "idle", peer };
  const relay = PeerRelay || Relay;
  return relay ? { name: "relayed", peer, relay } : { name: "idle", peer };
}

/** For people: `relayed by tok (tickhub-hub.x.ts.net)`. */
export function pathInWords(path: Path): string {
  switch (path.name) {
    case "direct":
      return `direct, ${path.address} (${path.peer})`;
    case "relayed":
      return `relayed by ${path.relay} (${path.peer})`;
    case "idle":
      return `idle, so nobody knows (${path.peer})`;
    case "not a tailnet address":
      return `not a tailnet address: ${path.address}`;
    case "unknown":
      return `unknown: ${path.reason}`;
    case "this machine":
      return path.name;
  }
}
