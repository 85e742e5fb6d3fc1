// What an edge stack reads from the hub's stack, read and checked before the edge stack plans anything: what is
// missing stops its `up` once, with the command that brings it; nothing is guessed.
import * as pulumi from "@pulumi/pulumi";
import { TickhubError } from "../../app/shared/errors.ts";

/** The hub stack's outputs as edges use them. */
export interface HubOutputs {
  /** `tickhub-hub.tail1234.ts.net` */
  hubName: string;
  /** `ws://tickhub-hub.tail1234.ts.net:8610/edge` */
  gatewayUrl: string;
  /** Where Kiwoom's collector leaves from, by the hub stack's kiwoomEgress. */
  kiwoomProxyUrl: string;
  /** By digest. */
  edgeImage: string;
  version: string;
  /** The tokens of the edges that were asked for. */
  edgeTokens: Record<string, pulumi.Output<string>>;
  sentinelToken: pulumi.Output<string>;
  /** The OAuth client's secret in the form that tailscaled takes as a key, for nodes that vanish with their end. */
  tailnetKey: pulumi.Output<string>;
  registry: { address: string; username: string; password: pulumi.Output<string> };
}

/** The outputs, and the tokens of `edges`. Throws STACK_REFERENCE, which names all that is missing. */
export async function hubOutputs(hubStack: string, edges: readonly string[]): Promise<HubOutputs> {
  const reference = new pulumi.StackReference(hubStack);
  const missing: string[] = [];
  const read = async (name: string): Promise<unknown> => {
    const found: { value?: unknown; secretValue?: unknown } =
      await reference.getOutputDetails(name);
    return found.value ?? found.secretValue;
  };
  const text = async (name: string): Promise<string> => within(await read(name), name);
  const part = async (name: string, key: string): Promise<string> => {
    const whole = await read(name);
    const inner = typeof whole === "object" && whole !== null ? whole : {};
    return within((inner as Record<string, unknown>)[key], `${name}.${key}`);
  };
  const within = (value: unknown, path: string): string => {
    if (typeof value === "string" && value !== "") return value;
    missing.push(path);
    return "";
  };
  const tokens = edges.map(
    async (edge) => [edge, pulumi.secret(await part("edgeTokens", edge))] as const,
  );
  const outputs: HubOutputs = {
    hubName: await text("hubName"),
    gatewayUrl: await text("gatewayUrl"),
    kiwoomProxyUrl: await text("kiwoomProxyUrl"),
    edgeImage: await part("images", "edge"),
    version: await text("version"),
    edgeTokens: Object.fromEntries(await Promise.all(tokens)),
    sentinelToken: pulumi.secret(await text("sentinelToken")),
    tailnetKey: pulumi.secret(
      `${await part("edgesOauth", "secret")}?ephemeral=true&preauthorized=true`,
    ),
    registry: {
      address: await part("registry", "address"),
      username: await part("registry", "username"),
      password: pulumi.secret(await part("registry", "password")),
    },
  };
  if (missing.length === 0) return outputs;
  throw new TickhubError("STACK_REFERENCE", {
    stack: hubStack,
    missing: missing.sort().join(", "),
    run: `pulumi up --stack ${hubStack.split("/").at(-1) ?? hubStack}`,
  });
}
