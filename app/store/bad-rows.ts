// Copies rows of which the database refuses some: finds each bad one, stores the others. The server names
// the line it stumbled over, so a bad row costs three round trips; where its word is wrong or missing, the
// part that failed is halved until one row is left. Either way a row is refused only when it failed alone,
// or when all others of a part that failed were stored.
import type pg from "pg";
import { type Answer, exchange, type Step } from "./exchange.ts";

export interface Copying {
  /** The steps that copy these rows; none for none. */
  copy: (rows: readonly number[]) => Step[];
  /** What follows the last rows. */
  finish: () => Step[];
  refuse: (row: number, reason: string) => void;
}

/**
 * Copies `rows` and finishes. The caller's transaction is open; rows that fail leave nothing of them in it.
 * @returns the answers to `finish`.
 */
export async function copyAround(
  client: pg.ClientBase,
  rows: readonly number[],
  { copy, finish, refuse }: Copying,
): Promise<Answer[]> {
  let before = "savepoint rows";
  const attempt = async (part: readonly number[], ending: Step[]) => {
    try {
      const answers = await exchange(client, [{ text: before }, ...copy(part), ...ending]);
      before = "savepoint rows";
      return { answers: answers.slice(answers.length - ending.length) };
    } catch (error) {
      if (!isRowError(error)) throw error;
      before = "rollback to savepoint rows";
      return { answers: null, reason: error.message, line: lineOf(error) };
    }
  };
  for (let rest = rows; ;) {
    const whole = await attempt(rest, finish());
    if (whole.answers) return whole.answers;
    let { reason, line } = whole;
    let suspects = rest;
    rest = [];
    while (suspects.length > 1) {
      // First what stands before the line that was named, then that line by itself.
      const middle = suspects.length >> 1;
      const cut = Math.min(Math.max(line ?? middle, 1), suspects.length - 1);
      const [head, tail] = [suspects.slice(0, cut), suspects.slice(cut)];
      const tried = await attempt(head, []);
      if (tried.answers) {
        line = line === cut ? 0 : undefined;
        suspects = tail;
      } else {
        ({ reason, line } = tried);
        suspects = head;
        rest = [...tail, ...rest];
      }
    }
    refuse(suspects[0]!, reason);
  }
}

type RowError = Error & { where: string };

/** SQLSTATE class 22 (data) or 23 (constraint) in a COPY: the fault of a row, not of the database. */
function isRowError(error: unknown): error is RowError {
  if (!(error instanceof Error && "code" in error && "where" in error)) return false;
  return /^2[23]/.test(String(error.code)) && /^COPY /m.test(String(error.where));
}

/** Rows in front of the one at fault: `COPY book, line 7, column price` in the server's own language. */
function lineOf({ where }: RowError): number | undefined {
  const line = /^COPY [^,]+, \D*(\d+)/m.exec(where)?.[1];
  return line === undefined ? undefined : Number(line) - 1;
}
