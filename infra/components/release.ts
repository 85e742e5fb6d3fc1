// What the VM shall run, left in the bucket for it to fetch: no other way leads from an `up` to a running
// container, and none replaces the VM.
import * as oci from "@pulumi/oci";
import * as pulumi from "@pulumi/pulumi";
import { releaseObject, releaseReportObject } from "../lib/names.ts";
import { releaseText, type ReleasePlan } from "../lib/release-text.ts";

export interface ReleaseArgs extends Omit<ReleasePlan, "images"> {
  namespace: pulumi.Input<string>;
  bucket: pulumi.Input<string>;
  images: { hub: pulumi.Input<string>; database: pulumi.Input<string> };
}

export class Release extends pulumi.ComponentResource {
  constructor(name: string, args: ReleaseArgs, opts?: pulumi.ComponentResourceOptions) {
    super("tickhub:hub:Release", name, {}, opts);
    const { namespace, bucket, images, ...plan } = args;
    new oci.objectstorage.StorageObject(
      `${name}-wanted`,
      {
        namespace,
        bucket,
        object: releaseObject(plan.stack),
        contentType: "application/json",
        content: pulumi.output(images).apply((pinned) => releaseText({ ...plan, images: pinned })),
      },
      // To the provider another content is another object. Created first, the new one would be deleted in
      // the old one's name; so it is missing for a moment, in which the VM keeps what it has.
      { parent: this, deleteBeforeReplace: true },
    );
    this.registerOutputs();
  }
}

export interface ReportPlaceArgs {
  namespace: pulumi.Input<string>;
  bucket: pulumi.Input<string>;
  stack: string;
}

/**
 * The object that the VM overwrites with its report, owned by the stack, so that `destroy` finds it and the
 * bucket is empty: a bucket that is not cannot be deleted.
 */
export class ReportPlace extends pulumi.ComponentResource {
  constructor(name: string, args: ReportPlaceArgs, opts?: pulumi.ComponentResourceOptions) {
    super("tickhub:hub:ReportPlace", name, {}, opts);
    new oci.objectstorage.StorageObject(
      `${name}-report`,
      {
        namespace: args.namespace,
        bucket: args.bucket,
        object: releaseReportObject(args.stack),
        contentType: "application/json",
        content: "{}",
      },
      { parent: this, deleteBeforeReplace: true, ignoreChanges: ["content", "contentType"] },
    );
    this.registerOutputs();
  }
}
