// Northflank on loopback: answers in the shapes of @northflank/js-client 0.9.5 (ListServicesResult, GetServiceResult,
// GetInvoiceDetailsResult, …), under `data` with a `pagination`. That client was run against this server once and read
// the same (docs/adr/0027). Not confirmed: that the invoice's amounts are in cents (the list of invoices says so).
import { reply, vendorServer } from "./server.ts";
import type { Replies, Vendor } from "./server.ts";

export const NF_TOKEN = "nf-good";
const PROJECT = "/v1/projects/tickhub";

const page = (data: unknown, more: object = {}) => ({
  data,
  pagination: { hasNextPage: false, count: 1, ...more },
});
export { page };

const summary = (id: string) => ({
  id,
  appId: `/team/tickhub/${id}`,
  projectId: "tickhub",
  name: id,
  tags: [],
  serviceType: "deployment",
  disabledCI: true,
  disabledCD: false,
  status: { deployment: { status: "COMPLETED" } },
});
export { summary };

export const service = (id: string, more: object = {}) => ({
  data: {
    ...summary(id),
    createdAt: "2026-10-01T00:00:00.000Z",
    billing: { deploymentPlan: "nf-compute-10" },
    servicePaused: false,
    deployment: { region: "asia-northeast", instances: 1 },
    ports: [{ name: "status", internalPort: 8620, public: false, protocol: "HTTP" }],
    ...more,
  },
});

export const invoice = (total: number) => ({
  data: {
    period: { start: 1793491200, end: 1796083200 },
    paasUsage: { price: { total, cpu: total, memory: 0, storage: 0 } },
    lineItems: [],
    subTotal: total,
    discount: 0,
    tax: { percent: 0, value: 0 },
    total,
  },
});

export const SERVICES = `${PROJECT}/services`;
export const SERVICE = (id: string) => `${PROJECT}/services/${id}`;
export const JOBS = `${PROJECT}/jobs`;
export const ADDONS = `${PROJECT}/addons`;
export const VOLUMES = `${PROJECT}/volumes`;
export const INVOICE = "/v1/billing/invoices/details";

/** The collectors as `pulumi up --stack edge-northflank` makes them. */
export const NORTHFLANK_PRODUCTION: Replies = {
  [PROJECT]: {
    data: {
      id: "tickhub",
      name: "tickhub",
      deployment: { region: "asia-northeast" },
      createdAt: "2026-10-01T00:00:00.000Z",
      services: [],
      jobs: [],
      addons: [],
    },
  },
  "/v1/projects": page({ projects: [{ id: "tickhub", name: "tickhub" }] }),
  [SERVICES]: page({ services: [summary("kis"), summary("kiwoom")] }),
  [SERVICE("kis")]: service("kis"),
  [SERVICE("kiwoom")]: service("kiwoom"),
  [JOBS]: page({ jobs: [] }),
  [ADDONS]: page({ addons: [] }),
  [VOLUMES]: page([]),
  "/v1/plans": {
    data: {
      plans: [
        {
          id: "nf-compute-10",
          name: "nf-compute-10",
          currency: "usd",
          amountPerMonth: 2.7,
          amountPerHour: 0.0038,
          cpuResource: 0.1,
          ramResource: 256,
        },
        {
          id: "nf-compute-20",
          name: "nf-compute-20",
          currency: "usd",
          amountPerMonth: 5.4,
          amountPerHour: 0.0075,
          cpuResource: 0.2,
          ramResource: 512,
        },
      ],
    },
  },
  [INVOICE]: invoice(0),
};

export async function northflankServer(replies: Replies = NORTHFLANK_PRODUCTION): Promise<Vendor> {
  return await vendorServer(
    replies,
    ({ headers }) =>
      headers.authorization === `Bearer ${NF_TOKEN}`
        ? undefined
        : reply(401, { error: { status: 401, message: "Unauthorized" } }),
    reply(404, { error: { status: 404, message: "Not found" } }),
  );
}
