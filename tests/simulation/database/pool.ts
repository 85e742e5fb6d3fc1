// What app/store and the hub see of the model database: as much of a pg.Pool and its clients as they use.
// An exchange is taken apart into its statements as they would stand on the wire.
import type pg from "pg";
import type { Process } from "../host.ts";
import { statementOf, type Statement } from "./backend.ts";
import type { Answer } from "./model.ts";
import type { Connection, DatabaseServer } from "./server.ts";

/** From a process to the database and back. */
const LATENCY_MS = 0.2;

/** What pg calls on a query of its own kind (app/store/exchange.ts). */
interface Submitted {
  submit(connection: unknown): void;
  handleRowDescription(message: { fields: { name: string }[] }): void;
  handleDataRow(message: { fields: (string | null)[] }): void;
  handleCommandComplete(): void;
  handleReadyForQuery(): void;
  handleError(error: Error): void;
}

export class VirtualPool {
  readonly #server: DatabaseServer;
  readonly #process: Process;

  constructor(server: DatabaseServer, process: Process) {
    this.#server = server;
    this.#process = process;
  }

  /** As the type that the code under test asks for. */
  asPool(): pg.Pool {
    return this as unknown as pg.Pool;
  }

  connect(): Promise<VirtualClient> {
    return new Promise((resolve, reject) => {
      this.#later(() => {
        const connection = this.#server.connect();
        this.#back(() => {
          if (connection) resolve(new VirtualClient(this.#server, this.#process, connection));
          else reject(Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" }));
        });
      });
    });
  }

  async query(text: string, values: unknown[]): Promise<{ rows: Record<string, unknown>[] }> {
    const client = await this.connect();
    const [standing] = await client.ask(statementOf({ text, values: values as string[] }));
    client.release();
    // jsonb arrives parsed.
    return { rows: [{ standing: JSON.parse(standing!["standing"]!) as unknown }] };
  }

  #later(run: () => void): void {
    this.#server.timeline.after(this.#server.timeline.between(0.5, 1.5) * LATENCY_MS, run);
  }

  #back(run: () => void): void {
    this.#later(() => this.#process.deliver(run));
  }
}

class VirtualClient {
  readonly #server: DatabaseServer;
  readonly #process: Process;
  readonly #connection: Connection;
  readonly #dies = () => this.#connection.clientGone();

  constructor(server: DatabaseServer, process: Process, connection: Connection) {
    this.#server = server;
    this.#process = process;
    this.#connection = connection;
    process.onDeath.add(this.#dies);
  }

  /** An exchange of app/store. */
  query(query: Submitted): void {
    const statements = statementsOf(query);
    this.#send(statements, (error, answers) => {
      if (error) {
        query.handleError(error);
        return;
      }
      for (const rows of answers) {
        if (rows[0]) {
          const names = Object.keys(rows[0]);
          query.handleRowDescription({ fields: names.map((name) => ({ name })) });
          for (const row of rows) query.handleDataRow({ fields: names.map((name) => row[name]!) });
        }
        query.handleCommandComplete();
      }
      query.handleReadyForQuery();
    });
  }

  ask(statement: Statement): Promise<readonly Answer[]> {
    return new Promise((resolve, reject) => {
      this.#send([statement], (error, answers) => {
        if (error) reject(error);
        else resolve(answers[0]!);
      });
    });
  }

  release(): void {
    this.#process.onDeath.delete(this.#dies);
    this.#later(() => this.#connection.clientGone());
  }

  #send(
    statements: readonly Statement[],
    reply: (error: Error | null, answers: readonly (readonly Answer[])[]) => void,
  ): void {
    this.#later(() =>
      this.#connection.run(statements, (error, answers) =>
        this.#later(() => this.#process.deliver(() => reply(error, answers))),
      ),
    );
  }

  #later(run: () => void): void {
    this.#server.timeline.after(this.#server.timeline.between(0.5, 1.5) * LATENCY_MS, run);
  }
}

/** What `submit` would have put on the wire. */
function statementsOf(query: Submitted): Statement[] {
  const statements: { text: string; values: (string | null)[]; copy: Uint8Array[] }[] = [];
  const last = () => statements.at(-1)!;
  query.submit({
    stream: { cork: () => undefined, uncork: () => undefined },
    parse: ({ text }: { text: string }) => statements.push({ text, values: [], copy: [] }),
    bind: ({ values }: { values: (string | null)[] }) => (last().values = values),
    describe: () => undefined,
    execute: () => undefined,
    sendCopyFromChunk: (chunk: Uint8Array) => last().copy.push(chunk),
    endCopyFrom: () => undefined,
    sync: () => undefined,
  });
  return statements;
}
