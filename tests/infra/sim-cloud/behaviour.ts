// What a cloud does beyond its table: which ids and outputs it gives, what it refuses, what it answers.
import type { Cloud, Resource } from "./cloud.ts";
import type { Inputs } from "./values.ts";

/** A refusal of the cloud's, with its text. */
export class Refused extends Error {}

/** One call on one resource; `inputs` are plain. */
export interface Ask {
  cloud: Cloud;
  type: string;
  name: string;
  inputs: Inputs;
}

export interface Behaviour {
  /** Inputs that get a name of the engine's making, `<logical name>-<7 hex digits>`, when none is given. */
  autoName?: (type: string) => string | undefined;
  /** Inputs the provider adds at check. */
  defaults?: (ask: Ask) => Inputs;
  id(ask: Ask): string;
  /** Given before something is made or changed; throws Refused. */
  admit?(ask: Ask, existing?: Resource): void;
  /** Carries it out; gives what the cloud adds to the inputs. */
  outputs?(ask: Ask, id: string): Inputs;
  /** What an import finds under an id that no program has made. */
  adopt?(cloud: Cloud, type: string, id: string): Resource | undefined;
  /** What a resource is by now; undefined when it is gone. */
  read?(cloud: Cloud, resource: Resource): Resource | undefined;
  /** Throws Refused, or returns "kept" when the cloud keeps the thing, or a time until which its name is taken. */
  release?(cloud: Cloud, resource: Resource): "kept" | { goneAt: string } | undefined;
  /** Outputs whose change at read makes a new resource necessary. */
  stale?(type: string, inputs: Inputs, outputs: Inputs): string[];
  invoke?(cloud: Cloud, token: string, args: Inputs): Inputs;
}
