// Every key a stack's configuration file may hold: its form, its default, what it is for. One table, from
// which the reader (config.ts) and the table in docs/infra.md are checked; the keys a role does not name
// do not exist for it.
import { z } from "zod";
import { GCP_REGIONS } from "./free-tier.ts";

export interface ConfigKey {
  /** From the text that `pulumi config set` stored. */
  schema: z.ZodType;
  /** One line of docs/infra.md. */
  help: string;
  /** What to write after `pulumi config set KEY`. */
  example: string;
  /** Has to be set with `--secret`. */
  secret?: true;
}

const text = (pattern: RegExp, wanted: string) => z.string().regex(pattern, { error: wanted });
const whole = (min: number, max: number) =>
  z.coerce
    .number({ error: `a whole number from ${min} to ${max}` })
    .int({ error: `a whole number from ${min} to ${max}` })
    .min(min, { error: `at least ${min}` })
    .max(max, { error: `at most ${max}` });
const flag = z
  .enum(["true", "false"], { error: "true or false" })
  .transform((word) => word === "true");
const oneOf = <const T extends readonly string[]>(...words: T) =>
  z.enum(words, { error: `one of ${words.join(", ")}` });
const list = z.string().transform((words) =>
  words
    .split(",")
    .map((word) => word.trim())
    .filter(Boolean),
);
const listOf = (pattern: RegExp, wanted: string) =>
  list.refine((words) => words.every((word) => pattern.test(word)), { error: wanted });
const ocid = (kind: string) =>
  text(new RegExp(`^ocid1\\.${kind}\\.[a-z0-9.-]+$`), `an OCID that begins with ocid1.${kind}.`);
const host = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;
const email = /^[^@\s,]+@[^@\s,]+$/;
/** `kis=2,database=1` */
const counts = list.transform((words, context) => {
  const pairs = words.map((word) => /^([a-z0-9-]+)=([1-9][0-9]{0,3})$/.exec(word));
  if (pairs.includes(null)) context.addIssue({ code: "custom", message: "name=number pairs" });
  return Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? "", Number(pair?.[2] ?? 0)]));
});
const stackReference = text(
  /^[^/\s]+\/[^/\s]+\/[^/\s]+$/,
  "ORGANIZATION/PROJECT/STACK; with a file or bucket backend ORGANIZATION is the word organization",
);
/** `{"KIS_APP_KEY":"…"}`, as `pulumi config set --secret --path 'secrets.KIS_APP_KEY'` stores it. */
const secretMap = z.string().transform((json, context): Record<string, string> => {
  const parsed = z
    .record(z.string().regex(/^[A-Z][A-Z0-9_]*$/), z.string().min(1))
    .safeParse(parsedJson(json));
  if (!parsed.success) context.addIssue({ code: "custom", message: "NAMES with texts below them" });
  return parsed.data ?? {};
});

function parsedJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

const COMMON = {
  role: {
    schema: oneOf("hub", "edge-gcp", "edge-northflank"),
    help: "What the stack builds.",
    example: "hub",
  },
  staging: {
    schema: flag.default(false),
    help: "A copy beside production: simulated brokers, `tag:stg-*`, nothing that production owns.",
    example: "true",
  },
  allowPaid: {
    schema: flag.default(false),
    help: "Allows plans that bill. Without it they are refused.",
    example: "true",
  },
  ttlHours: {
    schema: whole(1, 720).optional(),
    help: "Hours after which a staging stack that bills is to be destroyed; required with allowPaid.",
    example: "8",
  },
} as const satisfies Record<string, ConfigKey>;

const HUB = {
  ...COMMON,
  "oci:tenancyOcid": {
    schema: ocid("tenancy"),
    help: "The tenancy.",
    example: "ocid1.tenancy.oc1..aaaa",
  },
  "oci:region": {
    schema: text(/^[a-z]{2}(-[a-z]+)+-\d+$/, "a region such as ap-seoul-1"),
    help: "The tenancy's home region; only there is anything free, and it can never be changed.",
    example: "ap-seoul-1",
  },
  compartment: {
    schema: text(/^[A-Za-z0-9_.-]{1,100}$/, "letters, digits, - _ . only").optional(),
    help: "Name of the compartment the stack makes. Default `tickhub`; in staging the stack's name after it.",
    example: "tickhub",
  },
  quotaScope: {
    schema: oneOf("tenancy", "compartment").default("tenancy"),
    help: "What the quota covers. The free allowance is the tenancy's, so `compartment` leaves room to bill.",
    example: "tenancy",
  },
  availabilityDomain: {
    schema: whole(0, 2).default(0),
    help: "Index of the availability domain. VM and data volume are in the same one.",
    example: "1",
  },
  shape: {
    schema: oneOf("VM.Standard.A1.Flex", "VM.Standard.E2.1.Micro").default("VM.Standard.A1.Flex"),
    help: "The hub's machine: arm64 with all of the free allowance, or the small amd64 of staging.",
    example: "VM.Standard.E2.1.Micro",
  },
  ocpus: {
    schema: whole(1, 80).default(2),
    help: "Cores of an A1; 2 are free.",
    example: "2",
  },
  memoryGb: {
    schema: whole(1, 512).default(12),
    help: "Memory of an A1; 12 GB are free.",
    example: "12",
  },
  imageId: {
    schema: ocid("image"),
    help: "Ubuntu 24.04 for the shape's processor. Pinned, because a newer one replaces the boot volume.",
    example: "ocid1.image.oc1.ap-seoul-1.aaaa",
  },
  egressImageId: {
    schema: ocid("image").optional(),
    help: "Ubuntu 24.04 for amd64, of the machine that kiwoomEgress `oci-micro` adds; required with it.",
    example: "ocid1.image.oc1.ap-seoul-1.aaaa",
  },
  bootVolumeGb: {
    schema: whole(50, 200).default(50),
    help: "Boot volume; holds nothing that matters.",
    example: "50",
  },
  dataVolumeGb: {
    schema: whole(50, 32_768).default(50),
    help: "Data volume. It can grow and never shrink: 50 leaves room for staging or a restored copy, 75 for a copy only.",
    example: "75",
  },
  reservedIp: {
    schema: flag.optional(),
    help: "A public address that outlives the VM. Default true; false in staging, and where another machine has Kiwoom's address.",
    example: "true",
  },
  rescue: {
    schema: flag.default(false),
    help: "Adds OCI Bastion, and 22/tcp from its private address.",
    example: "true",
  },
  rescueFrom: {
    schema: text(
      /^\d{1,3}(\.\d{1,3}){3}\/(3[0-2]|[12]?\d)$/,
      "a block such as 203.0.113.4/32",
    ).optional(),
    help: "Who may talk to the bastion; required with rescue.",
    example: "203.0.113.4/32",
  },
  sshPublicKey: {
    schema: text(/^(ssh-ed25519|ssh-rsa|ecdsa-[a-z0-9-]+) \S+/, "an OpenSSH public key").optional(),
    help: "Key of the user `ubuntu`, for the bastion; takes effect when the VM is made.",
    example: '"$(cat ~/.ssh/id_ed25519.pub)"',
  },
  budgetAmount: {
    schema: whole(1, 1_000_000).default(1),
    help: "Monthly budget in the tenancy's currency; the alert comes at a hundredth of it.",
    example: "1",
  },
  budgetEmail: {
    schema: text(email, "an e-mail address").optional(),
    help: "Who hears of spending. Required, except in staging.",
    example: "you@example.com",
  },
  tailnetDomain: {
    schema: text(host, "a MagicDNS suffix such as tail1234.ts.net"),
    help: "MagicDNS suffix of the tailnet.",
    example: "tail1234.ts.net",
  },
  tailnetAdmins: {
    schema: listOf(email, "login names with an @, separated by commas").optional(),
    help: "Tailscale logins that may use SSH, the database and the page. Required, except in staging.",
    example: "you@example.com",
  },
  tailnetExtra: {
    schema: z.string().min(1).optional(),
    help: "File with the policy the tailnet had before, to be merged.",
    example: "infra/tailnet/extra.hujson",
  },
  homeName: {
    schema: text(/^[a-z0-9-]{1,63}$/, "a machine's name").default("tickhub-home"),
    help: "The home machine's name in the tailnet; Kiwoom's proxy runs there with kiwoomEgress home.",
    example: "tickhub-home",
  },
  phase: {
    schema: oneOf("home", "local", "dual", "cloud").default("cloud"),
    help: "Where the migration stands; `local` lets the home machine reach the database.",
    example: "local",
  },
  kiwoomEgress: {
    schema: oneOf("hub", "home", "oci-micro").default("hub"),
    help: "Whose address is registered with Kiwoom; `oci-micro` adds a second small VM for it.",
    example: "hub",
  },
  registry: {
    schema: text(
      /^[a-z0-9.-]+(:\d+)?(\/[a-z0-9]+([._-]+[a-z0-9]+)*)+$/,
      "host/owner/name in small letters, without a tag",
    ),
    help: "Where images are pushed: `<registry>/hub` and `<registry>/edge`.",
    example: "ghcr.io/owner/tickhub",
  },
  registryUsername: {
    schema: z.string().min(1),
    help: "Login of the registry.",
    example: "owner",
  },
  registryPassword: {
    schema: z.string().min(1),
    secret: true,
    help: "Its token; may push and pull. The hub's VM pulls with it.",
    example: "TOKEN",
  },
  registryCheck: {
    schema: flag.default(true),
    help: "Tries login, push and pull before the plan relies on them; `false` for a registry that this misjudges.",
    example: "false",
  },
  databaseImage: {
    schema: text(
      /^[a-z0-9./:_-]+@sha256:[0-9a-f]{64}$/,
      "an image pinned by digest, name:tag@sha256:…",
    ),
    help: "TimescaleDB on PostgreSQL 17. Takes effect only through the operator's command on the VM.",
    example: "timescale/timescaledb:2.23.1-pg17@sha256:…",
  },
  symbols: {
    schema: listOf(
      /^(((KRX|NXT|UN):)?[0-9A-Z]{6}|(NAS|NYS|AMS):[A-Z0-9.]{1,12})$/,
      "symbols such as 005930 or NAS:AAPL, separated by commas; in the file in quotes",
    ).default([]),
    help: "TICKHUB_SYMBOLS of the hub.",
    example: "005930,000660",
  },
  accounts: {
    schema: listOf(/^(kis|kiwoom):[1-9]\d?$/, "kis:N or kiwoom:N, separated by commas").default([
      "kis:1",
      "kiwoom:1",
    ]),
    help: "TICKHUB_ACCOUNTS of the hub.",
    example: "kis:1,kiwoom:1",
  },
  brokers: {
    schema: oneOf("real", "simulated").optional(),
    help: "Default real; staging knows only simulated ones, which its hub and its database hold to (TICKHUB_BROKERS).",
    example: "simulated",
  },
  retainDays: {
    schema: whole(0, 3650).default(0),
    help: "Days of raw ticks to keep; 0 keeps all.",
    example: "90",
  },
  edges: {
    schema: listOf(/^[a-z0-9-]{1,40}$/, "names of edges, separated by commas").default([
      "kis",
      "kiwoom",
      "news",
    ]),
    help: "The edges that get a token.",
    example: "kis,kiwoom,news",
  },
  seed: {
    schema: z.string().min(32, { error: "at least 32 characters: openssl rand -base64 32" }),
    secret: true,
    help: "256 random bits from which edges' tokens and the database's password are derived.",
    example: '"$(openssl rand -base64 32)"',
  },
  rotations: {
    schema: counts.default({}),
    help: "How often a derived secret was renewed: raise one number to change one edge's token, or `database`'s password.",
    example: "kis=1",
  },
  hubStack: {
    schema: stackReference.default("organization/tickhub/oci"),
    help: "Staging only: the production hub's stack, whose vault keeps staging's secrets.",
    example: "organization/tickhub/oci",
  },
  renewVm: {
    schema: flag.default(false),
    help: "Replaces the VM when its image or first-boot instructions changed; data, name and reserved address stay. Remove it afterwards.",
    example: "true",
  },
  force: {
    schema: z.string().min(10, { error: "a reason of at least 10 characters" }).optional(),
    help: "Reason to restart collector or hub within a trading session. Remove it afterwards.",
    example: "'feed stuck since 10:02'",
  },
} as const satisfies Record<string, ConfigKey>;

const EDGE = {
  ...COMMON,
  hubStack: {
    schema: stackReference.default("organization/tickhub/oci"),
    help: "The hub's stack: tokens, images and names come from its outputs.",
    example: "organization/tickhub/oci",
  },
  secrets: {
    schema: secretMap.default({}),
    secret: true,
    help: "Brokers' and services' keys by the variable they become, each set with `--secret --path`.",
    example: "--path 'secrets.KIS_APP_KEY' KEY",
  },
} as const satisfies Record<string, ConfigKey>;

const EDGE_GCP = {
  ...EDGE,
  "gcp:project": {
    schema: text(/^[a-z][a-z0-9-]{4,28}[a-z0-9]$/, "a project's id"),
    help: "The Google Cloud project.",
    example: "my-project-1234",
  },
  "gcp:region": {
    schema: text(/^[a-z]+-[a-z]+\d$/, "a region").default("us-west1"),
    help: `The region; free in ${GCP_REGIONS.join(", ")}.`,
    example: "us-west1",
  },
  "gcp:zone": {
    schema: text(/^[a-z]+-[a-z]+\d-[a-f]$/, "a zone of the region").default("us-west1-b"),
    help: "A zone of the region.",
    example: "us-west1-b",
  },
  machineImage: {
    schema: text(/^projects\/[a-z0-9-]+\/global\/images\/[a-z0-9-]+$/, "an image by its full name"),
    help: "Image of the VM, by name and not by family: a newer one would replace the VM.",
    example: "projects/debian-cloud/global/images/debian-12-bookworm-v20261111",
  },
  diskGb: {
    schema: whole(10, 30).default(20),
    help: "Boot disk, pd-standard; 30 GB are free.",
    example: "20",
  },
  billingAccount: {
    schema: text(/^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$/, "a billing account's id").optional(),
    help: "Billing account, for a budget that tells of the first spending; without it there is none.",
    example: "012345-6789AB-CDEF01",
  },
} as const satisfies Record<string, ConfigKey>;

const EDGE_NORTHFLANK = {
  ...EDGE,
  northflankProject: {
    schema: text(/^[a-z0-9][a-z0-9-]{1,38}$/, "a project's id").default("tickhub"),
    help: "The project at Northflank.",
    example: "tickhub",
  },
  northflankToken: {
    schema: z.string().min(1),
    secret: true,
    help: "API token with rights on that project.",
    example: "TOKEN",
  },
  northflankApi: {
    schema: text(/^https?:\/\/[^\s/]+$/, "an address without a path").default(
      "https://api.northflank.com",
    ),
    help: "The API; another address in tests.",
    example: "https://api.northflank.com",
  },
  northflankPlan: {
    schema: text(/^nf-compute-\d+(-\d+)?$/, "a plan such as nf-compute-10").default(
      "nf-compute-10",
    ),
    help: "Plan of the two services.",
    example: "nf-compute-10",
  },
  kiwoomEgress: HUB.kiwoomEgress,
  brokers: HUB.brokers,
  force: HUB.force,
} as const satisfies Record<string, ConfigKey>;

/** The keys of each role. Order is the order of docs/infra.md. */
export const CONFIG_KEYS = {
  hub: HUB,
  "edge-gcp": EDGE_GCP,
  "edge-northflank": EDGE_NORTHFLANK,
} as const satisfies Record<string, Record<string, ConfigKey>>;

export type Keys<R extends keyof typeof CONFIG_KEYS> = {
  [K in keyof (typeof CONFIG_KEYS)[R]]: (typeof CONFIG_KEYS)[R][K] extends {
    schema: infer S extends z.ZodType;
  }
    ? z.output<S>
    : never;
};
