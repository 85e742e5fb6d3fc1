// Reading planned inputs, whose types nobody promises: what is absent, unknown or of another type is told
// apart, so that a rule decides on purpose what each means.
import { UNKNOWN } from "./rule.ts";
import type { Resource } from "./rule.ts";

/** The member at a path of keys, or undefined. An unknown value anywhere on the way is unknown. */
export function at(value: unknown, ...path: string[]): unknown {
  let here = value;
  for (const key of path) {
    if (here === UNKNOWN) return UNKNOWN;
    if (typeof here !== "object" || here === null) return undefined;
    here = (here as Record<string, unknown>)[key];
  }
  return here;
}

/** A list at a path; one that is absent or unknown is empty. */
export function listAt(value: unknown, ...path: string[]): unknown[] {
  const found = at(value, ...path);
  return Array.isArray(found) ? (found as unknown[]) : [];
}

/** A number, also when it is written as text as OCI does; undefined for anything else. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  if (typeof value === "string" && /^\d+(\.\d+)?$/.test(value)) return Number(value);
  return undefined;
}

/** For messages: a value as the plan has it. */
export function shown(value: unknown): string {
  if (value === UNKNOWN) return "not known before the update";
  if (value === undefined) return "not stated";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Every value under a key, at any depth. */
export function everyAt(value: unknown, key: string): unknown[] {
  if (typeof value !== "object" || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((member) => everyAt(member, key));
  return Object.entries(value).flatMap(([name, member]) => [
    ...(name === key ? [member as unknown] : []),
    ...everyAt(member, key),
  ]);
}

/** Every text in a value with the path to it, at any depth. */
export function textsOf(value: unknown, path = ""): { path: string; text: string }[] {
  if (typeof value === "string") return [{ path, text: value }];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) =>
    textsOf(member, path === "" ? name : `${path}.${name}`),
  );
}

export const ofType = (resources: readonly Resource[], ...types: string[]): Resource[] =>
  resources.filter((resource) => types.includes(resource.type));
