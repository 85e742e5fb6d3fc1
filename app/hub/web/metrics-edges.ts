// Edges and accounts on the hub's /metrics, as the edges' last statuses and the leases have them: so they are
// there for an edge that nobody scrapes, and for one that went away.
import type { Registry } from "prom-client";
import type { AccountStatus, EdgeStatus } from "../../shared/gateway-protocol.ts";
import { SHEDDING } from "../../shared/meters.ts";
import {
  BREAKER_STATES,
  FEED_STATES,
  gaugesOf,
  HOLDING_STATES,
  setState,
} from "../../shared/metrics.ts";
import type { AccountPicture, Picture } from "../query/picture.ts";

export function edgeGauges(registry: Registry): (picture: Picture) => void {
  const gauge = gaugesOf(registry);
  const all: { reset(): void }[] = [];
  const of = (name: string, help: string, ...labels: string[]) => {
    const one = gauge(name, help, labels);
    all.push(one);
    return one;
  };
  const age = of("edge_seen_age_seconds", "Age of an edge's last status", "edge");
  const seconds = of("edge_outbox_seconds", "Seconds an edge's outbox still has", "edge");
  const bytes = of("edge_outbox_bytes", "Bytes in an edge's outbox", "edge");
  const oldest = of("edge_outbox_oldest_seconds", "Age of the oldest record in it", "edge");
  const offset = of(
    "edge_clock_offset_seconds",
    "The hub's clock minus the edge's, network delay halved",
    "edge",
  );
  const shedding = of("edge_shedding_level", "0 none, 1 logs, 2 batches, 3 books", "edge");
  const breaker = of("edge_breaker_state", "1 for the breaker's state", "edge", "state");
  const held = of("edge_held_records", "Records in an edge's outbox", "edge", "account");
  const feed = of("edge_feed_state", "1 for the feed's state", "edge", "account", "state");
  const lease = of(
    ...(["edge_lease_state", "1 for the lease's state at the edge"] as const),
    ...["edge", "account", "state"],
  );
  const frame = of("edge_frame_age_seconds", "Age of the last frame", "edge", "account");
  const tick = of("edge_tick_age_seconds", "Age of the last tick", "edge", "account");
  const registered = of("edge_registrations", "Confirmed by the broker", "edge", "account");

  const setStatus = (edge: string, { outbox, uplink, shedding: level }: EdgeStatus) => {
    if (outbox?.secondsLeft !== undefined) seconds.set({ edge }, outbox.secondsLeft);
    if (outbox?.bytes !== undefined) bytes.set({ edge }, outbox.bytes);
    if (outbox?.oldestMs !== undefined) oldest.set({ edge }, outbox.oldestMs / 1_000);
    if (typeof uplink?.offsetMs === "number") offset.set({ edge }, uplink.offsetMs / 1_000);
    if (uplink?.breaker !== undefined) setState(breaker, { edge }, BREAKER_STATES, uplink.breaker);
    shedding.set({ edge }, SHEDDING.indexOf(level ?? "none"));
  };
  const setAccount = (edge: string, account: string, status: AccountStatus) => {
    const labels = { edge, account };
    setState(feed, labels, FEED_STATES, status.feed);
    if (status.lease !== undefined) setState(lease, labels, HOLDING_STATES, status.lease);
    if (typeof status.frameAgeMs === "number") frame.set(labels, status.frameAgeMs / 1_000);
    if (typeof status.tickAgeMs === "number") tick.set(labels, status.tickAgeMs / 1_000);
    registered.set(labels, status.registrations ?? 0);
  };
  const setLeases = leaseGauges(of);
  return ({ edges, accounts, nowMs }) => {
    for (const one of all) one.reset();
    for (const { edge, seenAgeMs, status } of edges) {
      age.set({ edge }, seenAgeMs / 1_000);
      setStatus(edge, status);
      // Of accounts that the hub knows: an edge cannot make series by naming others.
      for (const { account } of accounts) {
        const told = status.accounts?.[account];
        if (told) setAccount(edge, account, told);
      }
    }
    for (const { account, edge } of accounts)
      if (edge) held.set({ edge: edge.edge, account }, edge.held);
    setLeases(accounts, nowMs);
  };
}

type MakeGauge = (
  name: string,
  help: string,
  ...labels: string[]
) => ReturnType<ReturnType<typeof gaugesOf>>;

function leaseGauges(of: MakeGauge): (accounts: readonly AccountPicture[], nowMs: number) => void {
  const planned = of("account_planned_registrations", "Planned for the account", "account");
  const epoch = of("lease_epoch", "Rises with each grant and new assignment", "account");
  const held = of("lease_held", "1 while an edge holds the account", "account", "edge");
  const seen = of("lease_seen_age_seconds", "Since the holder was heard", "account");
  return (accounts, nowMs) => {
    for (const { account, planned: registrations, lease } of accounts) {
      planned.set({ account }, registrations);
      if (!lease) continue;
      epoch.set({ account }, lease.epoch);
      if (lease.edge !== null) held.set({ account, edge: lease.edge }, lease.holder ? 1 : 0);
      if (lease.holder !== null && lease.seenMs !== null)
        seen.set({ account }, Math.max(0, nowMs - lease.seenMs) / 1_000);
    }
  };
}
