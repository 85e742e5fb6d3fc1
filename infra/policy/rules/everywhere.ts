// What holds at every vendor: only types known to be free, images by digest, no secret that can be read where
// anybody may look, and no real broker in a staging stack.
import { gunzipSync } from "node:zlib";
import { isFreeType, PAID_TYPES } from "../../lib/free-tier.ts";
import { everyAt, shown, textsOf } from "../read.ts";
import type { Resource, Rule } from "../rule.ts";
import { SERVICE } from "./northflank.ts";

/** A repository, possibly at a host with a port, and a digest; no tag. */
const PINNED = /^(?:[^\s@/]+\/)*[^\s@/:]+@sha256:[0-9a-f]{64}$/;
/** An image of a registry's host, as it stands in scripts and compose files; the tail says how it is pinned. */
const IMAGE =
  /\b(?:ghcr\.io|docker\.io|quay\.io|gcr\.io|[\w-]+\.ocir\.io|[\w-]+\.pkg\.dev)\/[\w./-]+(?:[:@][\w:.-]+)*/g;

/** Where others may read: machines' metadata, objects, images' arguments, environments of containers. */
const OPEN_PLACES: Readonly<Record<string, readonly string[]>> = {
  "oci:Core/instance:Instance": ["metadata", "extendedMetadata"],
  "gcp:compute/instance:Instance": ["metadata", "metadataStartupScript"],
  "oci:ObjectStorage/storageObject:StorageObject": ["content"],
  "docker:index/image:Image": ["build"],
  [SERVICE]: ["runtimeEnvironment"],
};

const SECRETS: readonly { what: string; pattern: RegExp }[] = [
  { what: "a private key", pattern: /-----BEGIN [A-Z ]*PRIVATE KEY-----/ },
  // One-time machine keys (tskey-auth-) are meant for user_data; these two stay valid.
  { what: "a Tailscale API or client secret", pattern: /\btskey-(api|client)-\w/ },
  { what: "a GitHub token", pattern: /\b(ghp|gho|ghs|ghu)_\w{20}|\bgithub_pat_\w{20}/ },
  { what: "a cloud access key", pattern: /\b(AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[\w-]{35}\b/ },
  { what: "a JSON web token", pattern: /\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}/ },
];

/** NAME=value, NAME: value and "NAME":"value", where the name says that the value is secret. */
const ASSIGNED =
  /\b([A-Za-z_]*(?:APP_KEY|SECRET_KEY|APP_SECRET|PASSWORD|PASSWD|API_KEY|TOKEN|CLIENT_SECRET))\b["']?\s*[:=]\s*["']?([^\s"',}]{8,})/gi;
/** A value that names where the secret is, instead of being it. */
const REFERENCE = /^[$<{(/.]|^ocid1\.|^file:|^projects\/|\$\(|\$\{/;

/** Metadata ends at 32,000 bytes; what unpacks to more than this is no script. */
const UNPACKED_BYTES_MAX = 4 * 1024 * 1024;

const SECOND_COLLECTOR =
  "A second collector on a real account closes production's socket, and the broker may lock the account.";

const BROKER_KEY = /(KIS|KIWOOM)[A-Z0-9_-]*(APP[_-]?KEY|APP[_-]?SECRET|SECRET[_-]?KEY)/i;

/** The texts of a resource's open places, decoded. */
function openTexts({ type, inputs }: Resource): { path: string; text: string }[] {
  return (OPEN_PLACES[type] ?? [])
    .flatMap((place) =>
      everyAt(inputs, place).flatMap((value) =>
        textsOf(value).map((found) => ({ ...found, place })),
      ),
    )
    .map(({ place, path, text }) => ({
      path: path === "" ? place : `${place}.${path}`,
      text: /(^|\.)user_data$/.test(path) ? decoded(text) : text,
    }));
}

/** user_data is base64, of a text or of its gzip; files within it may be packed the same way. */
function decoded(text: string): string {
  const bytes = Buffer.from(text, "base64");
  if (bytes.length === 0 || bytes.toString("base64").replace(/=+$/, "") !== text.replace(/=+$/, ""))
    return unpacked(text);
  return unpacked(unzipped(bytes) ?? bytes.toString("utf8"));
}

/** A text, followed by what is packed in it. */
function unpacked(text: string): string {
  const inner = [...text.matchAll(/[A-Za-z0-9+/]{64,}={0,2}/g)].map(([packed]) =>
    unzipped(Buffer.from(packed, "base64")),
  );
  return [text, ...inner.filter((found) => found !== undefined)].join("\n");
}

/** The content of a gzip file; undefined when it is none. */
function unzipped(bytes: Buffer): string | undefined {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return undefined;
  try {
    return gunzipSync(bytes, { maxOutputLength: UNPACKED_BYTES_MAX }).toString("utf8");
  } catch {
    return undefined;
  }
}

/**
 * Values that have to be whole references, and are not. Northflank refuses a tag beside the digest; a
 * release may carry one, for people to read.
 */
function looseImagesOf(resource: Resource): unknown[] {
  if (resource.type === SERVICE)
    return [...everyAt(resource.inputs, "imagePath"), ...everyAt(resource.inputs, "image")].filter(
      (image) => typeof image === "string" && !PINNED.test(image),
    );
  if (resource.type !== "oci:ObjectStorage/storageObject:StorageObject") return [];
  const content = resource.inputs["content"];
  try {
    const release = JSON.parse(shown(content)) as { images?: Record<string, unknown> };
    return Object.values(release.images ?? {}).filter(
      (image) => typeof image !== "string" || !PINNED.test(image.replace(/:[^:@/]+@/, "@")),
    );
  } catch {
    return [];
  }
}

export const everywhere: readonly Rule[] = [
  {
    name: "free-types",
    about: "bill",
    over: "resource",
    description: "Only types of resources that are known to cost nothing.",
    why: "What is not known to be free is taken to bill.",
    fix: "Use what the stack has, or add the type to infra/lib/free-tier.ts with the price read.",
    check: ({ type }) => {
      if (isFreeType(type)) return [];
      const paid = PAID_TYPES.find((known) => known.type.test(type));
      return [paid ? `${type}: ${paid.costs} ${paid.instead}` : `${type} is not known to be free.`];
    },
  },
  {
    name: "images-pinned",
    about: "safety",
    over: "resource",
    description: "Every container image is named by its digest.",
    why: "A tag moves: a restart would run what nobody tested, and a roll-back would not roll back.",
    fix: "Name the image as repository@sha256:digest, as infra/lib/image-ref.ts makes it.",
    check: (resource) => [
      ...looseImagesOf(resource).map((image) => `The image is ${shown(image)}.`),
      ...openTexts(resource).flatMap(({ path, text }) =>
        // A release's own images were looked at above; here it is what scripts and compose files name.
        [...new Set(text.match(IMAGE) ?? [])]
          .filter((image) => /[:@]/.test(image) && !/@sha256:[0-9a-f]{64}$/.test(image))
          .map((image) => `${path} names ${image}.`),
      ),
    ],
  },
  {
    name: "no-plain-secrets",
    about: "safety",
    over: "resource",
    description: "No secret stands where others may read it.",
    why: "Metadata is readable by every process on the machine, and all of these stand in the state and in consoles.",
    fix: "Put it into the vault (or secret group) and hand over its name; the machine fetches it.",
    check: (resource) =>
      openTexts(resource).flatMap(({ path, text }) => [
        ...SECRETS.filter(({ pattern }) => pattern.test(text)).map(
          ({ what }) => `${path} holds ${what}.`,
        ),
        ...[...`${lastOf(path)}=${text}\n${text}`.matchAll(ASSIGNED)]
          .filter(([, , value]) => !REFERENCE.test(value!))
          .map(([, name]) => `${path} holds a value for ${name!}.`),
      ]),
  },
  {
    name: "staging-simulated",
    about: "safety",
    over: "stack",
    description: "A staging stack is set to simulated brokers.",
    why: SECOND_COLLECTOR,
    fix: 'Set brokers to "simulated".',
    check: (_, { role, staging, brokers }) =>
      // The light edge talks to no broker.
      staging && role !== "edge-gcp" && brokers === "real"
        ? [{ what: "The staging stack is set to real brokers." }]
        : [],
  },
  {
    name: "staging-broker-keys",
    about: "safety",
    over: "resource",
    description: "A staging stack knows no key of a real broker.",
    why: SECOND_COLLECTOR,
    fix: "Remove the broker's keys from this stack's config.",
    check: (resource, { staging }) =>
      staging
        ? textsOf(resource.inputs)
            .filter(({ path }) => !path.includes("__provider"))
            .flatMap(({ path, text }) => brokerKeysIn(path, text))
            .map((place) => `${place} is a real broker's key.`)
        : [],
  },
];

const lastOf = (path: string) => path.slice(path.lastIndexOf(".") + 1);

/** A key's place: the input's own name, or a line of a text that sets it. */
function brokerKeysIn(path: string, text: string): string[] {
  if (BROKER_KEY.test(lastOf(path))) return text === "" ? [] : [path];
  if (/(^|\.)(secretName|secretId|displayName)$/.test(path) && BROKER_KEY.test(text)) return [text];
  const body = /(^|\.)user_data$/.test(path) ? decoded(text) : text;
  const lines = body.matchAll(
    /\b((?:KIS|KIWOOM)_[A-Z_]*(?:APP_KEY|APP_SECRET|SECRET_KEY))\b["']?\s*[:=]\s*["']?([^\s"',}]+)/g,
  );
  return [...lines].map(([, name]) => `${path}: ${name!}`);
}
