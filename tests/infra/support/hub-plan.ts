// A hub's stack planned under mocks, production or staging, with keys changed as a test wants them.
import { HUB_KEYS, PRODUCTION_OUTPUTS, SECRET_KEYS, STAGING_KEYS } from "./hub-config.ts";
import { planOf, type Plan, type PlanOptions } from "./mocks.ts";

export const PRODUCTION_STACK = "organization/tickhub/oci";

type Changes = Readonly<Record<string, string>>;
type Options = Partial<Omit<PlanOptions, "config">>;

/** `changes` by full key; an empty text removes one. */
export const productionPlan = (changes: Changes = {}, options: Options = {}): Promise<Plan> =>
  planned({ ...HUB_KEYS, ...changes }, { stack: "oci", ...options });

export const stagingPlan = (changes: Changes = {}, options: Options = {}): Promise<Plan> =>
  planned(
    { ...STAGING_KEYS, ...changes },
    { stack: "oci-staging", references: { [PRODUCTION_STACK]: PRODUCTION_OUTPUTS }, ...options },
  );

function planned(config: Changes, options: Options): Promise<Plan> {
  return planOf({ config, secretKeys: SECRET_KEYS, ...options }, async () => {
    const { readConfig } = await import("../../../infra/config.ts");
    const { hub } = await import("../../../infra/stacks/hub.ts");
    const read = readConfig();
    if (read.role !== "hub") throw new Error(read.role);
    return hub(read);
  });
}
