// Who may use the gateway, and from where: pure decisions in front of the first byte of an edge.
// Promises: a token is never compared as text, never stored as text and never shown.
import { createHash, timingSafeEqual } from "node:crypto";
import { BlockList, isIP } from "node:net";
import { TickhubError } from "../../shared/errors.ts";

interface KnownEdge {
  tokenHash: Buffer;
  accounts: ReadonlySet<string> | null;
}

/** Edges and the hashes of their tokens. */
export class Admission {
  readonly #edges = new Map<string, KnownEdge>();

  /** `accounts` names what an edge may write and claim; an edge that is not in it may use all. */
  constructor(
    tokens: ReadonlyMap<string, string>,
    accounts: ReadonlyMap<string, readonly string[]> = new Map(),
  ) {
    for (const [edge, token] of tokens) {
      const own = accounts.get(edge);
      this.#edges.set(edge, { tokenHash: sha256(token), accounts: own ? new Set(own) : null });
    }
  }

  /** True when `authorization` is `Bearer` and the token of `edge`. An unknown edge takes as long. */
  admits(edge: string, authorization: string | undefined): boolean {
    const token = /^Bearer (.+)$/.exec(authorization ?? "")?.[1] ?? "";
    const known = this.#edges.get(edge);
    const same = timingSafeEqual(sha256(token), known?.tokenHash ?? sha256("no such edge"));
    return known !== undefined && same;
  }

  mayUse(edge: string, account: string): boolean {
    const known = this.#edges.get(edge);
    return known !== undefined && (known.accounts === null || known.accounts.has(account));
  }
}

/** Loopback, RFC 1918, the tailnet's shared address space (RFC 6598) and their IPv6 counterparts. */
const PRIVATE = new BlockList();
PRIVATE.addSubnet("127.0.0.0", 8);
PRIVATE.addSubnet("10.0.0.0", 8);
PRIVATE.addSubnet("172.16.0.0", 12);
PRIVATE.addSubnet("192.168.0.0", 16);
PRIVATE.addSubnet("100.64.0.0", 10);
PRIVATE.addAddress("::1", "ipv6");
PRIVATE.addSubnet("fc00::", 7, "ipv6");

/** Throws GATEWAY_PUBLIC for an address the internet might reach; `0.0.0.0` and `::` are every address. */
export function assertPrivate(bind: string, allowPublic: boolean): void {
  if (allowPublic || bind === "localhost") return;
  const family = isIP(bind);
  if (family !== 0 && PRIVATE.check(bind, family === 6 ? "ipv6" : "ipv4")) return;
  throw new TickhubError("GATEWAY_PUBLIC", { bind });
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
