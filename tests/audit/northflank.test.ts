// The Northflank section against a loopback account.
import { afterEach, describe, expect, it } from "vitest";
import type { Report } from "../../app/audit/meter.ts";
import { monthOf } from "../../app/audit/month.ts";
import { auditNorthflank } from "../../app/audit/northflank/verdict.ts";
import {
  ADDONS,
  INVOICE,
  invoice,
  JOBS,
  NF_TOKEN,
  NORTHFLANK_PRODUCTION,
  northflankServer,
  page,
  SERVICE,
  service,
  SERVICES,
  summary,
  VOLUMES,
} from "./support/northflank.ts";
import { reply } from "./support/server.ts";
import type { Replies, Vendor } from "./support/server.ts";

const month = monthOf(Date.parse("2026-11-16T00:00:00Z"));

let server: Vendor | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function auditOf(replies: Replies = {}, token = NF_TOKEN): Promise<Report> {
  await server?.close();
  server = await northflankServer({ ...NORTHFLANK_PRODUCTION, ...replies });
  return await auditNorthflank({ token, project: "tickhub", base: server.url }, month);
}
const lines = ({ findings }: Report) =>
  findings.map(({ level, check, found }) => `${level} ${check}: ${found}`);
const failures = ({ findings }: Report) =>
  findings.filter(({ level }) => level === "fail").map(({ check, found }) => `${check}: ${found}`);

describe("the audit of Northflank", () => {
  it("of production has nothing to mend, and says what nobody can tell", async () => {
    const report = await auditOf();
    expect(lines(report)).toEqual([
      "ok project: tickhub in asia-northeast",
      "ok services: 2 of the free 2 services (100 %); kis (nf-compute-10, 1 running), kiwoom (nf-compute-10, 1 running)",
      "ok plan: 2 of the free 2 services (100 %), unconfirmed: up to USD 5.40; nf-compute-10; which plan is free is not published",
      "ok jobs: 0 of the free 2 jobs (0 %)",
      "ok addons: 0 of the free 1 addons (0 %)",
      "ok volumes: none",
      "note egress: in use, 0 GB free; no API tells how much: up to USD 11.04 a month; tickhub's own meters count it",
      "note logs: in use, 10 GB free; no API tells how much: up to USD 0.50 a month; tickhub's own meters count it",
      "ok requests: 0 of the free 1,000,000 requests (0 %); no public port",
      "ok cost: 0.00 on the invoice in preparation",
    ]);
    expect(report.rows.reduce((sum, { knownUsd }) => sum + knownUsd, 0)).toBe(0);
    expect(report.spentUsd).toBe(0);
  });

  it("stops at a third service, a paid plan, a second instance and a public port", async () => {
    const third = ["kis", "kiwoom", "extra"].map(summary);
    const report = await auditOf({
      [SERVICES]: page({ services: third }),
      [SERVICE("kiwoom")]: service("kiwoom", { deployment: { instances: 2 } }),
      [SERVICE("extra")]: service("extra", {
        billing: { deploymentPlan: "nf-compute-20" },
        ports: [{ name: "web", internalPort: 80, public: true, protocol: "HTTP" }],
      }),
    });
    expect(failures(report)).toEqual([
      expect.stringMatching(/^services: 3 of the free 2 services \(150 %\), USD 2\.70 a month/),
      "plan: extra has the plan nf-compute-20: USD 5.40 a month",
      "instances: kiwoom has 2 instances: as many sockets on one broker account, which the broker locks",
      "public port: extra: open to the world, and its requests count",
    ]);
    expect(lines(report)).toContain(
      "note requests: in use, 1,000,000 requests free; no API tells how much: up to USD 0.00 a month",
    );
  });

  it("stops at a plan whose price it does not know", async () => {
    const paid = service("kis", { billing: { deploymentPlan: "nf-gpu-1" } });
    expect(failures(await auditOf({ [SERVICE("kis")]: paid }))).toEqual([
      "plan: kis has the plan nf-gpu-1: it bills, at a price this table does not have",
    ]);
  });

  it("stops at jobs and addons beyond the free ones, and at any volume", async () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, index) => ({ id: `x${index}` }));
    const report = await auditOf({
      [JOBS]: page({ jobs: many(3) }),
      [ADDONS]: page({ addons: many(2) }),
      [VOLUMES]: page([
        { id: "data", name: "data", spec: { accessMode: "ReadWriteOnce", storageSize: 6144 } },
      ]),
    });
    expect(failures(report)).toEqual([
      "jobs: 3 of the free 2 jobs (150 %); x0, x1, x2",
      "addons: 2 of the free 1 addons (200 %); x0, x1",
      "volumes: data, 6144 MB: it bills, at a price this table does not have",
    ]);
  });

  it("reads lists to their last page", async () => {
    const report = await auditOf({
      [SERVICES]: page({ services: [summary("kis")] }, { hasNextPage: true, cursor: "c2" }),
      [`${SERVICES}?per_page=100&cursor=c2`]: page({ services: [summary("kiwoom")] }),
    });
    expect(lines(report)[1]).toContain("2 of the free 2 services");
  });

  it("stops where the invoice in preparation is not zero", async () => {
    const report = await auditOf({ [INVOICE]: invoice(270) });
    expect(failures(report)).toEqual(["cost: USD 2.70 on the invoice in preparation"]);
    expect(report.spentUsd).toBe(2.7);
    const next = report.findings.find(({ check }) => check === "cost")!.next!;
    expect(next).toContain("plan is not free after all");
  });

  it("says what paused services cost: nothing that only runs", async () => {
    const paused = (id: string) => service(id, { servicePaused: true });
    const found = lines(
      await auditOf({ [SERVICE("kis")]: paused("kis"), [SERVICE("kiwoom")]: paused("kiwoom") }),
    );
    expect(found[1]).toContain("kis (nf-compute-10, paused)");
    expect(found.some((line) => line.includes(" egress: "))).toBe(false);
  });

  it("notes another region and other projects", async () => {
    const report = await auditOf({
      "/v1/projects/tickhub": { data: { id: "tickhub", deployment: { region: "europe-west" } } },
      "/v1/projects": page({ projects: [{ id: "tickhub" }, { id: "blog" }] }),
    });
    expect(lines(report).slice(0, 2)).toEqual([
      "note project: tickhub is in europe-west",
      "note projects: beside it: blog",
    ]);
  });

  it("goes on without the invoice, which a token may not be allowed to see", async () => {
    const report = await auditOf({ [INVOICE]: reply(403, { error: { message: "Forbidden" } }) });
    expect(failures(report)).toEqual([]);
    expect(report.spentUsd).toBeUndefined();
    expect(report.findings.at(-1)).toMatchObject({
      level: "note",
      found: expect.stringMatching(/^cost of the month: .* answered 403: Forbidden/) as string,
    });
  });

  it("is one line with the next step for a bad token and for a project that is not there", async () => {
    const bad = await auditOf({}, "nf-secret");
    expect(bad.findings).toMatchObject([{ level: "fail", check: "sign-in" }]);
    expect(bad.findings[0]!.next).toContain("NORTHFLANK_API_TOKEN");
    expect(JSON.stringify(bad)).not.toContain("nf-secret");
    const gone = reply(404, { error: { message: "Project not found" } });
    const none = await auditOf({ "/v1/projects/tickhub": gone });
    expect(none.findings[0]!.next).toContain("NORTHFLANK_PROJECT");
  });
});
