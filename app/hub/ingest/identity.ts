// Which machine of the tailnet an edge's connection comes from, asked of the tailscaled on this machine.
// A token can be copied; a node's tags cannot. Stands between the token and the first message.
// Promises: an edge with tags is refused whenever the answer is not a clear yes. Only where no tailscaled
// runs at all, and the connection does not come from a tailnet's address, is nothing checked.
import { z } from "zod";
import type { Clock } from "../../shared/clock.ts";
import { codeOf } from "../../shared/errors.ts";
import { isTailnet } from "../../shared/private-address.ts";
import { askTailscaled } from "../../shared/tailscaled.ts";

const ANSWER_BYTES_MAX = 256 * 1024;

/** What `/status` says of the check. */
export interface IdentityStatus {
  isChecked: boolean;
  reason: string;
}

/**
 * The answer of `GET /localapi/v0/whois?addr=IP:PORT`, as far as it is read (tailscale v1.94, apitype
 * WhoIsResponse, tailcfg.Node). A node that belongs to a person has no `Tags`; 404 is no node of the tailnet.
 * `{"Node":{"ID":3,"StableID":"n…CNTRL","Name":"kis.x.ts.net.","Tags":["tag:edge-kis"]},"UserProfile":{…}}`
 */
const whoisSchema = z.object({ Node: z.object({ Tags: z.array(z.string()).nullish() }) });

type Whois = { name: "node"; tags: readonly string[] } | { name: "stranger" } | { name: "absent" };

export interface IdentityOptions {
  /** Tags of which an edge's machine needs one. An edge that is not in it is not checked. */
  tags: ReadonlyMap<string, readonly string[]>;
  socketPath: string;
  clock: Clock;
}

export class TailnetIdentity {
  readonly #options: IdentityOptions;
  #isPresent = false;

  constructor(options: IdentityOptions) {
    this.#options = options;
  }

  /** True when a connection of `edge` from this address and port may go on. */
  async fits(edge: string, address: string, port: number): Promise<boolean> {
    const wanted = this.#options.tags.get(edge);
    if (!wanted) return true;
    const whois = await this.#whois(address, port);
    if (whois.name === "absent") return !isTailnet(address);
    return whois.name === "node" && whois.tags.some((tag) => wanted.includes(tag));
  }

  /** Asks whether a tailscaled is here, so that `status` knows before the first edge comes. */
  async look(): Promise<void> {
    if (this.#options.tags.size > 0) await this.#whois("127.0.0.1", 1);
  }

  /** As the last look or check found it. */
  status(): IdentityStatus {
    const { tags, socketPath } = this.#options;
    if (tags.size === 0) return { isChecked: false, reason: "TICKHUB_EDGE_TAGS is not set" };
    if (!this.#isPresent) return { isChecked: false, reason: `no tailscaled at ${socketPath}` };
    return { isChecked: true, reason: `edges with tags: ${[...tags.keys()].join(", ")}` };
  }

  async #whois(address: string, port: number): Promise<Whois> {
    const { socketPath, clock } = this.#options;
    // A socket that listens on both families shows IPv4 as ::ffff:100.64.0.1, which tailscaled does not know.
    const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
    const peer = plain.includes(":") ? `[${plain}]:${port}` : `${plain}:${port}`;
    try {
      const path = `/localapi/v0/whois?addr=${encodeURIComponent(peer)}`;
      const limits = { answerBytesMax: ANSWER_BYTES_MAX, clock };
      const text = await askTailscaled({ socketPath, path, ...limits });
      this.#isPresent = true;
      const node = text === null ? undefined : whoisSchema.safeParse(JSON.parse(text)).data?.Node;
      return node ? { name: "node", tags: node.Tags ?? [] } : { name: "stranger" };
    } catch (error) {
      const isAbsent = ["ENOENT", "ECONNREFUSED"].includes(codeOf(error));
      this.#isPresent = !isAbsent;
      return { name: isAbsent ? "absent" : "stranger" };
    }
  }
}
