// Where `npm run infra:check` gets plans from. Either the stacks' programs, run here without any cloud or
// credential (the mock engine of the infrastructure's tests, with the committed Pulumi.<stack>.yaml and made-up
// values where one is to be filled in), or the file that `pulumi preview --json` wrote, which is exact.
import { readFileSync } from "node:fs";
import { factsOf } from "../infra/policy/facts.ts";
import type { StackPlan } from "../infra/lib/projection.ts";
import { UNKNOWN } from "../infra/policy/rule.ts";
import type { Resource } from "../infra/policy/rule.ts";
import { HUB_KEYS, PRODUCTION_OUTPUTS, SECRET_KEYS } from "../tests/infra/support/hub-config.ts";
import { HUB_OUTPUTS } from "../tests/infra/support/hub-outputs.ts";
import { planOf } from "../tests/infra/support/mocks.ts";

/** Production: what the month is made of. Staging stacks are added by name. */
export const PRODUCTION_STACKS = ["oci", "edge-gcp", "edge-northflank"] as const;

type Values = Readonly<Record<string, string>>;

/** What stands in for values that are not filled in; none of them changes what a plan costs. */
const MADE_UP: Values = {
  ...HUB_KEYS,
  "gcp:project": "my-project-1234",
  "tickhub:billingAccount": "012345-6789AB-CDEF01",
  "tickhub:machineImage": "projects/debian-cloud/global/images/debian-12-bookworm-v20261111",
  "tickhub:northflankProject": "tickhub",
  "tickhub:northflankToken": "made-up-token",
};

/** Secrets that an edge is given, by role; their number is what Secret Manager counts. */
const MADE_UP_SECRETS: Values = {
  "edge-gcp": JSON.stringify({ NEWS_API_KEY: "made-up", SENTINEL_TELEGRAM_TOKEN: "made-up" }),
  "edge-northflank": JSON.stringify({
    KIS_APP_KEY: "made-up",
    KIS_APP_SECRET: "made-up",
    KIWOOM_APP_KEY: "made-up",
    KIWOOM_SECRET_KEY: "made-up",
  }),
};

/** A stack's plan from its program and Pulumi.<stack>.yaml. Throws what the program throws. */
export async function planFromProgram(stack: string, changes: Values = {}): Promise<StackPlan> {
  const file = { ...filledIn(readFileSync(`Pulumi.${stack}.yaml`, "utf8")), ...changes };
  const secrets = MADE_UP_SECRETS[file["tickhub:role"] ?? ""];
  const config: Values = {
    ...MADE_UP,
    ...(secrets === undefined ? {} : { "tickhub:secrets": secrets }),
    ...file,
  };
  const hubStack = config["tickhub:hubStack"] ?? "organization/tickhub/oci";
  const plan = await planOf(
    {
      stack,
      config,
      secretKeys: SECRET_KEYS,
      references: { [hubStack]: { ...HUB_OUTPUTS, ...PRODUCTION_OUTPUTS } },
      computed: {
        "gcp:serviceaccount/account:Account": (name) => ({ email: `${name}@p.iam.example` }),
      },
      answers: { "gcp:organizations/getProject:getProject": () => ({ number: "1" }) },
    },
    build,
  );
  return {
    stack,
    facts: factsOf(sourceOf(config)),
    resources: plan.resources.map(({ type, name, inputs, options }) => ({
      type,
      name,
      urn: `urn:pulumi:${stack}::tickhub::${type}::${name}`,
      inputs,
      protect: options.protect ?? false,
      ignoreChanges: options.ignoreChanges ?? [],
    })),
  };
}

/** As infra/index.ts, without trying the registry. */
async function build(): Promise<Record<string, unknown>> {
  const { readConfig } = await import("../infra/config.ts");
  const config = readConfig();
  switch (config.role) {
    case "hub":
      return (await import("../infra/stacks/hub.ts")).hub(config);
    case "edge-gcp":
      return (await import("../infra/stacks/edge-gcp.ts")).edgeGcp(config);
    case "edge-northflank":
      return (await import("../infra/stacks/edge-northflank.ts")).edgeNorthflank(config);
  }
}

/** The plain values of a stack's file. What is encrypted or still says FILL is made up instead. */
export function filledIn(yaml: string): Record<string, string> {
  const values: Record<string, string> = {};
  for (const line of yaml.split("\n")) {
    const pair = /^ {2}([\w-]+:\w+): (.+)$/.exec(line);
    if (!pair) continue;
    const value = pair[2]!.trim().replace(/^(["'])(.*)\1$/, "$2");
    if (!/^FILL\b/.test(value)) values[pair[1]!] = value;
  }
  return values;
}

interface Preview {
  config?: Record<string, string>;
  steps?: {
    op: string;
    newState?: { urn: string; type: string; inputs?: Record<string, unknown>; protect?: boolean };
  }[];
}

/** A stack's plan from the text of `pulumi preview --json`. Throws when it is no such text. */
export function planFromPreview(text: string): StackPlan {
  const preview = JSON.parse(text) as Preview;
  if (!Array.isArray(preview.steps))
    throw new Error("no steps: not written by pulumi preview --json");
  const resources = preview.steps.flatMap(({ newState }): Resource[] => {
    if (newState === undefined) return [];
    const { urn, type, inputs = {}, protect = false } = newState;
    return [
      {
        type,
        name: urn.split("::").at(-1)!,
        urn,
        inputs: known(inputs) as Record<string, unknown>,
        protect,
        ignoreChanges: [],
      },
    ];
  });
  const stack = resources[0]?.urn.split("::")[0]?.replace("urn:pulumi:", "") ?? "";
  return { stack, facts: factsOf(sourceOf(preview.config ?? {})), resources };
}

/** What the engine writes for values that only the update knows, by their type. */
const SENTINELS = new Set([
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
  "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
]);

function known(value: unknown): unknown {
  if (typeof value === "string") return SENTINELS.has(value) ? UNKNOWN : value;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(known);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, known(member)]));
}

/** The project's part of a config, as policy packs read it. */
function sourceOf(values: Values): Parameters<typeof factsOf>[0] {
  const get = (key: string) => values[`tickhub:${key}`];
  return {
    get,
    getBoolean: (key: string) => (get(key) === undefined ? undefined : get(key) === "true"),
  } as Parameters<typeof factsOf>[0];
}
