// Northflank's objects as Pulumi resources. Pulumi keeps a dynamic provider as text in the state and runs it in
// a process of its own, as CommonJS. So the text here is only a loader: it finds provider.ts by the name
// `#northflank/provider` of package.json, from whatever folder the process runs in, and calls it. The text
// holds no path, no value and no type of this program; a state from another checkout works in this one.
import * as pulumi from "@pulumi/pulumi";
import type { ServiceSpec } from "./api.ts";
import type { Kind } from "./provider.ts";

type Provider = Required<
  Pick<
    pulumi.dynamic.ResourceProvider,
    "configure" | "check" | "diff" | "create" | "read" | "update" | "delete"
  >
>;

/** Each function is written out on its own, because it is kept as text: what it names goes along with it. */
function loaderOf(kind: Kind): Provider {
  const load = (): Provider => {
    const { createRequire } = process.getBuiltinModule("node:module");
    const from = createRequire(process.cwd() + "/program.js");
    return (from("#northflank/provider") as { providerOf(kind: string): Provider }).providerOf(
      kind,
    );
  };
  return {
    configure: (request) => load().configure(request),
    check: (olds, news) => load().check(olds, news),
    diff: (id, olds, news) => load().diff(id, olds, news),
    create: (inputs) => load().create(inputs),
    read: (id, props) => load().read(id, props),
    update: (id, olds, news) => load().update(id, olds, news),
    delete: (id, props) => load().delete(id, props),
  };
}

/** One of each kind: Pulumi turns every object into text anew, which takes a second. */
const loaders = {
  service: loaderOf("DeploymentService"),
  secretGroup: loaderOf("SecretGroup"),
  registry: loaderOf("RegistryCredential"),
};

/** T with a value that may come later at any depth. */
type Deep<T> = pulumi.Input<
  T extends (infer E)[] ? Deep<E>[] : T extends object ? { [K in keyof T]: Deep<T[K]> } : T
>;

interface Place {
  projectId: pulumi.Input<string>;
  apiUrl: pulumi.Input<string>;
}

/** A container of an image by digest: rolled by pause, put and resume, so that two never run at once. */
export class DeploymentService extends pulumi.dynamic.Resource {
  declare readonly serviceId: pulumi.Output<string>;
  declare readonly isRunning: pulumi.Output<boolean>;

  constructor(
    name: string,
    args: Place & { spec: Deep<ServiceSpec>; force?: string },
    opts: pulumi.CustomResourceOptions = {},
  ) {
    const outputs = { serviceId: undefined, isRunning: undefined };
    super(loaders.service, name, { ...args, ...outputs }, opts, "northflank", "DeploymentService");
  }
}

/** Variables of one service. */
export class SecretGroup extends pulumi.dynamic.Resource {
  declare readonly groupId: pulumi.Output<string>;

  constructor(
    name: string,
    args: Place & {
      name: pulumi.Input<string>;
      serviceName: pulumi.Input<string>;
      variables: pulumi.Input<Record<string, pulumi.Input<string>>>;
      force?: string;
    },
    opts: pulumi.CustomResourceOptions = {},
  ) {
    const properties = { ...args, variables: pulumi.secret(args.variables), groupId: undefined };
    const hidden = { ...opts, additionalSecretOutputs: ["variables"] };
    super(loaders.secretGroup, name, properties, hidden, "northflank", "SecretGroup");
  }
}

/** The login with which Northflank pulls. */
export class RegistryCredential extends pulumi.dynamic.Resource {
  declare readonly credentialId: pulumi.Output<string>;

  constructor(
    name: string,
    args: Place & {
      name: pulumi.Input<string>;
      address: pulumi.Input<string>;
      username: pulumi.Input<string>;
      password: pulumi.Input<string>;
    },
    opts: pulumi.CustomResourceOptions = {},
  ) {
    const properties = {
      ...args,
      password: pulumi.secret(args.password),
      credentialId: undefined,
    };
    const hidden = { ...opts, additionalSecretOutputs: ["password"] };
    super(loaders.registry, name, properties, hidden, "northflank", "RegistryCredential");
  }
}
