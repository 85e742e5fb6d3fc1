// The stack of the light edge, planned without Google Cloud.
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import type { EdgeGcpConfig } from "../../infra/config.ts";
import { edgeGcp } from "../../infra/stacks/edge-gcp.ts";
import { goldenText } from "./support/golden.ts";
import { HUB_OUTPUTS, HUB_SECRETS, HUB_STACK } from "./support/hub-outputs.ts";
import { planOf, SECRET } from "./support/mocks.ts";

const INSTANCE = "gcp:compute/instance:Instance";
const VERSION = "gcp:secretmanager/secretVersion:SecretVersion";
const GRANT = "gcp:secretmanager/secretIamMember:SecretIamMember";

const KEYS = { NEWS_API_KEY: "key-of-the-news", SENTINEL_TELEGRAM_TOKEN: "token-of-the-bot" };

const config = (change: Partial<EdgeGcpConfig> = {}): EdgeGcpConfig => ({
  role: "edge-gcp",
  stack: "edge-gcp",
  staging: false,
  allowPaid: false,
  hubStack: HUB_STACK,
  gcp: {
    project: "my-project-1234",
    region: "us-west1",
    zone: "us-west1-b",
    image: "projects/debian-cloud/global/images/debian-12-bookworm-v20261111",
    diskGb: 20,
    billingAccount: "012345-6789AB-CDEF01",
  },
  secrets: Object.fromEntries(Object.entries(KEYS).map(([k, v]) => [k, pulumi.secret(v)])),
  ...change,
});

const plan = (change?: Partial<EdgeGcpConfig>, outputs: Record<string, unknown> = HUB_OUTPUTS) =>
  planOf(
    {
      stack: "edge-gcp",
      config: {},
      references: { [HUB_STACK]: outputs },
      computed: {
        "gcp:serviceaccount/account:Account": (_name, inputs) => ({
          email: `${String(inputs["accountId"])}@my-project-1234.iam.gserviceaccount.com`,
        }),
      },
      answers: { "gcp:organizations/getProject:getProject": () => ({ number: "123456789" }) },
    },
    () => edgeGcp(config(change)),
  );

describe("the stack edge-gcp", () => {
  it("is as committed", async () => {
    await expect(goldenText(await plan())).toMatchFileSnapshot("golden/edge-gcp.json");
  });

  it("is one e2-micro with pd-standard, an ephemeral address and nothing else that bills", async () => {
    const planned = await plan();
    const { inputs, options } = planned.one(INSTANCE);
    expect(inputs).toMatchObject({
      machineType: "e2-micro",
      zone: "us-west1-b",
      bootDisk: { initializeParams: { type: "pd-standard", size: 20 } },
      networkInterfaces: [{ accessConfigs: [{}] }],
      scheduling: { preemptible: false, provisioningModel: "STANDARD" },
    });
    expect(options).toMatchObject({ deleteBeforeReplace: true });
    const types = new Set(planned.resources.filter((one) => !one.component).map((one) => one.type));
    expect([...types].sort()).toEqual([
      "gcp:billing/budget:Budget",
      "gcp:compute/firewall:Firewall",
      INSTANCE,
      "gcp:compute/network:Network",
      "gcp:compute/subnetwork:Subnetwork",
      "gcp:projects/service:Service",
      "gcp:secretmanager/secret:Secret",
      GRANT,
      VERSION,
      "gcp:serviceaccount/account:Account",
      "pulumi:providers:gcp",
    ]);
  });

  it("lets nothing in, by a rule that says so, in a network without others", async () => {
    const planned = await plan();
    const { inputs } = planned.one("gcp:compute/firewall:Firewall");
    expect(inputs).toMatchObject({ direction: "INGRESS", denies: [{ protocol: "all" }] });
    expect(inputs).not.toHaveProperty("allows");
    const network = planned.one("gcp:compute/network:Network").inputs;
    expect(network).toMatchObject({ autoCreateSubnetworks: false });
    const nics = planned.one(INSTANCE).inputs["networkInterfaces"];
    expect(nics).toEqual([{ subnetwork: "edge-id", accessConfigs: [{}] }]);
  });

  it("keeps three active secret versions, also twice as many while they are changed", async () => {
    const planned = await plan();
    expect(planned.ofType(VERSION).map((one) => one.name)).toEqual([
      "tickhub-news",
      "tickhub-registry",
      "tickhub-sentinel",
    ]);
    for (const { inputs } of planned.ofType(VERSION)) expect(inputs["secretData"]).toBe(SECRET);
  });

  it("lets the machine's own account read its secrets, one by one, and nothing else", async () => {
    const planned = await plan();
    const member = "serviceAccount:tickhub-edge-gcp@my-project-1234.iam.gserviceaccount.com";
    const role = "roles/secretmanager.secretAccessor";
    const grants = planned.ofType(GRANT);
    expect(grants.map(({ inputs }) => inputs)).toEqual(
      ["tickhub-news", "tickhub-registry", "tickhub-sentinel"].map((name) => ({
        ...{ secretId: `${name}-id`, role, member },
      })),
    );
    expect(planned.resources.filter((one) => /iam/i.test(one.type))).toHaveLength(3);
  });

  it("holds no secret in metadata, or in anything else that is not encrypted", async () => {
    const planned = await plan();
    const text = JSON.stringify(planned.resources.map(({ inputs }) => inputs));
    const secrets = [...Object.values(KEYS), ...Object.values(HUB_SECRETS)];
    expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
    const { metadata } = planned.one(INSTANCE).inputs;
    expect(Object.keys(metadata as object).sort()).toEqual([
      "block-project-ssh-keys",
      "startup-script",
      "tickhub-image",
      "tickhub-news",
      "tickhub-sentinel",
    ]);
  });

  it("gives the news and the sentinel no more secrets than each needs", async () => {
    const { secretValues } = await plan();
    const of = (part: string) => secretValues.find((value) => value.includes(part));
    const key = `TS_AUTHKEY='${HUB_SECRETS.oauth}?ephemeral=true&preauthorized=true'\n`;
    expect(of("NEWS_API_KEY=")).toBe(
      `NEWS_API_KEY='key-of-the-news'\nTICKHUB_EDGE_TOKEN='${HUB_SECRETS.newsToken}'\n${key}`,
    );
    expect(of("SENTINEL_TELEGRAM_TOKEN=")).toBe(
      `SENTINEL_TELEGRAM_TOKEN='token-of-the-bot'\nTICKHUB_SENTINEL_TOKEN='${HUB_SECRETS.sentinelToken}'\n${key}`,
    );
    const auth = Buffer.from(`someone:${HUB_SECRETS.registry}`).toString("base64");
    expect(of('"auths"')).toBe(`{"auths":{"ghcr.io":{"auth":"${auth}"}}}\n`);
  });

  it("changes one attribute of the machine for a new release, and nothing else", async () => {
    const edge = `ghcr.io/someone/tickhub/edge@sha256:${"c".repeat(64)}`;
    const images = { ...HUB_OUTPUTS.images, edge };
    const [before, after] = [await plan(), await plan({}, { ...HUB_OUTPUTS, images })];
    const text = goldenText(after).replaceAll("c".repeat(64), "b".repeat(64));
    expect(text).toBe(goldenText(before));
    expect(after.one(INSTANCE).inputs["metadata"]).toMatchObject({ "tickhub-image": edge });
    expect(after.one(INSTANCE).inputs).not.toHaveProperty("metadataStartupScript");
  });

  it("tells of the first spending where it knows the billing account, and plans no budget without", async () => {
    const { inputs } = (await plan()).one("gcp:billing/budget:Budget");
    expect(inputs["amount"]).toEqual({ specifiedAmount: { units: "1" } });
    expect(inputs["budgetFilter"]).toMatchObject({ projects: ["projects/123456789"] });
    const { project, region, zone, image, diskGb } = config().gcp;
    const gcp = { project, region, zone, image, diskGb };
    expect((await plan({ gcp })).ofType("gcp:billing/budget:Budget")).toEqual([]);
  });

  it("stops without the hub's outputs, and says the command", async () => {
    await expect(plan({}, {})).rejects.toThrow(
      /STACK_REFERENCE.*edgeTokens\.news.*pulumi up --stack oci/s,
    );
  });

  it("refuses staging: that is compose", async () => {
    await expect(plan({ staging: true })).rejects.toThrow(/STACK_STAGING.*docker compose/s);
  });
});
