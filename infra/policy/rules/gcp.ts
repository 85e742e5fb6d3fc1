// The light edge on Google Cloud: one e2-micro in a free region, nothing beside it, no way in.
import { LIMITS } from "../../../app/shared/free-tier.ts";
import { GCP_DISK_TYPE, GCP_MACHINE, GCP_REGIONS } from "../../lib/free-tier.ts";
import { at, listAt, numberOf, ofType, shown } from "../read.ts";
import type { Resource, Rule, Violation } from "../rule.ts";

const INSTANCE = "gcp:compute/instance:Instance";
const BROAD_SCOPES = ["cloud-platform", "https://www.googleapis.com/auth/cloud-platform"];
const DEFAULT_ACCOUNT = /-compute@developer\.gserviceaccount\.com$/;

const bootDiskGbOf = (instance: Resource) =>
  numberOf(at(instance.inputs, "bootDisk", "initializeParams", "size"));

/** Locations in which each version of a secret bills: one unless regions are listed. */
function locationsOf(secret: Resource): number {
  return Math.max(1, listAt(secret.inputs, "replication", "userManaged", "replicas").length);
}

/** Secret versions as they are billed. Which secret a version is of is not known in a preview. */
export function secretVersionsOf(resources: readonly Resource[]): number {
  const locations = ofType(resources, "gcp:secretmanager/secret:Secret").map(locationsOf);
  const versions = ofType(resources, "gcp:secretmanager/secretVersion:SecretVersion").length;
  return versions * Math.max(1, ...locations);
}

export const gcp: readonly Rule[] = [
  {
    name: "gcp-machine",
    about: "bill",
    over: "stack",
    description: "One GCP instance at most: an e2-micro, always on, without accelerators.",
    why: "Only the hours of one non-preemptible e2-micro are free.",
    fix: 'machineType "e2-micro", scheduling.provisioningModel "STANDARD", one instance in the stack.',
    check: (resources) => {
      const instances = ofType(resources, INSTANCE);
      const found = instances.flatMap((resource) => {
        const { inputs } = resource;
        const machine = at(inputs, "machineType");
        const spot =
          at(inputs, "scheduling", "preemptible") === true ||
          at(inputs, "scheduling", "provisioningModel") === "SPOT";
        return [
          ...(machine === GCP_MACHINE ? [] : [`The machine is ${shown(machine)}.`]),
          ...(spot ? ["The machine is preemptible, which the free tier leaves out."] : []),
          ...(listAt(inputs, "guestAccelerators").length > 0 ? ["It has accelerators."] : []),
        ].map((what): Violation => ({ what, resource }));
      });
      if (instances.length > 1) found.push({ what: `${instances.length} instances are planned.` });
      return found;
    },
  },
  {
    name: "gcp-region",
    about: "bill",
    over: "resource",
    description: "GCP machines and subnets are in a free region.",
    why: `The e2-micro is free in ${GCP_REGIONS.join(", ")} alone; Seoul bills in full.`,
    fix: "Set gcp:region and gcp:zone to one of these, us-west1-b for instance.",
    check: ({ type, inputs }) => {
      const place =
        type === INSTANCE
          ? at(inputs, "zone")
          : type === "gcp:compute/subnetwork:Subnetwork"
            ? at(inputs, "region")
            : GCP_REGIONS[0];
      const region = shown(place).replace(/-[a-z]$/, "");
      return GCP_REGIONS.some((free) => free === region) ? [] : [`The place is ${shown(place)}.`];
    },
  },
  {
    name: "gcp-disk",
    about: "bill",
    over: "stack",
    description: "GCP disks are pd-standard and 30 GB in all.",
    why: "Any other type bills from the first byte, pd-standard beyond 30 GB.",
    fix: 'State bootDisk.initializeParams with type "pd-standard" and a size; attach no other disk.',
    check: (resources) => {
      const instances = ofType(resources, INSTANCE);
      const found = instances.flatMap((resource) => {
        const type = at(resource.inputs, "bootDisk", "initializeParams", "type");
        return [
          ...(type === GCP_DISK_TYPE ? [] : [`The boot disk's type is ${shown(type)}.`]),
          ...(bootDiskGbOf(resource) === undefined ? ["The boot disk's size is not known."] : []),
          ...(listAt(resource.inputs, "attachedDisks").length > 0 ||
          listAt(resource.inputs, "scratchDisks").length > 0
            ? ["Further disks are attached."]
            : []),
        ].map((what): Violation => ({ what, resource }));
      });
      const totalGb = instances.reduce((gb, instance) => gb + (bootDiskGbOf(instance) ?? 0), 0);
      if (totalGb > LIMITS.gcpDiskGb.limit)
        found.push({ what: `Disks take ${totalGb} GB in all.` });
      return found;
    },
  },
  {
    name: "gcp-address",
    about: "bill",
    over: "resource",
    description: "GCP instances have one ephemeral address of the premium tier.",
    why: "The free GB of egress is the premium tier's; a second or a static address bills.",
    fix: 'accessConfigs: [{}] on one interface, without natIp, networkTier left out or "PREMIUM".',
    check: ({ type, inputs }) => {
      if (type !== INSTANCE) return [];
      const configs = listAt(inputs, "networkInterfaces").flatMap((nic) =>
        listAt(nic, "accessConfigs"),
      );
      const found =
        configs.length > 1 ? [`The instance has ${configs.length} public addresses.`] : [];
      for (const config of configs) {
        if (at(config, "natIp") !== undefined) found.push("The address is a static one.");
        const tier = at(config, "networkTier");
        if (tier !== undefined && tier !== "PREMIUM")
          found.push(`The network tier is ${shown(tier)}.`);
      }
      return found;
    },
  },
  {
    name: "gcp-ingress",
    about: "safety",
    over: "resource",
    description: "No GCP firewall rule lets anything in, and no machine is in the default network.",
    why: "The edge dials out over the tailnet and is asked nothing; the default network opens SSH and RDP to the world.",
    fix: "Remove the rule; put the machine into a network of the stack's own.",
    check: ({ type, inputs }) => {
      if (type === "gcp:compute/firewall:Firewall")
        return at(inputs, "direction") !== "EGRESS" &&
          listAt(inputs, "allows").length > 0 &&
          at(inputs, "disabled") !== true
          ? [`A firewall rule lets ${shown(at(inputs, "allows"))} in.`]
          : [];
      if (type !== INSTANCE) return [];
      return listAt(inputs, "networkInterfaces")
        .filter(
          (nic) =>
            /(^|\/)default$/.test(shown(at(nic, "network"))) ||
            /(^|\/)default$/.test(shown(at(nic, "subnetwork"))) ||
            (at(nic, "network") === undefined && at(nic, "subnetwork") === undefined),
        )
        .map(() => "The machine is in the default network.");
    },
  },
  {
    name: "gcp-service-account",
    about: "safety",
    over: "resource",
    description: "GCP machines act as an account of their own, which may little.",
    why: "The default account with the cloud-platform scope may edit the whole project; so may an owner or editor.",
    fix: "Make a service account, grant it secretAccessor on its own secrets, and name it in the instance.",
    check: ({ type, inputs }) => {
      if (type === "gcp:projects/iAMMember:IAMMember")
        return /^roles\/(owner|editor)$/.test(shown(at(inputs, "role")))
          ? [`An account is granted ${shown(at(inputs, "role"))}.`]
          : [];
      const account = type === INSTANCE ? at(inputs, "serviceAccount") : undefined;
      if (account === undefined) return [];
      const email = at(account, "email");
      const isDefault = email === undefined || DEFAULT_ACCOUNT.test(shown(email));
      return isDefault &&
        listAt(account, "scopes").some((scope) => BROAD_SCOPES.includes(shown(scope)))
        ? ["The machine acts as the default account with the scope cloud-platform."]
        : [];
    },
  },
  {
    name: "gcp-secret-versions",
    about: "bill",
    over: "stack",
    description: "No more active secret versions than are free.",
    why: `${LIMITS.gcpSecretVersions.limit} versions are free; each further one bills USD 0.06 a month and location.`,
    fix: "Put what is read together into one secret, with automatic replication.",
    check: (resources) => {
      const versions = secretVersionsOf(resources);
      return versions > LIMITS.gcpSecretVersions.limit
        ? [{ what: `${versions} secret versions are active.` }]
        : [];
    },
  },
];
