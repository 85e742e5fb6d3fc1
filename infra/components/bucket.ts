// The stack's bucket: releases for the VM, its reports, the WAL it uploads. Nothing in it is deleted by a
// rule, because a rule that deletes is one mistake away from deleting backups; whoever writes, tidies. Only
// what a broken upload left behind, invisible and counted, is ended.
import * as oci from "@pulumi/oci";
import * as pulumi from "@pulumi/pulumi";

export interface BucketArgs {
  compartmentId: pulumi.Input<string>;
  tenancyId: string;
  name: string;
  /** Without it lifecycle rules never run. */
  lifecyclePolicy: pulumi.Resource;
  /** Keeps the bucket through `destroy`. */
  protect: boolean;
}

export class Bucket extends pulumi.ComponentResource {
  readonly name: pulumi.Output<string>;
  readonly namespace: pulumi.Output<string>;

  constructor(name: string, args: BucketArgs, opts?: pulumi.ComponentResourceOptions) {
    super("tickhub:hub:Bucket", name, {}, opts);
    this.namespace = oci.objectstorage.getNamespaceOutput(
      { compartmentId: args.tenancyId },
      { parent: this },
    ).namespace;
    const bucket = new oci.objectstorage.Bucket(
      `${name}-objects`,
      {
        compartmentId: args.compartmentId,
        namespace: this.namespace,
        name: args.name,
        accessType: "NoPublicAccess",
        storageTier: "Standard",
      },
      { parent: this, protect: args.protect },
    );
    this.name = bucket.name;
    new oci.objectstorage.ObjectLifecyclePolicy(
      `${name}-lifecycle`,
      {
        namespace: this.namespace,
        bucket: bucket.name,
        rules: [
          {
            name: "abort-stale-uploads",
            target: "multipart-uploads",
            action: "ABORT",
            isEnabled: true,
            timeAmount: "1",
            timeUnit: "DAYS",
          },
        ],
      },
      { parent: this, dependsOn: args.lifecyclePolicy },
    );
    this.registerOutputs({ name: this.name, namespace: this.namespace });
  }
}
