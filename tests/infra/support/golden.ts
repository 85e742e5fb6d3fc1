// A plan as text that a person reviews: one object a resource, in the order of type and name, keys sorted.
// Compared with the committed file by vitest itself:
//   await expect(goldenText(plan)).toMatchFileSnapshot("golden/oci.json")
// A change of plan that was meant is written with `npx vitest run tests/infra/<file> --update`; read the
// diff before committing it, because it is what `pulumi up` will do to a running system.
import { createHash } from "node:crypto";
import type { Plan } from "./mocks.ts";

/** Longer texts (a policy, a start-up script) have files and tests of their own; here only their digest. */
const TEXT_MAX = 400;

/**
 * The plan's resources and outputs as JSON. Secrets are masked already; `replace` may shorten other values
 * that would make the file noisy, and gets the path of each text (`oci:…/storageObject:StorageObject.content`).
 */
export function goldenText(
  plan: Plan,
  replace: (path: string, text: string) => string = (_, text) => text,
): string {
  const resources = plan.resources.map((resource) => ({
    resource: `${resource.type} ${resource.name}`,
    ...(Object.keys(resource.options).length > 0 ? { options: resource.options } : {}),
    ...(resource.component ? {} : { inputs: shortened(resource.inputs, resource.type, replace) }),
  }));
  const outputs = Object.entries(plan.outputs).map(([name, value]) => [
    name,
    plan.secretOutputs.includes(name) ? "[secret]" : shortened(value, `outputs.${name}`, replace),
  ]);
  const sorted = { resources, outputs: Object.fromEntries(outputs) as unknown };
  return `${JSON.stringify(sorted, null, 2)}\n`;
}

function shortened(
  value: unknown,
  path: string,
  replace: (path: string, text: string) => string,
): unknown {
  if (typeof value === "string") {
    const text = replace(path, value);
    if (text.length <= TEXT_MAX) return text;
    const digest = createHash("sha256").update(text).digest("hex").slice(0, 12);
    return `[${text.split("\n").length} lines, sha256 ${digest}]`;
  }
  if (Array.isArray(value)) return value.map((item) => shortened(item, path, replace));
  if (typeof value !== "object" || value === null) return value;
  const names = Object.keys(value).sort();
  const items = value as Record<string, unknown>;
  return Object.fromEntries(
    names.map((name) => [name, shortened(items[name], `${path}.${name}`, replace)]),
  );
}
