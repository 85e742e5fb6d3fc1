// A program as small as it can be with one type of each package, a dynamic provider and a secret.
import * as docker from "@pulumi/docker";
import * as gcp from "@pulumi/gcp";
import * as oci from "@pulumi/oci";
import * as pulumi from "@pulumi/pulumi";
import * as tailscale from "@pulumi/tailscale";

const config = new pulumi.Config();
const password = config.requireSecret("password");
const tenancy = "ocid1.tenancy.oc1..simulated";

class Note extends pulumi.dynamic.Resource {
  constructor(name: string, text: pulumi.Input<string>) {
    super(
      {
        create: (inputs: { text: string }) =>
          Promise.resolve({ id: "note", outs: { text: inputs.text } }),
        diff: (_id: string, olds: { text: string }, news: { text: string }) =>
          Promise.resolve({ changes: olds.text !== news.text }),
      },
      name,
      { text },
      {},
      "tests",
      "Note",
    );
  }
}

const compartment = new oci.identity.Compartment("home", {
  compartmentId: tenancy,
  description: "small",
  enableDelete: true,
});
new oci.core.Volume(
  "data",
  {
    compartmentId: compartment.id,
    availabilityDomain: "AD-1",
    sizeInGbs: String(config.getNumber("gb") ?? 50),
    freeformTags: { password },
  },
  { protect: config.getBoolean("protect") ?? false },
);
new gcp.compute.Network("net", { autoCreateSubnetworks: false });
const acl = new tailscale.Acl("policy", {
  acl: JSON.stringify({ tagOwners: { "tag:hub": ["autogroup:admin"] } }),
});
const key = new tailscale.TailnetKey(
  "key",
  { tags: ["tag:hub"], expiry: 3600 },
  { dependsOn: acl },
);
const image = new docker.Image("image", {
  imageName: "ghcr.io/tests/hub:1.0.0",
  build: { context: ".", dockerfile: "Dockerfile", platform: "linux/arm64" },
  registry: { server: "ghcr.io", username: "tests", password },
});
new Note("note", image.repoDigest);

export const digest = image.repoDigest;
export const authKey = key.key;
