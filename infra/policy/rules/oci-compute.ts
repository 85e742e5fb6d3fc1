// OCI machines, volumes and addresses: what fits into Always Free, and what must never be deleted with a VM.
import { LIMITS } from "../../../app/shared/free-tier.ts";
import { OCI_BOOT_DEFAULT_GB, OCI_SHAPES, OCI_VPUS_PER_GB } from "../../lib/free-tier.ts";
import { at, listAt, numberOf, ofType, shown } from "../read.ts";
import type { Resource, Rule } from "../rule.ts";
import { UNKNOWN } from "../rule.ts";

const INSTANCE = "oci:Core/instance:Instance";
const VOLUME = "oci:Core/volume:Volume";
const DAY_S = 86_400;
const PERIOD_S: Readonly<Record<string, number>> = {
  ONE_HOUR: 3_600,
  ONE_DAY: DAY_S,
  ONE_WEEK: 7 * DAY_S,
  ONE_MONTH: 30 * DAY_S,
  ONE_YEAR: 365 * DAY_S,
};

const ocpusOf = (instance: Resource) => numberOf(at(instance.inputs, "shapeConfig", "ocpus"));
const memoryOf = (instance: Resource) =>
  numberOf(at(instance.inputs, "shapeConfig", "memoryInGbs"));
const isA1 = (instance: Resource) => at(instance.inputs, "shape") === OCI_SHAPES[0];

function bootGbOf(instance: Resource): number | undefined {
  const stated = at(instance.inputs, "sourceDetails", "bootVolumeSizeInGbs");
  return stated === undefined ? OCI_BOOT_DEFAULT_GB : numberOf(stated);
}

const sum = (figures: readonly number[]) => figures.reduce((total, figure) => total + figure, 0);

/** What the stack takes of the free block storage. Undefined when a size is not known. */
export function blockStorageOf(resources: readonly Resource[]): {
  usedGb: number | undefined;
  restoreGb: number;
} {
  const boots = ofType(resources, INSTANCE).map(bootGbOf);
  const volumes = ofType(resources, VOLUME).map((volume) => numberOf(volume.inputs["sizeInGbs"]));
  const all = [...boots, ...volumes];
  const known = all.filter((gb) => gb !== undefined);
  const volumesKnown = volumes.filter((gb) => gb !== undefined);
  return {
    usedGb: known.length === all.length ? sum(known) : undefined,
    restoreGb: Math.max(0, ...volumesKnown),
  };
}

/** Most backups that a policy keeps at one moment: those within retention, and the one being made. */
export function backupsKept(policy: Resource): number {
  return sum(
    listAt(policy.inputs, "schedules").map((schedule) => {
      const periodS = PERIOD_S[String(at(schedule, "period"))];
      const keptS = numberOf(at(schedule, "retentionSeconds"));
      return periodS === undefined || keptS === undefined ? Infinity : Math.ceil(keptS / periodS);
    }),
  );
}

export const ociCompute: readonly Rule[] = [
  {
    name: "oci-shape",
    about: "bill",
    over: "resource",
    description: "OCI instances have a shape of Always Free, and no more of it than is free.",
    why: "Every other shape bills by the hour, and over-limit A1 instances are terminated.",
    fix: "VM.Standard.A1.Flex with at most 2 OCPU and 12 GB, or VM.Standard.E2.1.Micro; allowPaid for more.",
    check: (resource) => {
      if (resource.type !== INSTANCE) return [];
      const shape = at(resource.inputs, "shape");
      if (!OCI_SHAPES.some((free) => free === shape))
        return [`The shape is ${shown(shape)}, which is not free.`];
      if (!isA1(resource)) return [];
      const found: string[] = [];
      const ocpus = ocpusOf(resource);
      const memoryGb = memoryOf(resource);
      if (ocpus === undefined || ocpus > LIMITS.ociA1Ocpus.limit)
        found.push(
          `It has ${shown(at(resource.inputs, "shapeConfig", "ocpus"))} OCPU; ${LIMITS.ociA1Ocpus.limit} are free.`,
        );
      if (memoryGb === undefined || memoryGb > LIMITS.ociA1MemoryGb.limit)
        found.push(
          `It has ${shown(at(resource.inputs, "shapeConfig", "memoryInGbs"))} GB of memory; ${LIMITS.ociA1MemoryGb.limit} are free.`,
        );
      return found;
    },
  },
  {
    name: "oci-a1-pool",
    about: "bill",
    over: "stack",
    description: "All A1 instances of the stack together fit into the tenancy's one free pool.",
    why: "The pool of 2 OCPU and 12 GB is the tenancy's, not an instance's; what is beyond it bills.",
    fix: "Use smaller instances whose sum fits, or E2.1.Micro for the second machine.",
    check: (resources) => {
      const instances = ofType(resources, INSTANCE).filter(isA1);
      // One alone is oci-shape's to refuse.
      if (instances.length < 2) return [];
      const ocpus = sum(instances.map((instance) => ocpusOf(instance) ?? Infinity));
      const memoryGb = sum(instances.map((instance) => memoryOf(instance) ?? Infinity));
      if (ocpus <= LIMITS.ociA1Ocpus.limit && memoryGb <= LIMITS.ociA1MemoryGb.limit) return [];
      return [
        {
          what: `${instances.length} A1 instances take ${ocpus} OCPU and ${memoryGb} GB together.`,
        },
      ];
    },
  },
  {
    name: "oci-micro-count",
    about: "bill",
    over: "stack",
    description: "At most two E2.1.Micro instances.",
    why: "Two are free; a third bills.",
    fix: "Remove one.",
    check: (resources) => {
      const micros = ofType(resources, INSTANCE).filter(
        (instance) => at(instance.inputs, "shape") === OCI_SHAPES[1],
      );
      if (micros.length <= LIMITS.ociMicros.limit) return [];
      return [{ what: `${micros.length} E2.1.Micro instances are planned.` }];
    },
  },
  {
    name: "oci-block-storage",
    about: "bill",
    over: "stack",
    description: "Boot and data volumes, with a restored copy beside them, fit into 200 GB.",
    why: "Beyond 200 GB block storage bills, and a restore needs room for the data twice.",
    fix: "Lower dataVolumeGb: 75 leaves room beside a boot volume of 50.",
    check: (resources) => {
      const { usedGb, restoreGb } = blockStorageOf(resources);
      if (usedGb === undefined) return [{ what: "A volume's size is not known." }];
      if (usedGb + restoreGb <= LIMITS.ociBlockGb.limit) return [];
      return [
        {
          what: `Volumes take ${usedGb} GB, and a restored copy ${restoreGb} GB more: ${usedGb + restoreGb} of ${LIMITS.ociBlockGb.limit} GB.`,
        },
      ];
    },
  },
  {
    name: "oci-volume-performance",
    about: "bill",
    over: "resource",
    description: "Volumes are of the balanced kind (10 VPU per GB), without autotune.",
    why: "More VPU bills; 0 (lower cost) is too slow for a database's log.",
    fix: 'Set vpusPerGb to "10" and leave autotunePolicies out.',
    check: ({ type, inputs }) => {
      const vpus =
        type === VOLUME
          ? at(inputs, "vpusPerGb")
          : type === INSTANCE
            ? at(inputs, "sourceDetails", "bootVolumeVpusPerGb")
            : undefined;
      const found: string[] = [];
      if (vpus !== undefined && shown(vpus) !== OCI_VPUS_PER_GB)
        found.push(`The volume has ${shown(vpus)} VPU per GB.`);
      if (type === VOLUME && vpus === undefined)
        found.push("The volume's VPU per GB are not stated.");
      if (listAt(inputs, "autotunePolicies").length > 0 || at(inputs, "isAutoTuneEnabled") === true)
        found.push("The volume tunes its own performance, and its price with it.");
      return found;
    },
  },
  {
    name: "oci-volume-protected",
    about: "safety",
    over: "resource",
    description: "Production's data volumes are protected from deletion.",
    why: "`pulumi destroy`, or a change that replaces the volume, would delete every tick.",
    fix: "Give the volume `protect: true`; only staging stacks go without.",
    check: ({ type, protect }, { staging }) =>
      type === VOLUME && !staging && !protect ? ["A production volume is not protected."] : [],
  },
  {
    name: "oci-volume-attachment",
    about: "safety",
    over: "resource",
    description: "Volumes are attached paravirtualized and by a resource of their own.",
    why: "iSCSI is cut by a firewall in the guest, and a volume attached at launch goes with its VM.",
    fix: 'Use oci.core.VolumeAttachment with attachmentType "paravirtualized" and no launchVolumeAttachments.',
    check: ({ type, inputs }) => {
      if (type === "oci:Core/volumeAttachment:VolumeAttachment") {
        const kind = at(inputs, "attachmentType");
        return kind === "paravirtualized" ? [] : [`The attachment is ${shown(kind)}.`];
      }
      return type === INSTANCE && listAt(inputs, "launchVolumeAttachments").length > 0
        ? ["Volumes are attached at launch."]
        : [];
    },
  },
  {
    name: "oci-instance-steady",
    about: "safety",
    over: "resource",
    description: "A VM is not replaced because its metadata changed.",
    why: "OCI replaces the instance when user_data or the SSH keys change, and a one-time key changes at any update.",
    fix: 'Add "metadata" to the instance\'s ignoreChanges; what changes later reaches the VM as a release.',
    check: ({ type, ignoreChanges }) =>
      type === INSTANCE && !ignoreChanges.some((path) => path.startsWith("metadata"))
        ? ["Changes of the instance's metadata are not ignored."]
        : [],
  },
  {
    name: "oci-reserved-ip",
    about: "bill",
    over: "stack",
    description: "At most one reserved public IP.",
    why: "One is what the projection counts as unconfirmed; more may bill.",
    fix: "Keep the address that Kiwoom knows and leave the others ephemeral.",
    check: (resources) => {
      const reserved = ofType(resources, "oci:Core/publicIp:PublicIp").filter(
        ({ inputs }) => at(inputs, "lifetime") !== "EPHEMERAL",
      );
      if (reserved.length <= LIMITS.ociReservedIps.limit) return [];
      return [{ what: `${reserved.length} public IPs are reserved.` }];
    },
  },
  {
    name: "oci-backup-count",
    about: "bill",
    over: "stack",
    description: "No more than five volume backups exist at any moment, all in the home region.",
    why: "Five are free; the sixth, or a copy in another region, bills by its size.",
    fix: "Keep weekly backups for four weeks (retentionSeconds 2419200) under a policy of the stack's own.",
    check: (resources) => {
      const policies = ofType(resources, "oci:Core/volumeBackupPolicy:VolumeBackupPolicy");
      const assigned = ofType(
        resources,
        "oci:Core/volumeBackupPolicyAssignment:VolumeBackupPolicyAssignment",
      );
      const kept =
        sum(policies.map(backupsKept)) +
        ofType(resources, "oci:Core/volumeBackup:VolumeBackup").length;
      const found =
        kept > LIMITS.ociBackups.limit ? [{ what: `Up to ${kept} backups are kept.` }] : [];
      if (assigned.length > policies.length)
        found.push({ what: "A volume is assigned a backup policy that is not the stack's own." });
      if (policies.some(({ inputs }) => at(inputs, "destinationRegion") !== undefined))
        found.push({ what: "A backup policy copies to another region." });
      return found;
    },
  },
  {
    name: "oci-guardrails",
    about: "bill",
    over: "stack",
    description: "Production has a budget with an alert, and quotas that refuse what is not free.",
    why: "A budget only warns, a day late; only a quota refuses. Without both, one click in the console bills.",
    fix: "Build the stack with its guardrails (infra/components/guardrails.ts).",
    check: (resources, { role, staging }) => {
      if (role !== "hub" || staging) return [];
      const found: { what: string }[] = [];
      if (ofType(resources, "oci:Budget/budget:Budget").length === 0)
        found.push({ what: "There is no budget." });
      if (ofType(resources, "oci:Budget/rule:Rule").length === 0)
        found.push({ what: "The budget alerts nobody." });
      const quotas = ofType(resources, "oci:Limits/quota:Quota");
      if (quotas.length === 0) found.push({ what: "There is no quota." });
      for (const quota of quotas) {
        const statements = at(quota.inputs, "statements");
        if (statements !== UNKNOWN && !listAt(quota.inputs, "statements").some(isZero))
          found.push({ what: "The quota has no zero statement, so it refuses nothing." });
      }
      return found;
    },
  },
];

const isZero = (statement: unknown) =>
  statement === UNKNOWN || /^\s*zero\s/i.test(String(statement));
