// Where the hubs' secrets are kept: one vault of the free kind, owned by production, with a key that Oracle
// keeps in software; and the secrets of one stack in it. A staging stack keeps its secrets in production's
// vault too, and may read those alone.
import { createHash } from "node:crypto";
import * as oci from "@pulumi/oci";
import * as pulumi from "@pulumi/pulumi";

/** What is needed to keep a secret in a vault. */
export interface VaultRef {
  vaultId: pulumi.Input<string>;
  keyId: pulumi.Input<string>;
  compartmentId: pulumi.Input<string>;
}

export interface VaultArgs {
  compartmentId: pulumi.Input<string>;
}

export class Vault extends pulumi.ComponentResource {
  readonly vaultId: pulumi.Output<string>;
  readonly keyId: pulumi.Output<string>;

  constructor(name: string, args: VaultArgs, opts?: pulumi.ComponentResourceOptions) {
    super("tickhub:hub:Vault", name, {}, opts);
    const { compartmentId } = args;
    // A deleted vault takes its secrets with it, after days in which its name stays taken.
    const vault = new oci.kms.Vault(
      `${name}-vault`,
      // Not VIRTUAL_PRIVATE, which bills by the hour.
      { compartmentId, displayName: "tickhub", vaultType: "DEFAULT" },
      { parent: this, protect: true },
    );
    const key = new oci.kms.Key(
      `${name}-key`,
      {
        compartmentId,
        displayName: "tickhub",
        managementEndpoint: vault.managementEndpoint,
        // Free without a bound; a key in hardware has one.
        protectionMode: "SOFTWARE",
        keyShape: { algorithm: "AES", length: 32 },
      },
      { parent: this, protect: true },
    );
    this.vaultId = vault.id;
    this.keyId = key.id;
    this.registerOutputs({ vaultId: this.vaultId, keyId: this.keyId });
  }
}

export interface HubSecretsArgs {
  vault: VaultRef;
  stack: string;
  /** The stack's own compartment: new with each life of the stack, and so are the secrets' names. */
  compartmentId: pulumi.Output<string>;
  /** By the variable they become on the VM; `REGISTRY` is the login with which Docker pulls. */
  values: Record<string, pulumi.Output<string>>;
}

/** One vault secret a variable. */
export class HubSecrets extends pulumi.ComponentResource {
  /** OCIDs by variable, as the VM is told them. */
  readonly ids: Record<string, pulumi.Output<string>> = {};

  constructor(name: string, args: HubSecretsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("tickhub:hub:HubSecrets", name, {}, opts);
    for (const [variable, value] of Object.entries(args.values)) {
      // A deleted secret keeps its name for up to 30 days; a stack brought up again needs another.
      const secretName = args.compartmentId.apply(
        (id) =>
          `${args.stack}-${variable}-${createHash("sha256").update(id).digest("hex").slice(0, 8)}`,
      );
      this.ids[variable] = new oci.vault.Secret(
        `${name}-${variable}`,
        {
          compartmentId: args.vault.compartmentId,
          vaultId: args.vault.vaultId,
          keyId: args.vault.keyId,
          secretName,
          description: `tickhub, stack ${args.stack}`,
          secretContent: {
            contentType: "BASE64",
            content: pulumi.secret(value).apply((text) => Buffer.from(text).toString("base64")),
          },
        },
        { parent: this },
      ).id;
    }
    this.registerOutputs({ ids: this.ids });
  }
}
