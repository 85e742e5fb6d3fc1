// The tables that drive the simulated clouds: read from tables/*.json, written by extract.ts.
import { readFileSync } from "node:fs";
import { join } from "node:path";

export type InputType = "string" | "number" | "boolean" | "list" | "map" | "object" | "any";

export interface ResourceTable {
  /** Type of every input by its path, `shapeConfig.ocpus`; elements of lists have no index in it. */
  inputs: Record<string, InputType>;
  /** Paths that have to be given; of a nested one, where its parent is given. */
  required: string[];
  /** Paths whose change replaces the resource. */
  forceNew: string[];
  /** What it gives beside its inputs. */
  outputs: string[];
  secretOutputs: string[];
  /** Where `forceNew` was read, when it is not the package's own text. */
  upstream?: string;
}

export interface Table {
  package: string;
  version: string;
  inputsFrom: string;
  forceNewFrom: string;
  resources: Record<string, ResourceTable>;
}

export const PACKAGES = ["oci", "gcp", "tailscale", "docker"] as const;
export type Package = (typeof PACKAGES)[number];

export const readTable = (name: Package): Table =>
  JSON.parse(readFileSync(join(import.meta.dirname, "tables", `${name}.json`), "utf8")) as Table;
