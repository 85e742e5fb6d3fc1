// The month's bill, as `npm run infra:check` works it out for a plan and `tickhub audit` for the accounts: what is
// free by kind, what a unit beyond the free ones costs, and the one line in which both end.
import type { Limit } from "./free-tier.ts";

/** OCI's two free shapes. */
export const OCI_SHAPES = ["VM.Standard.A1.Flex", "VM.Standard.E2.1.Micro"] as const;

export const GCP_MACHINE = "e2-micro";
export const GCP_REGIONS = ["us-west1", "us-central1", "us-east1"] as const;
export const GCP_DISK_TYPE = "pd-standard";

/** What OCI takes beyond the free pool, by the hour or month. Source: oracle.com/cloud/price-list. */
export const OCI_USD = {
  ocpuHour: 0.01,
  memoryGbHour: 0.0015,
  blockGbMonth: 0.0425,
  objectGbMonth: 0.0255,
  egressGb: 0.0085,
} as const;

/** What each secret version beyond the free ones costs. Source: cloud.google.com/secret-manager/pricing. */
export const GCP_SECRET_VERSION_USD = 0.06;

/** Beyond the free tier. Sources: cloud.google.com/compute/all-pricing, /vpc/network-pricing (premium tier, the first TB). */
export const GCP_USD = { machineHour: 0.0084, diskGbMonth: 0.04, egressGb: 0.12 } as const;

export const cents = (usd: number) => Math.round(usd * 100) / 100;

/**
 * The most that an unconfirmed figure can cost a month, for what is planned or used of it. The table's worst case is
 * worked out for what production plans; more of the thing costs more.
 */
export function worstUsdOf(
  { confidence, worstCaseUsd = 0, limit }: Limit,
  planned: number,
): number {
  if (confidence === "confirmed" || planned === 0) return 0;
  return cents(worstCaseUsd * Math.max(1, limit === 0 ? 1 : planned / limit));
}

/** The sum, as the last line of whatever counted it. */
export function billText({
  ok,
  knownUsd,
  unconfirmedUsd,
}: {
  ok: boolean;
  knownUsd: number;
  unconfirmedUsd: number;
}): string {
  return `${ok ? "ok" : "not free"}: known ${knownUsd.toFixed(2)} + unconfirmed <= ${unconfirmedUsd.toFixed(2)} USD a month`;
}
