// Who may use the gateway, and from where: pure decisions in front of the first byte of an edge.
// Promises: a token is never compared as text, never stored as text and never shown; who asks cannot tell
// an edge the hub does not know from a wrong token, neither by the answer nor by the time it takes.
import { randomBytes, timingSafeEqual } from "node:crypto";
import { CANARY } from "../../shared/canary.ts";
import { isAnybodysOwn, isOwnAccount } from "../../shared/own-account.ts";
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

  /**
   * The canary's account is everybody's: no broker has it, and an edge measures its way to the hub with it. An
   * edge's news and log are its own, whatever else it may use.
   */
  mayUse(edge: string, account: string): boolean {
    const known = this.#edges.get(edge);
    if (known === undefined) return false;
    if (isAnybodysOwn(account)) return isOwnAccount(edge, account);
    return known.accounts === null || known.accounts.has(account) || account === CANARY;
  }
}
