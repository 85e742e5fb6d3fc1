// The tailnet as production's hub stack owns it, and the keys that machines of any stack join with.
// The provider is the default one and takes its API access token from TAILSCALE_API_KEY, so that no state
// file and no config holds it; with that variable set, the provider refuses OAuth variables beside it.
import * as pulumi from "@pulumi/pulumi";
import * as tailscale from "@pulumi/tailscale";
import { TAGS } from "../lib/names.ts";
import { renderPolicy, type TailnetPlan, tailnetPolicy } from "../lib/tailnet-policy.ts";

/** Name of the policy's resource; `npm run tailnet:adopt` prints the import of it. */
export const POLICY_RESOURCE = "tailnet-policy";

/**
 * What a tailnet has one of: policy, MagicDNS, settings, and the client that containers join by. Production's
 * hub stack alone makes it; a second owner would overwrite the first. Nothing here ever overwrites a policy
 * that was not imported, and nothing undoes itself on `destroy`: the policy is protected, and MagicDNS, whose
 * removal would switch it off for every machine of the tailnet, is kept.
 */
export class Tailnet extends pulumi.ComponentResource {
  /** Mints keys for the tags that `tag:edges` owns; for Northflank and GCP. */
  readonly edgesOauth: { id: pulumi.Output<string>; secret: pulumi.Output<string> };

  constructor(name: string, plan: TailnetPlan, opts?: pulumi.ComponentResourceOptions) {
    super("tickhub:tailnet:Tailnet", name, {}, opts);
    const policy = new tailscale.Acl(
      POLICY_RESOURCE,
      { acl: renderPolicy(tailnetPolicy(plan)) },
      // `pulumi import` knows no component, so what it imports stands outside until the next `up`.
      { parent: this, protect: true, aliases: [{ parent: pulumi.rootStackResource }] },
    );
    new tailscale.DnsPreferences(
      `${name}-dns`,
      { magicDns: true },
      { parent: this, retainOnDelete: true },
    );
    new tailscale.TailnetSettings(
      `${name}-settings`,
      // The console then says that the policy is kept elsewhere, and does not let it be edited.
      { aclsExternallyManagedOn: true },
      { parent: this, retainOnDelete: true },
    );
    const edges = new tailscale.OauthClient(
      `${name}-edges`,
      { description: "tickhub edges", scopes: ["auth_keys"], tags: [TAGS.edges] },
      // The tag has to be in force before a client can carry it.
      { parent: this, dependsOn: policy },
    );
    this.edgesOauth = { id: edges.id, secret: pulumi.secret(edges.key) };
    this.registerOutputs({ edgesOauth: this.edgesOauth });
  }
}

export interface MachineKeyArgs {
  /** Whose key it is, as the console shows it: at most 50 letters, digits, `-` and blanks. */
  description: string;
  /** Tags the machine will carry. */
  tags: string[];
}

/** Seconds in which a machine has to have joined; its boot takes minutes. */
const KEY_EXPIRY_S = 3600;

/**
 * A key that lets one machine join, once, within the hour. Afterwards it is of no use to anybody, and no `up`
 * makes another: not when it has expired, not when its inputs change, since the machine would have to be
 * replaced to read it. A machine whose tailnet state is lost needs `pulumi up --replace URN` of the key.
 */
export class MachineKey extends pulumi.ComponentResource {
  readonly key: pulumi.Output<string>;

  constructor(name: string, args: MachineKeyArgs, opts?: pulumi.ComponentResourceOptions) {
    super("tickhub:tailnet:MachineKey", name, {}, opts);
    const key = new tailscale.TailnetKey(
      name,
      {
        description: args.description,
        tags: args.tags,
        reusable: false,
        ephemeral: false,
        preauthorized: true,
        expiry: KEY_EXPIRY_S,
        recreateIfInvalid: "never",
      },
      {
        parent: this,
        ignoreChanges: [
          "description",
          "tags",
          "reusable",
          "ephemeral",
          "preauthorized",
          "expiry",
          "recreateIfInvalid",
        ],
      },
    );
    this.key = pulumi.secret(key.key);
    this.registerOutputs({ key: this.key });
  }
}
