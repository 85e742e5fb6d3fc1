// The model database under virtual time: statements take time, and longer while the disk is slow; a crash
// loses what is not committed; a client that vanishes is noticed after what it sent has been run.
import type { Timeline } from "../timeline.ts";
import { Backend, type Statement } from "./backend.ts";
import type { Answer, ModelDatabase } from "./model.ts";

/** One message's answer: rows of each statement, or what failed. */
export type Reply = (error: Error | null, answers: readonly (readonly Answer[])[]) => void;

export class Connection {
  readonly #server: DatabaseServer;
  readonly #backend: Backend;
  #isBusy = false;
  #isOpen = true;
  #isClientGone = false;
  #reply: Reply | null = null;

  constructor(server: DatabaseServer, database: ModelDatabase) {
    this.#server = server;
    this.#backend = new Backend(database, (why, run) => {
      server.timeline.after(why === "pause" ? server.statementMs() : 0.01, () => {
        if (this.#isOpen) run();
      });
    });
  }

  get isInTransaction(): boolean {
    return this.#backend.isInTransaction;
  }

  /** Runs the statements one by one, then answers. */
  run(statements: readonly Statement[], reply: Reply): void {
    if (!this.#isOpen) {
      reply(connectionLost(), []);
      return;
    }
    this.#isBusy = true;
    this.#reply = reply;
    const answers: (readonly Answer[])[] = [];
    const next = (at: number) => {
      const statement = statements[at];
      if (!statement) return this.#synced(null, answers);
      this.#server.began(statement);
      if (!this.#isOpen) return;
      this.#backend.execute(statement, (error, rows) => {
        if (error) return this.#synced(error, []);
        answers.push(rows);
        this.#server.timeline.after(this.#server.statementMs(), () => {
          if (this.#isOpen) next(at + 1);
        });
      });
    };
    next(0);
  }

  /** The client closed, or died. What it has sent is run to its end all the same. */
  clientGone(): void {
    this.#isClientGone = true;
    if (!this.#isBusy) this.#close();
  }

  /** The server is gone, or the way to it: the client hears of it. */
  lose(): void {
    if (!this.#isOpen) return;
    this.#close();
    const reply = this.#reply;
    this.#reply = null;
    reply?.(connectionLost(), []);
  }

  #synced(error: Error | null, answers: readonly (readonly Answer[])[]): void {
    this.#backend.sync();
    this.#isBusy = false;
    const reply = this.#reply;
    this.#reply = null;
    if (this.#isClientGone) this.#close();
    else reply?.(error, answers);
  }

  #close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#backend.terminate();
    this.#server.connections.delete(this);
  }
}

export class DatabaseServer {
  readonly timeline: Timeline;
  readonly connections = new Set<Connection>();
  readonly #database: ModelDatabase;
  #isUp = true;
  /** Each statement takes up to so long. */
  slowMs = 0;
  /** Called once at the next COPY: the crash in its middle. */
  onCopy: (() => void) | null = null;

  constructor(timeline: Timeline, database: ModelDatabase) {
    this.timeline = timeline;
    this.#database = database;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Some transaction is open. */
  get isWorking(): boolean {
    return [...this.connections].some((connection) => connection.isInTransaction);
  }

  /** Null while it is down. */
  connect(): Connection | null {
    if (!this.#isUp) return null;
    const connection = new Connection(this, this.#database);
    this.connections.add(connection);
    return connection;
  }

  statementMs(): number {
    return this.timeline.between(0.05, 0.3) + this.timeline.random() * this.slowMs;
  }

  began(statement: Statement): void {
    if (!this.onCopy || !statement.text.startsWith("copy public.")) return;
    const crash = this.onCopy;
    this.onCopy = null;
    // After the statement has put in some of its rows.
    this.timeline.after(0.02, crash);
  }

  crash(): void {
    this.timeline.note("the database crashes");
    this.#isUp = false;
    for (const connection of [...this.connections]) connection.lose();
  }

  start(nowMs: number): void {
    this.timeline.note("the database starts");
    this.#isUp = true;
    this.#database.startedMs = nowMs;
  }
}

function connectionLost(): Error {
  return new Error("Connection terminated unexpectedly");
}
