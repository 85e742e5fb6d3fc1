// The hub: one VM on Oracle's free tier, its data, what it may reach and what may reach it, and the release
// it shall run. Production also owns what the tenancy and the tailnet have one of; a staging copy owns none
// of that, keeps its secrets in production's vault, and leaves nothing behind when it is destroyed.
import { readFileSync } from "node:fs";
import * as oci from "@pulumi/oci";
import * as pulumi from "@pulumi/pulumi";
import { TickhubError } from "../../app/shared/errors.ts";
import { Bucket } from "../components/bucket.ts";
import { EgressVm } from "../components/egress-vm.ts";
import { Guardrails } from "../components/guardrails.ts";
import { HubVm } from "../components/hub-vm.ts";
import { Identity } from "../components/identity.ts";
import { Images } from "../components/images.ts";
import { Network } from "../components/network.ts";
import { Release, ReportPlace } from "../components/release.ts";
import { Rescue } from "../components/rescue.ts";
import { MachineKey, Tailnet } from "../components/tailnet.ts";
import { HubSecrets, Vault, type VaultRef } from "../components/vault.ts";
import { VolumeBackup } from "../components/volume-backup.ts";
import type { HubConfig } from "../config.ts";
import { hubUserData } from "../lib/cloud-init.ts";
import {
  databaseUrl,
  type Derivation,
  edgeTokens,
  hashedTokens,
  sentinelToken,
} from "../lib/derived.ts";
import { hashOfToken } from "../../app/shared/token.ts";
import { egressUserData } from "../lib/egress-init.ts";
import { HubStack } from "../lib/hub-stack.ts";
import { hubSettings } from "../lib/hub-settings.ts";
import { registryAddress } from "../lib/image-ref.ts";
import {
  EGRESS_HOSTNAME,
  hubHostname,
  PORTS,
  releaseReportObject,
  stagingTag,
  TAGS,
} from "../lib/names.ts";
import { FREE_ALLOWANCE } from "../lib/quota-statements.ts";

/** What both kinds of hub take from what only production owns. */
interface Shared {
  vault: VaultRef;
  /** Has to exist before anything that could bill. */
  before: pulumi.Resource[];
  outputs: Record<string, pulumi.Input<unknown>>;
}

/** Builds the stack and returns its outputs. Throws STACK_* before it plans what could not be finished. */
export async function hub(config: HubConfig): Promise<Record<string, pulumi.Input<unknown>>> {
  const lent = config.staging ? await borrowed(config) : undefined;
  const domain = await availabilityDomain(config);
  const identity = identityOf(config);
  const shared = lent ?? owned(config, identity);
  const network = new Network("network", { compartmentId: identity.compartmentId });
  const bucket = bucketOf(config, identity);
  const secrets = secretsOf(config, identity, shared.vault);
  const access = accessOf(config, identity, bucket, shared.vault, secrets);
  const parts = { identity, network, bucket, secrets };
  const vm = vmOf(config, domain, parts, [...shared.before, access]);
  const backups = config.staging ? [] : [keepBackups(identity, vm)];
  const egress = egressOf(config, domain, parts, shared.before);
  const rescue = config.vm.rescue ? [rescueOf(config, identity, network)] : [];
  const images = imagesOf(config);
  const release = releaseOf(config, bucket, images);
  if (!config.staging) {
    const made = [identity, network, bucket, secrets, access, vm, images, release];
    lock(config, bucket, [
      ...made,
      ...shared.before,
      ...backups,
      ...rescue,
      ...(egress ? [egress] : []),
    ]);
  }
  const outputs = { ...outputsOf(config, { images, bucket, vm }), ...shared.outputs };
  return egress ? { ...outputs, egressIp: egress.publicIp } : outputs;
}

function identityOf(config: HubConfig): Identity {
  return new Identity("identity", {
    tenancyId: config.oci.tenancyId,
    stack: config.stack,
    compartmentName: config.oci.compartmentName,
    region: config.oci.region,
    removable: config.staging,
  });
}

/** Of production only: one of each in the tenancy or in the tailnet. */
function owned(config: HubConfig, identity: Identity): Shared {
  const { oci: place, vm, tailnet } = config;
  const guardrails = new Guardrails("guardrails", {
    tenancyId: place.tenancyId,
    scope: place.quotaScope === "tenancy" ? "tenancy" : { compartment: place.compartmentName },
    atLeast: { a1Ocpus: vm.ocpus, a1MemoryGb: vm.memoryGb, volumesGb: storageGb(config) },
    budget: config.budget!,
  });
  const owner = new Tailnet("tailnet", {
    admins: tailnet.admins,
    phase: config.phase,
    kiwoomEgress: config.kiwoomEgress,
    ...(tailnet.extraPolicy === undefined ? {} : { extraPolicy: tailnet.extraPolicy }),
  });
  const { compartmentId } = identity;
  const { vaultId, keyId } = new Vault("vault", { compartmentId });
  const vault = { vaultId, keyId, compartmentId };
  return {
    vault,
    // The machine's tag has to be declared before a key may carry it.
    before: [guardrails, owner],
    outputs: { vault, edgesOauth: pulumi.secret(owner.edgesOauth) },
  };
}

/** Of staging: production's vault, as long as both fit in what is free. */
async function borrowed(config: HubConfig): Promise<Shared> {
  const production = new HubStack(config.hubStack);
  const vault = await production.value<Record<keyof VaultRef, string>>("vault");
  const totalGb = (await production.value<number>("storageGb")) + storageGb(config);
  if (totalGb > FREE_ALLOWANCE.volumesGb && !config.allowPaid) {
    throw new TickhubError("STACK_PAID", {
      problem: `with production's, ${totalGb} GB of volumes; ${FREE_ALLOWANCE.volumesGb} are free`,
      run: `pulumi config set allowPaid true --stack ${config.stack}`,
    });
  }
  return { vault, before: [], outputs: {} };
}

const storageGb = ({ vm, egressImageId }: HubConfig): number =>
  vm.bootVolumeGb * (egressImageId === undefined ? 1 : 2) + vm.dataVolumeGb;

function bucketOf(config: HubConfig, identity: Identity): Bucket {
  return new Bucket("bucket", {
    compartmentId: identity.compartmentId,
    tenancyId: config.oci.tenancyId,
    name: `tickhub-${config.stack}`,
    lifecyclePolicy: identity.lifecycle,
    protect: !config.staging,
  });
}

function derivation(config: HubConfig): pulumi.Output<Derivation> {
  const { stack, rotations } = config;
  return config.seed.apply((seed) => ({ seed, stack, rotations }));
}

function secretsOf(config: HubConfig, identity: Identity, vault: VaultRef): HubSecrets {
  const from = derivation(config);
  const { repository, username, password } = config.registry;
  const address = registryAddress(repository);
  return new HubSecrets("secrets", {
    vault,
    stack: config.stack,
    compartmentId: identity.compartmentId,
    values: {
      TICKHUB_DATABASE_URL: from.apply(databaseUrl),
      TICKHUB_EDGE_TOKENS: from.apply((given) => hashedTokens(edgeTokens(given, config.app.edges))),
      TICKHUB_SENTINEL_TOKEN: from.apply((given) => hashOfToken(sentinelToken(given))),
      REGISTRY: password.apply((word) => JSON.stringify({ address, username, password: word })),
    },
  });
}

function accessOf(
  config: HubConfig,
  identity: Identity,
  bucket: Bucket,
  vault: VaultRef,
  secrets: HubSecrets,
): pulumi.Resource {
  return identity.access({
    bucket: bucket.name,
    writes: config.staging ? { object: releaseReportObject(config.stack) } : "everything",
    secretsCompartmentId: vault.compartmentId,
    secretIds: Object.values(secrets.ids),
  });
}

function vmOf(
  config: HubConfig,
  availabilityDomain: string,
  parts: { identity: Identity; network: Network; bucket: Bucket; secrets: HubSecrets },
  before: pulumi.Resource[],
): HubVm {
  const { identity, network, bucket, secrets } = parts;
  const hostname = hubHostname(config.stack, config.staging);
  const tags = [config.staging ? stagingTag(TAGS.hub) : TAGS.hub];
  const key = new MachineKey("hub-key", { description: hostname, tags }, { dependsOn: before });
  const userData = pulumi
    .all([key.key, bucket.namespace, bucket.name, pulumi.all(secrets.ids)])
    .apply(([tailnetKey, namespace, name, secretIds]) =>
      hubUserData({
        hostname,
        tags,
        tailnetKey,
        stack: config.stack,
        region: config.oci.region,
        namespace,
        bucket: name,
        secrets: secretIds,
        kiwoomProxy: config.kiwoomEgress === "hub" && !config.staging,
        swapGb: 4,
        arch: archOf(config),
      }),
    );
  // The VM goes before the place of its report does, or it would write another into the bucket.
  const report = config.staging
    ? [new ReportPlace("report", { ...place(bucket), stack: config.stack })]
    : [];
  return new HubVm(
    "hub",
    {
      compartmentId: identity.compartmentId,
      availabilityDomain,
      subnetId: network.subnetId,
      nsgId: network.nsgId,
      vm: config.vm,
      hostname,
      userData: pulumi.secret(userData),
      protectData: !config.staging,
    },
    { dependsOn: [...before, bucket, ...report] },
  );
}

const place = ({ namespace, name }: Bucket) => ({ namespace, bucket: name });

const archOf = ({ vm }: HubConfig): "arm64" | "amd64" =>
  vm.shape === "VM.Standard.A1.Flex" ? "arm64" : "amd64";

/** The name behind the index in config. Throws STACK_CONFIG_INVALID when there is none. */
async function availabilityDomain({ oci: place, stack }: HubConfig): Promise<string> {
  const { tenancyId: compartmentId, availabilityDomain: index, region } = place;
  const { availabilityDomains } = await oci.identity.getAvailabilityDomains({ compartmentId });
  const domain = availabilityDomains[index];
  if (domain) return domain.name;
  throw new TickhubError("STACK_CONFIG_INVALID", {
    key: "availabilityDomain",
    value: index,
    wanted: `at most ${availabilityDomains.length - 1} in ${region}`,
    run: `pulumi config set availabilityDomain 0 --stack ${stack}`,
  });
}

function keepBackups(identity: Identity, vm: HubVm): VolumeBackup {
  const { compartmentId } = identity;
  return new VolumeBackup("backup", { compartmentId, volumeId: vm.volumeId });
}

/** Another machine's address for Kiwoom, where the hub's is not to be the one. */
function egressOf(
  { egressImageId: imageId, vm }: HubConfig,
  availabilityDomain: string,
  { identity, network }: { identity: Identity; network: Network },
  before: pulumi.Resource[],
): EgressVm | undefined {
  if (imageId === undefined) return undefined;
  const boot = { hostname: EGRESS_HOSTNAME, tags: [TAGS.egress] };
  const key = new MachineKey(
    "egress-key",
    { description: boot.hostname, tags: boot.tags },
    { dependsOn: before },
  );
  const { compartmentId } = identity;
  const { subnetId, nsgId } = network;
  const userData = pulumi.secret(
    key.key.apply((tailnetKey) => egressUserData({ ...boot, tailnetKey })),
  );
  const { hostname } = boot;
  return new EgressVm(
    "egress",
    { compartmentId, availabilityDomain, subnetId, nsgId, imageId, hostname, userData, vm },
    { dependsOn: before },
  );
}

function rescueOf(config: HubConfig, identity: Identity, network: Network): Rescue {
  const { compartmentId } = identity;
  return new Rescue("rescue", {
    compartmentId,
    network,
    stack: config.stack,
    from: config.vm.rescueFrom!,
  });
}

function imagesOf(config: HubConfig): Images {
  return new Images("images", {
    ...config.registry,
    arch: archOf(config),
    tag: `${appVersion()}-${config.stack}`,
  });
}

function releaseOf(config: HubConfig, bucket: Bucket, images: Images): Release {
  return new Release("release", {
    ...place(bucket),
    stack: config.stack,
    version: appVersion(),
    images: { hub: images.hub, database: config.app.databaseImage },
    compose: fileText("images/compose.yaml"),
    settings: hubSettings(config),
    force: config.force ?? null,
  });
}

/**
 * What a destroy of production meets first. A protected resource stops a destroy only when its turn comes,
 * and by then machine, release and policies would be gone: this one depends on everything, so that nothing is
 * deleted before it, and it is protected. Tearing down begins with `pulumi state unprotect`.
 */
function lock(config: HubConfig, bucket: Bucket, dependsOn: pulumi.Resource[]): void {
  new oci.objectstorage.StorageObject(
    "lock",
    {
      ...place(bucket),
      object: `stacks/${config.stack}.lock`,
      contentType: "text/plain",
      content: "This stack holds the ticks. docs/runbooks say how it is torn down.",
    },
    { dependsOn, protect: true },
  );
}

/** What edges, staging and people read. */
function outputsOf(
  config: HubConfig,
  { images, bucket, vm }: { images: Images; bucket: Bucket; vm: HubVm },
): Record<string, pulumi.Input<unknown>> {
  const { domain, homeName } = config.tailnet;
  const hubName = `${hubHostname(config.stack, config.staging)}.${domain}`;
  const proxies = {
    hub: hubName,
    home: `${homeName}.${domain}`,
    "oci-micro": `${EGRESS_HOSTNAME}.${domain}`,
  };
  const { repository, username, password } = config.registry;
  return {
    hubName,
    gatewayUrl: `ws://${hubName}:${PORTS.gateway}/edge`,
    tailnetDomain: domain,
    kiwoomProxyUrl: `http://${proxies[config.kiwoomEgress]}:${PORTS.kiwoomProxy}`,
    edgeTokens: pulumi.secret(
      derivation(config).apply((from) => edgeTokens(from, config.app.edges)),
    ),
    sentinelToken: pulumi.secret(derivation(config).apply(sentinelToken)),
    registry: pulumi.secret({ address: registryAddress(repository), username, password }),
    images: { hub: images.hub, edge: images.edge },
    version: appVersion(),
    bucket: bucket.name,
    namespace: bucket.namespace,
    instanceId: vm.instanceId,
    publicIp: vm.publicIp,
    storageGb: storageGb(config),
  };
}

const fileText = (path: string): string =>
  readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

const appVersion = (): string =>
  (JSON.parse(fileText("package.json")) as { version: string }).version;
