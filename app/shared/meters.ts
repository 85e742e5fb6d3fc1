// What edges and hub count of themselves for the free tiers: counters since a process's start, as Prometheus
// has them. An edge sends its own with each heartbeat; the hub adds up what they rose by (docs/meters.md).
import { z } from "zod";

/**
 * Every counter, in the order in which an edge sends them: without their names, because a heartbeat a second
 * is egress, too. Append only; `fold_meters` of the database has the same list.
 */
export const COUNTERS = [
  "up_seconds",
  /** Written to the hub's sockets, and messages of both ways on them. */
  "hub_bytes",
  "hub_messages",
  /** Written to brokers, and to whoever asks this process: probes, scrapers, people. */
  "broker_bytes",
  "served_bytes",
  /** What the machine's network interfaces sent meanwhile, whoever it was. */
  "interface_bytes",
  "log_bytes",
  /** Answers of /metrics. */
  "metrics_bytes",
  "requests_made",
  "requests_taken",
] as const;
export type CounterName = (typeof COUNTERS)[number];

/** Counters by name; one that a process cannot tell is left out. */
export type Counters = Partial<Record<CounterName, number>>;

/** As they travel: null where a process cannot tell. */
export const countersSchema = z.array(z.number().min(0).max(1e15).nullable()).max(32);

export function listed(counters: Counters): (number | null)[] {
  return COUNTERS.map((name) => counters[name] ?? null);
}

/** What is compared with a limit. `unit` is of its amounts in settings and on the page. */
export const METERS = {
  egress: { unit: "GB", says: "Sent to the network, with an estimate of the packets' headers" },
  egress_sockets: { unit: "GB", says: "Written into sockets" },
  egress_ledger: { unit: "GB", says: "Batches as the hub stored them" },
  egress_interface: { unit: "GB", says: "Sent by the machine's network interfaces" },
  requests: { unit: "requests", says: "HTTP requests made and answered" },
  logs: { unit: "GB", says: "Log lines written" },
  metrics: { unit: "GB", says: "Answers of /metrics" },
  storage: { unit: "GB", says: "The database on its volume" },
  bucket: { unit: "GB", says: "The backup in its bucket" },
} as const satisfies Record<string, { unit: "GB" | "requests"; says: string }>;
export type MeterName = keyof typeof METERS;

/** 1,000,000,000: a vendor that means GiB gives a little more. */
export const GB_BYTES = 1e9;

/**
 * What an edge over its egress budget does without, each step with those before it: log lines below `warn`,
 * then books in small batches, then all but the last book of a symbol and second. Trades never.
 */
export const SHEDDING = ["none", "logs", "batches", "books"] as const;
export type Shedding = (typeof SHEDDING)[number];
