// The stack of the two collectors, planned without Northflank.
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import type { EdgeNorthflankConfig } from "../../infra/config.ts";
import { drainPlan, SMALL_OUTBOX_MB } from "../../infra/lib/drain.ts";
import { checkService } from "../../infra/northflank/service.ts";
import type { ServiceInputs } from "../../infra/northflank/service.ts";
import { edgeNorthflank } from "../../infra/stacks/edge-northflank.ts";
import { goldenText } from "./support/golden.ts";
import { HUB_OUTPUTS, HUB_SECRETS, HUB_STACK } from "./support/hub-outputs.ts";
import { planOf, SECRET } from "./support/mocks.ts";
import type { Plan } from "./support/mocks.ts";

const SERVICE = "pulumi-nodejs:dynamic/northflank:DeploymentService";
const GROUP = "pulumi-nodejs:dynamic/northflank:SecretGroup";
const REGISTRY = "pulumi-nodejs:dynamic/northflank:RegistryCredential";

const KEYS = {
  KIS_APP_KEY: "app-key-of-kis",
  KIS_APP_SECRET: "app-secret-of-kis",
  KIWOOM_APP_KEY: "app-key-of-kiwoom",
  KIWOOM_SECRET_KEY: "secret-key-of-kiwoom",
};

const config = (change: Partial<EdgeNorthflankConfig> = {}): EdgeNorthflankConfig => ({
  role: "edge-northflank",
  stack: "edge-northflank",
  staging: false,
  allowPaid: false,
  hubStack: HUB_STACK,
  northflank: {
    projectId: "tickhub",
    token: pulumi.secret("token-of-northflank"),
    apiUrl: "https://api.northflank.com",
    plan: "nf-compute-10",
  },
  kiwoomEgress: "hub",
  brokers: "real",
  secrets: Object.fromEntries(Object.entries(KEYS).map(([k, v]) => [k, pulumi.secret(v)])),
  ...change,
});

const plan = (
  change?: Partial<EdgeNorthflankConfig>,
  outputs: Record<string, unknown> = HUB_OUTPUTS,
) =>
  planOf(
    {
      stack: "edge-northflank",
      config: {},
      references: { [HUB_STACK]: outputs },
      computed: {
        [SERVICE]: (name) => ({ serviceId: name, isRunning: true }),
        [REGISTRY]: (_name, inputs) => ({ credentialId: inputs["name"] }),
      },
    },
    () => edgeNorthflank(config(change)),
  );

const specOf = (planned: Plan, name: string) =>
  planned.one(SERVICE, name).inputs["spec"] as ServiceInputs["spec"];

/** The provider's text depends on what loads this file; what it does is tested with the real engine. */
const withoutText = (path: string, text: string) =>
  path.endsWith(".__provider") ? "[the loader of infra/northflank/resources.ts]" : text;

describe("the stack edge-northflank", () => {
  it("is as committed", async () => {
    const text = goldenText(await plan(), withoutText);
    await expect(text).toMatchFileSnapshot("golden/edge-northflank.json");
  });

  it("has the two services of the sandbox, a login, and nothing else: no job, no volume, no addon", async () => {
    const types = (await plan()).resources.filter((one) => !one.component).map((one) => one.type);
    expect(types.sort()).toEqual([SERVICE, SERVICE, REGISTRY, GROUP, GROUP].sort());
  });

  it("plans services that its own provider accepts", async () => {
    const planned = await plan();
    for (const { inputs } of planned.ofType(SERVICE)) {
      expect(checkService(inputs as unknown as ServiceInputs)).toEqual([]);
    }
  });

  it("hands on the reason to restart in a session, to services and secrets alike", async () => {
    const planned = await plan({ force: "the feed is stuck" });
    const told = [...planned.ofType(SERVICE), ...planned.ofType(GROUP)].map(({ inputs }) => inputs);
    expect(told.map((inputs) => inputs["force"])).toEqual(Array(4).fill("the feed is stuck"));
  });

  it("gives no secret to a service's plain variables, and each its own group", async () => {
    const planned = await plan();
    const text = JSON.stringify(planned.resources.map(({ inputs }) => inputs));
    const secrets = [...Object.values(KEYS), ...Object.values(HUB_SECRETS), "token-of-northflank"];
    expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
    for (const group of planned.ofType(GROUP)) expect(group.inputs["variables"]).toBe(SECRET);
    expect(planned.secretValues).toContain(
      `${HUB_SECRETS.oauth}?ephemeral=true&preauthorized=true`,
    );
    const owners = planned.ofType(GROUP).map((one) => one.inputs["serviceName"]);
    expect(owners).toEqual(["kis", "kiwoom"]);
  });

  it("holds no token in the provider's text", async () => {
    const [service] = (await plan()).ofType(SERVICE);
    const text = service!.inputs["__provider"];
    expect(text).toContain("#northflank/provider");
    expect(text).not.toMatch(/token|northflank\.com|\/work|\/home/);
  });

  it("lets Kiwoom's collector leave by the proxy that the hub's stack names, and no other", async () => {
    const planned = await plan();
    const proxyOf = (name: string) =>
      specOf(planned, name).runtimeEnvironment["TICKHUB_BROKER_PROXY"];
    expect(proxyOf("kiwoom")).toBe(HUB_OUTPUTS.kiwoomProxyUrl);
    expect(proxyOf("kis")).toBeUndefined();
  });

  it("reaches the hub through its own tailscaled, by name, each with its own tag", async () => {
    const planned = await plan();
    expect(specOf(planned, "kis").runtimeEnvironment).toMatchObject({
      TICKHUB_HUB_URL: HUB_OUTPUTS.gatewayUrl,
      TICKHUB_UPLINK_PROXY: "socks5://127.0.0.1:1055",
      TS_HOSTNAME: "tickhub-edge-kis",
      TS_TAGS: "tag:edge-kis",
    });
    expect(specOf(planned, "kiwoom").runtimeEnvironment["TS_TAGS"]).toBe("tag:edge-kiwoom");
  });

  it("grants a stop longer than the longest drain, which covers a full outbox", async () => {
    const { deployment, runtimeEnvironment } = specOf(await plan(), "kis");
    const drainSeconds = Number(runtimeEnvironment["TICKHUB_DRAIN_SECONDS"]);
    const outboxBits = Number(runtimeEnvironment["TICKHUB_OUTBOX_MB"]) * 1024 * 1024 * 8;
    expect(drainSeconds * 5_000_000).toBeGreaterThanOrEqual(outboxBits);
    expect(deployment.gracePeriodSeconds).toBeGreaterThanOrEqual(drainSeconds + 20);
    expect(drainPlan(SMALL_OUTBOX_MB)).toEqual({ drainSeconds: 110, gracePeriodSeconds: 130 });
  });

  it("probes /healthz with a patience that a slow start and a busy tenth of a core need", async () => {
    const probes = specOf(await plan(), "kis").healthChecks;
    expect(probes.map(({ type, path, port }) => `${type} ${port}${path}`)).toEqual([
      "startupProbe 8620/healthz",
      "readinessProbe 8620/healthz",
      "livenessProbe 8620/healthz",
    ]);
    const patience = (type: string) => {
      const { failureThreshold, periodSeconds } = probes.find((one) => one.type === type)!;
      return failureThreshold * periodSeconds;
    };
    expect(patience("startupProbe")).toBeGreaterThanOrEqual(300);
    expect(patience("livenessProbe")).toBeGreaterThanOrEqual(120);
  });

  it.each(Object.keys(HUB_OUTPUTS).filter((name) => name !== "tailnetDomain"))(
    "stops without the hub's output %s, and says the command",
    async (name) => {
      const outputs = Object.fromEntries(
        Object.entries(HUB_OUTPUTS).filter(([other]) => other !== name),
      );
      const missing = new RegExp(`STACK_REFERENCE.*${name}.*pulumi up --stack oci`, "s");
      await expect(plan({}, outputs)).rejects.toThrow(missing);
    },
  );

  it("stops where the hub knows no token of an edge, or has no output at all, and says what", async () => {
    const outputs = { ...HUB_OUTPUTS, edgeTokens: { kis: "token-of-the-kis-edge" } };
    await expect(plan({}, outputs)).rejects.toThrow(/missing=edgeTokens\.kiwoom,/);
    await expect(plan({}, {})).rejects.toThrow(/edgeTokens\.kis, .*hubName, .*version/);
  });

  it("stops without a broker's key, and says the command", async () => {
    await expect(plan({ secrets: {} })).rejects.toThrow(
      /pulumi config set --secret --path secrets\.KIS_APP_KEY/,
    );
  });

  it.each([{ staging: true }, { brokers: "simulated" as const }])(
    "refuses %o: staging is compose",
    async (change) => {
      await expect(plan(change)).rejects.toThrow(/STACK_STAGING.*docker compose/s);
    },
  );
});
