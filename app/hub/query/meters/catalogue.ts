// What each meter is made of: counters of an edge, of all edges or of the hub, and the limit it is compared
// with. Pure. The limits are the vendors' (app/shared/free-tier.ts) where the settings name no other.
import { LIMITS } from "../../../shared/free-tier.ts";
import { GB_BYTES } from "../../../shared/meters.ts";
import type { CounterName, MeterName } from "../../../shared/meters.ts";

/** Amounts of one half day by counter; `ledger_bytes` is the hub's own count of an edge's batches. */
export type Amounts = Partial<Record<CounterName | "ledger_bytes", number>>;

/** The hub itself, and the edges together, as subjects of meters. */
export const HUB = "hub";
export const EDGES = "edges";

/**
 * What a packet through the tailnet costs beside its payload, in bytes: IPv4 20, UDP 8 and WireGuard 32
 * outside; IPv4 20 and TCP with timestamps 32 inside. And what of a payload fits, at an inner MTU of 1,280.
 */
const PACKET_BYTES = 112;
const PAYLOAD_BYTES = 1_228;
/** IPv4 20 and TCP 32 on a segment of 1,448, and as much for the acks of what comes. */
const PLAIN_FACTOR = 1.08;
/** Of answers to people and scrapers through the tailnet: mostly full packets. */
const SERVED_FACTOR = 1.15;
/** The machine's own volume is the rest of the vendor's 200 GB. */
const BOOT_GB = 50;

const of = (amounts: Amounts, name: keyof Amounts) => amounts[name] ?? 0;

/** Bytes an edge or the hub sent to the network: what it wrote, and headers by estimate. */
function egressBytes(amounts: Amounts): number {
  const hub = of(amounts, "hub_bytes");
  const packets = of(amounts, "hub_messages") + hub / PAYLOAD_BYTES;
  return (
    hub +
    PACKET_BYTES * packets +
    PLAIN_FACTOR * of(amounts, "broker_bytes") +
    SERVED_FACTOR * of(amounts, "served_bytes")
  );
}

const socketBytes = (amounts: Amounts) =>
  of(amounts, "hub_bytes") + of(amounts, "broker_bytes") + of(amounts, "served_bytes");

/** Whose counters a meter adds up. */
type Scope = "edge" | "edges" | "hub";

interface Counted {
  meter: MeterName;
  scope: Scope;
  /** In the meter's unit. */
  amount: (amounts: Amounts) => number;
  /** In the meter's unit; null: shown, compared with nothing. */
  limit: number | null;
}

const gb = (bytes: (amounts: Amounts) => number) => (amounts: Amounts) => bytes(amounts) / GB_BYTES;
const counter = (name: keyof Amounts) => (amounts: Amounts) => of(amounts, name);
const requests = (amounts: Amounts) => of(amounts, "requests_made") + of(amounts, "requests_taken");

export const COUNTED: readonly Counted[] = [
  { meter: "egress", scope: "edge", amount: gb(egressBytes), limit: null },
  { meter: "egress_sockets", scope: "edge", amount: gb(socketBytes), limit: null },
  { meter: "egress_ledger", scope: "edge", amount: gb(counter("ledger_bytes")), limit: null },
  { meter: "egress_interface", scope: "edge", amount: gb(counter("interface_bytes")), limit: null },
  { meter: "requests", scope: "edges", amount: requests, limit: LIMITS.northflankRequests.limit },
  {
    meter: "logs",
    scope: "edges",
    amount: gb(counter("log_bytes")),
    limit: LIMITS.northflankLogsGb.limit,
  },
  {
    meter: "metrics",
    scope: "edges",
    amount: gb(counter("metrics_bytes")),
    limit: LIMITS.northflankLogsGb.limit,
  },
  { meter: "egress", scope: "hub", amount: gb(egressBytes), limit: LIMITS.ociEgressGb.limit },
];

/** What has a size instead of a rate, all the hub's; limits in GB. */
export const SIZES = {
  storage: LIMITS.ociBlockGb.limit - BOOT_GB,
  bucket: LIMITS.ociObjectGb.limit,
} as const satisfies Partial<Record<MeterName, number>>;

export interface MeterLimits {
  /** `meter@subject`: in the meter's unit. */
  limits: ReadonlyMap<string, number>;
  /** GB an edge may send a month; over it, it does without. */
  budgets: ReadonlyMap<string, number>;
}

/** What is compared with: the settings' figure, else the vendor's. */
export function limitOf(
  meter: MeterName,
  subject: string,
  vendors: number | null,
  { limits, budgets }: MeterLimits,
): number | null {
  const budget = meter === "egress" ? budgets.get(subject) : undefined;
  return limits.get(`${meter}@${subject}`) ?? budget ?? vendors;
}
