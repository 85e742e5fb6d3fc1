// The small machine of kiwoomEgress `oci-micro`: nothing but the address that is registered with Kiwoom. It
// is in a compartment of its own, because the hub's secrets are for the instances of the hub's.
import * as oci from "@pulumi/oci";
import * as pulumi from "@pulumi/pulumi";
import type { HubConfig } from "../config.ts";
import { reservedAddress } from "./reserved-address.ts";

export interface EgressVmArgs {
  /** The hub's compartment; this machine's is made in it. */
  compartmentId: pulumi.Input<string>;
  availabilityDomain: string;
  subnetId: pulumi.Input<string>;
  nsgId: pulumi.Input<string>;
  imageId: string;
  hostname: string;
  userData: pulumi.Output<string>;
  vm: Pick<HubConfig["vm"], "renew" | "bootVolumeGb">;
}

export class EgressVm extends pulumi.ComponentResource {
  readonly publicIp: pulumi.Output<string>;

  constructor(name: string, args: EgressVmArgs, opts?: pulumi.ComponentResourceOptions) {
    super("tickhub:hub:EgressVm", name, {}, opts);
    const compartment = new oci.identity.Compartment(
      `${name}-compartment`,
      {
        compartmentId: args.compartmentId,
        name: "egress",
        description: "tickhub, address for Kiwoom",
      },
      { parent: this },
    );
    const instance = new oci.core.Instance(
      `${name}-instance`,
      {
        compartmentId: compartment.id,
        availabilityDomain: args.availabilityDomain,
        displayName: args.hostname,
        shape: "VM.Standard.E2.1.Micro",
        sourceDetails: {
          sourceType: "image",
          sourceId: args.imageId,
          bootVolumeSizeInGbs: String(args.vm.bootVolumeGb),
        },
        createVnicDetails: {
          subnetId: args.subnetId,
          nsgIds: [args.nsgId],
          hostnameLabel: args.hostname,
          assignPublicIp: "false",
        },
        metadata: {
          user_data: args.userData.apply((text) => Buffer.from(text).toString("base64")),
        },
        availabilityConfig: { recoveryAction: "RESTORE_INSTANCE" },
        instanceOptions: { areLegacyImdsEndpointsDisabled: true },
        preserveBootVolume: false,
      },
      {
        parent: this,
        deleteBeforeReplace: true,
        ...(args.vm.renew ? {} : { ignoreChanges: ["metadata", "sourceDetails.sourceId"] }),
      },
    );
    this.publicIp = reservedAddress(
      `${name}-address`,
      {
        compartmentId: compartment.id,
        displayName: args.hostname,
        instance,
        subnetId: args.subnetId,
        protect: true,
      },
      this,
    );
    this.registerOutputs({ publicIp: this.publicIp });
  }
}
