import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { TickhubError } from "../../app/shared/errors.ts";
import { parseConfig, type HubConfig } from "../../infra/config.ts";
import { CONFIG_KEYS, type ConfigKey } from "../../infra/lib/config-keys.ts";
import { HUB_KEYS, sourceOf, STAGING_KEYS } from "./support/hub-config.ts";

type Texts = Readonly<Record<string, string>>;

const GCP_KEYS: Texts = {
  "tickhub:role": "edge-gcp",
  "gcp:project": "my-project-1234",
  "tickhub:machineImage": "projects/cos-cloud/global/images/cos-stable-121",
};
const NORTHFLANK_KEYS: Texts = {
  "tickhub:role": "edge-northflank",
  "tickhub:northflankToken": "token-of-the-tests",
};

const hub = (keys: Texts = {}, options: Parameters<typeof sourceOf>[1] = {}): HubConfig =>
  parseConfig(sourceOf({ ...HUB_KEYS, ...keys }, options)) as HubConfig;
const staging = (keys: Texts = {}): HubConfig =>
  parseConfig(sourceOf({ ...STAGING_KEYS, ...keys }, { stack: "oci-staging" })) as HubConfig;

/** The error's code and context, so that a test can say both. */
function refusal(parse: () => unknown): Record<string, unknown> {
  try {
    parse();
  } catch (error) {
    if (error instanceof TickhubError) return { code: error.code, ...error.context };
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("a hub's config", () => {
  it("is the free allowance by default", () => {
    const config = hub();
    expect(config.vm).toEqual({
      shape: "VM.Standard.A1.Flex",
      ocpus: 2,
      memoryGb: 12,
      imageId: HUB_KEYS["tickhub:imageId"],
      bootVolumeGb: 50,
      dataVolumeGb: 50,
      reservedIp: true,
      rescue: false,
      renew: false,
    });
    expect(config).toMatchObject({
      staging: false,
      allowPaid: false,
      kiwoomEgress: "hub",
      budget: { amount: 1, email: "owner@example.com" },
      oci: { compartmentName: "tickhub", quotaScope: "tenancy", availabilityDomain: 0 },
      app: { brokers: "real", accounts: ["kis:1", "kiwoom:1"], edges: ["kis", "kiwoom", "news"] },
    });
  });

  it.each(Object.keys(HUB_KEYS).filter((key) => !/:(role|symbols|registryCheck)$/.test(key)))(
    "names the command when %s is missing, and also when it still says FILL",
    (key) => {
      const name = key.replace("tickhub:", "");
      const secret = name === "registryPassword" || name === "seed" ? " --secret" : "";
      for (const text of ["", "FILL in"]) {
        const refused = refusal(() => hub({ [key]: text }));
        expect(refused).toMatchObject({ code: "STACK_CONFIG_MISSING", key: name });
        expect(refused["run"]).toMatch(`pulumi config set${secret} ${name} `);
        expect(refused["run"]).toMatch(/ --stack oci$/);
      }
    },
  );

  it.each([
    ["shape", "VM.Standard3.Flex", "one of VM.Standard.A1.Flex, VM.Standard.E2.1.Micro"],
    ["bootVolumeGb", "47", "at least 50"],
    ["dataVolumeGb", "lots", "a whole number from 50 to 32768"],
    ["symbols", "005930;000660", "symbols such as 005930"],
    // What YAML makes of a symbol without quotes.
    ["symbols", "5930", "in the file in quotes"],
    ["databaseImage", "timescale/timescaledb:latest-pg17", "an image pinned by digest"],
    ["registry", "ghcr.io/Owner/tickhub:1", "host/owner/name in small letters, without a tag"],
    ["budgetEmail", "owner", "an e-mail address"],
    ["force", "soon", "a reason of at least 10 characters"],
    ["rotations", "kis", "name=number pairs"],
    ["imageId", "ubuntu", "an OCID that begins with ocid1.image."],
    ["kiwoomEgress", "cloud", "one of hub, home, oci-micro"],
    ["staging", "yes", "true or false"],
    ["role", "server", "one of hub, edge-gcp, edge-northflank"],
  ])("refuses %s = %s and says which form it wants", (key, value, wanted) => {
    const refused = refusal(() => hub({ [`tickhub:${key}`]: value }));
    expect(refused).toMatchObject({ code: "STACK_CONFIG_INVALID", key, value });
    expect(refused["wanted"]).toMatch(wanted);
  });

  it("refuses a secret in plain text, and never shows a secret's value", () => {
    expect(refusal(() => hub({}, { plain: ["tickhub:seed"] }))).toEqual({
      code: "STACK_CONFIG_PLAIN",
      key: "tickhub:seed",
      run: 'pulumi config set --secret seed "$(openssl rand -base64 32)" --stack oci',
    });
    const short = refusal(() => hub({ "tickhub:seed": "too-short" }));
    expect(short["code"]).toBe("STACK_CONFIG_INVALID");
    expect(JSON.stringify(short)).not.toContain("too-short");
  });

  it.each([
    [{ "tickhub:ocpus": "4" }, "4 OCPU"],
    [{ "tickhub:memoryGb": "24" }, "24 GB"],
    [{ "tickhub:dataVolumeGb": "200" }, "250 GB of volumes"],
    [
      {
        "tickhub:dataVolumeGb": "101",
        "tickhub:kiwoomEgress": "oci-micro",
        "tickhub:egressImageId": "ocid1.image.oc1.ap-seoul-1.amd64",
      },
      "201 GB of volumes",
    ],
    [{ "oci:region": "ap-chuncheon-1" }, "ap-chuncheon-1 has no free A1"],
  ] as [Texts, string][])("refuses %o without allowPaid", (keys, problem) => {
    const refused = refusal(() => hub(keys));
    expect(refused["code"]).toBe("STACK_PAID");
    expect(refused["problem"]).toContain(problem);
    expect(refused["run"]).toBe("pulumi config set allowPaid true --stack oci");
    expect(hub({ ...keys, "tickhub:allowPaid": "true" }).allowPaid).toBe(true);
  });

  it("wants an image for the machine that lends its address, and leaves the hub without one", () => {
    const micro = { "tickhub:kiwoomEgress": "oci-micro" };
    expect(refusal(() => hub(micro))).toMatchObject({
      code: "STACK_CONFIG_MISSING",
      key: "egressImageId",
    });
    const config = hub({ ...micro, "tickhub:egressImageId": "ocid1.image.oc1.ap-seoul-1.amd64" });
    expect(config.egressImageId).toBe("ocid1.image.oc1.ap-seoul-1.amd64");
    expect(config.vm.reservedIp).toBe(false);
    expect(staging(micro)).not.toHaveProperty("egressImageId");
  });

  it("wants to know from where the bastion is used", () => {
    const refused = refusal(() => hub({ "tickhub:rescue": "true" }));
    expect(refused).toMatchObject({ code: "STACK_CONFIG_MISSING", key: "rescueFrom" });
    const keys = { "tickhub:rescue": "true", "tickhub:rescueFrom": "203.0.113.4/32" };
    expect(hub(keys).vm).toMatchObject({ rescue: true, rescueFrom: "203.0.113.4/32" });
  });

  it("reads an adopted policy from its file", () => {
    const files = { "infra/tailnet/extra.hujson": "{ /* theirs */ }" };
    const config = hub({ "tickhub:tailnetExtra": "infra/tailnet/extra.hujson" }, { files });
    expect(config.tailnet.extraPolicy).toBe("{ /* theirs */ }");
  });

  it("counts how often a derived secret was renewed", () => {
    expect(hub({ "tickhub:rotations": "kis=2, database=1" }).rotations).toEqual({
      kis: 2,
      database: 1,
    });
  });
});

describe("a staging hub's config", () => {
  it("is a free machine with names of its own, without budget, admins or reserved address", () => {
    const keys = { "tickhub:budgetEmail": "", "tickhub:tailnetAdmins": "" };
    expect(staging(keys)).toMatchObject({
      stack: "oci-staging",
      staging: true,
      oci: { compartmentName: "tickhub-oci-staging" },
      vm: { shape: "VM.Standard.E2.1.Micro", ocpus: 1, memoryGb: 1, reservedIp: false },
      tailnet: { admins: [] },
      app: { brokers: "simulated" },
    });
    expect(staging(keys)).not.toHaveProperty("budget");
  });

  it.each([
    [{ "tickhub:brokers": "" }, "brokers: simulated"],
    [{ "tickhub:brokers": "real" }, "brokers: simulated"],
    [{ "tickhub:reservedIp": "true" }, "reserved address"],
  ] as [Texts, string][])("is refused with %o", (keys, problem) => {
    const refused = refusal(() => staging(keys));
    expect(refused["code"]).toBe("STACK_STAGING");
    expect(refused["problem"]).toContain(problem);
    expect(refused["run"]).toMatch(/^pulumi config (set|rm) .* --stack oci-staging$/);
  });

  it("runs an A1 only when it may bill, and says for how long", () => {
    const a1 = { "tickhub:shape": "VM.Standard.A1.Flex" };
    expect(refusal(() => staging(a1))).toMatchObject({ code: "STACK_PAID" });
    const paid = { ...a1, "tickhub:allowPaid": "true" };
    const refused = refusal(() => staging(paid));
    expect(refused).toMatchObject({ code: "STACK_CONFIG_MISSING", key: "ttlHours" });
    expect(staging({ ...paid, "tickhub:ttlHours": "8" }).ttlHours).toBe(8);
  });
});

describe("an edge's config", () => {
  const gcp =
    (keys: Texts = {}) =>
    () =>
      parseConfig(sourceOf({ ...GCP_KEYS, ...keys }));
  const northflank =
    (keys: Texts = {}) =>
    () =>
      parseConfig(sourceOf({ ...NORTHFLANK_KEYS, ...keys }));

  it("has the hub's stack and the free sizes by default", () => {
    expect(gcp()()).toMatchObject({
      role: "edge-gcp",
      hubStack: "organization/tickhub/oci",
      gcp: { project: "my-project-1234", region: "us-west1", zone: "us-west1-b", diskGb: 20 },
    });
    expect(northflank()()).toMatchObject({
      role: "edge-northflank",
      northflank: {
        projectId: "tickhub",
        plan: "nf-compute-10",
        apiUrl: "https://api.northflank.com",
      },
      brokers: "real",
    });
  });

  it("refuses a region that bills, and a zone of another region", () => {
    const seoul = { "gcp:region": "asia-northeast3", "gcp:zone": "asia-northeast3-a" };
    expect(refusal(gcp(seoul))).toMatchObject({ code: "STACK_PAID" });
    expect(refusal(gcp({ "gcp:zone": "us-east1-b" }))).toMatchObject({
      code: "STACK_CONFIG_INVALID",
      key: "gcp:zone",
      wanted: "a zone of us-west1",
    });
  });

  it("keeps secrets by the variable they become", async () => {
    const secrets = JSON.stringify({ KIS_APP_KEY: "key-of-the-tests" });
    const config = parseConfig(sourceOf({ ...NORTHFLANK_KEYS, "tickhub:secrets": secrets }));
    if (config.role !== "edge-northflank") throw new Error(config.role);
    const value = await new Promise((resolve) => config.secrets["KIS_APP_KEY"]!.apply(resolve));
    expect(value).toBe("key-of-the-tests");
    const refused = refusal(northflank({ "tickhub:secrets": '{"kis key":"key-of-the-tests"}' }));
    expect(refused["code"]).toBe("STACK_CONFIG_INVALID");
    expect(JSON.stringify(refused)).not.toContain("key-of-the-tests");
  });

  it("takes no real broker's key in staging", () => {
    const keys = {
      ...NORTHFLANK_KEYS,
      "tickhub:staging": "true",
      "tickhub:brokers": "simulated",
      "tickhub:secrets": '{"KIWOOM_APP_KEY":"x"}',
    };
    expect(refusal(() => parseConfig(sourceOf(keys, { stack: "edge-staging" })))).toEqual({
      code: "STACK_STAGING",
      problem: "KIWOOM_APP_KEY is a real broker's key",
      run: "pulumi config rm --path secrets.KIWOOM_APP_KEY --stack edge-staging",
    });
  });
});

describe("an empty role", () => {
  it.each(["edge-gcp", "edge-northflank"])(
    "of %s is a link that went missing, and the command restores it",
    (stack) => {
      expect(refusal(() => parseConfig(sourceOf({}, { stack })))).toEqual({
        code: "STACK_ROLE_MISSING",
        file: `Pulumi.${stack}.yaml`,
        run: `git checkout -- Pulumi.${stack}.yaml`,
      });
    },
  );

  it("of another stack is a key to set", () => {
    expect(refusal(() => parseConfig(sourceOf({}, { stack: "mine" })))["run"]).toBe(
      "pulumi config set role hub --stack mine",
    );
  });
});

describe("docs/infra.md", () => {
  it("has a row for every key, with what the table in code says", () => {
    const [, table] = readFileSync("docs/infra.md", "utf8").split(/^\| key +\| role /m);
    const page = table!.split("\n\n")[0]!;
    const rows = [...page.matchAll(/^\| `([^`]+)` +\| (.+?) +\| (.+?) +\|$/gm)].map(
      ([, key, roles, help]) => ({ key, roles, help }),
    );
    const expected = new Map<string, { roles: string[]; help: string }>();
    for (const [role, keys] of Object.entries(CONFIG_KEYS)) {
      for (const [key, { help }] of Object.entries<ConfigKey>(keys)) {
        const row = expected.get(key);
        if (row?.help === help) row.roles.push(role);
        else expected.set(row ? `${key} (${role})` : key, { roles: [role], help });
      }
    }
    const wanted = [...expected].map(([key, { roles, help }]) => ({
      key: key.replace(/ \(.+$/, ""),
      roles: roles.length === 3 ? "all" : roles.join(", "),
      help,
    }));
    expect(rows).toEqual(wanted);
  });
});
