// What a Google Cloud project says of itself: machines, disks, addresses, secrets, images, and what the month sent so
// far. Asks, and judges nothing; verdict.ts does. Paths and fields: the REST references of Compute Engine v1,
// Monitoring v3, Secret Manager v1, Artifact Registry v1, Cloud Billing v1 and Billing Budgets v1.
import { Gatherer } from "../gather.ts";
import type { Month } from "../month.ts";
import type { Unanswered } from "../refusal.ts";
import type { GoogleClient, Item } from "./client.ts";
import { isSwitchedOff } from "./client.ts";

export interface GoogleInstance {
  name: string;
  type: string;
  zone: string;
  running: boolean;
  spot: boolean;
  accelerators: number;
  /** External IPv4 addresses, with the tier each is of. */
  addresses: { address: string; tier: string }[];
}

/** Undefined: not told; the question is in `unanswered` then. */
export interface GoogleFacts {
  instances: GoogleInstance[] | undefined;
  disks: { name: string; gb: number; type: string; used: boolean }[] | undefined;
  snapshotBytes: number | undefined;
  /** Reserved ones; `used` is false for those that no machine has. */
  staticAddresses: { address: string; name: string; used: boolean }[] | undefined;
  /** Since the month's start, of all machines, whatever the way. */
  sentBytes: number | undefined;
  /** Enabled or disabled, times their locations: what is billed. */
  secretVersions: number | undefined;
  secretReads: number | undefined;
  imageBytes: number | undefined;
  billing: { account: string; enabled: boolean } | undefined;
  budgets: number | undefined;
  unanswered: Unanswered[];
}

/** Throws AskError when Google does not talk to these credentials at all; anything less is `unanswered`. */
export async function readGoogle(
  client: GoogleClient,
  project: string,
  month: Month,
): Promise<GoogleFacts> {
  const gather = new Gatherer();
  const info = await gather.try("billing", () =>
    client.get("cloudbilling", `/v1/projects/${project}/billingInfo`),
  );
  const refusal = gather.unanswered[0]?.error;
  // One service that is off or hidden says nothing of the others.
  if (refusal && refusal.fault !== "forbidden" && refusal.fault !== "missing") throw refusal;
  const billing = info && {
    account: typeof info["billingAccountName"] === "string" ? info["billingAccountName"] : "",
    enabled: info["billingEnabled"] === true,
  };
  const list = (what: string, kind: string) =>
    orNothing(gather, what, () => client.aggregated(project, kind));
  const [instances, disks, addresses, snapshots] = await Promise.all([
    list("instances", "instances"),
    list("disks", "disks"),
    list("addresses", "addresses"),
    orNothing(gather, "snapshots", () =>
      client.list("compute", `/compute/v1/projects/${project}/global/snapshots`, "items"),
    ),
  ]);
  const [sentBytes, secretReads, secretVersions, imageBytes, budgets] = await Promise.all([
    gather.try("egress", () => sumOf(client, project, SENT, month)),
    gather.try("secret reads", () => sumOf(client, project, SECRET_READS, month)),
    readSecrets(client, project, gather),
    readImages(client, project, gather),
    !billing || billing.account === ""
      ? undefined
      : gather.try("budgets", () =>
          client.list("billingbudgets", `/v1/${billing.account}/budgets`, "budgets"),
        ),
  ]);
  return {
    instances: instances?.map(instanceOf),
    disks: disks?.map((disk) => ({
      name: String(disk["name"]),
      gb: Number(disk["sizeGb"] ?? 0),
      type: lastOf(disk["type"]),
      used: Array.isArray(disk["users"]) && disk["users"].length > 0,
    })),
    snapshotBytes: snapshots?.reduce((sum, each) => sum + Number(each["storageBytes"] ?? 0), 0),
    staticAddresses: addresses
      ?.filter(({ addressType }) => addressType !== "INTERNAL")
      .map((address) => ({
        address: String(address["address"]),
        name: String(address["name"]),
        used: address["status"] === "IN_USE",
      })),
    sentBytes,
    secretReads,
    secretVersions,
    imageBytes,
    billing,
    budgets: budgets?.length,
    unanswered: gather.unanswered,
  };
}

/** A list of a service that is switched off is empty, not unknown. */
async function orNothing<T>(
  gather: Gatherer,
  what: string,
  question: () => Promise<T[]>,
): Promise<T[] | undefined> {
  return await gather.try(what, async () => {
    try {
      return await question();
    } catch (error) {
      if (isSwitchedOff(error)) return [];
      throw error;
    }
  });
}

function instanceOf(item: Item): GoogleInstance {
  const scheduling = (item["scheduling"] ?? {}) as Item;
  const accelerators = (item["guestAccelerators"] ?? []) as Item[];
  const nics = (item["networkInterfaces"] ?? []) as Item[];
  return {
    name: String(item["name"]),
    type: lastOf(item["machineType"]),
    zone: lastOf(item["zone"]),
    running: item["status"] === "RUNNING",
    spot: scheduling["preemptible"] === true || scheduling["provisioningModel"] === "SPOT",
    accelerators: accelerators.length,
    addresses: nics
      .flatMap((nic) => (nic["accessConfigs"] ?? []) as Item[])
      .filter(({ natIP }) => typeof natIP === "string")
      .map(({ natIP, networkTier }) => ({ address: String(natIP), tier: String(networkTier) })),
  };
}

/** Of `https://www.googleapis.com/compute/v1/projects/p/zones/us-west1-b/machineTypes/e2-micro`: `e2-micro`. */
const lastOf = (url: unknown) => String(url).split("/").at(-1)!;

const SENT = 'metric.type = "compute.googleapis.com/instance/network/sent_bytes_count"';
const SECRET_READS =
  'metric.type = "serviceruntime.googleapis.com/api/request_count" AND resource.type = "consumed_api" AND ' +
  'resource.labels.service = "secretmanager.googleapis.com" AND ' +
  'resource.labels.method = "google.cloud.secretmanager.v1.SecretManagerService.AccessSecretVersion"';

/** The month's sum of a counter that is kept as differences, over everything that fits the filter. */
async function sumOf(
  client: GoogleClient,
  project: string,
  filter: string,
  { startMs, nowMs }: Month,
): Promise<number> {
  const seconds = Math.max(60, Math.floor((nowMs - startMs) / 1000));
  const series = await client.list(
    "monitoring",
    `/v3/projects/${project}/timeSeries`,
    "timeSeries",
    {
      filter,
      "interval.startTime": new Date(startMs).toISOString(),
      "interval.endTime": new Date(nowMs).toISOString(),
      "aggregation.alignmentPeriod": `${seconds}s`,
      "aggregation.perSeriesAligner": "ALIGN_SUM",
      "aggregation.crossSeriesReducer": "REDUCE_SUM",
    },
  );
  return series
    .flatMap((each) => (each["points"] ?? []) as { value?: Item }[])
    .reduce(
      (sum, { value = {} }) => sum + Number(value["int64Value"] ?? value["doubleValue"] ?? 0),
      0,
    );
}

async function readSecrets(
  client: GoogleClient,
  project: string,
  gather: Gatherer,
): Promise<number | undefined> {
  const secrets = await orNothing(gather, "secrets", () =>
    client.list("secretmanager", `/v1/projects/${project}/secrets`, "secrets"),
  );
  if (secrets === undefined) return undefined;
  const counts = await gather.each(
    () => "secret versions",
    secrets,
    async (secret) => {
      const versions = await client.list(
        "secretmanager",
        `/v1/${String(secret["name"])}/versions`,
        "versions",
      );
      const active = versions.filter(({ state }) => state === "ENABLED" || state === "DISABLED");
      return [active.length * locationsOf(secret)];
    },
  );
  return counts?.reduce((sum, count) => sum + count, 0);
}

/** A version bills once for each location that is listed, and once where Google chooses. */
function locationsOf(secret: Item): number {
  const replication = (secret["replication"] ?? {}) as { userManaged?: { replicas?: unknown[] } };
  return replication.userManaged?.replicas?.length ?? 1;
}

async function readImages(
  client: GoogleClient,
  project: string,
  gather: Gatherer,
): Promise<number | undefined> {
  const locations = await orNothing(gather, "image registries", () =>
    client.list("artifactregistry", `/v1/projects/${project}/locations`, "locations"),
  );
  if (locations === undefined) return undefined;
  const repositories = await gather.each(
    () => "image registries",
    locations,
    ({ locationId }) =>
      client.list(
        "artifactregistry",
        `/v1/projects/${project}/locations/${String(locationId)}/repositories`,
        "repositories",
      ),
  );
  return repositories?.reduce((sum, each) => sum + Number(each["sizeBytes"] ?? 0), 0);
}
