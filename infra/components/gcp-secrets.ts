// Secrets of the light edge in Google's Secret Manager: one file a reader, not one secret a key, because six
// active versions are free and a change has the old and the new one for a moment: three here. The machine's
// account may read exactly these.
import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";

export interface GcpSecretsArgs {
  /** Contents by the secret's name. */
  files: Record<string, pulumi.Input<string>>;
  /** E-mail of the only account that may read them. */
  reader: pulumi.Input<string>;
}

export class GcpSecrets extends pulumi.ComponentResource {
  /** What a machine that reads them has to wait for. */
  readonly ready: pulumi.Resource[] = [];

  constructor(name: string, args: GcpSecretsArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("tickhub:edge:GcpSecrets", name, {}, opts);
    for (const [secretId, content] of Object.entries(args.files)) {
      const secret = new gcp.secretmanager.Secret(
        secretId,
        { secretId, replication: { auto: {} } },
        { parent: this },
      );
      const version = new gcp.secretmanager.SecretVersion(
        secretId,
        { secret: secret.id, secretData: pulumi.secret(content) },
        { parent: this },
      );
      const grant = new gcp.secretmanager.SecretIamMember(
        secretId,
        {
          secretId: secret.id,
          role: "roles/secretmanager.secretAccessor",
          member: pulumi.interpolate`serviceAccount:${args.reader}`,
        },
        { parent: this },
      );
      this.ready.push(version, grant);
    }
    this.registerOutputs({});
  }
}
