// Planned resources for the rules' tests, with what production's real ones have in common.
import type { Facts, Resource } from "../../../infra/policy/rule.ts";

export const PRODUCTION: Facts = {
  role: "hub",
  staging: false,
  allowPaid: false,
  brokers: "real",
};
export const STAGING: Facts = { ...PRODUCTION, staging: true, brokers: "simulated" };

export const DIGEST = `sha256:${"a1".repeat(32)}`;

let count = 0;

export function planned(
  type: string,
  inputs: Record<string, unknown> = {},
  options: Partial<Pick<Resource, "protect" | "ignoreChanges">> = {},
): Resource {
  const name = `r${++count}`;
  return {
    type,
    name,
    urn: `urn:pulumi:oci::tickhub::${type}::${name}`,
    inputs,
    protect: false,
    ignoreChanges: [],
    ...options,
  };
}

export const instance = (inputs: Record<string, unknown> = {}): Resource =>
  planned(
    "oci:Core/instance:Instance",
    {
      shape: "VM.Standard.A1.Flex",
      shapeConfig: { ocpus: 2, memoryInGbs: 12 },
      sourceDetails: { sourceType: "image", sourceId: "ocid1.image", bootVolumeSizeInGbs: "50" },
      ...inputs,
    },
    { ignoreChanges: ["metadata"] },
  );

export const micro = (): Resource => instance({ shape: "VM.Standard.E2.1.Micro" });

export const volume = (inputs: Record<string, unknown> = {}, protect = true): Resource =>
  planned("oci:Core/volume:Volume", { sizeInGbs: "75", vpusPerGb: "10", ...inputs }, { protect });

export const securityList = (...ingressSecurityRules: unknown[]): Resource =>
  planned("oci:Core/securityList:SecurityList", { ingressSecurityRules });

export const groupRule = (inputs: Record<string, unknown>): Resource =>
  planned("oci:Core/networkSecurityGroupSecurityRule:NetworkSecurityGroupSecurityRule", inputs);

export const gcpInstance = (inputs: Record<string, unknown> = {}): Resource =>
  planned("gcp:compute/instance:Instance", {
    machineType: "e2-micro",
    zone: "us-west1-b",
    bootDisk: { initializeParams: { image: "cos", size: 30, type: "pd-standard" } },
    networkInterfaces: [{ subnetwork: "projects/p/subnetworks/edge", accessConfigs: [{}] }],
    ...inputs,
  });

export const machineKey = (inputs: Record<string, unknown> = {}): Resource =>
  planned("tailscale:index/tailnetKey:TailnetKey", {
    reusable: false,
    expiry: 3600,
    recreateIfInvalid: "never",
    tags: ["tag:hub"],
    ...inputs,
  });

export const service = (body: Record<string, unknown> = {}): Resource =>
  planned("pulumi-nodejs:dynamic/northflank:DeploymentService", {
    __provider: "…",
    projectId: "tickhub",
    body: {
      name: "kis",
      billing: { deploymentPlan: "nf-compute-10" },
      deployment: {
        instances: 1,
        external: { imagePath: `ghcr.io/owner/tickhub/edge@${DIGEST}` },
      },
      ports: [{ name: "status", internalPort: 8620, public: false, protocol: "HTTP" }],
      ...body,
    },
  });

export const base64 = (text: string): string => Buffer.from(text).toString("base64");
