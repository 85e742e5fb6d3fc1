// OCI on loopback: answers in the shapes of the official client's models (packages oci-identity, -limits, -core,
// -monitoring, -usageapi, -objectstorage, -resourcesearch 2.139.1), with the signature demanded as OCI does. Names and
// dimensions of metrics: docs.oracle.com, Compute Instance Metrics, VNIC Metrics, Object Storage Metrics. Not
// confirmed: how the search spells resource types (matched without case), and that a month without cost is an empty
// list.
import { createHash, createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { reply, vendorServer } from "./server.ts";
import type { Asked, Replies, Vendor } from "./server.ts";

export const TENANCY = "ocid1.tenancy.oc1..aaaatenancy";
export const USER = "ocid1.user.oc1..aaaauser";
export const FINGERPRINT = "aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99";

const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
export const PRIVATE_KEY = pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const PUBLIC_KEY = createPublicKey(
  pair.publicKey.export({ type: "spki", format: "pem" }).toString(),
);

export const DOMAIN = "Uocm:AP-SEOUL-1-AD-1";
/** Half of November. */
export const NOW_MS = Date.parse("2026-11-16T00:00:00Z");

export const useOf = (used: number, available: number) => ({
  used,
  available,
  fractionalUsage: used,
  fractionalAvailability: available,
  effectiveQuotaValue: null,
});
export const USE = (service: string, limit: string) =>
  `/20190729/services/${service}/limits/${limit}/resourceAvailability`;
export const REGIONS = `/20160918/tenancies/${TENANCY}/regionSubscriptions`;

/** Model Instance of oci-core. */
export const instance = (name: string, more: object = {}) => ({
  id: `ocid1.instance.oc1.ap-seoul-1.${name}`,
  displayName: name,
  compartmentId: TENANCY,
  availabilityDomain: DOMAIN,
  region: "ap-seoul-1",
  shape: "VM.Standard.A1.Flex",
  shapeConfig: { ocpus: 2, memoryInGBs: 12, networkingBandwidthInGbps: 2 },
  lifecycleState: "RUNNING",
  timeCreated: "2026-10-01T00:00:00.000Z",
  ...more,
});

/** Models BootVolume and Volume. */
export const volume = (name: string, sizeInGBs: number, more: object = {}) => ({
  id: `ocid1.volume.oc1.ap-seoul-1.${name}`,
  displayName: name,
  compartmentId: TENANCY,
  availabilityDomain: DOMAIN,
  sizeInGBs,
  sizeInMBs: sizeInGBs * 1024,
  vpusPerGB: 10,
  lifecycleState: "AVAILABLE",
  ...more,
});

/** Models VolumeBackup and BootVolumeBackup. */
export const backup = (name: string) => ({
  id: `ocid1.volumebackup.oc1.ap-seoul-1.${name}`,
  displayName: name,
  compartmentId: TENANCY,
  lifecycleState: "AVAILABLE",
  type: "FULL",
  sizeInGBs: 100,
  uniqueSizeInGBs: 12,
});

/** Model ResourceSummary of oci-resourcesearch. */
export const resource = (resourceType: string, displayName: string, more: object = {}) => ({
  resourceType,
  identifier: `ocid1.${resourceType.toLowerCase()}.oc1..${displayName}`,
  compartmentId: TENANCY,
  displayName,
  lifecycleState: "AVAILABLE",
  ...more,
});

/** Model UsageSummary of oci-usageapi. */
export const cost = (service: string, computedAmount: number, currency = "USD") => ({
  tenantId: TENANCY,
  service,
  computedAmount,
  computedQuantity: 1,
  currency,
  timeUsageStarted: "2026-11-01T00:00:00.000Z",
  timeUsageEnded: "2026-11-16T00:00:00.000Z",
});

/** Figures by metric, and how many five-minute points there are; counters grow by the figure a point. */
export interface Measured {
  CpuUtilization?: number;
  MemoryUtilization?: number;
  NetworksBytesIn?: number;
  NetworksBytesOut?: number;
  AllRequests?: number;
  VnicToNetworkBytes?: number;
  points?: number;
}

const STEP_MS = 300_000;
const WEEK_POINTS = 2016;

/** Answers SummarizeMetricsData: model MetricData, one stream a machine. */
export const metrics =
  (measured: Measured, names: readonly string[] = ["tickhub-hub"]) =>
  ({ body }: Asked): object => {
    const { namespace, query, endTime } = JSON.parse(body) as Record<string, string>;
    const metric = /^\w+/.exec(query!)![0] as keyof Measured;
    const value = measured[metric];
    if (value === undefined) return [];
    const once = namespace !== "oci_computeagent";
    const points = once ? 1 : (measured.points ?? WEEK_POINTS);
    return (once ? ["all"] : names).map((name) => ({
      namespace,
      compartmentId: TENANCY,
      name: metric,
      dimensions: { resourceId: instance(name).id, resourceDisplayName: name },
      aggregatedDatapoints: Array.from({ length: points }, (_, index) => ({
        timestamp: new Date(Date.parse(endTime!) - (points - index) * STEP_MS).toISOString(),
        value: metric.startsWith("NetworksBytes") ? value * index : value,
      })),
    }));
  };
export const METRICS = "/20180401/metrics/actions/summarizeMetricsData";

/** A fresh Always Free tenancy of Seoul: nothing runs, nothing guards. */
export const OCI_REPLIES: Replies = {
  [REGIONS]: [{ regionKey: "ICN", regionName: "ap-seoul-1", status: "READY", isHomeRegion: true }],
  "/20160918/availabilityDomains": [
    { name: DOMAIN, id: "ocid1.availabilitydomain.oc1..aaaa", compartmentId: TENANCY },
  ],
  "/20160918/compartments": [],
  "/20160918/instances": [],
  "/20160918/bootVolumes": [],
  "/20160918/volumes": [],
  "/20160918/bootVolumeBackups": [],
  "/20160918/volumeBackups": [],
  "/20160918/publicIps": [],
  "/20190729/limitValues": [
    { name: "standard-a1-core-count", scopeType: "AD", availabilityDomain: DOMAIN, value: 2 },
    { name: "standard-e4-core-count", scopeType: "AD", availabilityDomain: DOMAIN, value: 0 },
  ],
  [USE("compute", "standard-a1-core-count")]: useOf(0, 2),
  [USE("compute", "standard-a1-memory-count")]: useOf(0, 12),
  [USE("compute", "vm-standard-e2-1-micro-count")]: useOf(0, 2),
  [USE("block-storage", "total-storage-gb")]: useOf(0, 200),
  [USE("block-storage", "backup-count")]: useOf(0, 5),
  [USE("vcn", "vcn-count")]: useOf(0, 2),
  "/20190111/budgets": [],
  "/20181025/quotas": [],
  // GetNamespace answers a JSON string.
  "/n": reply(200, '"axtickhub"'),
  "/n/axtickhub/b": [],
  [METRICS]: [],
  "/20200107/usage": { groupBy: ["service"], items: [] },
  "/20180409/resources": { items: [] },
};

/** The hub as `pulumi up --stack oci` makes it, half a month later. */
export const OCI_PRODUCTION: Replies = {
  ...OCI_REPLIES,
  "/20160918/instances": [
    instance("tickhub-hub"),
    instance("old", { lifecycleState: "TERMINATED", shape: "VM.Standard.E4.Flex" }),
  ],
  "/20160918/bootVolumes": [volume("tickhub-hub (Boot Volume)", 50)],
  "/20160918/volumes": [volume("tickhub-hub-data", 100)],
  "/20160918/volumeBackups": [backup("weekly-1"), backup("weekly-2")],
  "/20160918/publicIps": [
    {
      id: "ocid1.publicip.oc1..a",
      ipAddress: "203.0.113.7",
      lifetime: "RESERVED",
      scope: "REGION",
      lifecycleState: "ASSIGNED",
      assignedEntityId: "ocid1.privateip.oc1..a",
      assignedEntityType: "PRIVATE_IP",
    },
  ],
  [USE("compute", "standard-a1-core-count")]: useOf(2, 0),
  [USE("compute", "standard-a1-memory-count")]: useOf(12, 0),
  [USE("block-storage", "total-storage-gb")]: useOf(150, 50),
  [USE("block-storage", "backup-count")]: useOf(2, 3),
  [USE("vcn", "vcn-count")]: useOf(1, 1),
  "/20190111/budgets": [{ displayName: "tickhub", amount: 1, alertRuleCount: 1 }],
  "/20181025/quotas": [{ name: "tickhub" }],
  "/n/axtickhub/b": [{ name: "tickhub-backup", namespace: "axtickhub", compartmentId: TENANCY }],
  "/n/axtickhub/b/tickhub-backup": {
    name: "tickhub-backup",
    namespace: "axtickhub",
    publicAccessType: "NoPublicAccess",
    approximateSize: 3 * 1024 ** 3,
  },
  [METRICS]: metrics({
    CpuUtilization: 9,
    MemoryUtilization: 41,
    NetworksBytesIn: 1.5e9,
    NetworksBytesOut: 0.5e9,
    AllRequests: 15_000,
    VnicToNetworkBytes: 30e9,
  }),
  "/20200107/usage": {
    groupBy: ["service"],
    items: [cost("COMPUTE", 0), cost("BLOCK_STORAGE", 0)],
  },
  "/20180409/resources": {
    items: [
      resource("Instance", "tickhub-hub"),
      resource("Vcn", "tickhub"),
      resource("VaultSecret", "tickhub-database"),
      resource("LoadBalancer", "gone", { lifecycleState: "DELETED" }),
    ],
  },
};

/** Refuses like OCI: 401 NotAuthenticated unless the signature fits the request and the key. */
export async function ociServer(replies: Replies = OCI_REPLIES): Promise<Vendor> {
  return await vendorServer(
    replies,
    (asked) => {
      const problem = signatureProblem(asked, PUBLIC_KEY);
      return problem === undefined
        ? undefined
        : reply(401, { code: "NotAuthenticated", message: problem });
    },
    reply(404, { code: "NotAuthorizedOrNotFound", message: "no such thing" }),
  );
}

/** Undefined when the request is signed as the reference "Request Signatures" says. */
export function signatureProblem(
  { headers, url, method, body }: Asked,
  key: KeyObject,
): string | undefined {
  const authorization = headers.authorization ?? "";
  if (!authorization.startsWith("Signature ")) return "no signature";
  const fields: Record<string, string | undefined> = Object.fromEntries(
    [...authorization.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name!, value]),
  );
  if (fields["version"] !== "1" || fields["algorithm"] !== "rsa-sha256") return "another algorithm";
  if (fields["keyId"] !== `${TENANCY}/${USER}/${FINGERPRINT}`) return "an unknown key";
  const names = fields["headers"]?.toLowerCase().split(" ") ?? [];
  for (const needed of ["(request-target)", "host"])
    if (!names.includes(needed)) return `${needed} is not signed`;
  if (!names.includes("date") && !names.includes("x-date")) return "no date is signed";
  if (method === "POST") {
    for (const needed of ["content-length", "content-type", "x-content-sha256"])
      if (!names.includes(needed)) return `${needed} is not signed`;
    if (headers["x-content-sha256"] !== createHash("sha256").update(body).digest("base64"))
      return "the hash of another body";
  }
  const text = names
    .map((name) =>
      name === "(request-target)"
        ? `${name}: ${method.toLowerCase()} ${url.pathname}${url.search}`
        : `${name}: ${String(headers[name])}`,
    )
    .join("\n");
  const signature = Buffer.from(fields["signature"] ?? "", "base64");
  return verify("RSA-SHA256", Buffer.from(text), key, signature) ? undefined : "a wrong signature";
}
