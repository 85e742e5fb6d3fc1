// An account's lease for as long as a probe lasts, asked for as an edge asks. Promises: it is never taken from
// anybody, not even from one that seems dead; whoever holds it is told at once when it is lost; it is given back at the end.
import { every, sleep } from "../../shared/clock.ts";
import type { Clock } from "../../shared/clock.ts";
import { TickhubError } from "../../shared/errors.ts";
import type { Standing, Wish } from "../../shared/gateway-protocol.ts";
import type { Transport } from "../uplink/transport.ts";

export interface LeaseOptions {
  transport: Transport;
  account: string;
  edge: string;
  holder: string;
  clock: Clock;
  /** For the broker's quiet time after the last holder. */
  waitMs: number;
}

export interface HeldLease {
  epoch: number;
  /** Resolves when the account is not ours any more, or may not be. */
  lost: Promise<void>;
  release(): Promise<void>;
}

/** How often it is asked for, and then kept: as the collector does. */
const ASK_MS = 1_000;

/** Opens the transport and claims. Throws LEASE_HELD, LEASE_INELIGIBLE, LEASE_UNKNOWN, UPLINK_*, PROXY_*, EDGE_*. */
export async function claimAccount(options: LeaseOptions): Promise<HeldLease> {
  const { transport, account, edge, holder } = options;
  await transport.open();
  const ask = (wish: Wish) => transport.ask({ account, edge, holder, wish, status: {} });
  try {
    const lease = await granted(options, ask);
    return keep(options, ask, lease);
  } catch (error) {
    await transport.close();
    throw error;
  }
}

type Lease = Standing["lease"];

async function granted(
  { account, clock, waitMs }: LeaseOptions,
  ask: (wish: Wish) => Promise<Standing>,
): Promise<Lease> {
  const untilMs = clock.monoMs() + waitMs;
  // Looked at before it is claimed: a claim would take over from a holder of this edge that has only been silent
  // for a while, as its next process may. That holder can be collecting behind a link that failed.
  let { lease } = await ask("report");
  for (;;) {
    const { state, edge } = lease;
    if (state === "granted") return lease;
    if (state === "unknown") throw new TickhubError("LEASE_UNKNOWN", { account });
    if (state === "ineligible") throw new TickhubError("LEASE_INELIGIBLE", { account });
    // Only the quiet time after a release passes by itself, and soon.
    if (lease.holder || (state === "waiting" && clock.monoMs() >= untilMs)) {
      throw new TickhubError("LEASE_HELD", { account, state, edge: edge ?? "" });
    }
    if (state === "waiting") await sleep(clock, ASK_MS);
    ({ lease } = await ask("claim"));
  }
}

function keep(
  { transport, clock }: LeaseOptions,
  ask: (wish: Wish) => Promise<Standing>,
  lease: Lease,
): HeldLease {
  const lost = Promise.withResolvers<undefined>();
  // In failover mode a grant is good for a while, counted from the question; in exclusive mode until it is passed on.
  let goodUntilMs = clock.monoMs() + (lease.validMs ?? Infinity);
  let isAsking = false;
  const looking = every(clock, ASK_MS, () => {
    if (clock.monoMs() >= goodUntilMs) lost.resolve(undefined);
    if (isAsking) return;
    isAsking = true;
    const askedMs = clock.monoMs();
    const heard = ({ lease: now }: Standing) => {
      if (now.state === "granted") goodUntilMs = askedMs + (now.validMs ?? Infinity);
      else lost.resolve(undefined);
    };
    // A hub that does not answer takes nothing back.
    void ask("hold")
      .then(heard, () => undefined)
      .finally(() => (isAsking = false));
  });
  return {
    epoch: lease.epoch ?? 0,
    lost: lost.promise,
    async release() {
      looking.cancel();
      await ask("release").catch(() => undefined);
      await transport.close();
    },
  };
}
