// Every rule of the pack, in the order in which docs/free-tier.md lists them.
import type { Rule } from "../rule.ts";
import { everywhere } from "./everywhere.ts";
import { gcp } from "./gcp.ts";
import { northflank } from "./northflank.ts";
import { ociCompute } from "./oci-compute.ts";
import { ociServices } from "./oci-services.ts";
import { tailnet } from "./tailnet.ts";

export const rules: readonly Rule[] = [
  ...everywhere,
  ...ociCompute,
  ...ociServices,
  ...gcp,
  ...tailnet,
  ...northflank,
];
