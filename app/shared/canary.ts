// The canary: how a release is proven to take batches before it is kept. A tombstone of one row, of an
// account that no broker has, goes the whole way of a batch: token, gateway, transaction, commit, ack. It
// stands in the books of its own account, which is left out wherever accounts are shown.
// Hub and canary share a secret already, the database's URL, so there is no token to hand out; and whoever
// knows that URL could write anything without a gateway.
import { createHmac } from "node:crypto";
import { encodeTombstone } from "./batch.ts";

/** Edge and account at once; no broker's account is without a colon. */
export const CANARY = "canary";

/** No lease is ever granted for it; the gateway takes no epoch 0. */
const EPOCH = 1;

/** The canary's token at a hub of this database. */
export function canaryToken(databaseUrl: string): string {
  return createHmac("sha256", databaseUrl).update("tickhub canary").digest("base64url");
}

/** A batch of a stream, by default its first. Nothing was lost: a batch without rows has to be a tombstone. */
export function canaryBatch(stream: string, nowMs: number, number = 1): Uint8Array {
  return encodeTombstone(
    { table: "status", stream, number, account: CANARY, epoch: EPOCH },
    { count: 1, firstMs: nowMs, lastMs: nowMs, reason: CANARY },
  );
}
