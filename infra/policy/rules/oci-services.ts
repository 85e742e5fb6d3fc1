// OCI's network doors, bucket and vault.
import { LIMITS } from "../../../app/shared/free-tier.ts";
import { WIREGUARD_PORT } from "../../lib/names.ts";
import { isPrivate } from "../ingress.ts";
import { at, listAt, numberOf, ofType, shown } from "../read.ts";
import type { Rule, Violation } from "../rule.ts";
import { UNKNOWN } from "../rule.ts";

const LISTS = [
  "oci:Core/securityList:SecurityList",
  "oci:Core/defaultSecurityList:DefaultSecurityList",
];
const GROUP_RULE = "oci:Core/networkSecurityGroupSecurityRule:NetworkSecurityGroupSecurityRule";
const UDP = "17";
const ICMP = "1";
const ICMP_V6 = "58";

/** One ingress rule as both kinds of resource write it; undefined when it opens nothing to the internet. */
function openDoor(rule: unknown): string | undefined {
  const source = at(rule, "source");
  // Only the update knows it (the bastion's own address): it is checked there, before the rule is made.
  if (source === UNKNOWN) return undefined;
  if (at(rule, "sourceType") === "NETWORK_SECURITY_GROUP") return undefined;
  if (typeof source === "string" && isPrivate(source)) return undefined;
  const protocol = shown(at(rule, "protocol"));
  if (protocol === UDP && isWireguard(rule)) return undefined;
  // Path-MTU discovery: "fragmentation needed" and, in IPv6, "packet too big".
  if (protocol === ICMP && isIcmp(rule, 3, 4)) return undefined;
  if (protocol === ICMP_V6 && isIcmp(rule, 2, 0)) return undefined;
  return `Protocol ${protocol} is open to ${shown(source)}.`;
}

function isWireguard(rule: unknown): boolean {
  const udp = at(rule, "udpOptions");
  const range = at(udp, "destinationPortRange") ?? udp;
  return (
    numberOf(at(range, "min")) === WIREGUARD_PORT && numberOf(at(range, "max")) === WIREGUARD_PORT
  );
}

function isIcmp(rule: unknown, type: number, code: number): boolean {
  const options = at(rule, "icmpOptions");
  return numberOf(at(options, "type")) === type && numberOf(at(options, "code")) === code;
}

export const ociServices: readonly Rule[] = [
  {
    name: "oci-public-ingress",
    about: "safety",
    over: "resource",
    description: "Nothing is open to the internet but UDP 41641 and path-MTU ICMP.",
    why: "Every service is reached over the tailnet; an open port is the database's or the hub's front door.",
    fix: "Remove the rule. For a VM that has left the tailnet set rescue, which opens 22 to the bastion alone.",
    check: ({ type, inputs }) => {
      const rules = LISTS.includes(type)
        ? listAt(inputs, "ingressSecurityRules")
        : type === GROUP_RULE && at(inputs, "direction") !== "EGRESS"
          ? [inputs]
          : [];
      return rules.map(openDoor).filter((door) => door !== undefined);
    },
  },
  {
    name: "oci-bucket-lifecycle",
    about: "safety",
    over: "resource",
    description: "The bucket's lifecycle aborts stale uploads and does nothing else.",
    why: "A rule that deletes or archives objects takes the backups and the log that a restore needs.",
    fix: 'Keep only rules with action "ABORT" on "multipart-uploads"; the backup itself removes what has expired.',
    check: ({ type, inputs }) =>
      type === "oci:ObjectStorage/objectLifecyclePolicy:ObjectLifecyclePolicy"
        ? listAt(inputs, "rules")
            .filter(
              (rule) =>
                at(rule, "action") !== "ABORT" || at(rule, "target") !== "multipart-uploads",
            )
            .map(
              (rule) => `A rule does ${shown(at(rule, "action"))} on ${shown(at(rule, "target"))}.`,
            )
        : [],
  },
  {
    name: "oci-bucket-private",
    about: "safety",
    over: "resource",
    description: "Buckets are not public.",
    why: "Backups hold everything the database holds.",
    fix: 'Leave publicAccessType out, or set "NoPublicAccess".',
    check: ({ type, inputs }) => {
      const access = at(inputs, "publicAccessType");
      return type === "oci:ObjectStorage/bucket:Bucket" &&
        access !== undefined &&
        access !== "NoPublicAccess"
        ? [`The bucket's access is ${shown(access)}.`]
        : [];
    },
  },
  {
    name: "oci-vault",
    about: "bill",
    over: "stack",
    description: "Vaults are of the default type, and hold no more secrets than are free.",
    why: "A virtual private vault bills by the hour; secrets beyond 150 may bill.",
    fix: 'Set vaultType "DEFAULT"; remove secrets that nothing reads.',
    check: (resources) => {
      const found = ofType(resources, "oci:Kms/vault:Vault")
        .filter(({ inputs }) => at(inputs, "vaultType") !== "DEFAULT")
        .map((resource): Violation => ({
          what: `The vault's type is ${shown(at(resource.inputs, "vaultType"))}.`,
          resource,
        }));
      const secrets = ofType(resources, "oci:Vault/secret:Secret").length;
      if (secrets > LIMITS.ociVaultSecrets.limit)
        found.push({ what: `${secrets} secrets are planned.` });
      return found;
    },
  },
];
