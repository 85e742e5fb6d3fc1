// The way to a VM that has left the tailnet: Oracle's bastion in the hub's subnet, and 22/tcp from its
// private address. Made when it is needed and removed afterwards; it lets in who has both an Oracle login and
// the VM's SSH key.
import * as oci from "@pulumi/oci";
import * as pulumi from "@pulumi/pulumi";
import type { Network } from "./network.ts";

export interface RescueArgs {
  compartmentId: pulumi.Input<string>;
  network: Network;
  stack: string;
  /** CIDR block that may talk to the bastion. */
  from: string;
}

export class Rescue extends pulumi.ComponentResource {
  constructor(name: string, args: RescueArgs, opts?: pulumi.ComponentResourceOptions) {
    super("tickhub:hub:Rescue", name, {}, opts);
    const bastion = new oci.bastion.Bastion(
      `${name}-bastion`,
      {
        compartmentId: args.compartmentId,
        // Letters and digits only.
        name: `tickhub${args.stack.replace(/[^A-Za-z0-9]/g, "")}`,
        bastionType: "STANDARD",
        targetSubnetId: args.network.subnetId,
        clientCidrBlockAllowLists: [args.from],
        maxSessionTtlInSeconds: 10_800,
      },
      { parent: this },
    );
    args.network.allowSshFrom(`${name}-ssh`, bastion.privateEndpointIpAddress, this);
    this.registerOutputs({ bastionId: bastion.id });
  }
}
