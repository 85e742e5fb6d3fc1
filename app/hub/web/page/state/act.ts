// What an operator may do from the page: phase and leases. Promises: read-only until the admin token is given;
// the token stays in this tab's memory and goes nowhere but into the header of /api/act.
import { computed, signal } from "@preact/signals";
import type { Act, ActResult, Session } from "../../../../shared/web-api.ts";
import { ask } from "./api.ts";
import type { Answer } from "./api.ts";

export type ActWish =
  | { wish: "menu" }
  | { wish: "advance" }
  | { wish: "rollback" }
  | { wish: "release"; account: string };

/** What the dialog is about; null while it is shut. */
export const wished = signal<ActWish | null>(null);
/** Null until the hub said. */
export const session = signal<Session | null>(null);
const token = signal("");
export const isUnlocked = computed(() => token.value !== "");

export function openActs(wish: ActWish): void {
  wished.value = wish;
  if (session.value === null) void readSession();
}

async function readSession(): Promise<void> {
  const answer = await ask<Session>("/api/session");
  session.value = answer.ok ? answer.value : { version: "", actions: false };
}

export function unlock(given: string): void {
  token.value = given.trim();
}

export function lock(): void {
  token.value = "";
}

export async function perform(act: Act): Promise<Answer<ActResult>> {
  const answer = await ask<ActResult>("/api/act", {
    method: "POST",
    headers: { authorization: `Bearer ${token.value}`, "content-type": "application/json" },
    body: JSON.stringify(act),
  });
  if (!answer.ok && answer.code === "ACT_TOKEN") lock();
  return answer;
}
