// Oracle's cloud, as far as the stacks meet it: OCIDs, free-tier limits, what cannot be deleted while
// something hangs on it, and names that stay taken after a deletion.
import { createHash } from "node:crypto";
import { Refused, type Ask, type Behaviour } from "./behaviour.ts";
import { unique, type Cloud, type Resource } from "./cloud.ts";
import { list, object, plainInputs, text, type Inputs } from "./values.ts";

const REGION = process.env["TICKHUB_SIM_REGION"] ?? "ap-seoul-1";
const NAMESPACE = "axsimulated01";

/** Always Free in 2026, by the names of Oracle's service limits. */
export const LIMITS = {
  "standard-a1-core-count": 2,
  "standard-a1-memory-count": 12,
  "total-storage-gb": 200,
  "vcn-count": 2,
  "reserved-public-ip-count": 1,
} as const;

const T = (module: string, name: string): string =>
  `oci:${module}/${name[0]!.toLowerCase()}${name.slice(1)}:${name}`;
const INSTANCE = T("Core", "Instance");
const VOLUME = T("Core", "Volume");
const ATTACHMENT = T("Core", "VolumeAttachment");
const VCN = T("Core", "Vcn");
const SUBNET = T("Core", "Subnet");
const COMPARTMENT = T("Identity", "Compartment");
const BUCKET = T("ObjectStorage", "Bucket");
const OBJECT = T("ObjectStorage", "StorageObject");
const SECRET = T("Vault", "Secret");
const KMS_VAULT = T("Kms", "Vault");
const KMS_KEY = T("Kms", "Key");
const PUBLIC_IP = T("Core", "PublicIp");

const inputsOf = (resource: Resource): Inputs => plainInputs(resource.inputs);

const refuse = (code: string, message: string): never => {
  throw new Refused(`Error: ${code}, ${message}`);
};

function limit(name: keyof typeof LIMITS, used: number, wanted: number): void {
  if (used + wanted > LIMITS[name])
    refuse(
      "400-LimitExceeded",
      `The following service limits were exceeded: ${name}. Used ${used}, requested ${wanted}, limit ${LIMITS[name]}.`,
    );
}

const cores = (inputs: Inputs): number => Number(object(inputs["shapeConfig"])["ocpus"] ?? 1);
const memory = (inputs: Inputs): number =>
  Number(object(inputs["shapeConfig"])["memoryInGbs"] ?? 6);
const bootGb = (inputs: Inputs): number =>
  Number(object(inputs["sourceDetails"])["bootVolumeSizeInGbs"] ?? 50);
const isA1 = (inputs: Inputs): boolean => text(inputs["shape"]).startsWith("VM.Standard.A1");

const sum = (resources: Resource[], of: (inputs: Inputs) => number): number =>
  resources.reduce((total, resource) => total + of(inputsOf(resource)), 0);

function storageGb(cloud: Cloud, except: string | undefined): number {
  const others = (type: string): Resource[] => cloud.all(type).filter(({ id }) => id !== except);
  return (
    sum(others(INSTANCE), bootGb) +
    sum(others(VOLUME), (inputs) => Number(inputs["sizeInGbs"] ?? 50))
  );
}

/** Refuses what would go beyond the limits, `existing` not counted twice. */
function admitLimits({ cloud, type, inputs }: Ask, existing?: Resource): void {
  const others = cloud.all(type).filter(({ id }) => id !== existing?.id);
  if (type === INSTANCE && isA1(inputs)) {
    const a1 = others.filter((resource) => isA1(inputsOf(resource)));
    limit("standard-a1-core-count", sum(a1, cores), cores(inputs));
    limit("standard-a1-memory-count", sum(a1, memory), memory(inputs));
  }
  if (type === INSTANCE) limit("total-storage-gb", storageGb(cloud, existing?.id), bootGb(inputs));
  if (type === VOLUME)
    limit("total-storage-gb", storageGb(cloud, existing?.id), Number(inputs["sizeInGbs"] ?? 50));
  if (type === VCN && !existing) limit("vcn-count", others.length, 1);
  if (type === PUBLIC_IP && !existing && inputs["lifetime"] === "RESERVED")
    limit("reserved-public-ip-count", others.length, 1);
}

/** Names that are one of a kind in their place, by the type's inputs. */
const UNIQUE: Record<string, string[]> = {
  [COMPARTMENT]: ["compartmentId", "name"],
  [BUCKET]: ["namespace", "name"],
  [SECRET]: ["vaultId", "secretName"],
  [T("Identity", "DynamicGroup")]: ["name"],
  [T("Identity", "Policy")]: ["compartmentId", "name"],
  [T("Limits", "Quota")]: ["name"],
  [T("Ons", "NotificationTopic")]: ["name"],
};

function admitNames({ cloud, type, inputs }: Ask, existing?: Resource): void {
  const fields = UNIQUE[type];
  if (!fields || existing) return;
  const key = (bag: Inputs): string => JSON.stringify(fields.map((field) => bag[field]));
  const taken = cloud
    .everything()
    .find((other) => other.type === type && key(inputsOf(other)) === key(inputs));
  if (taken)
    refuse(
      "409-Conflict",
      `${type} named ${text(inputs[fields.at(-1)!])} already exists${
        taken.goneAt === undefined ? "" : ` until its deletion at ${taken.goneAt}`
      }.`,
    );
}

/** What an input has to name. */
function admitReferences({ cloud, type, inputs }: Ask): void {
  const must = (id: string, what: string): Resource => {
    const found = cloud.get(id);
    if (!found) refuse("404-NotAuthorizedOrNotFound", `${what} ${id} does not exist.`);
    return found!;
  };
  if (type === SUBNET) must(text(inputs["vcnId"]), "VCN");
  if (type === INSTANCE) must(text(object(inputs["createVnicDetails"])["subnetId"]), "Subnet");
  if (type === SECRET) {
    must(text(inputs["vaultId"]), "Vault");
    must(text(inputs["keyId"]), "Key");
  }
  if (type === OBJECT) {
    const bucket = text(inputs["bucket"]);
    if (!cloud.all(BUCKET).some((one) => inputsOf(one)["name"] === bucket))
      refuse("404-BucketNotFound", `The bucket '${bucket}' does not exist.`);
  }
  if (type === ATTACHMENT) {
    const volume = must(text(inputs["volumeId"]), "Volume");
    const instance = must(text(inputs["instanceId"]), "Instance");
    const holder = cloud.all(ATTACHMENT).find((one) => inputsOf(one)["volumeId"] === volume.id);
    if (holder) refuse("409-Conflict", `Volume ${volume.id} is currently attached.`);
    if (inputsOf(volume)["availabilityDomain"] !== inputsOf(instance)["availabilityDomain"])
      refuse("400-InvalidParameter", "Volume and instance are in different availability domains.");
  }
}

const vnicOf = (instance: string): string => instance.replace(".instance.", ".vnic.");
const hash = (of: string, length: number): number =>
  parseInt(createHash("sha256").update(of).digest("hex").slice(0, length), 16);
const address = (id: string): string => `140.238.${hash(id, 2)}.${(hash(`${id}.`, 2) % 253) + 1}`;

function outputs({ cloud, type, inputs }: Ask, id: string): Inputs {
  const timeCreated = cloud.now().toISOString();
  switch (type) {
    case INSTANCE:
      return {
        state: "RUNNING",
        region: REGION,
        timeCreated,
        bootVolumeId: id.replace(".instance.", ".bootvolume."),
        privateIp: "10.0.0.10",
        publicIp:
          object(inputs["createVnicDetails"])["assignPublicIp"] === "false" ? "" : address(id),
      };
    case VCN:
      return {
        state: "AVAILABLE",
        timeCreated,
        defaultSecurityListId: id.replace(".vcn.", ".securitylist."),
        defaultRouteTableId: id.replace(".vcn.", ".routetable."),
        defaultDhcpOptionsId: id.replace(".vcn.", ".dhcpoptions."),
      };
    case PUBLIC_IP:
      return { state: "ASSIGNED", timeCreated, ipAddress: address(id), scope: "REGION" };
    case KMS_VAULT:
      return {
        state: "ACTIVE",
        timeCreated,
        managementEndpoint: `https://${id.slice(-12)}-management.kms.${REGION}.oraclecloud.com`,
        cryptoEndpoint: `https://${id.slice(-12)}-crypto.kms.${REGION}.oraclecloud.com`,
      };
    case BUCKET:
      return {
        bucketId: `ocid1.bucket.oc1.${REGION}.${unique(60)}`,
        etag: unique(32),
        timeCreated,
      };
    case OBJECT: {
      const content = text(inputs["content"]);
      return {
        contentLength: String(Buffer.byteLength(content)),
        contentMd5: createHash("md5").update(content).digest("base64"),
        state: "COMPLETED",
      };
    }
    default:
      return { state: "ACTIVE", timeCreated };
  }
}

function id({ type, inputs }: Ask): string {
  if (type === OBJECT)
    return `n/${text(inputs["namespace"])}/b/${text(inputs["bucket"])}/o/${text(inputs["object"])}`;
  if (type === BUCKET) return `n/${text(inputs["namespace"])}/b/${text(inputs["name"])}`;
  const managed = text(inputs["manageDefaultResourceId"]);
  if (managed !== "") return managed;
  const kind = type.split(":")[1]!.split("/")[1]!.toLowerCase();
  const global = /^oci:(Identity|Budget|Limits)\//.test(type);
  return `ocid1.${kind}.oc1.${global ? "" : REGION}.${unique(60)}`;
}

/** What hangs on a resource: types and the input by which they do. */
const HOLDS: Record<string, [string, (inputs: Inputs) => unknown, string][]> = {
  [VOLUME]: [[ATTACHMENT, (inputs) => inputs["volumeId"], "is currently attached to an instance"]],
  [SUBNET]: [
    [INSTANCE, (inputs) => object(inputs["createVnicDetails"])["subnetId"], "has a VNIC in it"],
  ],
  [VCN]: ["Subnet", "InternetGateway", "RouteTable", "SecurityList", "NetworkSecurityGroup"].map(
    (name) => [T("Core", name), (inputs) => inputs["vcnId"], `has a ${name} in it`],
  ),
  [T("Core", "RouteTable")]: [
    [SUBNET, (inputs) => inputs["routeTableId"], "is associated with a subnet"],
  ],
  [T("Core", "InternetGateway")]: ["RouteTable", "DefaultRouteTable"].map((name) => [
    T("Core", name),
    (inputs) => list(inputs["routeRules"]).map((rule) => object(rule)["networkEntityId"]),
    "is the target of a route rule",
  ]),
  [T("Core", "NetworkSecurityGroup")]: [
    [INSTANCE, (inputs) => object(inputs["createVnicDetails"])["nsgIds"], "has VNICs in it"],
  ],
};

const DAY_MS = 86_400_000;

function release(cloud: Cloud, resource: Resource): ReturnType<NonNullable<Behaviour["release"]>> {
  for (const [type, field, why] of HOLDS[resource.type] ?? []) {
    const holder = cloud.all(type).find((other) => {
      const value = field(inputsOf(other));
      return value === resource.id || (Array.isArray(value) && value.includes(resource.id));
    });
    if (holder) refuse("409-Conflict", `${resource.id} ${why}: ${holder.id}.`);
  }
  const inputs = inputsOf(resource);
  if (resource.type === BUCKET) {
    const inside = cloud.all(OBJECT).find((one) => inputsOf(one)["bucket"] === inputs["name"]);
    if (inside)
      refuse("409-BucketNotEmpty", `Bucket named '${text(inputs["name"])}' is not empty.`);
  }
  if (resource.type === COMPARTMENT) {
    // The provider forgets a compartment that it was not told to delete.
    if (inputs["enableDelete"] !== true) return "kept";
    const inside = cloud
      .all()
      .find(
        (other) => other.id !== resource.id && inputsOf(other)["compartmentId"] === resource.id,
      );
    if (inside) refuse("409-IncorrectState", `Compartment has a resource in it: ${inside.id}.`);
  }
  // These are only scheduled for deletion, and keep their names until then.
  if (resource.type === SECRET || resource.type === KMS_VAULT || resource.type === KMS_KEY)
    return { goneAt: new Date(cloud.now().getTime() + 30 * DAY_MS).toISOString() };
  return undefined;
}

/** An instance takes its attachments with it; they are gone at the next read. */
function read(cloud: Cloud, resource: Resource): Resource | undefined {
  if (resource.type === ATTACHMENT && !cloud.get(text(plainInputs(resource.inputs)["instanceId"])))
    return undefined;
  return resource;
}

function invoke(_cloud: Cloud, token: string, args: Inputs): Inputs {
  switch (token.split(":")[2]) {
    case "getNamespace":
      return { id: NAMESPACE, namespace: NAMESPACE };
    case "getAvailabilityDomains": {
      const name = `SIMU:${REGION.toUpperCase()}-AD-1`;
      return {
        id: "ads",
        availabilityDomains: [
          {
            id: `ocid1.availabilitydomain.oc1..${unique(60)}`,
            name,
            compartmentId: args["compartmentId"] ?? "",
          },
        ],
      };
    }
    case "getFaultDomains":
      return { id: "fds", faultDomains: [1, 2, 3].map((n) => ({ name: `FAULT-DOMAIN-${n}` })) };
    case "getVnicAttachments": {
      const instance = text(args["instanceId"]);
      return {
        id: "vnics",
        vnicAttachments: [{ instanceId: instance, vnicId: vnicOf(instance), state: "ATTACHED" }],
      };
    }
    case "getPrivateIps": {
      const vnic = text(args["vnicId"]);
      return {
        id: "ips",
        privateIps: [
          {
            id: vnic.replace(".vnic.", ".privateip."),
            ipAddress: "10.0.0.10",
            isPrimary: true,
            vnicId: vnic,
          },
        ],
      };
    }
    case "getVnic": {
      const vnic = text(args["vnicId"]);
      return {
        id: vnic,
        vnicId: vnic,
        privateIpAddress: "10.0.0.10",
        publicIpAddress: address(vnic),
      };
    }
    case "getTenancy":
      return {
        id: text(args["tenancyId"]),
        tenancyId: text(args["tenancyId"]),
        name: "simulated",
        homeRegionKey: "ICN",
      };
    default:
      throw new Refused(`The simulated oci answers no ${token}.`);
  }
}

/** The boot volume of a replaced image, and the like, are not simulated: such inputs are only stored. */
export const oci: Behaviour = {
  autoName: (type) =>
    [COMPARTMENT, BUCKET, "oci:Limits/quota:Quota", "oci:Identity/policy:Policy"].includes(type) ||
    /:(DynamicGroup|NotificationTopic|Bastion)$/.test(type)
      ? "name"
      : undefined,
  id,
  admit(ask, existing) {
    admitLimits(ask, existing);
    admitNames(ask, existing);
    if (!existing) admitReferences(ask);
  },
  outputs,
  read,
  release,
  invoke,
};
