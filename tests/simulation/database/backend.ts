// One connection's server process in the model database: takes the statements that the code of app/store
// sends, text for text, and runs them under PostgreSQL's rules of a transaction: implicit up to the sync,
// explicit from `begin`, failed until `rollback`. A statement it does not know ends the run.
import { COPY } from "../../../app/store/rows.ts";
import type { Step } from "../../../app/store/exchange.ts";
import type { Answer, Booking, ModelDatabase, Refused, Running } from "./model.ts";
import { SqlError } from "./model.ts";
import type { Transaction } from "./tables.ts";

/** A statement as it came over the wire: values as text. */
export interface Statement {
  text: string;
  values: readonly (string | null)[];
  copy: readonly Uint8Array[];
}

export type Done = (error: Error | null, rows: readonly Answer[]) => void;

/** Runs what goes on after a stop; the simulation takes time for it, a comparison does not. */
export type GoOn = (why: "blocked" | "pause", run: () => void) => void;

export class Backend {
  readonly #database: ModelDatabase;
  readonly #goOn: GoOn;
  #tx: Transaction | null = null;
  #isExplicit = false;
  #isFailed = false;
  #isGone = false;
  isBlocked = false;

  constructor(database: ModelDatabase, goOn: GoOn) {
    this.#database = database;
    this.#goOn = goOn;
  }

  get isInTransaction(): boolean {
    return this.#tx !== null;
  }

  /** Runs one statement; `done` is called when it has answered, perhaps at once. */
  execute(statement: Statement, done: Done): void {
    try {
      this.#run(this.#begin(statement), done);
    } catch (error) {
      this.#fail(error, done);
    }
  }

  /** The end of a message: an implicit transaction commits, unless it failed. */
  sync(): void {
    if (!this.#isExplicit) this.#finish(!this.#isFailed);
  }

  /** The connection is gone: what is not committed is not. */
  terminate(): void {
    this.#isGone = true;
    this.#finish(false);
  }

  #begin({ text, values, copy }: Statement): Running<readonly Answer[]> | readonly Answer[] {
    const database = this.#database;
    if (text === "begin") {
      this.#tx = database.begin();
      this.#isExplicit = true;
      return [];
    }
    if (text === "commit" || text === "rollback") {
      this.#finish(text === "commit" && !this.#isFailed);
      return [];
    }
    if (text === "rollback to savepoint rows") {
      this.#tx?.restore();
      this.#isFailed = false;
      return [];
    }
    if (this.#isFailed) throw new SqlError("25P02", "current transaction is aborted");
    const tx = (this.#tx ??= database.begin());
    switch (text) {
      case "savepoint rows":
        tx.save();
        return [];
      case COPY.trade:
        return quietly(database.copyTrades(tx, copy));
      case COPY.incomingTrade:
        database.copyIncoming(tx, copy);
        return [];
      case COPY.book:
        return quietly(database.copyBooks(tx, copy));
      case COPY.status:
        database.copyStatuses(tx, copy);
        return [];
    }
    if (text.includes("public.ingest_begin(")) {
      return single(database.ingestBegin(tx, bookingOf(values)));
    }
    if (text.includes("public.ingest_merge(")) {
      return single(database.ingestMerge(tx, Number(values[0]), refusedOf(values)));
    }
    if (text.includes("public.where_am_i(")) return this.#where(tx, values);
    throw new Error(`the model database does not know: ${text}`);
  }

  *#where(tx: Transaction, values: Statement["values"]): Running<readonly Answer[]> {
    const [account, holder, edge, wish, status] = values as string[];
    const told = JSON.parse(status!) as {
      accounts?: Record<string, { assignmentEpoch?: number }>;
    };
    const asking = {
      ...{ account: account!, holder: holder!, edge: edge! },
      wish: wish as "claim" | "hold" | "release" | "report",
      assignmentEpoch: told.accounts?.[account!]?.assignmentEpoch,
    };
    return [{ standing: JSON.stringify(yield* this.#database.whereAmI(tx, asking)) }];
  }

  #run(running: Running<readonly Answer[]> | readonly Answer[], done: Done): void {
    if (!("next" in running)) {
      done(null, running);
      return;
    }
    const step = () => {
      if (this.#isGone) return;
      this.isBlocked = false;
      try {
        const { done: isOver, value } = running.next();
        if (isOver) done(null, value);
        else if (value === "pause") this.#goOn("pause", step);
        else {
          this.isBlocked = true;
          this.#tx!.granted = () => this.#goOn("blocked", step);
        }
      } catch (error) {
        this.#fail(error, done);
      }
    };
    step();
  }

  #fail(error: unknown, done: Done): void {
    if (!(error instanceof Error) || !("code" in error)) throw error;
    this.#isFailed = this.#tx !== null;
    // The server lets go of everything at once, although the client still has to say `rollback`.
    if (this.#tx && !this.#tx.hasSavepoint) {
      this.#database.abort(this.#tx);
      this.#tx = null;
    }
    done(error, []);
  }

  #finish(isCommit: boolean): void {
    const tx = this.#tx;
    this.#tx = null;
    this.#isExplicit = false;
    this.#isFailed = false;
    if (!tx) return;
    if (isCommit) this.#database.commit(tx);
    else this.#database.abort(tx);
  }
}

/** A step of app/store's exchange as it arrives at the server. */
export function statementOf({ text, values = [], copy = [] }: Step): Statement {
  return { text, values: values.map(asText), copy };
}

function asText(value: NonNullable<Step["values"]>[number]): string | null {
  if (value === null) return null;
  if (!Array.isArray(value)) return String(value);
  return `{${value.map((one: unknown) => (one === null ? "null" : JSON.stringify(one))).join(",")}}`;
}

function* quietly(running: Running<void>): Running<readonly Answer[]> {
  yield* running;
  return [];
}

function* single(running: Running<Answer>): Running<readonly Answer[]> {
  return [yield* running];
}

/** The codes and captures of ingest_merge's rows for quarantine; no code holds a comma. */
function refusedOf(values: readonly (string | null)[]): Refused[] {
  const parts = (at: number) => (values[at] ?? "{}").slice(1, -1).split(",").filter(Boolean);
  const captures = parts(5).map(Number);
  return parts(1).map((code, i) => ({
    code: code.replaceAll('"', ""),
    capture: captures[i]!,
  }));
}

function bookingOf(values: readonly (string | null)[]): Booking {
  const text = (at: number) => values[at] ?? "";
  const numbers = (at: number) => text(at).slice(1, -1).split(",").map(Number);
  return {
    stream: text(0),
    table: Number(values[1]),
    account: text(2),
    edge: text(3),
    holder: text(4),
    epoch: Number(values[5]),
    first: Number(values[6]),
    crcs: numbers(7),
    rows: numbers(8),
    lastMs: numbers(11),
    lost: numbers(12),
    isPlain: values[14] === "true",
  };
}
