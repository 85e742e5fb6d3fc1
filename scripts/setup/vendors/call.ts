// One way to ask a vendor's API, over the audit's bounded exchange: what it answers instead of yes is said in one line
// and never thrown, because the wizard goes on asking.
import { AskError, exchange } from "../../../app/audit/ask.ts";
import type { Question, Reply } from "../../../app/audit/ask.ts";

export interface Answer extends Reply {
  /** The body as JSON; null when it is none. */
  json: unknown;
}

/** Never throws: status 0 is a vendor that could not be reached, with the reason as text. */
export async function call(url: string, question: Question = {}): Promise<Answer> {
  try {
    const reply = await exchange(new URL(url), question);
    return { ...reply, json: parsed(reply.text) };
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    return { status: 0, headers: new Headers(), text: error.message, json: null };
  }
}

/** What went wrong, for a person. */
export function said({ status, text }: Answer): string {
  const short = text.replaceAll(/\s+/g, " ").slice(0, 200);
  return status === 0 ? short : `${status} ${short}`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
