// What a table says of a bag of inputs: which are wrong, which have changed, and whether a change replaces.
// Pure; the provider's Check and Diff.
import type { InputType, ResourceTable } from "./table.ts";
import { differences, isObject, plainInputs, UNKNOWN, type Inputs, type Value } from "./values.ts";

export interface Failure {
  property: string;
  reason: string;
}

const FITS: Record<InputType, (value: Value) => boolean> = {
  string: (value) => typeof value === "string",
  // As in the bridge: "50" passes where a number is meant, and the other way round it does not.
  number: (value) =>
    typeof value === "number" || (typeof value === "string" && value !== "" && !isNaN(+value)),
  boolean: (value) => typeof value === "boolean" || value === "true" || value === "false",
  list: (value) => Array.isArray(value),
  map: (value) => isObject(value),
  object: (value) => isObject(value),
  any: () => true,
};

/** Inputs that the type does not know, that do not fit it, or that are missing. */
export function failures(table: ResourceTable, inputs: Inputs): Failure[] {
  const found: Failure[] = [];
  const visit = (bag: Record<string, Value>, prefix: string): void => {
    for (const [key, value] of Object.entries(bag)) {
      const path = prefix + key;
      const type = table.inputs[path];
      // The engine's own, such as __internal, and what a preview cannot tell yet.
      if (key.startsWith("__") || value === UNKNOWN || value === null) continue;
      if (type === undefined)
        found.push({ property: path, reason: "is not an input of this type" });
      else if (!FITS[type](value))
        found.push({ property: path, reason: `is to be a ${type}, is ${JSON.stringify(value)}` });
      else if (type === "object" && isObject(value)) visit(value, `${path}.`);
      else if (type === "list" && Array.isArray(value))
        for (const item of value)
          if (isObject(item) && hasMembers(table, path)) visit(item, `${path}.`);
    }
    for (const path of table.required) {
      if (!path.startsWith(prefix) || path.slice(prefix.length).includes(".")) continue;
      const value = bag[path.slice(prefix.length)];
      if (value === undefined || value === null)
        found.push({ property: path, reason: "is required and not given" });
    }
  };
  visit(plainInputs(inputs), "");
  return found;
}

const hasMembers = (table: ResourceTable, path: string): boolean =>
  Object.keys(table.inputs).some((input) => input.startsWith(`${path}.`));

export interface Change {
  changed: string[];
  replaces: string[];
}

/** How new inputs differ from what is there; `before` are the inputs that were given last. */
export function change(table: ResourceTable, before: Inputs, after: Inputs): Change {
  const changed = differences(before, after).filter((path) => !path.startsWith("__"));
  const replaced = changed.filter(
    (path) =>
      table.forceNew.includes(path) ||
      // A key of a map is not a path of the table; the map itself is.
      (table.inputs[path] === undefined && table.forceNew.includes(path.replace(/\.[^.]*$/, ""))),
  );
  // The engine wants top-level names.
  return { changed, replaces: [...new Set(replaced.map((path) => path.split(".")[0]!))] };
}
