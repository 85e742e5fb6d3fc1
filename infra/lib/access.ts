// What the hub's VM may do, as statements of OCI's policies: read its own secrets and use its own bucket.
// It proves who it is as an instance of its compartment, so no key is stored on it.

export interface Access {
  /** Name of the dynamic group that the VM is in. */
  group: string;
  compartmentId: string;
  bucket: string;
  /** Staging writes its report and nothing else, so that its bucket is empty again when it goes. */
  writes: "everything" | { object: string };
  /** The compartment that the vault's secrets are in. */
  secretsCompartmentId: string;
  secretIds: readonly string[];
}

/** Statements in a fixed order; secrets each by their OCID, so that a vault shared by stacks stays apart. */
export function accessStatements(access: Access): string[] {
  const { group, compartmentId, bucket, writes } = access;
  const allow = `allow dynamic-group ${group} to`;
  const here = `in compartment id ${compartmentId}`;
  const ours = `target.bucket.name = '${bucket}'`;
  const secrets = access.secretIds.map((id) => `target.secret.id = '${id}'`).join(", ");
  return [
    `${allow} read secret-bundles in compartment id ${access.secretsCompartmentId} where any {${secrets}}`,
    `${allow} read buckets ${here} where ${ours}`,
    ...(writes === "everything"
      ? [`${allow} manage objects ${here} where ${ours}`]
      : [
          `${allow} read objects ${here} where ${ours}`,
          `${allow} manage objects ${here} where all {${ours}, target.object.name = '${writes.object}'}`,
        ]),
  ];
}

/** Instances of one compartment, and of none below it. */
export const instancesOf = (compartmentId: string): string =>
  `ALL {instance.compartment.id = '${compartmentId}'}`;

/** Without it the bucket's lifecycle rules are accepted and never run. */
export const lifecycleStatement = (region: string, compartmentId: string): string =>
  `allow service objectstorage-${region} to manage object-family in compartment id ${compartmentId}`;
