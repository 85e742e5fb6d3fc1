// The OCI section against a loopback tenancy that checks signatures as the real one does.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CredentialsError } from "../../app/audit/credentials.ts";
import { monthOf } from "../../app/audit/month.ts";
import { OciClient } from "../../app/audit/oci/client.ts";
import { ociCredentials, profileOf } from "../../app/audit/oci/credentials.ts";
import { p95 } from "../../app/audit/oci/metrics.ts";
import { auditOci } from "../../app/audit/oci/verdict.ts";
import { systemClock } from "../../app/shared/clock.ts";
import {
  backup,
  cost,
  FINGERPRINT,
  instance,
  metrics,
  METRICS,
  NOW_MS,
  OCI_PRODUCTION,
  OCI_REPLIES,
  ociServer,
  PRIVATE_KEY,
  REGIONS,
  resource,
  TENANCY,
  USE,
  useOf,
  USER,
  volume,
} from "./support/oci.ts";
import { reply } from "./support/server.ts";
import type { Replies, Vendor } from "./support/server.ts";

const ENV = {
  OCI_TENANCY_OCID: TENANCY,
  OCI_USER_OCID: USER,
  OCI_FINGERPRINT: FINGERPRINT,
  OCI_REGION: "ap-seoul-1",
  OCI_PRIVATE_KEY: PRIVATE_KEY,
};
const month = monthOf(NOW_MS);

let server: Vendor | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function auditOf(
  replies: Replies = {},
  { env = {}, base = OCI_REPLIES }: { env?: Record<string, string>; base?: Replies } = {},
) {
  await server?.close();
  server = await ociServer({ ...base, ...replies });
  const credentials = ociCredentials({ ...ENV, ...env })!;
  const client = new OciClient(credentials, systemClock, { base: server.url });
  return await auditOci(client, credentials, month);
}
const inProduction = (replies: Replies) => auditOf(replies, { base: OCI_PRODUCTION });
type Report = Awaited<ReturnType<typeof auditOf>>;
const lines = ({ findings }: Report) =>
  findings.map(({ level, check, found }) => `${level} ${check}: ${found}`);
const failures = ({ findings }: Report) =>
  findings.filter(({ level }) => level === "fail").map(({ check, found }) => `${check}: ${found}`);

describe("the audit of OCI", () => {
  it("of a fresh Always Free tenancy in Seoul is fine, and says that nothing guards it yet", async () => {
    const report = await auditOf();
    expect(lines(report)).toEqual([
      "ok home region: ap-seoul-1, where A1 is free",
      "ok domains: 1 availability domain to try",
      "ok account: Always Free: it cannot be billed, and idle machines are reclaimed",
      "ok A1 cores: 0 of the free 2 OCPU (0 %)",
      "ok A1 memory: 0 of the free 12 GB (0 %)",
      "ok E2.1.Micro: 0 of the free 2 instances (0 %)",
      "ok instances: none yet",
      "ok block storage: 0 of the free 200 GB (0 %)",
      "ok backups: 0 of the free 5 backups (0 %)",
      "ok networks: 0 of the free 2 networks (0 %)",
      "ok Object Storage: 0 of the free 20 GB (0 %); 0 buckets",
      "ok reserved addresses: 0 of the free 1 addresses (0 %)",
      "ok vault secrets: 0 of the free 150 secrets (0 %)",
      "ok Object Storage requests: 0 of the free 50,000 requests (0 %)",
      "ok egress: 0 of the free 10,240 GB (0 %); as the machines' interfaces counted, traffic inside the network with it",
      "ok other resources: 0 in all, none of a kind that bills",
      "ok cost: 0.00 charged since the month's start",
      "note budget: none that alerts anybody",
      "note quota: none: nothing is refused",
    ]);
    expect(server!.asked).toContain(
      `${USE("compute", "standard-a1-core-count")}?compartmentId=${TENANCY}&availabilityDomain=Uocm%3AAP-SEOUL-1-AD-1`,
    );
  });

  it("of production has nothing to mend, and projects what grows to the month's end", async () => {
    const report = await inProduction({});
    expect(failures(report)).toEqual([]);
    expect(lines(report)).toEqual(
      expect.arrayContaining([
        "ok A1 cores: 2 of the free 2 OCPU (100 %)",
        "ok instances: tickhub-hub (A1.Flex, 2 OCPU, 12 GB)",
        "ok block storage: 150 of the free 200 GB (75 %)",
        "ok Object Storage: 3 of the free 20 GB (15 %); 1 bucket",
        "ok Object Storage requests: 15,000 of the free 50,000 requests (30 %), 30,000 (60 %) by the month's end, unconfirmed: up to USD 0.02",
        "ok egress: 30 of the free 10,240 GB (0 %), 60 (1 %) by the month's end; as the machines' interfaces counted, traffic inside the network with it",
        "ok idle: tickhub-hub: CPU 9.0 %, memory 41.0 %, network 2.0 % (95 of 100 moments of 7 days stay below): busy enough to be kept",
        "ok budget: 1 with an alert",
        "ok quota: 1 in force",
      ]),
    );
    expect(report.rows.reduce((sum, { knownUsd }) => sum + knownUsd, 0)).toBe(0);
    expect(report.spentUsd).toBe(0);
  });

  it("stops a home region that will never have a free A1", async () => {
    const { findings } = await auditOf({
      [REGIONS]: [
        { regionName: "ap-chuncheon-1", isHomeRegion: true },
        { regionName: "ap-seoul-1", isHomeRegion: false },
      ],
    });
    expect(findings[0]).toMatchObject({ level: "fail", check: "home region" });
    expect(findings[0]!.next).toContain("ap-seoul-1");
    expect(findings[1]).toMatchObject({ level: "fail", check: "region" });
  });

  it("stops credentials of a region that is not home", async () => {
    const { findings } = await auditOf({}, { env: { OCI_REGION: "ap-tokyo-1" } });
    expect(findings.filter(({ level }) => level === "fail")).toMatchObject([
      { check: "region", next: expect.stringContaining("oci:region ap-seoul-1") as string },
    ]);
  });

  it("warns of a region far away", async () => {
    const home = [{ regionName: "us-ashburn-1", isHomeRegion: true }];
    const { findings } = await auditOf(
      { [REGIONS]: home },
      { env: { OCI_REGION: "us-ashburn-1" } },
    );
    expect(findings[0]).toMatchObject({ level: "note", check: "home region" });
  });

  it("adds up what counts against the pool, over all availability domains, and prices what is beyond", async () => {
    const report = await auditOf({
      "/20160918/availabilityDomains": [{ name: "AD-1" }, { name: "AD-2" }],
      [USE("compute", "standard-a1-core-count")]: useOf(1, 0),
      [USE("compute", "standard-a1-memory-count")]: useOf(7, 0),
      [USE("block-storage", "total-storage-gb")]: useOf(50, 100),
    });
    expect(lines(report)).toEqual(
      expect.arrayContaining([
        "ok domains: 2 availability domains to try",
        "ok A1 cores: 2 of the free 2 OCPU (100 %)",
        // 2 GB x 730 h x USD 0.0015
        "fail A1 memory: 14 of the free 12 GB (117 %), USD 2.19 a month",
        "ok block storage: 100 of the free 200 GB (50 %)",
      ]),
    );
  });

  it("stops where the service limit leaves no room for the hub", async () => {
    const { findings } = await auditOf({ [USE("compute", "standard-a1-core-count")]: useOf(0, 0) });
    expect(findings).toContainEqual({
      section: "OCI",
      check: "A1 cores",
      level: "fail",
      found: "the service limit is 0 OCPU, production takes 2",
      next: expect.stringContaining("Governance > Limits") as string,
    });
  });

  it("lists machines and volumes of every compartment, to the last page", async () => {
    const report = await auditOf({
      "/20160918/compartments": [{ id: "ocid1.compartment.oc1..c", lifecycleState: "ACTIVE" }],
      "/20160918/instances": [],
      "/20160918/instances?compartmentId=ocid1.compartment.oc1..c": reply(200, [instance("blog")], {
        "opc-next-page": "2",
      }),
      "/20160918/instances?compartmentId=ocid1.compartment.oc1..c&page=2": [
        instance("db", {
          shape: "VM.Standard.E2.1.Micro",
          shapeConfig: { ocpus: 1, memoryInGBs: 1 },
        }),
      ],
      "/20160918/bootVolumes": [volume("blog (Boot Volume)", 50)],
    });
    const found = lines(report);
    expect(found).toContain(
      "note instances: blog (A1.Flex, 2 OCPU, 12 GB), db (E2.1.Micro, 1 OCPU, 1 GB)",
    );
    // The limits' own count is late; the list is not.
    expect(found).toContain("ok A1 cores: 2 of the free 2 OCPU (100 %)");
    expect(found).toContain("ok E2.1.Micro: 1 of the free 2 instances (50 %)");
    expect(found).toContain("ok block storage: 100 of the free 200 GB (50 %)");
  });

  it("stops at every shape, volume, bucket and resource that bills", async () => {
    const report = await inProduction({
      "/20160918/instances": [instance("big", { shape: "VM.Standard.E5.Flex" })],
      "/20160918/volumes": [
        volume("fast", 150, { vpusPerGB: 20 }),
        volume("tickhub-hub-data", 100),
      ],
      "/20160918/volumeBackups": [1, 2, 3, 4, 5, 6].map((n) => backup(`b${n}`)),
      "/n/axtickhub/b/tickhub-backup": {
        name: "tickhub-backup",
        publicAccessType: "ObjectRead",
        approximateSize: 30 * 1024 ** 3,
      },
      "/20180409/resources": {
        items: [
          resource("NatGateway", "nat"),
          resource("DbSystem", "ora"),
          resource("LoadBalancer", "lb"),
        ],
      },
    });
    expect(failures(report)).toEqual([
      "instances: big is a VM.Standard.E5.Flex: it bills, at a price this table does not have",
      "block storage: 300 of the free 200 GB (150 %), USD 4.25 a month",
      "volume performance: fast has 20 VPU per GB: it bills, at a price this table does not have",
      "backups: 6 of the free 5 backups (120 %)",
      "Object Storage: 30 of the free 20 GB (150 %), USD 0.26 a month; 1 bucket",
      "bucket: tickhub-backup is public",
      "other resources: NatGateway nat: it bills, at a price this table does not have",
      "other resources: DbSystem ora: it bills, at a price this table does not have",
    ]);
    expect(lines(report)).toContain("note other resources: LoadBalancer lb");
    for (const { level, next } of report.findings) if (level === "fail") expect(next).toBeTruthy();
  });

  it("tells reserved addresses, which nobody has confirmed to be free, and those attached to nothing", async () => {
    const ip = { ipAddress: "203.0.113.9", lifetime: "RESERVED", lifecycleState: "AVAILABLE" };
    const one = await auditOf({ "/20160918/publicIps": [ip] });
    expect(lines(one)).toContain(
      "ok reserved addresses: 1 of the free 1 addresses (100 %), unconfirmed: up to USD 3.65; 203.0.113.9 (attached to nothing)",
    );
    const two = await auditOf({ "/20160918/publicIps": [ip, ip] });
    expect(lines(two).find((line) => line.includes("reserved"))).toMatch(/^note .*up to USD 7\.30/);
  });

  it("warns of counts that will pass their limit before the month ends", async () => {
    const report = await inProduction({
      [METRICS]: metrics({ AllRequests: 24_000, VnicToNetworkBytes: 6e12 }),
    });
    expect(lines(report)).toEqual(
      expect.arrayContaining([
        "note Object Storage requests: 24,000 of the free 50,000 requests (48 %), 48,000 (96 %) by the month's end, unconfirmed: up to USD 0.02",
        // 1,760 GB beyond, at USD 0.0085
        "fail egress: 6,000 of the free 10,240 GB (59 %), 12,000 (117 %) by the month's end, USD 14.96 a month; as the machines' interfaces counted, traffic inside the network with it",
      ]),
    );
  });

  it("stops where the month has cost something, in the vendor's own figures", async () => {
    const report = await inProduction({
      "/20200107/usage": { items: [cost("COMPUTE", 1.5), cost("BLOCK_STORAGE", 0.004)] },
    });
    expect(failures(report)).toEqual([
      "cost: charged since the month's start: COMPUTE 1.50 USD, BLOCK_STORAGE 0.00 USD",
    ]);
    expect(report.spentUsd).toBeCloseTo(1.504);
  });

  it("tells an account that can be billed", async () => {
    const report = await auditOf({
      "/20190729/limitValues": [{ name: "standard-e4-core-count", value: 100 }],
    });
    expect(lines(report)).toContain("note account: upgraded or on trial: it can be billed");
  });

  it("names what it was not told, instead of leaving it out or counting a part of it", async () => {
    const refused = reply(404, {
      code: "NotAuthorizedOrNotFound",
      message: "Authorization failed",
    });
    const report = await inProduction({
      "/20181025/quotas": refused,
      "/20160918/volumes": refused,
      "/20200107/usage": refused,
    });
    const checks = report.findings.map(({ check }) => check);
    expect(checks).not.toContain("quota");
    expect(checks).not.toContain("cost");
    const last = report.findings.at(-1)!;
    expect(last).toMatchObject({ level: "note", check: "unanswered" });
    expect(last.found).toMatch(/block volumes/);
    expect(last.found).toMatch(/quotas/);
    expect(last.found).toMatch(/cost of the month/);
    expect(last.found).toContain("NotAuthorizedOrNotFound: Authorization failed");
    expect(last.next).toContain("docs/audit.md");
    // The service limit still tells the pool.
    expect(lines(report)).toContain("ok block storage: 150 of the free 200 GB (75 %)");
  });

  it("does not take a list without an end for one", async () => {
    const endless = reply(200, [instance("again")], { "opc-next-page": "on" });
    const report = await auditOf({ "/20160918/instances": endless });
    expect(failures(report)).toEqual([
      "unanswered: instances: core/instances has more than 20 pages (not an account of this size; what came of it is not used)",
    ]);
  });

  it("is one line with the next step when the signature is refused, or nobody is there", async () => {
    const wrong = await auditOf({}, { env: { OCI_FINGERPRINT: "00:00" } });
    expect(wrong.findings).toMatchObject([
      { level: "fail", check: "sign-in", next: expect.stringContaining("fingerprint") as string },
    ]);
    expect(wrong.findings[0]!.found).toContain("answered 401: NotAuthenticated: an unknown key");
    const gone = server!.url;
    await server!.close();
    const credentials = ociCredentials(ENV)!;
    const client = new OciClient(credentials, systemClock, { base: gone });
    const away = await auditOci(client, credentials, month);
    expect(away.findings).toMatchObject([{ level: "fail", check: "sign-in" }]);
    expect(away.findings[0]!.found).toContain("did not answer");
  });
});

describe("the rule about idle machines", () => {
  const idle = {
    CpuUtilization: 3,
    MemoryUtilization: 12,
    NetworksBytesIn: 1e9,
    NetworksBytesOut: 1e9,
  };
  const idleLine = async (measured: object, more: Replies = {}) =>
    lines(await inProduction({ [METRICS]: metrics({ ...idle, ...measured }), ...more })).find(
      (line) => line.includes(" idle: "),
    );

  it("stops where CPU, memory and network were all below 20 % for seven days", async () => {
    expect(await idleLine({})).toBe(
      "fail idle: tickhub-hub: CPU 3.0 %, memory 12.0 %, network 1.3 % (95 of 100 moments of 7 days stay below): idle, OCI may reclaim it",
    );
  });

  it("is satisfied by any one of them", async () => {
    for (const busy of [
      { CpuUtilization: 21 },
      { MemoryUtilization: 25 },
      { NetworksBytesOut: 20e9 },
    ])
      expect(await idleLine(busy), JSON.stringify(busy)).toMatch(/^ok idle/);
  });

  it("does not count memory for a micro, of which the rule does not speak", async () => {
    const micro = instance("tickhub-hub", {
      shape: "VM.Standard.E2.1.Micro",
      shapeConfig: { ocpus: 1, memoryInGBs: 1, networkingBandwidthInGbps: 0.48 },
    });
    expect(await idleLine({ MemoryUtilization: 80 }, { "/20160918/instances": [micro] })).toMatch(
      /^fail idle/,
    );
  });

  it("is a note within the first days, and in an account that can be billed", async () => {
    expect(await idleLine({ points: 288 })).toMatch(/^note idle.* of 1 days /);
    const paid = { "/20190729/limitValues": [{ name: "standard-e4-core-count", value: 8 }] };
    expect(await idleLine({}, paid)).toMatch(/^note idle/);
  });

  it("says when nothing is measured, because the agent is off", async () => {
    expect(
      lines(await inProduction({ [METRICS]: [] })).find((line) => line.includes(" idle: ")),
    ).toBe("note idle: tickhub-hub: no figures");
  });

  it("takes the smallest value that 95 of 100 do not exceed", () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
    expect(p95(hundred)).toBe(95);
    expect(p95([7])).toBe(7);
    expect(p95([])).toBeUndefined();
  });
});

describe("OCI's credentials", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "tickhub-audit-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const file = (name: string, text: string) => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const config = (lines: string) =>
    file("config", `# made by the console\n[DEFAULT]\n${lines}\n[OTHER]\ntenancy=other\n`);

  it("are a profile's", () => {
    const key = file("key.pem", PRIVATE_KEY);
    const path = config(
      `user=${USER}\nfingerprint = ${FINGERPRINT}\ntenancy=${TENANCY}\nregion=ap-seoul-1\nkey_file=${key}`,
    );
    expect(ociCredentials({ OCI_CONFIG_FILE: path })).toMatchObject({
      tenancyId: TENANCY,
      region: "ap-seoul-1",
      keyId: `${TENANCY}/${USER}/${FINGERPRINT}`,
    });
  });

  it("are a session's, by its token", () => {
    const key = file("key.pem", PRIVATE_KEY);
    const token = file("token", "session-token\n");
    const path = config(
      `tenancy=${TENANCY}\nregion=ap-seoul-1\nkey_file=${key}\nsecurity_token_file=${token}`,
    );
    expect(ociCredentials({ OCI_CONFIG_FILE: path })).toMatchObject({ keyId: "ST$session-token" });
  });

  it("say which part is missing or cannot be read, and never show the key", () => {
    const path = config(`user=${USER}\ntenancy=${TENANCY}\nregion=ap-seoul-1\nkey_file=/nowhere`);
    const tries: [Record<string, string>, RegExp][] = [
      [{ OCI_CONFIG_FILE: path }, /has no fingerprint/],
      [{ OCI_CONFIG_FILE: path, OCI_CONFIG_FILE_PROFILE: "OTHER" }, /OTHER .* has no region/],
      [{ OCI_CONFIG_FILE: join(folder, "absent") }, /absent.*ENOENT/],
      [{ ...ENV, OCI_USER_OCID: "" }, /the environment has no OCI_USER_OCID/],
      [{ ...ENV, OCI_PRIVATE_KEY: "hunter2" }, /the private key cannot be read/],
    ];
    for (const [env, wanted] of tries) {
      const run = () => ociCredentials(env);
      expect(run).toThrow(CredentialsError);
      expect(run).toThrow(wanted);
      expect(run).not.toThrow(/hunter2/);
    }
  });

  it("of one profile end where the next begins", () => {
    expect([...profileOf("[A]\nx=1\n; y=2\n[B]\nx=3", "A")]).toEqual([["x", "1"]]);
  });
});
