// The components of the tailnet under mocks: what is asked of the provider, and what never is.
import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, it } from "vitest";
import { renderPolicy, type TailnetPlan, tailnetPolicy } from "../../infra/lib/tailnet-policy.ts";

interface Made {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

const made: Made[] = [];
const options = new Map<string, pulumi.CustomResourceOptions>();
const plan: TailnetPlan = { admins: ["a@example.com"], phase: "cloud", kiwoomEgress: "hub" };
/** Mocks hide a resource's options; a transformation sees them. */
const seen = {
  transformations: [
    ({ type, opts }: pulumi.ResourceTransformationArgs) => {
      options.set(type, opts);
      return undefined;
    },
  ],
};

const one = (type: string): Made => {
  const all = made.filter((it) => it.type === type);
  expect(all, type).toHaveLength(1);
  return all[0]!;
};
const value = <T>(output: pulumi.Output<T>) => new Promise<T>((resolve) => output.apply(resolve));
const isSecret = (output: pulumi.Output<unknown>) =>
  (output as unknown as { isSecret: Promise<boolean> }).isSecret;

let oauth: { id: pulumi.Output<string>; secret: pulumi.Output<string> };
let key: pulumi.Output<string>;

beforeAll(async () => {
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        made.push({ type, name, inputs: inputs as Record<string, unknown> });
        return {
          id: `${name}-id`,
          state: { ...(inputs as object), key: `tskey-of-${name}` },
        };
      },
      call: () => ({}),
    },
    "tickhub",
    "oci",
    false,
  );
  const { MachineKey, Tailnet } = await import("../../infra/components/tailnet.ts");
  oauth = new Tailnet("tailnet", plan, seen).edgesOauth;
  key = new MachineKey("hub-key", { description: "tickhub-hub", tags: ["tag:hub"] }, seen).key;
  await Promise.all([value(oauth.secret), value(key)]);
});

describe("the tailnet", () => {
  const acl = "tailscale:index/acl:Acl";

  it("has the plan's policy, byte for byte", () => {
    expect(one(acl).inputs).toEqual({ acl: renderPolicy(tailnetPolicy(plan)) });
  });

  it("never overwrites a policy that was not imported, nor resets one", () => {
    expect(one(acl).inputs).not.toHaveProperty("overwriteExistingContent");
    expect(one(acl).inputs).not.toHaveProperty("resetAclOnDestroy");
    expect(options.get(acl)).toMatchObject({ protect: true });
  });

  it("takes in a policy that `pulumi import` has put outside of the component", () => {
    expect(one(acl).name).toBe("tailnet-policy");
    expect(options.get(acl)?.aliases).toEqual([{ parent: pulumi.rootStackResource }]);
  });

  it("has MagicDNS, and keeps it and the settings when the stack goes", () => {
    expect(one("tailscale:index/dnsPreferences:DnsPreferences").inputs).toEqual({ magicDns: true });
    expect(one("tailscale:index/tailnetSettings:TailnetSettings").inputs).toEqual({
      aclsExternallyManagedOn: true,
    });
    for (const type of ["dnsPreferences:DnsPreferences", "tailnetSettings:TailnetSettings"]) {
      expect(options.get(`tailscale:index/${type}`)).toMatchObject({ retainOnDelete: true });
    }
  });

  it("gives vendors a client that mints keys for the edges and can do nothing else", async () => {
    expect(one("tailscale:index/oauthClient:OauthClient").inputs).toEqual({
      description: "tickhub edges",
      scopes: ["auth_keys"],
      tags: ["tag:edges"],
    });
    expect(await value(oauth.id)).toBe("tailnet-edges-id");
    expect(await value(oauth.secret)).toBe("tskey-of-tailnet-edges");
    expect(await isSecret(oauth.secret)).toBe(true);
  });

  it("asks for its provider nowhere, so that the token stays in the environment", () => {
    expect(made.filter(({ type }) => type.startsWith("pulumi:providers:"))).toEqual([]);
  });
});

describe("a machine's key", () => {
  const tailnetKey = "tailscale:index/tailnetKey:TailnetKey";

  it("is for one machine, once, within the hour", async () => {
    expect(one(tailnetKey).inputs).toEqual({
      description: "tickhub-hub",
      tags: ["tag:hub"],
      reusable: false,
      ephemeral: false,
      preauthorized: true,
      expiry: 3600,
      recreateIfInvalid: "never",
    });
    expect(await value(key)).toBe("tskey-of-hub-key");
    expect(await isSecret(key)).toBe(true);
  });

  it("is never made again: no input of it can change it, and expired it stays", () => {
    const { ignoreChanges } = options.get(tailnetKey)!;
    expect([...ignoreChanges!].sort()).toEqual(Object.keys(one(tailnetKey).inputs).sort());
  });
});
