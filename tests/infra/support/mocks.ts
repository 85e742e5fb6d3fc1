// A stack's program run without clouds: every resource it registers, with its inputs and its options.
// The engine is Pulumi's mock monitor; the program runs inside a root stack, as `pulumi up` runs it, so
// that a stack transformation can record what the monitor never sees (protect, ignoreChanges, …).
// Use: `const plan = await planOf({ stack: "oci", config: {…} }, async () => …)`.
import * as pulumi from "@pulumi/pulumi";

/** What replaces a secret's value wherever a plan is read; the value stays in `Plan.secretValues`. */
export const SECRET = "[secret]";

/** The options that decide what happens to a resource later. Absent ones are left out. */
export interface PlannedOptions {
  protect?: true;
  retainOnDelete?: true;
  deleteBeforeReplace?: true;
  ignoreChanges?: string[];
  /** The parent's type and name. */
  parent?: string;
  /** Types and names of what it was told to wait for, beyond what its inputs come from. */
  dependsOn?: string[];
}

export interface PlannedResource {
  type: string;
  name: string;
  /** Component resources exist in the state only; no provider is asked for them. */
  component: boolean;
  /** Inputs as the provider would get them, secrets replaced by SECRET. */
  inputs: Record<string, unknown>;
  options: PlannedOptions;
}

export interface Plan {
  /** In the order of type and name, so that two runs compare. */
  resources: PlannedResource[];
  /** Calls of provider functions: token and arguments. */
  calls: { token: string; inputs: unknown }[];
  /** The stack's outputs, resolved and in plain text. */
  outputs: Record<string, unknown>;
  /** Names of the outputs that the state keeps encrypted. */
  secretOutputs: string[];
  /** Every secret text that was an input of some resource, for tests that search for leaks. */
  secretValues: string[];
  ofType(type: string): PlannedResource[];
  /** The only resource of a type, or the one of that name. Throws when there is none, or another. */
  one(type: string, name?: string): PlannedResource;
}

export interface PlanOptions {
  /** The stack's name; `oci` when left out. */
  stack?: string;
  /** Full keys with their namespace: `tickhub:role`, `oci:region`. */
  config: Readonly<Record<string, string>>;
  /** Keys of `config` that were set with --secret. */
  secretKeys?: readonly string[];
  /** Outputs of other stacks, by the name a StackReference asks for. */
  references?: Readonly<Record<string, Record<string, unknown>>>;
  /** What a provider adds to a resource's inputs, by type; wins over COMPUTED. */
  computed?: Readonly<Record<string, Computed>>;
  /** Answers of provider functions, by token; wins over ANSWERS. */
  answers?: Readonly<Record<string, Answer>>;
  /** True plans as `pulumi preview` does. */
  preview?: boolean;
}

type Inputs = Record<string, unknown>;
type Computed = (name: string, inputs: Inputs) => Inputs;
type Answer = (inputs: Inputs) => Inputs;

const DIGEST = "0123456789abcdef".repeat(4);

/** Outputs that the programs read and that only a provider knows. */
const COMPUTED: Record<string, Computed> = {
  "oci:Core/instance:Instance": () => ({ privateIp: "10.80.0.10", publicIp: "203.0.113.10" }),
  "oci:Core/vcn:Vcn": (name) => ({ defaultSecurityListId: `${name}-default-security-list` }),
  "oci:Core/publicIp:PublicIp": () => ({ ipAddress: "203.0.113.7" }),
  "oci:Kms/vault:Vault": () => ({ managementEndpoint: "https://vault.example.invalid" }),
  "oci:Bastion/bastion:Bastion": () => ({ privateEndpointIpAddress: "10.80.0.200" }),
  "docker:index/image:Image": (_, inputs) => ({
    repoDigest: `${String(inputs["imageName"]).replace(/:[^/]*$/, "")}@sha256:${DIGEST}`,
    baseImageName: inputs["imageName"],
  }),
  "tailscale:index/tailnetKey:TailnetKey": (name) => ({ key: `tskey-auth-${name}` }),
  "tailscale:index/oauthClient:OauthClient": (name) => ({ key: `tskey-client-${name}` }),
};

const ANSWERS: Record<string, Answer> = {
  "oci:Identity/getAvailabilityDomains:getAvailabilityDomains": () => ({
    availabilityDomains: [{ name: "abCD:AP-SEOUL-1-AD-1" }, { name: "abCD:AP-SEOUL-1-AD-2" }],
  }),
  "oci:ObjectStorage/getNamespace:getNamespace": () => ({ namespace: "tenancynamespace" }),
  "oci:Core/getPrivateIps:getPrivateIps": () => ({ privateIps: [{ id: "private-ip-id" }] }),
};

/**
 * Runs `build` as a stack's program and returns what it planned. Modules that read config at import have
 * to be imported inside `build`. Rejects with what the program throws.
 */
export async function planOf(
  options: PlanOptions,
  build: () => Promise<Record<string, unknown>> | Record<string, unknown>,
): Promise<Plan> {
  const recorder = new Recorder(options);
  pulumi.runtime.setAllConfig({ ...options.config }, [...(options.secretKeys ?? [])]);
  await pulumi.runtime.setMocks(
    { newResource: (args) => recorder.register(args), call: (args) => recorder.call(args) },
    "tickhub",
    options.stack ?? "oci",
    options.preview ?? false,
  );
  let raw: Record<string, unknown> = {};
  let thrown: { error: unknown } | undefined;
  const outputs = (await pulumi.runtime.runInPulumiStack(async () => {
    pulumi.runtime.registerStackTransformation((args) => recorder.note(args));
    try {
      raw = await build();
    } catch (error) {
      // Left to Pulumi, it would be one more unhandled rejection besides the one we throw.
      thrown = { error };
    }
    return raw;
  })) as Record<string, unknown>;
  // Registrations go on after the outputs are known; disconnecting waits for the last.
  await pulumi.runtime.disconnect();
  if (thrown) throw thrown.error;
  const secretOutputs: string[] = [];
  for (const [name, value] of Object.entries(raw)) {
    if (pulumi.Output.isInstance(value) && (await pulumi.isSecret(value))) secretOutputs.push(name);
  }
  return recorder.plan(outputs, secretOutputs.sort());
}

class Recorder {
  readonly #options: PlanOptions;
  readonly #resources: PlannedResource[] = [];
  readonly #calls: Plan["calls"] = [];
  readonly #secrets = new Set<string>();
  readonly #notes = new Map<string, PlannedOptions>();

  constructor(options: PlanOptions) {
    this.#options = options;
  }

  note({ type, name, opts }: pulumi.ResourceTransformationArgs): undefined {
    const options = opts as pulumi.CustomResourceOptions;
    const waits = [options.dependsOn ?? []]
      .flat()
      .filter((each) => pulumi.Resource.isInstance(each));
    this.#notes.set(`${type} ${name}`, {
      ...(options.protect ? { protect: true } : {}),
      ...(options.retainOnDelete ? { retainOnDelete: true } : {}),
      ...(options.deleteBeforeReplace ? { deleteBeforeReplace: true } : {}),
      ...(options.ignoreChanges ? { ignoreChanges: options.ignoreChanges } : {}),
      ...(options.parent ? { parent: nameOf(options.parent) } : {}),
      ...(waits.length > 0 ? { dependsOn: waits.map(nameOf) } : {}),
    });
  }

  register(args: pulumi.runtime.MockResourceArgs): { id: string; state: Inputs } {
    const { type, name } = args;
    const inputs = args.inputs as Inputs;
    if (type === "pulumi:pulumi:StackReference") {
      const outputs = this.#options.references?.[String(inputs["name"])] ?? {};
      return { id: name, state: { ...inputs, outputs } };
    }
    if (type !== "pulumi:pulumi:Stack") {
      const options = this.#notes.get(`${type} ${name}`) ?? {};
      const seen = this.#masked(inputs) as Inputs;
      this.#resources.push({ type, name, component: !args.custom, inputs: seen, options });
    }
    const computed = this.#options.computed?.[type] ?? COMPUTED[type];
    return { id: `${name}-id`, state: { ...inputs, ...computed?.(name, inputs) } };
  }

  call({ token, inputs }: pulumi.runtime.MockCallArgs): Inputs {
    this.#calls.push({ token, inputs: this.#masked(inputs) });
    const answer = this.#options.answers?.[token] ?? ANSWERS[token];
    return answer ? answer(inputs as Inputs) : (inputs as Inputs);
  }

  plan(outputs: Record<string, unknown>, secretOutputs: string[]): Plan {
    const key = (resource: PlannedResource) => `${resource.type} ${resource.name}`;
    const resources = [...this.#resources].sort((a, b) => (key(a) < key(b) ? -1 : 1));
    const ofType = (type: string) => resources.filter((resource) => resource.type === type);
    return {
      resources,
      calls: [...this.#calls].sort((a, b) => (a.token < b.token ? -1 : 1)),
      outputs,
      secretOutputs,
      secretValues: [...this.#secrets],
      ofType,
      one(type, name) {
        const found = ofType(type).filter((each) => name === undefined || each.name === name);
        if (found.length === 1) return found[0]!;
        const names = ofType(type).map((each) => each.name);
        throw new Error(`${found.length} of ${type} ${name ?? ""}; planned: ${names.join(", ")}`);
      },
    };
  }

  /** The wrapper in which the wire carries a secret becomes SECRET, and its texts are remembered. */
  #masked(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.#masked(item));
    if (typeof value !== "object" || value === null) return value;
    const entries = Object.entries(value);
    if (pulumi.runtime.specialSigKey in value) {
      const signature = (value as Record<string, unknown>)[pulumi.runtime.specialSigKey];
      if (signature !== pulumi.runtime.specialSecretSig) return "[asset]";
      collectTexts((value as { value?: unknown }).value, this.#secrets);
      return SECRET;
    }
    return Object.fromEntries(entries.map(([name, item]) => [name, this.#masked(item)]));
  }
}

/** Type and name; the properties are Pulumi's, not in its declarations. */
function nameOf(resource: pulumi.Resource): string {
  const { __pulumiType, __name } = resource as { __pulumiType?: string; __name?: string };
  return `${__pulumiType ?? ""} ${__name ?? ""}`;
}

function collectTexts(value: unknown, into: Set<string>): void {
  if (typeof value === "string") into.add(value);
  else if (typeof value === "object" && value !== null)
    for (const item of Object.values(value)) collectTexts(item, into);
}
