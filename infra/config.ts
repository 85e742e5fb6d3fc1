// Everything a stack is told, read once and checked as a whole: the only reader of pulumi.Config here.
// A stack says its role; what a role needs is in its own shape below, and every key's form in
// lib/config-keys.ts. Names, tags and ports that both sides have to agree on are in lib/names.ts.
// What a key alone cannot know, because it is about several keys, is checked here: staging is simulated
// and free, and nothing that bills is planned by oversight.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { TickhubError } from "../app/shared/errors.ts";
import { LIMITS, OCI_REGIONS_WITHOUT_A1 } from "../app/shared/free-tier.ts";
import { CONFIG_KEYS, type ConfigKey, type Keys } from "./lib/config-keys.ts";
import { GCP_REGIONS } from "./lib/free-tier.ts";

/** The repository's root: the program runs in infra/, tests run here. */
const ROOT = resolve(import.meta.dirname, "..");

/** What the stack builds. Never derived from the stack's name, so that a copy builds the same. */
export type Role = "hub" | "edge-gcp" | "edge-northflank";

/** Where the migration stands; here it only decides whether `tag:home` may reach the database. */
export type Phase = "home" | "local" | "dual" | "cloud";

/** Which registered address Kiwoom sees: the hub's, the home machine's, or an E2.1.Micro of its own. */
export type KiwoomEgress = "hub" | "home" | "oci-micro";

interface Common {
  /** The stack's name, as in `--stack`. */
  stack: string;
  /** A copy beside production: simulated brokers only, `tag:stg-*`, none of what production owns. */
  staging: boolean;
  /** Lets a stack plan what may bill; the policy pack then names it instead of refusing it. */
  allowPaid: boolean;
  /** Hours after which a staging stack that may bill is to be destroyed. */
  ttlHours?: number;
}

export interface HubConfig extends Common {
  role: "hub";
  oci: {
    tenancyId: string;
    /** The home region; it can never be changed. */
    region: string;
    /** Made by the stack; its quota statements name it. */
    compartmentName: string;
    quotaScope: "tenancy" | "compartment";
    /** Index of the availability domain, from 0; rotated by `up-until-capacity`. */
    availabilityDomain: number;
  };
  vm: {
    shape: "VM.Standard.A1.Flex" | "VM.Standard.E2.1.Micro";
    ocpus: number;
    memoryGb: number;
    /** OCID of an Ubuntu 24.04 image of that shape's architecture; pinned, because a newer one replaces the boot volume. */
    imageId: string;
    bootVolumeGb: number;
    /** Small enough that a restored copy beside it stays within the free 200 GB. */
    dataVolumeGb: number;
    reservedIp: boolean;
    /** Adds OCI Bastion and 22/tcp from its private address, for a VM that has left the tailnet. */
    rescue: boolean;
    /** CIDR block that may talk to the bastion. */
    rescueFrom?: string;
    sshPublicKey?: string;
    /** Lets a changed image or cloud-init replace the VM; normally both are ignored. */
    renew: boolean;
  };
  /** Of production only. */
  budget?: { amount: number; email: string };
  tailnet: {
    /** MagicDNS suffix, `tail1234.ts.net`. */
    domain: string;
    /** Users who may use SSH, the database and the dashboard. */
    admins: string[];
    /** HuJSON of an earlier policy to merge, written by `npm run tailnet:adopt`. */
    extraPolicy?: string;
    /** The home machine's name, where Kiwoom's proxy runs with kiwoomEgress home. */
    homeName: string;
  };
  phase: Phase;
  kiwoomEgress: KiwoomEgress;
  /** Ubuntu for amd64, of the VM that `oci-micro` adds in production. */
  egressImageId?: string;
  registry: {
    /** `ghcr.io/owner/tickhub`; the images are `<repository>/hub` and `<repository>/edge`. */
    repository: string;
    username: string;
    password: pulumi.Output<string>;
    /** Try login, push and pull before relying on them. */
    check: boolean;
  };
  /** Where edges' tokens and the database's password come from, and how often each was renewed. */
  seed: pulumi.Output<string>;
  rotations: Record<string, number>;
  /** Production's hub, whose vault keeps a staging stack's secrets. */
  hubStack: string;
  app: {
    symbols: string[];
    accounts: string[];
    brokers: "real" | "simulated";
    /** Days of raw ticks to keep; 0 keeps all. */
    retainDays: number;
    /** Names of the edges that get a token. */
    edges: string[];
    /** TimescaleDB, pinned by digest. */
    databaseImage: string;
  };
  /** Reason to restart collector or hub within a trading session. */
  force?: string;
}

export interface EdgeGcpConfig extends Common {
  role: "edge-gcp";
  /** The hub's stack, `organization/tickhub/oci`. */
  hubStack: string;
  gcp: {
    project: string;
    region: string;
    zone: string;
    image: string;
    diskGb: number;
    /** `0X0X0X-0X0X0X-0X0X0X`; without it there is no budget. */
    billingAccount?: string;
  };
  /** Keys of what the news feed and the watchdog call; kept in Secret Manager. */
  secrets: Record<string, pulumi.Output<string>>;
}

export interface EdgeNorthflankConfig extends Common {
  role: "edge-northflank";
  hubStack: string;
  northflank: {
    projectId: string;
    token: pulumi.Output<string>;
    /** `https://api.northflank.com`, or a loopback address in tests. */
    apiUrl: string;
    plan: string;
  };
  kiwoomEgress: KiwoomEgress;
  brokers: "real" | "simulated";
  secrets: Record<string, pulumi.Output<string>>;
  /** Reason to restart the collectors within a trading session. */
  force?: string;
}

export type StackConfig = HubConfig | EdgeGcpConfig | EdgeNorthflankConfig;

/** Where keys come from: Pulumi's config in a run, a map in a test. */
export interface ConfigSource {
  stack: string;
  /** By the full key, `tickhub:role`. */
  get(key: string): string | undefined;
  /** True when the key was set with --secret. */
  isSecret(key: string): boolean;
  readText(path: string): string;
}

/** The running stack's config. Throws TickhubError STACK_*, which names the key and the command to run. */
export function readConfig(): StackConfig {
  // Not in its declarations: the engine's list of the keys that are encrypted.
  const runtime = pulumi.runtime as typeof pulumi.runtime & {
    isConfigSecret(key: string): boolean;
  };
  return parseConfig({
    stack: pulumi.getStack(),
    get: (key) => pulumi.runtime.getConfig(key),
    isSecret: (key) => runtime.isConfigSecret(key),
    readText: (path) => readFileSync(resolve(ROOT, path), "utf8"),
  });
}

/** As readConfig, of any source. */
export function parseConfig(source: ConfigSource): StackConfig {
  switch (roleOf(source)) {
    case "hub":
      return hubConfig(source, keysOf("hub", source));
    case "edge-gcp":
      return edgeGcpConfig(source, keysOf("edge-gcp", source));
    case "edge-northflank":
      return edgeNorthflankConfig(source, keysOf("edge-northflank", source));
  }
}

/** The role alone, so that an empty file is told apart from a wrong one. */
function roleOf(source: ConfigSource): Role {
  const text = source.get("tickhub:role");
  if (text === undefined || text === "") {
    // `pulumi stack rm` and `destroy --remove` delete the link that such a stack's file is.
    const linked = source.stack === "edge-gcp" || source.stack === "edge-northflank";
    throw new TickhubError("STACK_ROLE_MISSING", {
      file: `Pulumi.${source.stack}.yaml`,
      run: linked
        ? `git checkout -- Pulumi.${source.stack}.yaml`
        : `pulumi config set role hub --stack ${source.stack}`,
    });
  }
  if (text in CONFIG_KEYS) return text as Role;
  const wanted = `one of ${Object.keys(CONFIG_KEYS).join(", ")}`;
  throw invalid(source, "role", CONFIG_KEYS.hub.role, text, wanted);
}

/** Every key of a role, parsed. A value that begins with FILL is one that nobody filled in. */
function keysOf<R extends Role>(role: R, source: ConfigSource): Keys<R> {
  const parsed: Record<string, unknown> = {};
  for (const [name, key] of Object.entries<ConfigKey>(CONFIG_KEYS[role])) {
    const full = name.includes(":") ? name : `tickhub:${name}`;
    const stored = source.get(full);
    const text =
      stored === undefined || stored === "" || /^FILL\b/.test(stored) ? undefined : stored;
    if (text !== undefined && key.secret && !source.isSecret(full)) {
      throw new TickhubError("STACK_CONFIG_PLAIN", { key: full, run: command(source, name, key) });
    }
    const result = key.schema.safeParse(text);
    if (result.success) parsed[name] = result.data;
    else if (text === undefined) throw missing(source, name, key);
    else throw invalid(source, name, key, text, result.error.issues[0]?.message ?? "another form");
  }
  return parsed as Keys<R>;
}

/** Keys that some hubs need and others do not. */
type HubOptional = "budgetEmail" | "tailnetAdmins" | "rescueFrom" | "egressImageId";

function hubConfig(source: ConfigSource, keys: Keys<"hub">): HubConfig {
  const { staging } = keys;
  const isA1 = keys.shape === "VM.Standard.A1.Flex";
  const egress = keys.kiwoomEgress === "oci-micro" && !staging;
  checkStaging(source, keys, staging && isA1 ? "an A1 beside production's" : undefined);
  if (!keys.allowPaid) {
    const problem = hubBills(keys);
    if (problem) throw paid(source, problem);
  }
  const required = <K extends HubOptional>(name: K) => {
    const value = keys[name];
    if (value === undefined) throw missing(source, name, CONFIG_KEYS.hub[name]);
    return value;
  };
  return {
    ...common(source, keys),
    role: "hub",
    oci: {
      tenancyId: keys["oci:tenancyOcid"],
      region: keys["oci:region"],
      compartmentName: keys.compartment ?? (staging ? `tickhub-${source.stack}` : "tickhub"),
      quotaScope: keys.quotaScope,
      availabilityDomain: keys.availabilityDomain,
    },
    vm: {
      shape: keys.shape,
      ocpus: isA1 ? keys.ocpus : 1,
      memoryGb: isA1 ? keys.memoryGb : 1,
      imageId: keys.imageId,
      bootVolumeGb: keys.bootVolumeGb,
      dataVolumeGb: keys.dataVolumeGb,
      reservedIp: keys.reservedIp ?? (!staging && keys.kiwoomEgress !== "oci-micro"),
      rescue: keys.rescue,
      renew: keys.renewVm,
      ...(keys.rescue ? { rescueFrom: required("rescueFrom") } : {}),
      ...(keys.sshPublicKey ? { sshPublicKey: keys.sshPublicKey } : {}),
    },
    ...(staging ? {} : { budget: { amount: keys.budgetAmount, email: required("budgetEmail") } }),
    tailnet: {
      domain: keys.tailnetDomain,
      admins: staging ? (keys.tailnetAdmins ?? []) : required("tailnetAdmins"),
      homeName: keys.homeName,
      ...(keys.tailnetExtra ? { extraPolicy: source.readText(keys.tailnetExtra) } : {}),
    },
    phase: keys.phase,
    kiwoomEgress: keys.kiwoomEgress,
    ...(egress ? { egressImageId: required("egressImageId") } : {}),
    registry: {
      repository: keys.registry,
      username: keys.registryUsername,
      password: pulumi.secret(keys.registryPassword),
      check: keys.registryCheck,
    },
    seed: pulumi.secret(keys.seed),
    rotations: keys.rotations,
    hubStack: keys.hubStack,
    app: {
      symbols: keys.symbols,
      accounts: keys.accounts,
      brokers: keys.brokers ?? "real",
      retainDays: keys.retainDays,
      edges: keys.edges,
      databaseImage: keys.databaseImage,
    },
    ...(keys.force ? { force: keys.force } : {}),
  };
}

function edgeGcpConfig(source: ConfigSource, keys: Keys<"edge-gcp">): EdgeGcpConfig {
  const region = keys["gcp:region"];
  const zone = keys["gcp:zone"];
  checkStaging(source, keys, keys.staging ? "a second e2-micro" : undefined);
  if (!keys.allowPaid && !GCP_REGIONS.some((free) => free === region)) {
    throw paid(source, `an e2-micro is free in ${GCP_REGIONS.join(", ")}, not in ${region}`);
  }
  if (!zone.startsWith(`${region}-`)) {
    const key = CONFIG_KEYS["edge-gcp"]["gcp:zone"];
    throw invalid(source, "gcp:zone", key, zone, `a zone of ${region}`);
  }
  return {
    ...common(source, keys),
    role: "edge-gcp",
    hubStack: keys.hubStack,
    gcp: {
      project: keys["gcp:project"],
      region,
      zone,
      image: keys.machineImage,
      diskGb: keys.diskGb,
      ...(keys.billingAccount === undefined ? {} : { billingAccount: keys.billingAccount }),
    },
    secrets: secrets(keys.secrets),
  };
}

function edgeNorthflankConfig(
  source: ConfigSource,
  keys: Keys<"edge-northflank">,
): EdgeNorthflankConfig {
  checkStaging(source, keys, keys.staging ? "services beyond Northflank's two" : undefined);
  return {
    ...common(source, keys),
    role: "edge-northflank",
    hubStack: keys.hubStack,
    northflank: {
      projectId: keys.northflankProject,
      token: pulumi.secret(keys.northflankToken),
      apiUrl: keys.northflankApi,
      plan: keys.northflankPlan,
    },
    kiwoomEgress: keys.kiwoomEgress,
    brokers: keys.brokers ?? "real",
    secrets: secrets(keys.secrets),
    ...(keys.force === undefined ? {} : { force: keys.force }),
  };
}

type CommonKeys = Pick<Keys<"hub">, "staging" | "allowPaid" | "ttlHours">;

function common(source: ConfigSource, keys: CommonKeys): Common {
  return {
    stack: source.stack,
    staging: keys.staging,
    allowPaid: keys.allowPaid,
    ...(keys.ttlHours === undefined ? {} : { ttlHours: keys.ttlHours }),
  };
}

const secrets = (plain: Record<string, string>): Record<string, pulumi.Output<string>> =>
  Object.fromEntries(Object.entries(plain).map(([name, value]) => [name, pulumi.secret(value)]));

/** Staging never speaks to a real broker, and bills only when it is told for how long. */
function checkStaging(
  source: ConfigSource,
  keys: CommonKeys & { brokers?: unknown; secrets?: Record<string, string>; reservedIp?: unknown },
  bills: string | undefined,
): void {
  if (!keys.staging) return;
  if ("brokers" in keys && keys.brokers !== "simulated") {
    throw staging(
      source,
      "it has to say brokers: simulated",
      "pulumi config set brokers simulated",
    );
  }
  const broker = Object.keys(keys.secrets ?? {}).find((name) => /^(KIS|KIWOOM)_/.test(name));
  if (broker) {
    const run = `pulumi config rm --path secrets.${broker}`;
    throw staging(source, `${broker} is a real broker's key`, run);
  }
  if (keys.reservedIp === true) {
    throw staging(source, "the reserved address is production's", "pulumi config rm reservedIp");
  }
  if (bills === undefined) return;
  if (!keys.allowPaid) throw paid(source, `${bills} bills in staging`);
  if (keys.ttlHours === undefined) throw missing(source, "ttlHours", CONFIG_KEYS.hub.ttlHours);
}

/** What of a hub's plan goes beyond the free allowance, or undefined. */
function hubBills(keys: Keys<"hub">): string | undefined {
  const region = keys["oci:region"];
  const isA1 = keys.shape === "VM.Standard.A1.Flex";
  if (isA1 && OCI_REGIONS_WITHOUT_A1.includes(region)) {
    return `${region} has no free A1, and a home region cannot be changed`;
  }
  const { ociA1Ocpus, ociA1MemoryGb, ociBlockGb } = LIMITS;
  if (isA1 && (keys.ocpus > ociA1Ocpus.limit || keys.memoryGb > ociA1MemoryGb.limit)) {
    return `an A1 of ${keys.ocpus} OCPU and ${keys.memoryGb} GB; ${ociA1Ocpus.limit} and ${ociA1MemoryGb.limit} are free`;
  }
  const micro = keys.kiwoomEgress === "oci-micro" && !keys.staging ? keys.bootVolumeGb : 0;
  const totalGb = keys.bootVolumeGb + keys.dataVolumeGb + micro;
  if (totalGb > ociBlockGb.limit) {
    return `${totalGb} GB of volumes; ${ociBlockGb.limit} are free`;
  }
  return undefined;
}

// ---- the errors, each with the command to run

function command(source: ConfigSource, name: string, key: ConfigKey): string {
  const secret = key.secret ? " --secret" : "";
  return `pulumi config set${secret} ${name} ${key.example} --stack ${source.stack}`;
}

function missing(source: ConfigSource, name: string, key: ConfigKey): TickhubError {
  const run = command(source, name, key);
  return new TickhubError("STACK_CONFIG_MISSING", { key: name, meaning: key.help, run });
}

function invalid(
  source: ConfigSource,
  name: string,
  key: ConfigKey,
  value: string,
  wanted: string,
): TickhubError {
  return new TickhubError("STACK_CONFIG_INVALID", {
    key: name,
    ...(key.secret ? {} : { value }),
    wanted,
    run: command(source, name, key),
  });
}

function staging(source: ConfigSource, problem: string, run: string): TickhubError {
  return new TickhubError("STACK_STAGING", { problem, run: `${run} --stack ${source.stack}` });
}

function paid(source: ConfigSource, problem: string): TickhubError {
  const run = `pulumi config set allowPaid true --stack ${source.stack}`;
  return new TickhubError("STACK_PAID", { problem, run });
}
