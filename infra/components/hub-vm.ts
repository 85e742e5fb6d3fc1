// The hub's machine and its data. The machine may be replaced at any time, the data volume never: it is
// attached, not part of the machine, and in production neither `up` nor `destroy` may delete it. What the
// machine was told at its first boot is not told again, because to change it is to replace the machine.
import * as oci from "@pulumi/oci";
import * as pulumi from "@pulumi/pulumi";
import type { HubConfig } from "../config.ts";
import { packedUserData } from "../lib/cloud-init.ts";
import { PATHS } from "../lib/names.ts";
import { reservedAddress, type ReservedAddressArgs } from "./reserved-address.ts";

export interface HubVmArgs {
  compartmentId: pulumi.Input<string>;
  availabilityDomain: pulumi.Input<string>;
  subnetId: pulumi.Input<string>;
  nsgId: pulumi.Input<string>;
  vm: HubConfig["vm"];
  /** Name in the subnet and in the console; the tailnet's name is in `userData`. */
  hostname: string;
  /** `#cloud-config` text; holds the one-time tailnet key and is therefore a secret. */
  userData: pulumi.Output<string>;
  /** Keeps the data volume and the reserved address through `destroy`. */
  protectData: boolean;
}

export class HubVm extends pulumi.ComponentResource {
  readonly instanceId: pulumi.Output<string>;
  readonly volumeId: pulumi.Output<string>;
  readonly publicIp: pulumi.Output<string>;

  constructor(name: string, args: HubVmArgs, opts?: pulumi.ComponentResourceOptions) {
    super("tickhub:hub:HubVm", name, {}, opts);
    const instance = this.#instance(name, args);
    const volume = this.#volume(name, args);
    this.#attachment(name, instance, volume);
    this.instanceId = instance.id;
    this.volumeId = volume.id;
    this.publicIp = args.vm.reservedIp
      ? reservedAddress(`${name}-address`, this.#addressOf(args, instance), this)
      : instance.publicIp;
    this.registerOutputs({
      instanceId: this.instanceId,
      volumeId: this.volumeId,
      publicIp: this.publicIp,
    });
  }

  #instance(name: string, args: HubVmArgs): oci.core.Instance {
    const { vm } = args;
    const userData = args.userData.apply(packedUserData);
    const flexible = vm.shape === "VM.Standard.A1.Flex";
    return new oci.core.Instance(
      `${name}-instance`,
      {
        compartmentId: args.compartmentId,
        availabilityDomain: args.availabilityDomain,
        displayName: args.hostname,
        shape: vm.shape,
        ...(flexible ? { shapeConfig: { ocpus: vm.ocpus, memoryInGbs: vm.memoryGb } } : {}),
        sourceDetails: {
          sourceType: "image",
          sourceId: vm.imageId,
          bootVolumeSizeInGbs: String(vm.bootVolumeGb),
        },
        createVnicDetails: {
          subnetId: args.subnetId,
          nsgIds: [args.nsgId],
          hostnameLabel: args.hostname,
          // A reserved address is assigned afterwards; there is room for one.
          assignPublicIp: String(!vm.reservedIp),
        },
        metadata: {
          user_data: userData,
          ...(vm.sshPublicKey ? { ssh_authorized_keys: vm.sshPublicKey } : {}),
        },
        agentConfig: {
          pluginsConfigs: [{ name: "Bastion", desiredState: vm.rescue ? "ENABLED" : "DISABLED" }],
        },
        availabilityConfig: { recoveryAction: "RESTORE_INSTANCE" },
        instanceOptions: { areLegacyImdsEndpointsDisabled: true },
        preserveBootVolume: false,
      },
      {
        parent: this,
        // The free allowance has room for one.
        deleteBeforeReplace: true,
        // Another user_data replaces the machine, another image its boot volume: only when that is meant.
        ...(vm.renew ? {} : { ignoreChanges: ["metadata", "sourceDetails.sourceId"] }),
      },
    );
  }

  #volume(name: string, args: HubVmArgs): oci.core.Volume {
    return new oci.core.Volume(
      `${name}-data`,
      {
        compartmentId: args.compartmentId,
        availabilityDomain: args.availabilityDomain,
        displayName: `${args.hostname}-data`,
        sizeInGbs: String(args.vm.dataVolumeGb),
        // Balanced: what is free, and what a database needs.
        vpusPerGb: "10",
      },
      { parent: this, protect: args.protectData },
    );
  }

  /** Paravirtualized: the guest needs no iSCSI session, which a firewall in it could cut. */
  #attachment(name: string, instance: oci.core.Instance, volume: oci.core.Volume): void {
    new oci.core.VolumeAttachment(
      `${name}-attachment`,
      {
        attachmentType: "paravirtualized",
        device: PATHS.device,
        instanceId: instance.id,
        volumeId: volume.id,
      },
      // A volume is attached to one machine at a time.
      { parent: this, deleteBeforeReplace: true },
    );
  }

  #addressOf(args: HubVmArgs, instance: oci.core.Instance): ReservedAddressArgs {
    const { compartmentId, hostname, subnetId, protectData } = args;
    return { compartmentId, displayName: hostname, instance, subnetId, protect: protectData };
  }
}
