// OCI quotas that leave only what is free: a resource that would bill is refused by Oracle itself, whoever
// asks for it and by whatever means. A budget only sends mail, a day late. Statements are evaluated in
// order, the later one wins; so each family is closed, and what is free in it opened again. Their text is
// judged by the service alone.
import { LIMITS } from "../../app/shared/free-tier.ts";

/** The tenancy's free allowance as quotas count it. Figures and sources: docs/free-tier.md. */
export interface Allowance {
  a1Ocpus: number;
  a1MemoryGb: number;
  /** Cores of VM.Standard.E2.1.Micro; one each. */
  micros: number;
  /** Boot and block volumes together. */
  volumesGb: number;
  volumeBackups: number;
  /** All storage tiers of all buckets together. */
  objectsGb: number;
}

export const FREE_ALLOWANCE: Allowance = {
  a1Ocpus: LIMITS.ociA1Ocpus.limit,
  a1MemoryGb: LIMITS.ociA1MemoryGb.limit,
  micros: LIMITS.ociMicros.limit,
  volumesGb: LIMITS.ociBlockGb.limit,
  volumeBackups: LIMITS.ociBackups.limit,
  objectsGb: LIMITS.ociObjectGb.limit,
};

/** Families of which nothing is needed. */
const CLOSED = [
  "auto-scaling",
  "compute-management",
  "database",
  "filesystem",
  "load-balancer",
  "postgresql",
] as const;

/**
 * @param scope what the quotas cover: `tenancy`, or a compartment's name
 * @param allowance larger than FREE_ALLOWANCE only where the stack may bill
 */
export function quotaStatements(
  scope: "tenancy" | { compartment: string },
  allowance: Allowance = FREE_ALLOWANCE,
): string[] {
  const where = scope === "tenancy" ? "in tenancy" : `in compartment ${scope.compartment}`;
  const zero = (family: string) => `zero ${family} quotas ${where}`;
  const set = (family: string, name: string, value: number) =>
    `set ${family} quota ${name} to ${value} ${where}`;
  const { a1Ocpus, a1MemoryGb } = allowance;
  return [
    ...CLOSED.map(zero),
    zero("compute-core"),
    zero("compute-memory"),
    // Both of each pair: a launch counts against the regional name as well.
    set("compute-core", "standard-a1-core-count", a1Ocpus),
    set("compute-core", "standard-a1-core-regional-count", a1Ocpus),
    set("compute-memory", "standard-a1-memory-count", a1MemoryGb),
    set("compute-memory", "standard-a1-memory-regional-count", a1MemoryGb),
    set("compute-core", "standard-e2-micro-core-count", allowance.micros),
    zero("block-storage"),
    set("block-storage", "total-storage-gb", allowance.volumesGb),
    // None is smaller than 50 GB.
    set("block-storage", "volume-count", Math.floor(allowance.volumesGb / 50)),
    set("block-storage", "backup-count", allowance.volumeBackups),
    zero("object-storage"),
    set("object-storage", "storage-bytes", allowance.objectsGb * 1_000_000_000),
  ];
}
