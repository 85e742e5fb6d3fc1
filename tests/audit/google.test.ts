// The GCP section against a loopback project, signed in by Google's own library as after
// `gcloud auth application-default login`.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { CredentialsError } from "../../app/audit/credentials.ts";
import { GoogleClient } from "../../app/audit/google/client.ts";
import { googleLogin } from "../../app/audit/google/login.ts";
import { auditGoogle } from "../../app/audit/google/verdict.ts";
import type { Report } from "../../app/audit/meter.ts";
import { monthOf } from "../../app/audit/month.ts";
import {
  ACCESS,
  ADDRESSES,
  BILLING,
  BUDGETS,
  DENIED,
  disk,
  DISKS,
  GOOGLE_PRODUCTION,
  googleServer,
  instance,
  INSTANCES,
  LOCATIONS,
  PROJECT,
  scoped,
  SECRETS,
  series,
  SERIES,
  SNAPSHOTS,
  SWITCHED_OFF,
  versions,
} from "./support/google.ts";
import { reply } from "./support/server.ts";
import type { Replies, Vendor } from "./support/server.ts";

const month = monthOf(Date.parse("2026-11-16T00:00:00Z"));

let server: Vendor | undefined;
const folder = mkdtempSync(join(tmpdir(), "tickhub-google-"));
afterEach(async () => {
  vi.unstubAllEnvs();
  await server?.close();
  server = undefined;
});
afterEach(() => rmSync(join(folder, "adc.json"), { force: true }));

async function auditOf(replies: Replies = {}, token: string = ACCESS): Promise<Report> {
  await server?.close();
  server = await googleServer({ ...GOOGLE_PRODUCTION, ...replies });
  const base = `${server.url}/{service}`;
  const client = new GoogleClient(await googleLogin(token, base), { base });
  return await auditGoogle(client, PROJECT, month);
}
const lines = ({ findings }: Report) =>
  findings.map(({ level, check, found }) => `${level} ${check}: ${found}`);
const failures = ({ findings }: Report) =>
  findings.filter(({ level }) => level === "fail").map(({ check, found }) => `${check}: ${found}`);

describe("the audit of Google Cloud", () => {
  it("of production has nothing to mend, and a known cost of nothing", async () => {
    const report = await auditOf();
    expect(lines(report)).toEqual([
      "note cost: no API tells the month's cost without an export to BigQuery",
      "ok machine hours: 730 of the free 730 hours (100 %); tickhub-edge-gcp (e2-micro, us-west1-b)",
      "ok disks: 20 of the free 30 GB (67 %)",
      "ok snapshots: 0 of the free 5 GB (0 %)",
      "ok ephemeral addresses: 1 of the free 1 addresses (100 %), unconfirmed: up to USD 3.65",
      "ok egress: 0.21 of the free 1 GB (21 %), 0.42 (42 %) by the month's end; everything that the machine sent, what is free with it",
      "ok secret versions: 2 of the free 6 versions (33 %)",
      "ok secret reads: 120 of the free 10,000 reads (1 %), 240 (2 %) by the month's end",
      "ok image registry: 0 of the free 0.5 GB (0 %)",
      "ok budget: 1 on the billing account",
    ]);
    expect(report.rows.reduce((sum, { knownUsd }) => sum + knownUsd, 0)).toBe(0);
  });

  it("asks the month's sum of the bytes sent, as one point", async () => {
    await auditOf();
    const asked = server!.asked.find((path) => path.startsWith(SERIES))!;
    const query = new URL(asked, "http://x").searchParams;
    expect(query.get("interval.startTime")).toBe("2026-11-01T00:00:00.000Z");
    expect(query.get("interval.endTime")).toBe("2026-11-16T00:00:00.000Z");
    expect(query.get("aggregation.alignmentPeriod")).toBe("1296000s");
    expect(query.get("aggregation.perSeriesAligner")).toBe("ALIGN_SUM");
    expect(query.get("aggregation.crossSeriesReducer")).toBe("REDUCE_SUM");
  });

  it("signs in by Google's library with what gcloud has left", async () => {
    const file = join(folder, "adc.json");
    const login = {
      type: "authorized_user",
      client_id: "1.apps.googleusercontent.com",
      client_secret: "public",
      refresh_token: "1//refresh",
    };
    writeFileSync(file, JSON.stringify(login));
    vi.stubEnv("GOOGLE_APPLICATION_CREDENTIALS", file);
    server = await googleServer();
    const base = `${server.url}/{service}`;
    const client = new GoogleClient(await googleLogin(undefined, base), { base });
    expect(failures(await auditGoogle(client, PROJECT, month))).toEqual([]);
    expect(server.asked[0]).toBe("/oauth2/token");
    writeFileSync(file, JSON.stringify({ ...login, refresh_token: "1//gone" }));
    await expect(googleLogin(undefined, base)).rejects.toThrow(CredentialsError);
    await expect(googleLogin(undefined, base)).rejects.not.toThrow(/1\/\/gone/);
  });

  it("stops at a second machine, a larger one, one elsewhere, and spot or accelerated ones", async () => {
    const zone = (name: string) => `https://www.googleapis.com/compute/v1/projects/p/zones/${name}`;
    const report = await auditOf({
      [INSTANCES]: scoped("instances", [
        instance("tickhub-edge-gcp"),
        instance("second", { networkInterfaces: [] }),
        instance("seoul", { zone: zone("asia-northeast3-a"), networkInterfaces: [] }),
        instance("large", {
          machineType: `${zone("us-west1-b")}/machineTypes/n2-standard-2`,
          networkInterfaces: [],
        }),
        instance("cheap", { scheduling: { preemptible: true }, networkInterfaces: [] }),
        instance("gpu", { guestAccelerators: [{ acceleratorCount: 1 }], networkInterfaces: [] }),
        instance("stopped", {
          status: "TERMINATED",
          machineType: `${zone("us-west1-b")}/machineTypes/n2-standard-2`,
          networkInterfaces: [],
        }),
      ]),
    });
    expect(failures(report)).toEqual([
      expect.stringMatching(
        /^machine hours: 1,460 of the free 730 hours \(200 %\), USD 6\.13 a month/,
      ),
      "instances: seoul is a e2-micro in asia-northeast3-a: USD 6.13 a month",
      "instances: large is a n2-standard-2 in us-west1-b: it bills, at a price this table does not have",
      "instances: cheap is a spot e2-micro in us-west1-b: it bills, at a price this table does not have",
      "instances: gpu is a e2-micro in us-west1-b with accelerators: it bills, at a price this table does not have",
    ]);
  });

  it("stops at disks beyond the free 30 GB and of other types, and names loose ones", async () => {
    const report = await auditOf({
      [DISKS]: scoped("disks", [
        disk("tickhub-edge-gcp", 20),
        disk("old", 20, "pd-standard", []),
        disk("fast", 10, "pd-balanced"),
      ]),
      [SNAPSHOTS]: { items: [{ name: "s", storageBytes: String(12e9) }] },
    });
    expect(failures(report)).toEqual([
      "disks: 40 of the free 30 GB (133 %), USD 0.40 a month; attached to nothing: old",
      "disk type: fast, 10 GB, is pd-balanced: it bills, at a price this table does not have",
    ]);
    expect(lines(report)).toContain(
      "note snapshots: 12 of the free 5 GB (240 %), unconfirmed: up to USD 0.60",
    );
  });

  it("stops at static addresses: more so at those that nobody uses", async () => {
    const address = (name: string, ip: string, status: string) => ({
      name,
      address: ip,
      addressType: "EXTERNAL",
      status,
    });
    const report = await auditOf({
      [ADDRESSES]: scoped("addresses", [
        address("fixed", "34.1.2.3", "IN_USE"),
        address("spare", "34.9.9.9", "RESERVED"),
        { ...address("inside", "10.0.0.9", "IN_USE"), addressType: "INTERNAL" },
      ]),
    });
    expect(failures(report)).toEqual([
      "static address: fixed (34.1.2.3) is reserved: USD 3.65 a month",
      "static address: spare (34.9.9.9) is reserved and not in use: USD 7.30 a month",
    ]);
    // The machine's own is the fixed one.
    expect(lines(report)).toContain("ok ephemeral addresses: 0 of the free 1 addresses (0 %)");
  });

  it("notes an address of the standard tier, whose egress is another's", async () => {
    const nic = [{ accessConfigs: [{ natIP: "34.1.2.3", networkTier: "STANDARD" }] }];
    const report = await auditOf({
      [INSTANCES]: scoped("instances", [instance("tickhub-edge-gcp", { networkInterfaces: nic })]),
    });
    expect(lines(report)).toContain(
      "note network tier: 1 of the addresses is of the standard tier",
    );
  });

  it("projects egress and reads, and stops before they pass what is free", async () => {
    const near = await auditOf({ [SERIES]: series(450e6, 4_500) });
    expect(lines(near)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^note egress: 0\.45 of the free 1 GB \(45 %\), 0\.9 \(90 %\) by/),
        expect.stringMatching(/^note secret reads: 4,500 of the free 10,000 .* 9,000 \(90 %\) by/),
      ]),
    );
    const over = await auditOf({ [SERIES]: series(3e9) });
    expect(failures(over)).toEqual([
      // 5 GB beyond, at USD 0.12
      expect.stringMatching(
        /^egress: 3 of the free 1 GB \(300 %\), 6 \(600 %\) by the month's end, USD 0\.60 a month/,
      ),
    ]);
  });

  it("counts a secret's versions times its locations, disabled ones too, destroyed ones not", async () => {
    const name = `projects/1/secrets/c`;
    const replicas = [{ location: "us-west1" }, { location: "us-east1" }];
    const report = await auditOf({
      [SECRETS]: reply(200, {
        secrets: [{ name, replication: { userManaged: { replicas } } }],
        nextPageToken: "more",
      }),
      [`${SECRETS}?pageToken=more`]: {
        secrets: [{ name: "projects/1/secrets/a", replication: {} }],
      },
      [versions("c")]: {
        versions: ["ENABLED", "DISABLED", "ENABLED", "DESTROYED"].map((state) => ({ state })),
      },
    });
    expect(failures(report)).toEqual([
      "secret versions: 7 of the free 6 versions (117 %), USD 0.06 a month",
    ]);
  });

  it("adds up what image registries hold, over all locations", async () => {
    const report = await auditOf({
      [LOCATIONS]: { locations: [{ locationId: "us" }, { locationId: "asia" }] },
      [`${LOCATIONS}/us/repositories`]: { repositories: [{ name: "r", sizeBytes: "700000000" }] },
      [`${LOCATIONS}/asia/repositories`]: {},
    });
    expect(lines(report)).toContain(
      "note image registry: 0.7 of the free 0.5 GB (140 %), unconfirmed: up to USD 0.07",
    );
  });

  it("takes a service that is switched off for an empty one, and a denied one for unknown", async () => {
    const report = await auditOf({
      [SECRETS]: DENIED,
      [BUDGETS]: DENIED,
      [SNAPSHOTS]: SWITCHED_OFF,
    });
    const checks = report.findings.map(({ check }) => check);
    expect(checks).toContain("snapshots");
    expect(checks).not.toContain("secret versions");
    expect(report.findings.at(-1)).toMatchObject({
      level: "note",
      check: "unanswered",
      found: expect.stringMatching(
        /^(secrets, budgets|budgets, secrets): .* answered 403: PERMISSION_DENIED: .* \(the credentials are good and lack the right to see this\)$/,
      ) as string,
      next: expect.stringContaining("docs/audit.md") as string,
    });
  });

  it("does not pass a list in which a zone is missing", async () => {
    const report = await auditOf({
      [INSTANCES]: scoped("instances", [], { unreachables: ["zones/us-east1-b"] }),
    });
    expect(failures(report)).toEqual([
      expect.stringMatching(/^unanswered: instances: .* is without zones\/us-east1-b/),
    ]);
  });

  it("says of a project without billing that nothing bills and nothing starts", async () => {
    const report = await auditOf({ [BILLING]: { billingEnabled: false } });
    expect(report.findings[0]).toMatchObject({ level: "note", check: "billing" });
    expect(server!.asked.some((path) => path.startsWith(BUDGETS))).toBe(false);
  });

  it("says when there is no budget", async () => {
    expect(lines(await auditOf({ [BUDGETS]: {} }))).toContain("note budget: none: nothing warns");
  });

  it("is one line with the next step when the token is refused", async () => {
    const report = await auditOf({}, "ya29.stale-secret");
    expect(report.findings).toMatchObject([{ level: "fail", check: "sign-in" }]);
    expect(report.findings[0]!.found).toContain("answered 401: UNAUTHENTICATED");
    expect(report.findings[0]!.next).toContain("gcloud auth application-default login");
    expect(JSON.stringify(report)).not.toContain("ya29");
  });
});
