// Oracle Cloud, as far as the wizard asks it: is the key good, which region is home, which image to run.
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import { AskError } from "../../../app/audit/ask.ts";
import { OciClient } from "../../../app/audit/oci/client.ts";
import { systemClock } from "../../../app/shared/clock.ts";

export interface OciKey {
  tenancyId: string;
  userId: string;
  /** `aa:bb:…`, of the public key. */
  fingerprint: string;
  /** PEM. */
  privateKey: string;
}

/** A pair as the console takes it; RSA, because OCI knows no other. */
export function newKeyPair(): { privateKey: string; publicKey: string } {
  return generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
}

/** MD5 of the public key's DER, as the console shows it beside the key. */
export function fingerprintOf(privateKey: string): string {
  const der = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  return createHash("md5").update(der).digest("hex").match(/../g)!.join(":");
}

/** Whom the audit's client signs for. `endpoint` replaces every service's host; for servers on loopback. */
export function ociClient(key: OciKey, region: string, endpoint?: string): OciClient {
  const { tenancyId, userId, fingerprint, privateKey } = key;
  const credentials = {
    tenancyId,
    region,
    keyId: `${tenancyId}/${userId}/${fingerprint}`,
    key: createPrivateKey(privateKey),
    from: "setup",
  };
  return new OciClient(credentials, systemClock, { base: endpoint });
}

export interface Home {
  region: string;
  availabilityDomains: number;
}

/** The tenancy's home region, which is the only free one. Throws AskError. */
export async function readHome(oci: OciClient, tenancyId: string): Promise<Home> {
  const regions = await oci.list("identity", `/tenancies/${tenancyId}/regionSubscriptions`);
  const home = regions.find(({ isHomeRegion }) => isHomeRegion === true);
  const domains = await oci.list("identity", "/availabilityDomains", { compartmentId: tenancyId });
  return { region: String(home?.["regionName"]), availabilityDomains: domains.length };
}

export interface Image {
  id: string;
  displayName: string;
}

/** The newest Ubuntu 24.04 for the shape, neither a minimal nor a GPU one. Throws AskError. */
export async function newestImage(
  oci: OciClient,
  tenancyId: string,
  shape: string,
): Promise<Image> {
  const images = await oci.list("core", "/images", {
    compartmentId: tenancyId,
    operatingSystem: "Canonical Ubuntu",
    operatingSystemVersion: "24.04",
    shape,
    sortBy: "TIMECREATED",
    sortOrder: "DESC",
  });
  const name = /^Canonical-Ubuntu-24\.04(-aarch64)?-\d/;
  const image = images.find(({ displayName }) => name.test(String(displayName)));
  if (!image) throw new AskError(`no Ubuntu 24.04 image for ${shape}`, "missing");
  return { id: String(image["id"]), displayName: String(image["displayName"]) };
}
