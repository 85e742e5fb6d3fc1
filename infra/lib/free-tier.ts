// What a plan is compared with: which shapes, regions, plans and resource types are free. The vendors'
// limits themselves are in app/shared/free-tier.ts, because the running system is measured by them too.
import { LIMITS } from "../../app/shared/free-tier.ts";

export { GCP_DISK_TYPE, GCP_MACHINE, GCP_REGIONS, OCI_SHAPES } from "../../app/shared/bill.ts";

/** Size of a boot volume when none is stated. */
export const OCI_BOOT_DEFAULT_GB = 50;

/** Balanced. Higher bills, 0 (lower cost) is too slow for a database. */
export const OCI_VPUS_PER_GB = "10";

/** Northflank's plans that may be planned, with what each costs a month if it turns out not to be free. */
export const NORTHFLANK_PLANS: Readonly<Record<string, number>> = {
  "nf-compute-10": LIMITS.northflankPlan.worstCaseUsd / LIMITS.northflankServices.limit,
};

/**
 * Resource types known to cost nothing, or whose cost another rule bounds. A `*` at the end stands for any
 * ending. What is not here fails the preview: a new type is added after its price was read.
 */
export const FREE_TYPES: readonly string[] = [
  "pulumi:*",
  "tickhub:*",
  "oci:Bastion/bastion:Bastion",
  "oci:Budget/budget:Budget",
  "oci:Budget/rule:Rule",
  "oci:Core/defaultDhcpOptions:DefaultDhcpOptions",
  "oci:Core/defaultRouteTable:DefaultRouteTable",
  "oci:Core/defaultSecurityList:DefaultSecurityList",
  "oci:Core/instance:Instance",
  "oci:Core/internetGateway:InternetGateway",
  "oci:Core/networkSecurityGroup:NetworkSecurityGroup",
  "oci:Core/networkSecurityGroupSecurityRule:NetworkSecurityGroupSecurityRule",
  "oci:Core/publicIp:PublicIp",
  "oci:Core/routeTable:RouteTable",
  "oci:Core/securityList:SecurityList",
  "oci:Core/subnet:Subnet",
  "oci:Core/vcn:Vcn",
  "oci:Core/volume:Volume",
  "oci:Core/volumeAttachment:VolumeAttachment",
  "oci:Core/volumeBackup:VolumeBackup",
  "oci:Core/volumeBackupPolicy:VolumeBackupPolicy",
  "oci:Core/volumeBackupPolicyAssignment:VolumeBackupPolicyAssignment",
  "oci:Identity/compartment:Compartment",
  "oci:Identity/dynamicGroup:DynamicGroup",
  "oci:Identity/policy:Policy",
  "oci:Kms/key:Key",
  "oci:Kms/vault:Vault",
  "oci:Limits/quota:Quota",
  "oci:ObjectStorage/bucket:Bucket",
  "oci:ObjectStorage/objectLifecyclePolicy:ObjectLifecyclePolicy",
  "oci:ObjectStorage/storageObject:StorageObject",
  "oci:Vault/secret:Secret",
  "gcp:billing/budget:Budget",
  "gcp:compute/firewall:Firewall",
  "gcp:compute/instance:Instance",
  "gcp:compute/network:Network",
  "gcp:compute/subnetwork:Subnetwork",
  "gcp:projects/iAMMember:IAMMember",
  "gcp:projects/service:Service",
  "gcp:secretmanager/secret:Secret",
  "gcp:secretmanager/secretIamMember:SecretIamMember",
  "gcp:secretmanager/secretVersion:SecretVersion",
  "gcp:serviceaccount/account:Account",
  "tailscale:index/acl:Acl",
  "tailscale:index/dnsPreferences:DnsPreferences",
  "tailscale:index/oauthClient:OauthClient",
  "tailscale:index/tailnetKey:TailnetKey",
  "tailscale:index/tailnetSettings:TailnetSettings",
  "docker:index/image:Image",
  "docker:index/registryImage:RegistryImage",
  "docker:index/remoteImage:RemoteImage",
  "docker:index/tag:Tag",
  "pulumi-nodejs:dynamic/northflank:DeploymentService",
  "pulumi-nodejs:dynamic/northflank:RegistryCredential",
  "pulumi-nodejs:dynamic/northflank:SecretGroup",
];

/** Types that somebody is likely to reach for, and what stands in for each here. */
export const PAID_TYPES: readonly { type: RegExp; costs: string; instead: string }[] = [
  {
    type: /^oci:(LoadBalancer|NetworkLoadBalancer)\//,
    costs: "A load balancer is a public door and bills beyond the free one.",
    instead: "Peers reach the hub over the tailnet; remove it.",
  },
  {
    type: /^oci:Core\/(natGateway|ipsec|virtualCircuit)/i,
    costs: "Always Free has no NAT gateway, and what goes through one bills.",
    instead: "Use the public subnet with no ingress rule, as infra/components/network.ts does.",
  },
  {
    type: /^gcp:compute\/(address|globalAddress):/,
    costs: "A static address bills at USD 0.01 an hour whenever it is not in use.",
    instead: "Leave the address ephemeral: peers find the edge by its tailnet name.",
  },
  {
    type: /^gcp:compute\/(resourcePolicy|diskResourcePolicyAttachment|snapshot|regionDiskResourcePolicyAttachment):/,
    costs: "Snapshots bill beyond the first 5 GB-months.",
    instead: "The edge keeps no data that the hub does not have; remove it.",
  },
  {
    type: /^gcp:compute\/(router|routerNat|forwardingRule|globalForwardingRule|disk):/,
    costs: "Cloud NAT, forwarding rules and further disks are outside the free tier.",
    instead: "One e2-micro with its boot disk is all that is free.",
  },
  {
    type: /^pulumi-nodejs:dynamic\/northflank:.*(Job|Cron)/i,
    costs: "A job's runs bill by the second once the two free slots are taken.",
    instead: "The hub schedules; remove the job.",
  },
  {
    type: /^pulumi-nodejs:dynamic\/northflank:.*(Volume|Addon)/i,
    costs: "Volumes and addons are not known to be free on the sandbox.",
    instead: "Edges keep nothing on disk; the database is the hub's.",
  },
  {
    type: /^tailscale:index\/logstreamConfiguration:/,
    costs: "Log streaming is not part of the Personal plan.",
    instead: "Remove it; the hub keeps the logs that matter.",
  },
];

/** Whether a resource type is known to cost nothing by itself. */
export function isFreeType(type: string): boolean {
  return FREE_TYPES.some((free) =>
    free.endsWith("*") ? type.startsWith(free.slice(0, -1)) : free === type,
  );
}
