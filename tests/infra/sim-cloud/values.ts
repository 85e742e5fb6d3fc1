// Values as the engine sends them to a provider: plain JSON in which secrets are wrapped and what a preview
// does not know yet is a fixed string.
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

export type Value = null | string | number | boolean | Value[] | { [key: string]: Value };
export type Inputs = Record<string, Value>;

export const isObject = (value: Value | undefined): value is Record<string, Value> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const isSecret = (value: Value | undefined): boolean =>
  isObject(value) && value[SIGNATURE] === SECRET;

export const secret = (value: Value): Value => ({ [SIGNATURE]: SECRET, value });

/** The value without the wrapping of secrets, at any depth. */
export function plain(value: Value): Value {
  if (Array.isArray(value)) return value.map(plain);
  if (!isObject(value)) return value;
  if (isSecret(value)) return plain(value["value"] ?? null);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

export const plainInputs = (inputs: Inputs): Inputs => plain(inputs) as Inputs;

/** Text of an input that has to be text; empty where it is not given. */
export const text = (value: Value | undefined): string =>
  typeof value === "string" || typeof value === "number" ? String(value) : "";

export const list = (value: Value | undefined): Value[] => (Array.isArray(value) ? value : []);

export const object = (value: Value | undefined): Record<string, Value> =>
  isObject(value) ? value : {};

const LIST_LENGTH = Symbol("length");

/** Every leaf by its path without indices, `routeRules.destination`; of a list its length too. */
function* leaves(value: Value, path: string): Generator<[string, string]> {
  if (Array.isArray(value)) {
    yield [path, `${String(LIST_LENGTH)} ${value.length}`];
    for (const [index, item] of value.entries())
      for (const [inner, leaf] of leaves(item, path)) yield [inner, `${index} ${leaf}`];
  } else if (isObject(value)) {
    for (const [key, item] of Object.entries(value))
      yield* leaves(item, path === "" ? key : `${path}.${key}`);
  } else if (value !== null) yield [path, JSON.stringify(value)];
}

/** Paths at which two bags of inputs differ. */
export function differences(before: Inputs, after: Inputs): string[] {
  const byPath = (inputs: Inputs): Map<string, string> => {
    const found = new Map<string, string>();
    for (const [path, leaf] of leaves(plainInputs(inputs), ""))
      found.set(path, `${found.get(path) ?? ""}\n${leaf}`);
    return found;
  };
  const [old, fresh] = [byPath(before), byPath(after)];
  return [...new Set([...old.keys(), ...fresh.keys()])]
    .filter((path) => old.get(path) !== fresh.get(path))
    .sort();
}
