// A public address that outlives the machine that has it: Kiwoom knows collectors by theirs.
import * as oci from "@pulumi/oci";
import * as pulumi from "@pulumi/pulumi";

export interface ReservedAddressArgs {
  compartmentId: pulumi.Input<string>;
  displayName: string;
  instance: oci.core.Instance;
  subnetId: pulumi.Input<string>;
  /** Keeps it through `destroy`: a new one would have to be registered. */
  protect: boolean;
}

/** Reserves an address for an instance's first network card; a replaced instance is given the same. */
export function reservedAddress(
  name: string,
  args: ReservedAddressArgs,
  parent: pulumi.Resource,
): pulumi.Output<string> {
  const { compartmentId, displayName, instance, subnetId, protect } = args;
  const found = oci.core.getPrivateIpsOutput(
    { ipAddress: instance.privateIp, subnetId },
    { parent },
  );
  return new oci.core.PublicIp(
    name,
    {
      compartmentId,
      displayName,
      lifetime: "RESERVED",
      privateIpId: found.apply(({ privateIps: [first] }) => first?.id ?? ""),
    },
    { parent, protect },
  ).ipAddress;
}
