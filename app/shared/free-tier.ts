// What the vendors give away, as data: each limit with where it was read, when, and how sure that is.
// Read by the policy pack and `npm run infra:check` before anything is made, and by `tickhub audit` and the
// run-time meters afterwards. docs/free-tier.md is rendered from it (`npm run docs:free-tier`).
//
// "confirmed" means the vendor's own page, or several independent texts that quote it. Everything else is
// "unconfirmed" and carries the worst it can cost, so that nobody reads a bare zero into it.

export type Vendor = "OCI" | "GCP" | "Northflank" | "Tailscale" | "Registry";

export interface Limit {
  vendor: Vendor;
  item: string;
  limit: number;
  unit: string;
  /** The public page or text the figure was read in. */
  source: string;
  /** Date of the check, `YYYY-MM-DD`. */
  checked: string;
  confidence: "confirmed" | "unconfirmed";
  /** US dollars a month if the figure turns out wrong, for what production plans. */
  worstCaseUsd?: number;
  /** How worstCaseUsd is worked out. */
  worstCase?: string;
}

/** Hours of the month that vendors bill by. */
export const HOURS_A_MONTH = 730;

const ALWAYS_FREE = "docs.oracle.com, Always Free Resources";
const GOOGLE_FREE = "cloud.google.com/free";
const NORTHFLANK_BILLING = "northflank.com/docs, Billing: free sandbox";
const NORTHFLANK_PLANS = "api.northflank.com/v1/plans";
const TAILSCALE_PRICING = "tailscale.com/pricing, Personal";
const CHECKED = "2026-11-22";

export const LIMITS = {
  ociA1Ocpus: {
    vendor: "OCI",
    item: "A1.Flex cores, all instances of the tenancy together (1,500 OCPU hours a month)",
    limit: 2,
    unit: "OCPU",
    source: `${ALWAYS_FREE}, since 2026-06-15`,
    checked: CHECKED,
    confidence: "confirmed",
  },
  ociA1MemoryGb: {
    vendor: "OCI",
    item: "A1.Flex memory, all instances of the tenancy together (9,000 GB hours a month)",
    limit: 12,
    unit: "GB",
    source: `${ALWAYS_FREE}, since 2026-06-15`,
    checked: CHECKED,
    confidence: "confirmed",
  },
  ociMicros: {
    vendor: "OCI",
    item: "VM.Standard.E2.1.Micro instances",
    limit: 2,
    unit: "instances",
    source: ALWAYS_FREE,
    checked: CHECKED,
    confidence: "confirmed",
  },
  ociBlockGb: {
    vendor: "OCI",
    item: "Boot and block volumes together, home region",
    limit: 200,
    unit: "GB",
    source: ALWAYS_FREE,
    checked: CHECKED,
    confidence: "confirmed",
  },
  ociBackups: {
    vendor: "OCI",
    item: "Backups of boot and block volumes together",
    limit: 5,
    unit: "backups",
    source: ALWAYS_FREE,
    checked: CHECKED,
    confidence: "confirmed",
  },
  ociObjectGb: {
    vendor: "OCI",
    item: "Object Storage, all tiers together",
    limit: 20,
    unit: "GB",
    source: ALWAYS_FREE,
    checked: CHECKED,
    confidence: "confirmed",
  },
  ociObjectRequests: {
    vendor: "OCI",
    item: "Object Storage requests a month",
    limit: 50_000,
    unit: "requests",
    source: "oracle.com/cloud/price-list, Storage",
    checked: CHECKED,
    confidence: "unconfirmed",
    worstCaseUsd: 0.02,
    worstCase:
      "about 31,000 requests (a release poll each two minutes, a WAL segment each five), USD 0.0034 per 10,000, none free",
  },
  ociEgressGb: {
    vendor: "OCI",
    item: "Egress to the internet a month",
    limit: 10_240,
    unit: "GB",
    source: ALWAYS_FREE,
    checked: CHECKED,
    confidence: "confirmed",
  },
  ociVcns: {
    vendor: "OCI",
    item: "Virtual cloud networks",
    limit: 2,
    unit: "networks",
    source: ALWAYS_FREE,
    checked: CHECKED,
    confidence: "confirmed",
  },
  ociReservedIps: {
    vendor: "OCI",
    item: "Reserved public IPv4 address, attached",
    limit: 1,
    unit: "addresses",
    source:
      "docs.oracle.com, Public IP Addresses; the price list has no line for it, no page says free",
    checked: CHECKED,
    confidence: "unconfirmed",
    worstCaseUsd: 3.65,
    worstCase: "USD 0.005 an hour, what other clouds take for an address, for 730 hours",
  },
  ociVaultSecrets: {
    vendor: "OCI",
    item: "Vault secrets (software keys, default vault)",
    limit: 150,
    unit: "secrets",
    source: ALWAYS_FREE,
    checked: CHECKED,
    confidence: "unconfirmed",
    worstCaseUsd: 0,
    worstCase:
      "no price line for secrets; key versions in a default vault are free up to 20, software ones without limit",
  },
  gcpMachineHours: {
    vendor: "GCP",
    item: "e2-micro hours a month, one machine always on, us-west1, us-central1, us-east1 only",
    limit: HOURS_A_MONTH,
    unit: "hours",
    source: GOOGLE_FREE,
    checked: "2026-10-06",
    confidence: "confirmed",
  },
  gcpDiskGb: {
    vendor: "GCP",
    item: "pd-standard",
    limit: 30,
    unit: "GB",
    source: GOOGLE_FREE,
    checked: "2026-10-06",
    confidence: "confirmed",
  },
  gcpSnapshotGb: {
    vendor: "GCP",
    item: "Snapshots of disks (none is made: the edge keeps nothing)",
    limit: 5,
    unit: "GB",
    source:
      "cloud.google.com/compute/pricing of 2019-04 (in the free US regions); newer pages not read",
    checked: "2026-11-27",
    confidence: "unconfirmed",
    worstCaseUsd: 0.25,
    worstCase: "5 GB at USD 0.05 per GB",
  },
  gcpArtifactGb: {
    vendor: "GCP",
    item: "Artifact Registry: stored images (none is used: images are in ghcr.io)",
    limit: 0.5,
    unit: "GB",
    source:
      "cloud.google.com/artifact-registry/pricing, as remembered; not read, not quoted anywhere we looked",
    checked: "2026-11-27",
    confidence: "unconfirmed",
    worstCaseUsd: 0.05,
    worstCase: "0.5 GB at USD 0.10 per GB",
  },
  gcpEgressGb: {
    vendor: "GCP",
    item: "Egress from North America a month, premium tier, without China and Australia",
    limit: 1,
    unit: "GB",
    source: GOOGLE_FREE,
    checked: "2026-10-06",
    confidence: "confirmed",
  },
  gcpExternalIp: {
    vendor: "GCP",
    item: "Ephemeral external IPv4 address of the free e2-micro",
    limit: 1,
    unit: "addresses",
    source:
      "cloud.google.com/free (free), other texts of 2026 (USD 0.005 an hour): they contradict",
    checked: "2026-10-06",
    confidence: "unconfirmed",
    worstCaseUsd: 3.65,
    worstCase: "USD 0.005 an hour for 730 hours",
  },
  gcpSecretVersions: {
    vendor: "GCP",
    item: "Secret Manager: active versions, times their locations",
    limit: 6,
    unit: "versions",
    source: "cloud.google.com/secret-manager/pricing",
    checked: "2026-11-26",
    confidence: "confirmed",
  },
  gcpSecretReads: {
    vendor: "GCP",
    item: "Secret Manager: reads a month",
    limit: 10_000,
    unit: "reads",
    source: "cloud.google.com/secret-manager/pricing",
    checked: "2026-11-26",
    confidence: "confirmed",
  },
  northflankServices: {
    vendor: "Northflank",
    item: "Services of the free sandbox project",
    limit: 2,
    unit: "services",
    source: NORTHFLANK_BILLING,
    checked: "2026-10-06",
    confidence: "confirmed",
  },
  northflankPlan: {
    vendor: "Northflank",
    item: "Compute plan that a free service may have: nf-compute-10 (0.1 vCPU, 256 MB)",
    limit: 2,
    unit: "services",
    source: `${NORTHFLANK_PLANS}; which plan is free is not published`,
    checked: CHECKED,
    confidence: "unconfirmed",
    worstCaseUsd: 5.4,
    worstCase: "USD 2.70 a month for each of two services",
  },
  northflankJobs: {
    vendor: "Northflank",
    item: "Cron jobs of the free sandbox project (none is used: the hub schedules)",
    limit: 2,
    unit: "jobs",
    source: NORTHFLANK_BILLING,
    checked: "2026-10-06",
    confidence: "confirmed",
  },
  northflankAddons: {
    vendor: "Northflank",
    item: "Addons of the free sandbox project (none is used: the database is the hub's)",
    limit: 1,
    unit: "addons",
    source: NORTHFLANK_BILLING,
    checked: "2026-10-06",
    confidence: "confirmed",
  },
  northflankEgressGb: {
    vendor: "Northflank",
    item: "Egress a month; no free allowance is published",
    limit: 0,
    unit: "GB",
    source:
      "USD 0.06 per GB is quoted of northflank.com/pricing, unverified; no allowance is published",
    checked: CHECKED,
    confidence: "unconfirmed",
    worstCaseUsd: 11.04,
    worstCase: "3 Mbit/s for 6.5 hours on 21 days, uncompressed, is 184 GB, at USD 0.06 per GB",
  },
  northflankRequests: {
    vendor: "Northflank",
    item: "Requests a month",
    limit: 1_000_000,
    unit: "requests",
    source: "northflank.com/pricing",
    checked: CHECKED,
    confidence: "unconfirmed",
    worstCaseUsd: 0,
    worstCase: "no public port: nothing requests anything of the edges",
  },
  northflankLogsGb: {
    vendor: "Northflank",
    item: "Logs and metrics a month, each",
    limit: 10,
    unit: "GB",
    source: "northflank.com/pricing",
    checked: CHECKED,
    confidence: "unconfirmed",
    worstCaseUsd: 0.5,
    worstCase:
      "an edge logs some lines a minute, under 1 GB a month, at USD 0.50 per GB taken for it",
  },
  tailscaleUsers: {
    vendor: "Tailscale",
    item: "Users; non-commercial use only",
    limit: 6,
    unit: "users",
    source: TAILSCALE_PRICING,
    checked: CHECKED,
    confidence: "confirmed",
  },
  tailscaleTagged: {
    vendor: "Tailscale",
    item: "Tagged devices",
    limit: 50,
    unit: "devices",
    source: TAILSCALE_PRICING,
    checked: CHECKED,
    confidence: "confirmed",
  },
  tailscaleGroups: {
    vendor: "Tailscale",
    item: "Groups in the policy file",
    limit: 3,
    unit: "groups",
    source: TAILSCALE_PRICING,
    checked: CHECKED,
    confidence: "confirmed",
  },
  tailscaleEphemeralMinutes: {
    vendor: "Tailscale",
    item: "Minutes of ephemeral devices a month; one that stays 4 hours counts as tagged instead",
    limit: 1_000,
    unit: "minutes",
    source: `${TAILSCALE_PRICING}; overages are not enforced at present`,
    checked: CHECKED,
    confidence: "unconfirmed",
    worstCaseUsd: 2,
    worstCase: "both edges counted as tagged devices beyond the 50, USD 1 a month each",
  },
  registryStorageGb: {
    vendor: "Registry",
    item: "ghcr.io: storage of private images (public ones are free)",
    limit: 0.5,
    unit: "GB",
    source: "docs.github.com, Billing for GitHub Packages: container storage is free at present",
    checked: CHECKED,
    confidence: "unconfirmed",
    worstCaseUsd: 0.5,
    worstCase: "ten releases kept, 2 GB beyond the 0.5, at USD 0.25 per GB",
  },
} as const satisfies Record<string, Limit>;

/** Home regions in which no A1 is free, says Oracle's page on Always Free; a home region cannot be changed. */
export const OCI_REGIONS_WITHOUT_A1: readonly string[] = ["ap-chuncheon-1"];

export type LimitName = keyof typeof LIMITS;
