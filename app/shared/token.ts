// Tokens of edges: what one looks like, and the hash under which the hub keeps it. A token is 256 random
// bits, so a plain SHA-256 is enough: there is nothing to guess that a slow hash would make slower.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";

const MARK = "sha256:";

/** A fresh token: 32 random bytes, 43 characters that need no quoting anywhere. */
export function newToken(): string {
  return randomBytes(32).toString("base64url");
}

/** `sha256:HEX` of a token. What is a hash already stays as it is. */
export function hashOfToken(token: string): string {
  return token.startsWith(MARK) ? token.toLowerCase() : `${MARK}${digest(token).toString("hex")}`;
}

/** False for what begins like a hash and is none. */
export function isTokenOrHash(text: string): boolean {
  return !text.startsWith(MARK) || /^sha256:[0-9a-f]{64}$/i.test(text);
}

/** The 32 bytes of a token's `sha256:HEX`. */
export function bytesOfHash(hash: string): Buffer {
  const bytes = Buffer.from(hash.slice(MARK.length), "hex");
  assert.equal(bytes.length, 32);
  return bytes;
}

/** SHA-256 of what somebody sent as a token. */
export function digest(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
