// Direct or relayed: what the tailscaled on this machine knows of its way to each peer. A DERP relay adds its own
// distance and its own limits to every batch, so for the machines on a tick's path it does not pass.
import { z } from "zod";
import type { Clock } from "../../shared/clock.ts";
import { codeOf } from "../../shared/errors.ts";
import { askTailscaled, peerSchema, STATUS_PATH } from "../../shared/tailscaled.ts";
import type { TailnetPeer } from "../../shared/tailscaled.ts";

const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

const statusSchema = z.object({
  BackendState: z.string(),
  Peer: z.record(z.string(), peerSchema).nullish(),
});

export interface PeerPath {
  name: string;
  tags: string[];
  /** `idle`: no traffic at present, so there is no path to judge. */
  path: "direct" | "peer relay" | "relayed" | "idle" | "offline";
  /** The address, the peer or the DERP region. */
  by: string;
}

/** Undefined: no tailscaled here. Throws Error when it is here and does not answer as it should. */
export async function readPaths(socketPath: string, clock: Clock): Promise<PeerPath[] | undefined> {
  let text: string | null;
  try {
    text = await askTailscaled({
      socketPath,
      path: STATUS_PATH,
      answerBytesMax: ANSWER_BYTES_MAX,
      clock,
    });
  } catch (error) {
    if (["ENOENT", "ECONNREFUSED"].includes(codeOf(error))) return undefined;
    throw error;
  }
  if (text === null) throw new Error("tailscaled refused to say");
  const { data: status } = statusSchema.safeParse(JSON.parse(text));
  if (!status) throw new Error("tailscaled answered in a form that is not known");
  if (status.BackendState !== "Running")
    throw new Error(`tailscaled is ${status.BackendState}, not Running`);
  return Object.values(status.Peer ?? {}).map((peer) => ({
    name: (peer.DNSName || (peer.HostName ?? "")).split(".")[0]!,
    tags: peer.Tags ?? [],
    ...pathOf(peer),
  }));
}

function pathOf(peer: TailnetPeer): Pick<PeerPath, "path" | "by"> {
  if (!peer.Online) return { path: "offline", by: "" };
  if (peer.CurAddr) return { path: "direct", by: peer.CurAddr };
  if (peer.PeerRelay) return { path: "peer relay", by: peer.PeerRelay };
  // The home region is told of idle peers as well.
  return peer.Active && peer.Relay ? { path: "relayed", by: peer.Relay } : { path: "idle", by: "" };
}
