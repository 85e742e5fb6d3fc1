// Where `pulumi up` begins: reads what the stack is told, and builds what its role says. Only that role's
// part is loaded, because each provider's package costs seconds. The exports are the stack's outputs.
import * as pulumi from "@pulumi/pulumi";
import { readConfig, type HubConfig, type StackConfig } from "./config.ts";
import { forPulumi } from "./lib/for-pulumi.ts";

async function build(config: StackConfig): Promise<Record<string, pulumi.Input<unknown>>> {
  switch (config.role) {
    case "hub": {
      const { hub } = await import("./stacks/hub.ts");
      if (config.registry.check) await registryLetsUsIn(config.registry);
      return hub(config);
    }
    case "edge-gcp": {
      const { edgeGcp } = await import("./stacks/edge-gcp.ts");
      return edgeGcp(config);
    }
    case "edge-northflank": {
      const { edgeNorthflank } = await import("./stacks/edge-northflank.ts");
      return edgeNorthflank(config);
    }
  }
}

/** Before an image is built for minutes to fail at its push. A preview writes nothing, not even an upload. */
async function registryLetsUsIn({
  repository,
  username,
  password,
}: HubConfig["registry"]): Promise<void> {
  const { checkRegistry } = await import("./lib/registry.ts");
  const plain = await new Promise<string>((resolve) => void password.apply(resolve));
  const login = { repository, username, password: plain };
  await checkRegistry(login, ["hub", "edge"], { push: !pulumi.runtime.isDryRun() });
}

let outputs: Record<string, pulumi.Input<unknown>>;
try {
  outputs = await build(readConfig());
} catch (error) {
  throw forPulumi(error);
}

export default outputs;
