// A broker's collector on Northflank: its secrets, and the service that runs the edge image. The project's
// region is Tokyo, the nearest to Korea that Northflank has. The sandbox's two services are these two edges;
// its two cron jobs stay free, because the hub schedules what has to be done by the clock, and a second
// scheduler would be a second truth.
import * as pulumi from "@pulumi/pulumi";
import type { HealthCheck } from "../northflank/api.ts";
import { DeploymentService, SecretGroup } from "../northflank/resources.ts";
import { drainPlan, SMALL_OUTBOX_MB } from "../lib/drain.ts";
import { EDGE_HOSTS, PORTS, TAGS } from "../lib/names.ts";

/** Where tailscaled of the edge's image takes connections for the tailnet. */
const TAILNET_SOCKS = "socks5://127.0.0.1:1055";
/** The container's own disk: logs go to stdout, the tailnet's state and the outbox stay in memory. */
const EPHEMERAL_MB = 1024;

export interface NorthflankEdgeArgs {
  broker: "kis" | "kiwoom";
  projectId: string;
  apiUrl: string;
  plan: string;
  /** `repository@sha256:…` */
  image: pulumi.Input<string>;
  /** Id of the registry login at Northflank. */
  credentialId: pulumi.Input<string>;
  gatewayUrl: pulumi.Input<string>;
  edgeToken: pulumi.Input<string>;
  tailnetKey: pulumi.Input<string>;
  /** The proxy whose address the broker knows, for the broker that asks for one. */
  brokerProxy?: pulumi.Input<string>;
  /** The broker's app key and secret, by their variables. */
  brokerKeys: Record<string, pulumi.Input<string>>;
  /** Why it may be restarted within a trading session. */
  force?: string;
}

export class NorthflankEdge extends pulumi.ComponentResource {
  readonly serviceId: pulumi.Output<string>;

  constructor(name: string, args: NorthflankEdgeArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("tickhub:edge:NorthflankEdge", name, {}, opts);
    const { broker, projectId, apiUrl } = args;
    const force = args.force === undefined ? {} : { force: args.force };
    const place = { projectId, apiUrl, ...force };
    const secrets = new SecretGroup(
      `${name}-secrets`,
      {
        ...place,
        name: `${broker}-secrets`,
        serviceName: broker,
        variables: {
          ...args.brokerKeys,
          TICKHUB_EDGE_TOKEN: args.edgeToken,
          TS_AUTHKEY: args.tailnetKey,
        },
      },
      { parent: this },
    );
    const { gracePeriodSeconds } = drainPlan(SMALL_OUTBOX_MB);
    const service = new DeploymentService(
      name,
      {
        ...place,
        spec: {
          name: broker,
          billing: { deploymentPlan: args.plan },
          infrastructure: { architecture: "x86" },
          deployment: {
            instances: 1,
            external: { imagePath: args.image, credentials: args.credentialId },
            docker: { configType: "default" },
            gracePeriodSeconds,
            storage: { ephemeralStorage: { storageSize: EPHEMERAL_MB } },
          },
          // For the probes alone. Nothing of an edge is public; people come over the tailnet.
          ports: [
            { name: "status", internalPort: PORTS.edgeStatus, public: false, protocol: "HTTP" },
          ],
          runtimeEnvironment: environment(args),
          healthChecks: probes(),
        },
      },
      // Without its variables a container would only crash; and a group goes after its service.
      { parent: this, dependsOn: [secrets], customTimeouts: TIMEOUTS },
    );
    this.serviceId = service.serviceId;
    this.registerOutputs({ serviceId: this.serviceId });
  }
}

/** A roll-out is a drain and a start, each with its own limit in infra/northflank/rollout.ts. */
const TIMEOUTS = { create: "30m", update: "30m", delete: "30m" };

/**
 * No secret is in here. The image starts tailscaled itself, not through containerboot; so TS_KUBE_SECRET,
 * which containerboot wants emptied in a pod, has no reader.
 */
function environment(args: NorthflankEdgeArgs): Record<string, pulumi.Input<string>> {
  const { broker } = args;
  const tag = { kis: TAGS.edgeKis, kiwoom: TAGS.edgeKiwoom }[broker];
  return {
    TICKHUB_ENTRY: "edge",
    TICKHUB_EDGE_ID: broker,
    TICKHUB_HUB_URL: args.gatewayUrl,
    TICKHUB_UPLINK_PROXY: TAILNET_SOCKS,
    ...(args.brokerProxy === undefined ? {} : { TICKHUB_BROKER_PROXY: args.brokerProxy }),
    TICKHUB_OUTBOX_MB: String(SMALL_OUTBOX_MB),
    TICKHUB_DRAIN_SECONDS: String(drainPlan(SMALL_OUTBOX_MB).drainSeconds),
    TICKHUB_STATUS_PORT: String(PORTS.edgeStatus),
    // Probes come to the pod's address, which is private to the project; no port of it is public.
    TICKHUB_STATUS_BIND: "0.0.0.0",
    TICKHUB_ALLOW_PUBLIC: "1",
    TS_HOSTNAME: EDGE_HOSTS[broker],
    TS_TAGS: tag,
  };
}

/**
 * /healthz answers as long as the process works: standing by, cut off from the hub and draining are healthy,
 * because a restart would empty the outbox. The first start may take the five minutes of a slow pull and join.
 */
function probes(): HealthCheck[] {
  const ask = { protocol: "HTTP", path: "/healthz", port: PORTS.edgeStatus } as const;
  return [
    {
      ...ask,
      type: "startupProbe",
      initialDelaySeconds: 5,
      periodSeconds: 5,
      timeoutSeconds: 3,
      failureThreshold: 60,
    },
    {
      ...ask,
      type: "readinessProbe",
      initialDelaySeconds: 5,
      periodSeconds: 10,
      timeoutSeconds: 3,
      failureThreshold: 3,
      successThreshold: 1,
    },
    {
      ...ask,
      type: "livenessProbe",
      initialDelaySeconds: 30,
      periodSeconds: 30,
      timeoutSeconds: 10,
      failureThreshold: 6,
    },
  ];
}
