// The state of a simulated cloud: a folder of JSON files that outlives the processes which use it, with a
// clock that only tests move, faults that tests order, and a log of everything that was done.
//   <folder>/clock                 ISO time; without it, EPOCH
//   <folder>/faults.json           [{package, type, operation, times, error | hold}]
//   <folder>/<package>/<hash>.json one resource each
//   <folder>/calls.jsonl           {package, operation, type, name, id}
// Reads and writes are synchronous, so that within one plugin's process each operation is atomic.
import { createHash, randomBytes } from "node:crypto";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Inputs } from "./values.ts";

export const EPOCH = "2026-11-23T00:00:00.000Z";

export interface Resource {
  id: string;
  type: string;
  /** Logical name in the program that made it, of its URN. */
  name: string;
  /** Stack that made it. */
  stack: string;
  createdAt: string;
  /** As the engine gave them, secrets wrapped. */
  inputs: Inputs;
  /** What the cloud adds. */
  outputs: Inputs;
  /** It is going, but its name is taken until then. */
  goneAt?: string;
}

/** The process that started this one, as long as it lives. */
const ENGINE = process.ppid;

export type Operation = "create" | "read" | "update" | "delete";

export interface Fault {
  type: string;
  operation: Operation;
  /** How often it strikes before it is over. */
  times: number;
  /** Refuses with this text. */
  error?: string;
  /** Waits until the fault is removed from the file: before the cloud has acted, or after. */
  hold?: "before" | "after";
}

export interface Call {
  operation: Operation | "invoke";
  type: string;
  name: string;
  id: string;
}

export class Cloud {
  readonly folder: string;
  readonly name: string;

  constructor(folder: string, name: string) {
    this.folder = folder;
    this.name = name;
    mkdirSync(join(folder, name), { recursive: true });
  }

  now(): Date {
    const file = join(this.folder, "clock");
    return new Date(existsSync(file) ? readFileSync(file, "utf8").trim() : EPOCH);
  }

  #file(id: string): string {
    const hash = createHash("sha256").update(id).digest("hex").slice(0, 24);
    return join(this.folder, this.name, `${hash}.json`);
  }

  /** Everything that exists, what is going included. */
  everything(): Resource[] {
    return readdirSync(join(this.folder, this.name))
      .filter((entry) => entry.endsWith(".json"))
      .map(
        (entry) =>
          JSON.parse(readFileSync(join(this.folder, this.name, entry), "utf8")) as Resource,
      )
      .filter(({ goneAt }) => goneAt === undefined || new Date(goneAt) > this.now());
  }

  /** What exists and stays, of one type or of all. */
  all(type?: string): Resource[] {
    return this.everything().filter(
      (resource) => resource.goneAt === undefined && (type === undefined || resource.type === type),
    );
  }

  get(id: string): Resource | undefined {
    const file = this.#file(id);
    if (!existsSync(file)) return undefined;
    const resource = JSON.parse(readFileSync(file, "utf8")) as Resource;
    return resource.goneAt === undefined ? resource : undefined;
  }

  put(resource: Resource): void {
    const file = this.#file(resource.id);
    writeFileSync(`${file}.new`, JSON.stringify(resource, null, 2));
    renameSync(`${file}.new`, file);
  }

  remove(id: string): void {
    rmSync(this.#file(id), { force: true });
  }

  log(call: Call): void {
    appendFileSync(
      join(this.folder, "calls.jsonl"),
      `${JSON.stringify({ package: this.name, ...call })}\n`,
    );
  }

  readonly #faultsFile = (): string => join(this.folder, "faults.json");

  #faults(): Fault[] {
    return existsSync(this.#faultsFile())
      ? (JSON.parse(readFileSync(this.#faultsFile(), "utf8")) as Fault[])
      : [];
  }

  /** Takes one strike of a fault that refuses, if one is ordered. */
  refusal(type: string, operation: Operation): string | undefined {
    const faults = this.#faults();
    const fault = faults.find(
      (one) =>
        one.error !== undefined &&
        one.type === type &&
        one.operation === operation &&
        one.times > 0,
    );
    if (!fault) return undefined;
    fault.times -= 1;
    writeFileSync(this.#faultsFile(), JSON.stringify(faults));
    return fault.error;
  }

  /** Waits for as long as a hold at this point is ordered; says in `<folder>/held` that it does. */
  async held(type: string, operation: Operation, point: "before" | "after"): Promise<void> {
    const ordered = (): boolean =>
      this.#faults().some(
        (one) =>
          one.hold === point && one.type === type && one.operation === operation && one.times > 0,
      );
    if (!ordered()) return;
    writeFileSync(join(this.folder, "held"), `${operation} ${type}\n`);
    while (ordered()) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      // The engine was killed meanwhile; what it asked for does not happen any more.
      if (process.ppid !== ENGINE) process.exit(1);
    }
    rmSync(join(this.folder, "held"), { force: true });
  }
}

/** Letters and digits as in the last part of an OCID; never the same twice. */
export const unique = (length: number): string =>
  BigInt(`0x${randomBytes(48).toString("hex")}`)
    .toString(36)
    .padStart(length, "a")
    .slice(-length);
