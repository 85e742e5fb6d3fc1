// Google Cloud on loopback: answers in the shapes of the REST references of Compute Engine v1 (checked against the
// types of @googleapis/compute 42.0.0), Monitoring v3 (protos of @google-cloud/monitoring), Secret Manager v1, Artifact
// Registry v1, Cloud Billing v1 and Billing Budgets v1. The service is the first part of the path here. Not confirmed:
// the exact words of an API that is switched off; its reason SERVICE_DISABLED is Google's documented one.
import { reply, vendorServer } from "./server.ts";
import type { Replies, Vendor } from "./server.ts";

export const PROJECT = "my-project-1234";
export const ACCESS = "ya29.good";

const ZONE = `https://www.googleapis.com/compute/v1/projects/${PROJECT}/zones/us-west1-b`;
const AGGREGATED = `/compute/compute/v1/projects/${PROJECT}/aggregated`;
export const INSTANCES = `${AGGREGATED}/instances`;
export const DISKS = `${AGGREGATED}/disks`;
export const ADDRESSES = `${AGGREGATED}/addresses`;
export const SNAPSHOTS = `/compute/compute/v1/projects/${PROJECT}/global/snapshots`;
export const SERIES = `/monitoring/v3/projects/${PROJECT}/timeSeries`;
export const SECRETS = `/secretmanager/v1/projects/${PROJECT}/secrets`;
export const LOCATIONS = `/artifactregistry/v1/projects/${PROJECT}/locations`;
export const BILLING = `/cloudbilling/v1/projects/${PROJECT}/billingInfo`;
export const BUDGETS = "/billingbudgets/v1/billingAccounts/012345-6789AB-CDEF01/budgets";

/** A zone with something, and one of the many with nothing. */
export const scoped = (kind: string, items: object[], more: object = {}) => ({
  kind: `compute#${kind}AggregatedList`,
  items: {
    "zones/us-west1-b": { [kind]: items },
    "zones/asia-northeast3-a": {
      warning: {
        code: "NO_RESULTS_ON_PAGE",
        message: "There are no results for scope 'zones/asia-northeast3-a' on this page.",
      },
    },
  },
  ...more,
});

export const instance = (name: string, more: object = {}) => ({
  kind: "compute#instance",
  name,
  machineType: `${ZONE}/machineTypes/e2-micro`,
  zone: ZONE,
  status: "RUNNING",
  scheduling: { preemptible: false, provisioningModel: "STANDARD" },
  networkInterfaces: [
    {
      networkIP: "10.0.0.2",
      accessConfigs: [{ type: "ONE_TO_ONE_NAT", natIP: "34.1.2.3", networkTier: "PREMIUM" }],
    },
  ],
  ...more,
});

export const disk = (name: string, sizeGb: number, type = "pd-standard", users = ["vm"]) => ({
  kind: "compute#disk",
  name,
  sizeGb: String(sizeGb),
  type: `${ZONE}/diskTypes/${type}`,
  status: "READY",
  ...(users.length === 0 ? {} : { users }),
});

/** The month's sums, as ListTimeSeries answers them with one aligned and reduced point. */
export const series =
  (sentBytes: number, secretReads = 0) =>
  ({ url }: { url: URL }): object => {
    const value = url.searchParams.get("filter")!.includes("sent_bytes_count")
      ? sentBytes
      : secretReads;
    return {
      timeSeries: [
        {
          metricKind: "DELTA",
          valueType: "INT64",
          points: [
            {
              interval: { startTime: "2026-11-01T00:00:00Z", endTime: "2026-11-16T00:00:00Z" },
              value: { int64Value: String(value) },
            },
          ],
        },
      ],
    };
  };

/** google.rpc.Status with the reason of an API that nobody has switched on. */
export const SWITCHED_OFF = reply(403, {
  error: {
    code: 403,
    message:
      "Artifact Registry API has not been used in project 1 before or it is disabled. Enable it by visiting the console.",
    status: "PERMISSION_DENIED",
    details: [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "SERVICE_DISABLED" }],
  },
});
export const DENIED = reply(403, {
  error: {
    code: 403,
    message: "Permission 'secretmanager.secrets.list' denied on resource",
    status: "PERMISSION_DENIED",
  },
});

const secret = (id: string) => `projects/1/secrets/${id}`;
export const versions = (id: string) => `/secretmanager/v1/${secret(id)}/versions`;

/** The light edge as `pulumi up --stack edge-gcp` makes it, half a month later. */
export const GOOGLE_PRODUCTION: Replies = {
  [BILLING]: {
    name: `projects/${PROJECT}/billingInfo`,
    projectId: PROJECT,
    billingAccountName: "billingAccounts/012345-6789AB-CDEF01",
    billingEnabled: true,
  },
  [INSTANCES]: scoped("instances", [instance("tickhub-edge-gcp")]),
  [DISKS]: scoped("disks", [disk("tickhub-edge-gcp", 20)]),
  [ADDRESSES]: scoped("addresses", []),
  [SNAPSHOTS]: { kind: "compute#snapshotList" },
  [SERIES]: series(210e6, 120),
  [SECRETS]: {
    secrets: [
      { name: secret("a"), replication: { automatic: {} } },
      { name: secret("b"), replication: { userManaged: { replicas: [{ location: "us-west1" }] } } },
    ],
    totalSize: 2,
  },
  [versions("a")]: {
    versions: [
      { name: `${secret("a")}/versions/2`, state: "ENABLED" },
      { name: `${secret("a")}/versions/1`, state: "DESTROYED" },
    ],
  },
  [versions("b")]: { versions: [{ name: `${secret("b")}/versions/1`, state: "ENABLED" }] },
  [LOCATIONS]: SWITCHED_OFF,
  [BUDGETS]: {
    budgets: [{ name: "billingAccounts/012345-6789AB-CDEF01/budgets/1", displayName: "tickhub" }],
  },
};

export async function googleServer(replies: Replies = GOOGLE_PRODUCTION): Promise<Vendor> {
  return await vendorServer(
    replies,
    ({ url, headers }) =>
      url.pathname === "/oauth2/token" || headers.authorization === `Bearer ${ACCESS}`
        ? undefined
        : reply(401, {
            error: {
              code: 401,
              message: "Request had invalid authentication credentials.",
              status: "UNAUTHENTICATED",
            },
          }),
    reply(404, { error: { code: 404, message: "not found", status: "NOT_FOUND" } }),
    {
      // The token endpoint, for credentials of `gcloud auth application-default login`.
      "/oauth2/token": ({ body }) =>
        body.includes("refresh_token=1%2F%2Frefresh")
          ? { access_token: ACCESS, expires_in: 3600, token_type: "Bearer" }
          : reply(400, { error: "invalid_grant", error_description: "Bad Request" }),
    },
  );
}
