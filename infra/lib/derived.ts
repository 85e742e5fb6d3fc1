// Edges' tokens and the database's password, derived from the stack's one seed. No provider of random values
// is needed for that, a lost state loses no secret, and a copy of a stack has others, because the stack's
// name is in them. Renewing one is raising its number in the key `rotations`.
import { createHmac } from "node:crypto";
import { hashOfToken } from "../../app/shared/token.ts";

export interface Derivation {
  seed: string;
  stack: string;
  rotations: Readonly<Record<string, number>>;
}

/** 43 characters that need no quoting anywhere: HMAC-SHA-256 in base64url, as long as `tickhub token`'s. */
export function derived(
  { seed, stack, rotations }: Derivation,
  purpose: string,
  name: string,
): string {
  const generation = rotations[name] ?? 0;
  return createHmac("sha256", seed)
    .update(JSON.stringify(["tickhub", stack, purpose, name, generation]))
    .digest("base64url");
}

/** Each edge's token, by the edge's name. */
export const edgeTokens = (from: Derivation, edges: readonly string[]): Record<string, string> =>
  Object.fromEntries(edges.map((edge) => [edge, derived(from, "edge-token", edge)]));

/** The Sentinel's token: it opens the hub's door for alerts, and nothing that edges have. */
export const sentinelToken = (from: Derivation): string =>
  derived(from, "sentinel-token", "sentinel");

/** The hub's TICKHUB_EDGE_TOKENS: hashes only, so that what its machine keeps opens nothing. */
export const hashedTokens = (tokens: Readonly<Record<string, string>>): string =>
  Object.entries(tokens)
    .map(([edge, token]) => `${edge}=${hashOfToken(token)}`)
    .join(",");

/** The hub's TICKHUB_DATABASE_URL in the compose file's network; the database takes its password from it. */
export const databaseUrl = (from: Derivation): string =>
  `postgres://tickhub:${derived(from, "database-password", "database")}@database:5432/tickhub`;
