// Several statements in one message to PostgreSQL and one wait for the answers, COPY data included. The
// server takes everything up to the one Sync as one transaction, unless `begin` opens an explicit one:
// a batch costs one round trip, and nothing of it stays when any part of it fails.
// https://www.postgresql.org/docs/17/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
import pg from "pg";

export type Value = string | number | boolean | null | readonly (string | number | null)[];

/** One statement of an exchange; with `copy`, a `copy … from stdin` and the bytes it reads. */
export interface Step {
  text: string;
  values?: readonly Value[];
  copy?: readonly Uint8Array[];
}

/** Rows of each step; values as text, as the server sent them. */
export type Answer = Record<string, string | null>[];

/** What pg calls on the query it is working on (pg/lib/client.js); its types name only `submit`. */
type Connection = pg.Connection & {
  sendCopyFromChunk(chunk: Uint8Array): void;
  endCopyFrom(): void;
};

/**
 * Runs `steps` in one round trip. Rejects with the first failing step's error; what comes after it is
 * skipped by the server.
 */
export function exchange(client: pg.ClientBase, steps: readonly Step[]): Promise<Answer[]> {
  return new Promise((resolve, reject) => {
    client.query(
      new Exchange(steps, (error, answers) => (error ? reject(error) : resolve(answers))),
    );
  });
}

class Exchange implements pg.Submittable {
  readonly #steps: readonly Step[];
  readonly #answers: Answer[] = [];
  #names: string[] = [];
  #rows: Answer = [];
  /** Public, because pg wraps it with its query_timeout. */
  callback: (error: Error | null, answers: Answer[]) => void;

  constructor(steps: readonly Step[], callback: Exchange["callback"]) {
    this.#steps = steps;
    this.callback = callback;
  }

  submit(connection: pg.Connection): void {
    const to = connection as Connection;
    to.stream.cork();
    for (const { text, values, copy } of this.#steps) {
      to.parse({ name: "", text, types: [] }, true);
      to.bind({ values: values?.map(asText) ?? [] }, true);
      to.describe({ type: "P", name: "" }, true);
      to.execute({ portal: "", rows: "" }, true);
      if (!copy) continue;
      for (const chunk of copy) to.sendCopyFromChunk(chunk);
      to.endCopyFrom();
    }
    to.sync();
    to.stream.uncork();
  }

  handleRowDescription(message: { fields: { name: string }[] }): void {
    this.#names = message.fields.map(({ name }) => name);
  }

  handleDataRow(message: { fields: (string | null)[] }): void {
    const row: Answer[number] = {};
    for (const [i, name] of this.#names.entries()) row[name] = message.fields[i] ?? null;
    this.#rows.push(row);
  }

  handleCommandComplete(): void {
    this.#answers.push(this.#rows);
    this.#rows = [];
  }

  /** The data went out with the statement. */
  handleCopyInResponse(): void {
    return;
  }

  /** Only after the server's transaction ended: until then a failing commit could still follow. */
  handleReadyForQuery(): void {
    this.callback(null, this.#answers);
  }

  handleError(error: Error): void {
    this.callback(error, []);
  }
}

/** Values in PostgreSQL's text form; arrays of numbers, texts and nulls as its array literals. */
function asText(value: Value): string | null {
  if (value === null) return null;
  return Array.isArray(value) ? `{${value.map(element).join(",")}}` : String(value);
}

function element(value: string | number | null): string {
  if (value === null) return "null";
  return typeof value === "string" ? `"${value.replace(/["\\]/g, "\\$&")}"` : String(value);
}
