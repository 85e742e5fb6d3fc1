// Who asks OCI: a profile of ~/.oci/config as the `oci` command writes it, or OCI_* variables as the Pulumi
// provider reads them. Variables win, because they are closer.
import { createPrivateKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { CredentialsError } from "../credentials.ts";

export interface OciCredentials {
  tenancyId: string;
  region: string;
  /** `tenancy/user/fingerprint`, or `ST$token` of a session. */
  keyId: string;
  key: KeyObject;
  /** Where they were found, for messages. */
  from: string;
}

type Env = Readonly<Record<string, string | undefined>>;

/** Undefined when there are none at all. Throws CredentialsError when they are incomplete or unreadable. */
export function ociCredentials(env: Env): OciCredentials | undefined {
  if (env["OCI_TENANCY_OCID"] !== undefined && env["OCI_TENANCY_OCID"] !== "")
    return fromEnvironment(env);
  const named = env["OCI_CONFIG_FILE"] || undefined;
  const path = expanded(named ?? join(homedir(), ".oci", "config"));
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (named === undefined && codeOf(error) === "ENOENT") return undefined;
    throw new CredentialsError(`${path}: ${messageOf(error)}`);
  }
  const name = env["OCI_CONFIG_FILE_PROFILE"] ?? "DEFAULT";
  return fromProfile(path, name, profileOf(text, name));
}

function fromEnvironment(env: Env): OciCredentials {
  const need = needing((name) => env[name], "the environment");
  const tenancyId = need("OCI_TENANCY_OCID");
  return {
    tenancyId,
    region: need("OCI_REGION"),
    keyId: `${tenancyId}/${need("OCI_USER_OCID")}/${need("OCI_FINGERPRINT")}`,
    key: keyOf(
      env["OCI_PRIVATE_KEY"] ?? readKey(need("OCI_PRIVATE_KEY_PATH")),
      env["OCI_PRIVATE_KEY_PASSWORD"],
    ),
    from: "the environment",
  };
}

function fromProfile(
  path: string,
  name: string,
  profile: ReadonlyMap<string, string>,
): OciCredentials {
  const from = `profile ${name} of ${path}`;
  const need = needing((key) => profile.get(key), from);
  const tenancyId = need("tenancy");
  const session = profile.get("security_token_file");
  return {
    tenancyId,
    region: need("region"),
    keyId:
      session === undefined
        ? `${tenancyId}/${need("user")}/${need("fingerprint")}`
        : `ST$${readKey(session).trim()}`,
    key: keyOf(readKey(need("key_file")), profile.get("pass_phrase")),
    from,
  };
}

/** One `[name]` section of an INI file. */
export function profileOf(text: string, name: string): Map<string, string> {
  const profile = new Map<string, string>();
  let here = "";
  for (const line of text.split("\n")) {
    const trimmed = line.trim();
    const header = /^\[(.+)\]$/.exec(trimmed);
    if (header) here = header[1]!.trim();
    const pair = /^([^#;=]+?)\s*=\s*(.*)$/.exec(trimmed);
    if (pair && here === name) profile.set(pair[1]!, pair[2]!);
  }
  return profile;
}

function needing(get: (name: string) => string | undefined, from: string) {
  return (name: string): string => {
    const value = get(name);
    if (value === undefined || value === "") throw new CredentialsError(`${from} has no ${name}`);
    return value;
  };
}

function readKey(path: string): string {
  try {
    return readFileSync(expanded(path), "utf8");
  } catch (error) {
    throw new CredentialsError(`${path}: ${messageOf(error)}`);
  }
}

function keyOf(pem: string, passphrase: string | undefined): KeyObject {
  try {
    return createPrivateKey({ key: pem, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (error) {
    throw new CredentialsError(`the private key cannot be read: ${messageOf(error)}`);
  }
}

const expanded = (path: string) => path.replace(/^~(?=\/)/, homedir());
const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
const codeOf = (error: unknown) => (error as { code?: unknown } | undefined)?.code;
