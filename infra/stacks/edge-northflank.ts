// The stack of the two collectors on Northflank. Everything that the hub knows (names, tokens, images) comes
// from the hub's stack; config adds the project and the brokers' keys.
import type * as pulumi from "@pulumi/pulumi";
import { TickhubError } from "../../app/shared/errors.ts";
import { NorthflankEdge } from "../components/northflank-edge.ts";
import type { EdgeNorthflankConfig } from "../config.ts";
import { hubOutputs } from "../lib/hub-outputs.ts";
import { EDGE_HOSTS, PORTS } from "../lib/names.ts";
import { RegistryCredential } from "../northflank/resources.ts";

/** What each broker's collector needs of the config's secrets. */
const KEYS = {
  kis: ["KIS_APP_KEY", "KIS_APP_SECRET"],
  kiwoom: ["KIWOOM_APP_KEY", "KIWOOM_SECRET_KEY"],
} as const;

/** Throws STACK_STAGING, STACK_CONFIG_MISSING, STACK_REFERENCE, before anything is planned. */
export async function edgeNorthflank(
  config: EdgeNorthflankConfig,
): Promise<Record<string, pulumi.Input<unknown>>> {
  refuseStaging(config);
  const keys = { kis: keysOf(config, "kis"), kiwoom: keysOf(config, "kiwoom") };
  const hub = await hubOutputs(config.hubStack, ["kis", "kiwoom"]);
  const { projectId, apiUrl, plan } = config.northflank;
  const place = { projectId, apiUrl };
  const login = { ...place, name: "tickhub-registry", ...hub.registry };
  const { credentialId } = new RegistryCredential("registry", login);
  const common = {
    ...{ ...place, plan, credentialId, image: hub.edgeImage },
    ...{ gatewayUrl: hub.gatewayUrl, tailnetKey: hub.tailnetKey },
    ...(config.force === undefined ? {} : { force: config.force }),
  };
  const kis = new NorthflankEdge("kis", {
    ...{ ...common, broker: "kis", brokerKeys: keys.kis },
    edgeToken: hub.edgeTokens["kis"]!,
  });
  const kiwoom = new NorthflankEdge("kiwoom", {
    ...{ ...common, broker: "kiwoom", brokerKeys: keys.kiwoom },
    edgeToken: hub.edgeTokens["kiwoom"]!,
    // Kiwoom answers registered addresses only; which machine lends its own is the hub's kiwoomEgress.
    brokerProxy: hub.kiwoomProxyUrl,
  });
  return {
    services: { kis: kis.serviceId, kiwoom: kiwoom.serviceId },
    statusUrls: {
      kis: `http://${EDGE_HOSTS.kis}:${PORTS.edgeStatus}/status`,
      kiwoom: `http://${EDGE_HOSTS.kiwoom}:${PORTS.edgeStatus}/status`,
    },
    version: hub.version,
  };
}

/** The sandbox has two services, and both are production's. */
function refuseStaging(config: EdgeNorthflankConfig): void {
  if (!config.staging && config.brokers === "real") return;
  throw new TickhubError("STACK_STAGING", {
    problem: "Northflank's two free services collect from the real brokers",
    run: "docker compose -f images/compose.edges.yaml up",
  });
}

function keysOf(config: EdgeNorthflankConfig, broker: keyof typeof KEYS) {
  return Object.fromEntries(
    KEYS[broker].map((name) => {
      const value = config.secrets[name];
      if (value !== undefined) return [name, value];
      throw new TickhubError("STACK_CONFIG_MISSING", {
        key: `secrets.${name}`,
        meaning: `${broker}'s key`,
        run: `pulumi config set --secret --path secrets.${name} VALUE --stack ${config.stack}`,
      });
    }),
  );
}
