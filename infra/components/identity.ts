// Who the hub's VM is to Oracle, and what it may do: a compartment of its own, a dynamic group of that
// compartment's instances, and the policies for them. No key is ever stored on the VM.
import * as oci from "@pulumi/oci";
import * as pulumi from "@pulumi/pulumi";
import { accessStatements, instancesOf, lifecycleStatement, type Access } from "../lib/access.ts";

export interface IdentityArgs {
  tenancyId: string;
  /** The stack's name; names in the tenancy are made from it. */
  stack: string;
  compartmentName: string;
  region: string;
  /** False keeps the compartment when the stack goes, as Oracle does anyway with what is in it. */
  removable: boolean;
}

/** The compartment, and the group of its instances. */
export class Identity extends pulumi.ComponentResource {
  readonly compartmentId: pulumi.Output<string>;
  readonly group: pulumi.Output<string>;
  /** Lets the buckets' lifecycle rules run; what has such rules depends on it. */
  readonly lifecycle: oci.identity.Policy;
  readonly #name: string;
  readonly #args: IdentityArgs;

  constructor(name: string, args: IdentityArgs, opts?: pulumi.ComponentResourceOptions) {
    super("tickhub:hub:Identity", name, {}, opts);
    this.#name = name;
    this.#args = args;
    const compartment = new oci.identity.Compartment(
      `${name}-compartment`,
      {
        compartmentId: args.tenancyId,
        name: args.compartmentName,
        description: `tickhub, stack ${args.stack}`,
        enableDelete: args.removable,
      },
      { parent: this },
    );
    this.compartmentId = compartment.id;
    const group = new oci.identity.DynamicGroup(
      `${name}-group`,
      {
        compartmentId: args.tenancyId,
        name: `tickhub-${args.stack}-hub`,
        description: `The hub's VM of stack ${args.stack}`,
        matchingRule: compartment.id.apply(instancesOf),
      },
      { parent: this },
    );
    this.group = group.name;
    this.lifecycle = new oci.identity.Policy(
      `${name}-lifecycle`,
      {
        compartmentId: args.tenancyId,
        name: `tickhub-${args.stack}-lifecycle`,
        description: `Object storage may end stale uploads of stack ${args.stack}`,
        statements: [compartment.id.apply((id) => lifecycleStatement(args.region, id))],
      },
      { parent: this },
    );
    this.registerOutputs({ compartmentId: this.compartmentId, group: this.group });
  }

  /** The policy by which the group's instances read their secrets and use their bucket. */
  access(args: {
    bucket: pulumi.Input<string>;
    writes: Access["writes"];
    secretsCompartmentId: pulumi.Input<string>;
    secretIds: pulumi.Input<string>[];
  }): oci.identity.Policy {
    const { tenancyId, stack } = this.#args;
    const { writes } = args;
    const statements = pulumi
      .all([
        this.group,
        this.compartmentId,
        args.bucket,
        args.secretsCompartmentId,
        pulumi.all(args.secretIds),
      ])
      .apply(([group, compartmentId, bucket, secretsCompartmentId, secretIds]) =>
        accessStatements({ group, compartmentId, bucket, writes, secretsCompartmentId, secretIds }),
      );
    return new oci.identity.Policy(
      `${this.#name}-access`,
      {
        compartmentId: tenancyId,
        name: `tickhub-${stack}-hub`,
        description: `What the hub's VM of stack ${stack} may do`,
        statements,
      },
      { parent: this },
    );
  }
}
