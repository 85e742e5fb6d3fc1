// Which machines of the tailnet have a key with an end: a machine that serves and whose key runs out is gone in a
// moment, with all that stands behind it. Asked of this machine's tailscaled now and then; where there is none,
// nothing is known and nothing is said.
import { z } from "zod";
import type { Clock } from "../../shared/clock.ts";
import { askTailscaled, peerSchema, STATUS_PATH } from "../../shared/tailscaled.ts";

export interface Expiry {
  subject: string;
  atMs: number;
}

const statusSchema = z.object({
  Self: peerSchema.nullish(),
  Peer: z.record(z.string(), peerSchema).nullish(),
});
const ANSWER_BYTES_MAX = 1024 * 1024;
const LOOK_MS = 600_000;
const PEERS_MAX = 64;

/** Of this node and of peers that carry a tag: people's machines are their own business. */
export function expiriesIn(text: string): Expiry[] {
  const { Self, Peer } = statusSchema.parse(JSON.parse(text));
  const peers = [...(Self ? [Self] : []), ...Object.values(Peer ?? {})];
  return peers
    .filter((peer) => peer === Self || (peer.Tags ?? []).length > 0)
    .flatMap(({ HostName, KeyExpiry }) => {
      const atMs = Date.parse(KeyExpiry ?? "");
      return HostName && Number.isFinite(atMs) ? [{ subject: HostName, atMs }] : [];
    })
    .slice(0, PEERS_MAX);
}

export class Expiries {
  readonly #socketPath: string;
  readonly #clock: Clock;
  #known: Expiry[] = [];
  #askedMs = Number.NEGATIVE_INFINITY;

  constructor(socketPath: string, clock: Clock) {
    this.#socketPath = socketPath;
    this.#clock = clock;
  }

  /** As of at most ten minutes ago; a tailscaled that does not answer leaves what was known. Never throws. */
  async read(): Promise<readonly Expiry[]> {
    const monoMs = this.#clock.monoMs();
    if (monoMs - this.#askedMs < LOOK_MS) return this.#known;
    this.#askedMs = monoMs;
    try {
      const asked = { socketPath: this.#socketPath, path: STATUS_PATH, clock: this.#clock };
      const text = await askTailscaled({ ...asked, answerBytesMax: ANSWER_BYTES_MAX });
      if (text !== null) this.#known = expiriesIn(text);
    } catch {
      // No tailscaled, or none that answers.
    }
    return this.#known;
  }
}
