// Who may use the gateway, and from where: pure decisions in front of the first byte of an edge.
// Promises: a token is never compared as text, never stored as text and never shown; who asks cannot tell
// an edge the hub does not know from a wrong token, neither by the answer nor by the time it takes.
import { randomBytes, timingSafeEqual } from "node:crypto";
import { BlockList, isIP } from "node:net";
import { TickhubError } from "../../shared/errors.ts";
import { bytesOfHash, digest, hashOfToken } from "../../shared/token.ts";

interface KnownEdge {
  tokenHash: Buffer;
  accounts: ReadonlySet<string> | null;
}

/** Edges and the hashes of their tokens. */
export class Admission {
  readonly #edges = new Map<string, KnownEdge>();
  /** Compared where the edge is unknown; no token has this hash. */
  readonly #nobody = randomBytes(32);

  /**
   * `tokens` has each edge's token or its `sha256:HEX`. `accounts` names what an edge may write and claim;
   * an edge that is not in it may use all.
   */
  constructor(
    tokens: ReadonlyMap<string, string>,
    accounts: ReadonlyMap<string, readonly string[]> = new Map(),
  ) {
    for (const [edge, token] of tokens) {
      const own = accounts.get(edge);
      const tokenHash = bytesOfHash(hashOfToken(token));
      this.#edges.set(edge, { tokenHash, accounts: own ? new Set(own) : null });
    }
  }

  /** True when `authorization` is `Bearer` and the token of `edge`. One digest, one comparison, always. */
  admits(edge: string, authorization: string | undefined): boolean {
    const token = /^Bearer (.+)$/.exec(authorization ?? "")?.[1] ?? "";
    const known = this.#edges.get(edge);
    const isSame = timingSafeEqual(digest(token), known?.tokenHash ?? this.#nobody);
    return isSame && known !== undefined;
  }

  mayUse(edge: string, account: string): boolean {
    const known = this.#edges.get(edge);
    return known !== undefined && (known.accounts === null || known.accounts.has(account));
  }
}

/** This machine alone. */
const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8);
LOOPBACK.addAddress("::1", "ipv6");

/** Addresses of a tailnet (https://tailscale.com/kb/1015/100.x-addresses, kb/1033/ip-and-dns-addresses). */
const TAILNET = new BlockList();
TAILNET.addSubnet("100.64.0.0", 10);
TAILNET.addSubnet("fd7a:115c:a1e0::", 48, "ipv6");

/** True for an address of a tailnet, also when written as IPv4 in IPv6. */
export function isTailnet(address: string): boolean {
  return isIn(TAILNET, address);
}

/**
 * Throws GATEWAY_PUBLIC for anything but loopback and the tailnet. Also for RFC 1918: a cloud's public
 * address is usually a private one behind its NAT. `0.0.0.0` and `::` are every address, and a name may
 * mean another one tomorrow.
 */
export function assertPrivate(bind: string, allowPublic: boolean): void {
  if (allowPublic || bind === "localhost" || isIn(LOOPBACK, bind) || isTailnet(bind)) return;
  throw new TickhubError("GATEWAY_PUBLIC", { bind });
}

function isIn(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 6 ? "ipv6" : "ipv4");
}
