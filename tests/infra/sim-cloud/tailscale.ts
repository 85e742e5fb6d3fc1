// Tailscale's control plane, as far as Pulumi meets it: one policy for the whole tailnet that is not
// overwritten unseen, keys that expire, and tags that only the policy can allow.
import { Refused, type Ask, type Behaviour } from "./behaviour.ts";
import { unique, type Cloud, type Resource } from "./cloud.ts";
import { list, plainInputs, text, type Inputs } from "./values.ts";

const ACL = "tailscale:index/acl:Acl";
const KEY = "tailscale:index/tailnetKey:TailnetKey";
const OAUTH = "tailscale:index/oauthClient:OauthClient";
/** A key's life without `expiry`. */
const EXPIRY_S = 7_776_000;

/** The policy in force lives apart from the resource that set it, as in the real tailnet. */
const POLICY = "the policy in force";

/** One of a kind in the tailnet, with the id that the provider gives it. */
const SINGLETONS: Record<string, string> = {
  [ACL]: "acl",
  "tailscale:index/dnsPreferences:DnsPreferences": "dns_preferences",
  "tailscale:index/dnsConfiguration:DnsConfiguration": "dns_configuration",
  "tailscale:index/tailnetSettings:TailnetSettings": "tailnet_settings",
  "tailscale:index/contacts:Contacts": "contacts",
};

export const policyInForce = (cloud: Cloud): string | undefined => {
  const policy = cloud.get(POLICY);
  return policy && text(policy.inputs["acl"]);
};

/** Sets the tailnet's policy, as its owner does in the admin console. */
export function setPolicy(cloud: Cloud, acl: string): void {
  cloud.put({
    id: POLICY,
    type: "policy",
    name: "",
    stack: "",
    createdAt: cloud.now().toISOString(),
    inputs: { acl },
    outputs: {},
  });
}

/** Comments and trailing commas of HuJSON, outside of strings. */
const standard = (hujson: string): string =>
  hujson
    .replace(
      /("(?:[^"\\]|\\.)*")|\/\/[^\n]*|\/\*[^]*?\*\//g,
      (_match, string?: string) => string ?? "",
    )
    .replace(
      /("(?:[^"\\]|\\.)*")|,(\s*[}\]])/g,
      (_match, string?: string, end?: string) => string ?? end ?? "",
    );

interface Policy {
  tagOwners?: Record<string, string[]>;
}

function parsePolicy(acl: string): Policy {
  try {
    return JSON.parse(standard(acl)) as Policy;
  } catch (cause) {
    throw new Refused(`400: the policy is not HuJSON: ${String(cause)}`);
  }
}

function admit({ cloud, type, inputs }: Ask, existing?: Resource): void {
  if (type === ACL) {
    parsePolicy(text(inputs["acl"]));
    if (
      !existing &&
      policyInForce(cloud) !== undefined &&
      inputs["overwriteExistingContent"] !== true
    )
      throw new Refused(
        "412: the tailnet already has a policy that is not the default one; import it before it is managed here.",
      );
  }
  if (type === KEY || type === OAUTH) {
    const owners = parsePolicy(policyInForce(cloud) ?? "{}").tagOwners ?? {};
    const unknown = list(inputs["tags"]).filter((tag) => !(text(tag) in owners));
    if (unknown.length > 0)
      throw new Refused(
        `400: requested tags ${JSON.stringify(unknown)} are invalid or not permitted`,
      );
    const scopes = list(inputs["scopes"]).map(text);
    if (type === OAUTH && scopes.some((scope) => scope === "auth_keys" || scope === "devices:core"))
      if (list(inputs["tags"]).length === 0)
        throw new Refused("400: tags are required for scope auth_keys");
  }
}

function outputs({ cloud, type, inputs }: Ask, id: string): Inputs {
  const now = cloud.now();
  const createdAt = now.toISOString();
  if (type === ACL) setPolicy(cloud, text(inputs["acl"]));
  if (type === KEY) {
    const expiresAt = new Date(
      now.getTime() + Number(inputs["expiry"] ?? EXPIRY_S) * 1000,
    ).toISOString();
    return { key: `tskey-auth-${id}-${unique(32)}`, createdAt, expiresAt, invalid: false };
  }
  if (type === OAUTH)
    return {
      key: `tskey-client-${id}-${unique(32)}`,
      createdAt,
      updatedAt: createdAt,
      userId: "uSIMULATED",
    };
  return {};
}

/** A key is invalid from its expiry on. */
function read(cloud: Cloud, resource: Resource): Resource {
  if (resource.type === ACL)
    return { ...resource, inputs: { ...resource.inputs, acl: policyInForce(cloud) ?? "" } };
  if (resource.type !== KEY) return resource;
  const invalid = new Date(text(resource.outputs["expiresAt"])) <= cloud.now();
  return { ...resource, outputs: { ...resource.outputs, invalid } };
}

export const tailscale: Behaviour = {
  id: ({ type }) => SINGLETONS[type] ?? `k${unique(10).toUpperCase()}CNTRL`,
  admit,
  outputs,
  adopt(cloud, type, id) {
    const policy = cloud.get(POLICY);
    return type === ACL && policy ? { ...policy, type, id } : undefined;
  },
  read,
  release(cloud, resource) {
    if (resource.type === ACL && plainInputs(resource.inputs)["resetAclOnDestroy"] === true)
      cloud.remove(POLICY);
    return undefined;
  },
  // Single-use keys are not made again when they have run out, reusable ones are.
  stale(type, inputs, current) {
    if (type !== KEY || current["invalid"] !== true) return [];
    const wanted = inputs["recreateIfInvalid"];
    return wanted === "always" || (inputs["reusable"] === true && wanted !== "never")
      ? ["invalid"]
      : [];
  },
  invoke(_cloud, token) {
    throw new Refused(`The simulated tailnet has no devices, and answers no ${token}.`);
  },
};
