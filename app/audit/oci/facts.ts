// What a tenancy says of itself: region, service limits, machines, volumes, buckets, metrics of a week, cost of the
// month. Asks, and judges nothing; verdict.ts does. Fields are those of the official client's models (2.139.1).
import { AskError } from "../ask.ts";
import { Gatherer } from "../gather.ts";
import type { Month } from "../month.ts";
import type { Unanswered } from "../refusal.ts";
import type { Item, OciClient, OciService } from "./client.ts";
import { readMetrics } from "./metrics.ts";
import type { Activity } from "./metrics.ts";

/** Used and still available under a service limit, over all availability domains. */
export interface Use {
  used: number;
  available: number;
}

export interface OciInstance {
  id: string;
  name: string;
  compartmentId: string;
  shape: string;
  ocpus: number;
  memoryGb: number;
  /** Of its network, in Gbit/s; undefined where OCI does not tell. */
  gbps: number | undefined;
  running: boolean;
}

export interface OciVolume {
  name: string;
  gb: number;
  /** Performance units a GB; 10 is balanced, the only kind that is free. */
  vpus: number | undefined;
}

/** Undefined: not told; the question is in `unanswered` then. */
export interface OciFacts {
  homeRegion: string;
  /** The region that was asked, of the credentials. */
  region: string;
  domains: number;
  limits: Partial<Record<LimitKey, Use>>;
  instances: OciInstance[] | undefined;
  volumes: OciVolume[] | undefined;
  backups: number | undefined;
  reservedIps: { address: string; attached: boolean }[] | undefined;
  /** Bytes of all buckets, and whether any is public. */
  buckets: { name: string; bytes: number; isPublic: boolean }[] | undefined;
  /** Since the month's start. */
  objectRequests: number | undefined;
  egressBytes: number | undefined;
  activity: Activity[] | undefined;
  /** Every resource that the search knows, as `type name`. */
  resources: { type: string; name: string }[] | undefined;
  /** Cost since the month's start, by service. */
  costs: { service: string; amount: number; currency: string }[] | undefined;
  /** Cores of shapes that are never free; above 0 only in accounts that can be billed. */
  paidCores: number | undefined;
  budgets: { alertRules: number }[] | undefined;
  quotas: number | undefined;
  unanswered: Unanswered[];
}

/** Service, limit and whether it is one of an availability domain. */
const SERVICE_LIMITS = {
  a1Ocpus: ["compute", "standard-a1-core-count", true],
  a1MemoryGb: ["compute", "standard-a1-memory-count", true],
  micros: ["compute", "vm-standard-e2-1-micro-count", true],
  blockGb: ["block-storage", "total-storage-gb", true],
  backups: ["block-storage", "backup-count", false],
  vcns: ["vcn", "vcn-count", false],
} as const;
export type LimitKey = keyof typeof SERVICE_LIMITS;

interface Account {
  tenancyId: string;
  region: string;
}

/** Throws AskError when the tenancy itself does not answer; anything less is `unanswered`. */
export async function readOci(
  client: OciClient,
  { tenancyId, region }: Account,
  month: Month,
): Promise<OciFacts> {
  const regions = await client.list("identity", `/tenancies/${tenancyId}/regionSubscriptions`);
  const home = regions.find((each) => each["isHomeRegion"] === true);
  if (home === undefined)
    throw new AskError("the tenancy names no home region", "refused", { status: 200 });
  const gather = new Gatherer();
  const ofTenancy = (what: string, service: OciService, path: string, query = {}) =>
    gather.try(what, () => client.list(service, path, { compartmentId: tenancyId, ...query }));
  const domains = (await ofTenancy("domains", "identity", "/availabilityDomains")) ?? [];
  const compartments = await compartmentsOf(client, tenancyId, gather);
  const names = domains.map((domain) => String(domain["name"]));
  const [limits, things, costs, shapes, budgets, quotas] = await Promise.all([
    readLimits(client, tenancyId, names, gather),
    readThings(client, compartments, gather),
    readCosts(client, tenancyId, month, gather),
    ofTenancy("account", "limits", "/limitValues", { serviceName: "compute" }),
    ofTenancy("budgets", "budgets", "/budgets", { targetType: "ALL" }),
    ofTenancy("quotas", "quotas", "/quotas"),
  ]);
  const metrics = await readMetrics(client, compartments, things.instances ?? [], month, gather);
  return {
    homeRegion: String(home["regionName"]),
    region,
    domains: names.length,
    limits,
    ...things,
    ...metrics,
    buckets: await readBuckets(client, compartments, gather),
    resources: await readResources(client, gather),
    costs,
    paidCores: shapes
      ?.filter(({ name }) => /^standard-e\d-core-count$/.test(String(name)))
      .reduce((sum, { value }) => sum + Number(value ?? 0), 0),
    budgets: budgets?.map((budget) => ({ alertRules: Number(budget["alertRuleCount"] ?? 0) })),
    quotas: quotas?.length,
    unanswered: gather.unanswered,
  };
}

/** The root and everything below it; the root alone where the others may not be seen. */
async function compartmentsOf(
  client: OciClient,
  tenancyId: string,
  gather: Gatherer,
): Promise<string[]> {
  const below = await gather.try("compartments", () =>
    client.list("identity", "/compartments", {
      compartmentId: tenancyId,
      compartmentIdInSubtree: "true",
      accessLevel: "ACCESSIBLE",
      lifecycleState: "ACTIVE",
    }),
  );
  return [tenancyId, ...(below ?? []).map((each) => String(each["id"]))];
}

async function readLimits(
  client: OciClient,
  tenancyId: string,
  domains: readonly string[],
  gather: Gatherer,
): Promise<Partial<Record<LimitKey, Use>>> {
  const entries = await Promise.all(
    Object.entries(SERVICE_LIMITS).map(async ([key, [service, limit, ofDomain]]) => {
      const places = ofDomain ? domains : [undefined];
      const uses = await gather.each(
        () => `service limit ${limit}`,
        places,
        async (place) => [
          (await client.get("limits", `/services/${service}/limits/${limit}/resourceAvailability`, {
            compartmentId: tenancyId,
            ...(place === undefined ? {} : { availabilityDomain: place }),
          })) as Partial<Use>,
        ],
      );
      if (uses === undefined || uses.length === 0) return [];
      const sum = (of: keyof Use) => uses.reduce((total, use) => total + (use[of] ?? 0), 0);
      return [[key, { used: sum("used"), available: sum("available") }] as const];
    }),
  );
  return Object.fromEntries(entries.flat());
}

/** Machines, volumes, backups and addresses of every compartment. */
async function readThings(client: OciClient, compartments: readonly string[], gather: Gatherer) {
  const each = (what: string, path: string, query: Record<string, string> = {}) =>
    gather.each(
      () => what,
      compartments,
      async (compartmentId) =>
        (await client.list("core", path, { compartmentId, ...query })).filter(
          ({ lifecycleState }) => !["TERMINATED", "TERMINATING"].includes(String(lifecycleState)),
        ),
    );
  const [instances, boot, block, bootBackups, blockBackups, ips] = await Promise.all([
    each("instances", "/instances"),
    each("boot volumes", "/bootVolumes"),
    each("block volumes", "/volumes"),
    each("boot volume backups", "/bootVolumeBackups"),
    each("block volume backups", "/volumeBackups"),
    each("reserved addresses", "/publicIps", { scope: "REGION", lifetime: "RESERVED" }),
  ]);
  return {
    instances: instances?.map(instanceOf),
    volumes: boot && block && [...boot, ...block].map(volumeOf),
    backups: bootBackups && blockBackups && bootBackups.length + blockBackups.length,
    reservedIps: ips?.map((ip) => ({
      address: String(ip["ipAddress"]),
      attached: typeof ip["assignedEntityId"] === "string",
    })),
  };
}

function instanceOf(item: Item): OciInstance {
  const config = (item["shapeConfig"] ?? {}) as Record<string, number | undefined>;
  return {
    id: String(item["id"]),
    name: String(item["displayName"]),
    compartmentId: String(item["compartmentId"]),
    shape: String(item["shape"]),
    ocpus: config["ocpus"] ?? 0,
    memoryGb: config["memoryInGBs"] ?? 0,
    gbps: config["networkingBandwidthInGbps"],
    running: item["lifecycleState"] === "RUNNING",
  };
}

const volumeOf = (item: Item): OciVolume => ({
  name: String(item["displayName"]),
  gb: Number(item["sizeInGBs"] ?? Number(item["sizeInMBs"] ?? 0) / 1024),
  vpus: typeof item["vpusPerGB"] === "number" ? item["vpusPerGB"] : undefined,
});

/** `GET /n` answers the namespace as a JSON string; a bucket tells its size when it is asked for the field. */
async function readBuckets(client: OciClient, compartments: readonly string[], gather: Gatherer) {
  const namespace = await gather.try("buckets", () => client.get("objects", "/n"));
  if (typeof namespace !== "string") return undefined;
  const path = `/n/${encodeURIComponent(namespace)}/b`;
  const buckets = await gather.each(
    () => "buckets",
    compartments,
    (compartmentId) => client.list("objects", path, { compartmentId }),
  );
  if (buckets === undefined) return undefined;
  return await gather.each(
    () => "buckets' sizes",
    buckets,
    async ({ name }) => {
      const bucket = (await client.get("objects", `${path}/${encodeURIComponent(String(name))}`, {
        fields: "approximateSize",
      })) as { approximateSize?: number | null; publicAccessType?: string };
      return [
        {
          name: String(name),
          bytes: bucket.approximateSize ?? 0,
          isPublic: (bucket.publicAccessType ?? "NoPublicAccess") !== "NoPublicAccess",
        },
      ];
    },
  );
}

/** One search over all compartments: the list call that shows what nobody thought of. */
async function readResources(client: OciClient, gather: Gatherer) {
  const found = await gather.try("resources", () =>
    client.list(
      "search",
      "/resources",
      { limit: "1000" },
      { type: "Structured", query: "query all resources" },
    ),
  );
  return found
    ?.filter(({ lifecycleState }) => !/^(terminat|delet)/i.test(String(lifecycleState)))
    .map((item) => ({
      type: String(item["resourceType"]),
      name: String(item["displayName"] ?? item["identifier"]),
    }));
}

async function readCosts(client: OciClient, tenantId: string, month: Month, gather: Gatherer) {
  const items = await gather.try("cost of the month", () =>
    client.list(
      "usage",
      "/usage",
      {},
      {
        tenantId,
        timeUsageStarted: new Date(month.startMs).toISOString(),
        // Whole days alone are taken: until the next midnight.
        timeUsageEnded: new Date(
          Math.ceil((month.nowMs + 1) / 86_400_000) * 86_400_000,
        ).toISOString(),
        granularity: "MONTHLY",
        queryType: "COST",
        groupBy: ["service"],
      },
    ),
  );
  return items?.map((item) => ({
    service: typeof item["service"] === "string" ? item["service"] : "other",
    amount: Number(item["computedAmount"] ?? 0),
    currency: typeof item["currency"] === "string" ? item["currency"].trim() : "",
  }));
}
