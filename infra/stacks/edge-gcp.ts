// The stack of the light edge on Google Cloud: the project's services, a budget that calls at the first cent,
// the secrets, and the machine. Tokens, names and the image come from the hub's stack.
import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { TickhubError } from "../../app/shared/errors.ts";
import { GcpEdge } from "../components/gcp-edge.ts";
import { GcpSecrets } from "../components/gcp-secrets.ts";
import type { EdgeGcpConfig } from "../config.ts";
import {
  dockerLogin,
  keysFor,
  newsSettings,
  secretFile,
  sentinelSettings,
} from "../lib/gcp-startup.ts";
import { hubOutputs } from "../lib/hub-outputs.ts";
import type { HubOutputs } from "../lib/hub-outputs.ts";
import { EDGE_HOSTS, PORTS } from "../lib/names.ts";

const SERVICES = ["compute", "iam", "secretmanager"] as const;

/** Throws STACK_STAGING, STACK_REFERENCE, before anything is planned. */
export async function edgeGcp(
  config: EdgeGcpConfig,
): Promise<Record<string, pulumi.Input<unknown>>> {
  refuseStaging(config);
  const hub = await hubOutputs(config.hubStack, ["news"]);
  const { billingAccount } = config.gcp;
  const services = [...SERVICES, ...(billingAccount ? ["billingbudgets"] : [])].map(
    (service) =>
      new gcp.projects.Service(service, {
        service: `${service}.googleapis.com`,
        // Others in this project may use it.
        disableOnDestroy: false,
      }),
  );
  if (billingAccount) budget(config.gcp.project, billingAccount, services);
  const account = new gcp.serviceaccount.Account(
    "edge",
    { accountId: "tickhub-edge-gcp", displayName: "tickhub: reads the light edge's secrets" },
    { dependsOn: services },
  );
  const files = secretFiles(config, hub);
  const secrets = new GcpSecrets("edge", { files, reader: account.email }, { dependsOn: services });
  const { region, zone, image, diskGb } = config.gcp;
  const edge = new GcpEdge(
    "edge",
    {
      ...{ region, zone, image, diskGb, account },
      containerImage: hub.edgeImage,
      newsSettings: newsSettings(hub.gatewayUrl),
      sentinelSettings: sentinelSettings(hub.hubName),
    },
    { dependsOn: [...services, ...secrets.ready] },
  );
  return {
    instanceName: edge.instanceName,
    statusUrls: {
      news: `http://${EDGE_HOSTS.news}:${PORTS.edgeStatus}/status`,
      sentinel: `http://${EDGE_HOSTS.sentinel}:${PORTS.sentinelStatus}/status`,
    },
    version: hub.version,
  };
}

/** What each container gets, and the login with which the machine pulls. */
function secretFiles(config: EdgeGcpConfig, hub: HubOutputs): Record<string, pulumi.Input<string>> {
  const names = Object.keys(config.secrets);
  const own = (container: "news" | "sentinel") =>
    Object.fromEntries(keysFor(container, names).map((name) => [name, config.secrets[name]!]));
  const file = (variables: Record<string, pulumi.Input<string>>) =>
    pulumi.output(variables).apply(secretFile);
  const { address, username, password } = hub.registry;
  const key = { TS_AUTHKEY: hub.tailnetKey };
  return {
    "tickhub-news": file({
      ...own("news"),
      ...{ TICKHUB_EDGE_TOKEN: hub.edgeTokens["news"]!, ...key },
    }),
    "tickhub-sentinel": file({
      ...own("sentinel"),
      ...{ TICKHUB_SENTINEL_TOKEN: hub.sentinelToken, ...key },
    }),
    "tickhub-registry": password.apply((text) => dockerLogin(address, username, text)),
  };
}

/** One unit of the account's own currency, whichever that is: the first spending at all is told. */
function budget(project: string, billingAccount: string, services: pulumi.Resource[]): void {
  // The budgets' API wants a project to count its calls against when a person's login makes them.
  const provider = new gcp.Provider("billing", {
    ...{ project, billingProject: project, userProjectOverride: true },
  });
  const { number } = gcp.organizations.getProjectOutput({ projectId: project });
  new gcp.billing.Budget(
    "nothing",
    {
      billingAccount,
      displayName: "tickhub costs nothing",
      budgetFilter: {
        projects: [pulumi.interpolate`projects/${number}`],
        calendarPeriod: "MONTH",
        creditTypesTreatment: "INCLUDE_ALL_CREDITS",
      },
      amount: { specifiedAmount: { units: "1" } },
      thresholdRules: [{ thresholdPercent: 0.01 }, { thresholdPercent: 1 }],
    },
    { dependsOn: services, provider },
  );
}

/** The one free e2-micro is production's, and its names are. */
function refuseStaging(config: EdgeGcpConfig): void {
  if (!config.staging) return;
  throw new TickhubError("STACK_STAGING", {
    problem: "the free e2-micro, its names and its tokens are production's",
    run: "docker compose -f images/compose.edges.yaml up",
  });
}
