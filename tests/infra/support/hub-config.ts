// Configuration of a production and of a staging hub, as `pulumi config` would hand it over; and a source
// for the reader that needs no Pulumi.
import type { ConfigSource } from "../../../infra/config.ts";

const DIGEST = "0123456789abcdef".repeat(4);

export const SECRET_KEYS = [
  "tickhub:registryPassword",
  "tickhub:seed",
  "tickhub:northflankToken",
  "tickhub:secrets",
];

/** What a user fills in; everything else is a default. */
export const HUB_KEYS: Readonly<Record<string, string>> = {
  "oci:tenancyOcid": "ocid1.tenancy.oc1..tenancy",
  "oci:region": "ap-seoul-1",
  "tickhub:role": "hub",
  "tickhub:imageId": "ocid1.image.oc1.ap-seoul-1.ubuntu2404arm64",
  "tickhub:budgetEmail": "owner@example.com",
  "tickhub:tailnetDomain": "tail1234.ts.net",
  "tickhub:tailnetAdmins": "owner@example.com",
  "tickhub:registry": "registry.example.com/owner/tickhub",
  "tickhub:registryUsername": "owner",
  "tickhub:registryPassword": "registry-token-of-the-tests",
  "tickhub:registryCheck": "false",
  "tickhub:databaseImage": `timescale/timescaledb:0.0.0-pg17@sha256:${DIGEST}`,
  "tickhub:symbols": "005930,000660",
  "tickhub:seed": "seed-of-the-tests-and-of-nothing-else",
};

export const STAGING_KEYS: Readonly<Record<string, string>> = {
  ...HUB_KEYS,
  "tickhub:staging": "true",
  "tickhub:brokers": "simulated",
  "tickhub:shape": "VM.Standard.E2.1.Micro",
  "tickhub:imageId": "ocid1.image.oc1.ap-seoul-1.ubuntu2404amd64",
};

/** Outputs of production that a staging hub reads. */
export const PRODUCTION_OUTPUTS = {
  vault: {
    vaultId: "ocid1.vault.oc1..production",
    keyId: "ocid1.key.oc1..production",
    compartmentId: "ocid1.compartment.oc1..production",
  },
  storageGb: 100,
};

/** A source of the keys given; a key with an empty value counts as removed. */
export function sourceOf(
  keys: Readonly<Record<string, string>>,
  options: { stack?: string; plain?: readonly string[]; files?: Record<string, string> } = {},
): ConfigSource {
  return {
    stack: options.stack ?? "oci",
    get: (key) => keys[key],
    isSecret: (key) => SECRET_KEYS.includes(key) && !options.plain?.includes(key),
    readText(path) {
      const text = options.files?.[path];
      if (text === undefined) throw new Error(`no file ${path}`);
      return text;
    },
  };
}
