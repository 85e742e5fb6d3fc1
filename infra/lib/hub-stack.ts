// Another stack's outputs, as the hub's stack leaves them for staging (edges: hub-outputs.ts). They are awaited before
// anything is planned: an error inside of an output would be told once for every resource that needs it.
import * as pulumi from "@pulumi/pulumi";
import { TickhubError } from "../../app/shared/errors.ts";

export class HubStack {
  readonly #name: string;
  readonly #reference: pulumi.StackReference;

  /** @param name `organization/tickhub/oci` */
  constructor(name: string) {
    this.#name = name;
    this.#reference = new pulumi.StackReference(name);
  }

  /** An output that is no secret. Throws STACK_REFERENCE, with the command that makes it. */
  async value<T>(name: string): Promise<T> {
    const value: unknown = (await this.#reference.getOutputDetails(name)).value;
    if (value === undefined || value === null) throw this.#missing(name);
    return value as T;
  }

  #missing(output: string): TickhubError {
    const run = `pulumi up --stack ${this.#name.split("/").at(-1) ?? this.#name}`;
    return new TickhubError("STACK_REFERENCE", { stack: this.#name, output, run });
  }
}
