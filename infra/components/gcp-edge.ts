// The light edge's machine: an e2-micro that is asked nothing from outside, in a network of its own without a
// way in. It runs the news feed and the sentinel. All that changes with a release is an attribute of the
// instance that the machine itself looks at, so a release, other settings or other scripts never replace it.
import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { gcpStartupScript } from "../lib/gcp-startup.ts";

export interface GcpEdgeArgs {
  region: string;
  zone: string;
  /** Debian, by name: with a family a newer one would replace the machine. */
  image: string;
  diskGb: number;
  account: gcp.serviceaccount.Account;
  /** `repository@sha256:…` */
  containerImage: pulumi.Input<string>;
  newsSettings: string;
  sentinelSettings: string;
}

const NAME = "tickhub-edge-gcp";
const MACHINE = "e2-micro";
const DISK = "pd-standard";
const ADDRESSES = "10.90.0.0/28";

export class GcpEdge extends pulumi.ComponentResource {
  readonly instanceName: pulumi.Output<string>;

  constructor(name: string, args: GcpEdgeArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("tickhub:edge:GcpEdge", name, {}, opts);
    const subnetwork = this.#network(name, args.region);
    const instance = new gcp.compute.Instance(
      name,
      {
        name: NAME,
        machineType: MACHINE,
        zone: args.zone,
        bootDisk: {
          autoDelete: true,
          initializeParams: { image: args.image, size: args.diskGb, type: DISK },
        },
        // An ephemeral address of the premium tier, which is the free one; there is no NAT that is free.
        networkInterfaces: [{ subnetwork: subnetwork.id, accessConfigs: [{}] }],
        serviceAccount: {
          email: args.account.email,
          // What the account may do is said by its grants, and those are its three secrets.
          scopes: ["https://www.googleapis.com/auth/cloud-platform"],
        },
        metadata: {
          "startup-script": gcpStartupScript(),
          "tickhub-image": args.containerImage,
          "tickhub-news": args.newsSettings,
          "tickhub-sentinel": args.sentinelSettings,
          // Nobody logs in over the network; the project's keys are not this machine's.
          "block-project-ssh-keys": "TRUE",
        },
        scheduling: {
          preemptible: false,
          provisioningModel: "STANDARD",
          automaticRestart: true,
          onHostMaintenance: "MIGRATE",
        },
        shieldedInstanceConfig: {
          enableSecureBoot: true,
          enableVtpm: true,
          enableIntegrityMonitoring: true,
        },
        allowStoppingForUpdate: true,
        labels: { app: "tickhub" },
      },
      // The free pool has room for one.
      { parent: this, deleteBeforeReplace: true },
    );
    this.instanceName = instance.name;
    this.registerOutputs({ instanceName: this.instanceName });
  }

  /** One subnetwork, and a rule that says what is the case anyway: nothing comes in. */
  #network(name: string, region: string): gcp.compute.Subnetwork {
    const network = new gcp.compute.Network(
      name,
      { name: NAME, autoCreateSubnetworks: false, routingMode: "REGIONAL" },
      { parent: this },
    );
    new gcp.compute.Firewall(
      `${name}-no-ingress`,
      {
        name: `${NAME}-no-ingress`,
        network: network.id,
        direction: "INGRESS",
        priority: 1000,
        sourceRanges: ["0.0.0.0/0"],
        denies: [{ protocol: "all" }],
      },
      { parent: this },
    );
    return new gcp.compute.Subnetwork(
      name,
      { name: NAME, network: network.id, region, ipCidrRange: ADDRESSES },
      { parent: this },
    );
  }
}
