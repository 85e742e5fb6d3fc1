// A copy of the data volume every Saturday, the last four kept: Oracle gives five backups for nothing, and
// the fifth exists while a new one is made and the oldest is not gone yet. What happened since the last one
// is in the WAL that the VM uploads.
import * as oci from "@pulumi/oci";
import * as pulumi from "@pulumi/pulumi";

const WEEKS_KEPT = 4;
const DAY_S = 86_400;

export interface VolumeBackupArgs {
  compartmentId: pulumi.Input<string>;
  volumeId: pulumi.Input<string>;
}

export class VolumeBackup extends pulumi.ComponentResource {
  constructor(name: string, args: VolumeBackupArgs, opts?: pulumi.ComponentResourceOptions) {
    super("tickhub:hub:VolumeBackup", name, {}, opts);
    const policy = new oci.core.VolumeBackupPolicy(
      `${name}-policy`,
      {
        compartmentId: args.compartmentId,
        displayName: "tickhub-weekly",
        schedules: [
          {
            backupType: "INCREMENTAL",
            period: "ONE_WEEK",
            dayOfWeek: "SATURDAY",
            // 13:00 in Seoul: no session, and within the window in which the VM may reboot.
            hourOfDay: 4,
            timeZone: "UTC",
            // A day short of four weeks, so that the fourth copy is gone before the fifth is made.
            retentionSeconds: (WEEKS_KEPT * 7 - 1) * DAY_S,
          },
        ],
      },
      { parent: this },
    );
    new oci.core.VolumeBackupPolicyAssignment(
      `${name}-assignment`,
      { assetId: args.volumeId, policyId: policy.id },
      { parent: this },
    );
    this.registerOutputs();
  }
}
