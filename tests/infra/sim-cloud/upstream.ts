// Which classes the tables hold, and what of them was read in the providers' source instead of in the
// published declarations. A source names the repository, the file and the commit that was read.
interface Upstream {
  /** Paths whose change replaces the resource. */
  forceNew?: string[];
  /** Paths that the documentation would have replace, and the provider updates. */
  updatable?: string[];
  source: string;
}

/** By class as in `oci.core.Instance`. */
export const CLASSES: Record<string, string[]> = {
  oci: [
    "bastion.Bastion",
    "bastion.Session",
    "budget.Budget",
    "budget.Rule",
    "core.DefaultRouteTable",
    "core.DefaultSecurityList",
    "core.Instance",
    "core.InternetGateway",
    "core.NetworkSecurityGroup",
    "core.NetworkSecurityGroupSecurityRule",
    "core.PublicIp",
    "core.RouteTable",
    "core.SecurityList",
    "core.Subnet",
    "core.Vcn",
    "core.Volume",
    "core.VolumeAttachment",
    "core.VolumeBackupPolicy",
    "core.VolumeBackupPolicyAssignment",
    "identity.AuthToken",
    "identity.Compartment",
    "identity.CustomerSecretKey",
    "identity.DynamicGroup",
    "identity.Group",
    "identity.Policy",
    "identity.User",
    "identity.UserGroupMembership",
    "kms.Key",
    "kms.Vault",
    "limits.Quota",
    "monitoring.Alarm",
    "objectstorage.Bucket",
    "objectstorage.ObjectLifecyclePolicy",
    "objectstorage.Preauthrequest",
    "objectstorage.StorageObject",
    "ons.NotificationTopic",
    "ons.Subscription",
    "vault.Secret",
  ],
  gcp: [
    "billing.Budget",
    "compute.Address",
    "compute.Disk",
    "compute.Firewall",
    "compute.Instance",
    "compute.Network",
    "compute.Subnetwork",
    "monitoring.NotificationChannel",
    "projects.IAMMember",
    "projects.Service",
    "secretmanager.Secret",
    "secretmanager.SecretIamBinding",
    "secretmanager.SecretIamMember",
    "secretmanager.SecretVersion",
    "serviceaccount.Account",
  ],
  tailscale: [
    "Acl",
    "Contacts",
    "DeviceKey",
    "DnsConfiguration",
    "DnsPreferences",
    "FederatedIdentity",
    "OauthClient",
    "TailnetKey",
    "TailnetSettings",
  ],
  docker: ["Image", "RegistryImage", "RemoteImage", "Tag"],
};

const tailscale = (file: string, commit: string): string =>
  `tailscale/terraform-provider-tailscale tailscale/${file} at ${commit}`;

/** The newest version of Google's provider that is a Go module, of 2018: `ForceNew: true` in its schemas. */
const google = (file: string): string =>
  `github.com/hashicorp/terraform-provider-google v1.20.0 google/${file}`;

/** Parts of a resource's own name; no provider can update those. Concluded, not read. */
const IDENTITY = "the resource's address in its API, concluded";

export const UPSTREAM: Record<string, Upstream> = {
  "gcp:compute/instance:Instance": {
    forceNew: [
      "bootDisk",
      "networkInterfaces.network",
      "networkInterfaces.subnetwork",
      "networkInterfaces.subnetworkProject",
      "networkInterfaces.networkIp",
      "canIpForward",
      "description",
      "metadataStartupScript",
      "name",
      "project",
      "scheduling.preemptible",
      "zone",
    ],
    // What an instance's own disk is attached with has since become a matter of updates.
    updatable: ["bootDisk.autoDelete", "bootDisk.forceAttach"],
    source: google("resource_compute_instance.go"),
  },
  "gcp:compute/network:Network": {
    forceNew: ["name", "autoCreateSubnetworks", "description", "project"],
    source: google("resource_compute_network.go"),
  },
  "gcp:compute/subnetwork:Subnetwork": {
    forceNew: ["name", "network", "description", "region", "project"],
    source: google("resource_compute_subnetwork.go"),
  },
  "gcp:compute/firewall:Firewall": {
    forceNew: ["name", "project", "network"],
    source: google("resource_compute_firewall.go; network since"),
  },
  "gcp:compute/address:Address": {
    forceNew: [
      "name",
      "address",
      "addressType",
      "description",
      "networkTier",
      "region",
      "subnetwork",
      "project",
    ],
    source: google("resource_compute_address.go"),
  },
  "gcp:compute/disk:Disk": {
    forceNew: ["name", "description", "image", "snapshot", "type", "zone", "project"],
    source: google("resource_compute_disk.go"),
  },
  "gcp:serviceaccount/account:Account": {
    forceNew: ["accountId", "project"],
    source: google("resource_google_service_account.go"),
  },
  "gcp:projects/service:Service": {
    forceNew: ["service", "project"],
    source: google("resource_google_project_service.go"),
  },
  "gcp:secretmanager/secretVersion:SecretVersion": {
    forceNew: ["secret", "secretData"],
    source:
      "hashicorp/terraform-provider-google google/services/secretmanager/resource_secret_manager_secret_version.go at 634a50c2",
  },
  "gcp:secretmanager/secret:Secret": {
    forceNew: ["secretId", "replication", "project"],
    source: IDENTITY,
  },
  "gcp:secretmanager/secretIamMember:SecretIamMember": {
    forceNew: ["secretId", "role", "member", "project", "condition"],
    source: IDENTITY,
  },
  "gcp:secretmanager/secretIamBinding:SecretIamBinding": {
    forceNew: ["secretId", "role", "project", "condition"],
    source: IDENTITY,
  },
  "gcp:projects/iAMMember:IAMMember": {
    forceNew: ["project", "role", "member", "condition"],
    source: IDENTITY,
  },
  "gcp:billing/budget:Budget": { forceNew: ["billingAccount"], source: IDENTITY },
  "gcp:monitoring/notificationChannel:NotificationChannel": {
    forceNew: ["project"],
    source: IDENTITY,
  },
  "oci:Core/instance:Instance": {
    // CustomizeDiff: these two keys of the map replace, the rest of it is updated.
    forceNew: ["metadata.user_data", "metadata.ssh_authorized_keys"],
    source:
      "oracle/terraform-provider-oci internal/service/core/core_instance_resource.go of 8.28.0, from notes on it; pulumi-oci issue 86 tells the same",
  },
  "oci:ObjectStorage/storageObject:StorageObject": {
    // Changing what an object holds is a delete and a put, and whoever deletes last wins.
    forceNew: ["contentMd5"],
    source:
      "oracle/terraform-provider-oci internal/service/objectstorage/objectstorage_object_resource.go at 02b327a7",
  },
  "oci:Core/volumeAttachment:VolumeAttachment": {
    source:
      "oracle/terraform-provider-oci internal/service/core/core_volume_attachment_resource.go at 12a195a4: agrees",
  },
  "tailscale:index/tailnetKey:TailnetKey": {
    forceNew: ["description", "ephemeral", "expiry", "preauthorized", "reusable", "tags"],
    source: tailscale("resource_tailnet_key.go", "0445d324 (fields added later by analogy)"),
  },
  "tailscale:index/oauthClient:OauthClient": {
    forceNew: ["description", "scopes", "tags"],
    source: tailscale("resource_oauth_client.go", "088f25d7"),
  },
  "tailscale:index/federatedIdentity:FederatedIdentity": {
    source: "nothing replaces, concluded from its `updatedAt`",
  },
  "tailscale:index/deviceKey:DeviceKey": { forceNew: ["deviceId"], source: IDENTITY },
  "docker:index/image:Image": { source: "nothing replaces: a build and a push, concluded" },
  "tailscale:index/acl:Acl": { source: tailscale("resource_acl.go", "006311d0: nothing replaces") },
};
