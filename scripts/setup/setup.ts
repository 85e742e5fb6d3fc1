// What every step of the wizard works with.
import type { Io } from "./io.ts";
import type { Memory } from "./memory.ts";
import type { Pulumi } from "./pulumi.ts";
import type { Endpoints } from "./vendors/endpoints.ts";
import type { Words } from "./words.ts";

export interface Setup {
  io: Io;
  memory: Memory;
  pulumi: Pulumi;
  endpoints: Endpoints;
  /** Of key files and the passphrase's. */
  home: string;
}

/** One thing to settle. Running it again after it was done asks nothing that is known. */
export interface Step {
  /** In the memory: done. Never renamed. */
  name: string;
  title: Words;
  run: (setup: Setup) => Promise<void>;
}

export const HUB = "oci";
export const GCP = "edge-gcp";
export const NORTHFLANK = "edge-northflank";
