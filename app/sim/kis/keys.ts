// The credentials KIS has given out: approval keys for the socket, access tokens for REST (kis.md §1).
// Any app key is a customer here; the simulator proves behaviour, not passwords.
import { randomUUID } from "node:crypto";
import type { Accounts } from "../broker.ts";

const TOKEN_LIFE_MS = 86_400_000;

export interface AccessToken {
  token: string;
  expiresMs: number;
}

export class KisKeys {
  readonly #accounts: Accounts;
  readonly #tokenIntervalMs: number;
  /** Account to key and key to account. Asking again gives the same key, so neither can grow. */
  readonly #approvals = new Map<string, string>();
  readonly #approvedAccounts = new Map<string, string>();
  readonly #tokens = new Map<string, AccessToken & { askedMs: number }>();
  readonly #tokenAccounts = new Map<string, string>();

  constructor(accounts: Accounts, tokenIntervalMs: number) {
    this.#accounts = accounts;
    this.#tokenIntervalMs = tokenIntervalMs;
  }

  /** The account's approval key; undefined when the simulator has too many accounts. */
  approve(account: string): string | undefined {
    if (!this.#accounts.tally(account)) return undefined;
    let key = this.#approvals.get(account);
    if (key === undefined) {
      key = randomUUID();
      this.#approvals.set(account, key);
      this.#approvedAccounts.set(key, account);
    }
    return key;
  }

  approvedAccount(key: string): string | undefined {
    return this.#approvedAccounts.get(key);
  }

  /** The account's token, the same one while it lives; "too-soon" within the interval. */
  issue(account: string, nowMs: number): AccessToken | "too-soon" | undefined {
    if (!this.#accounts.tally(account)) return undefined;
    const known = this.#tokens.get(account);
    if (known && nowMs - known.askedMs < this.#tokenIntervalMs) return "too-soon";
    if (known && nowMs < known.expiresMs) {
      known.askedMs = nowMs;
      return known;
    }
    if (known) this.#tokenAccounts.delete(known.token);
    const token = `sim.${randomUUID()}`;
    const fresh = { token, expiresMs: nowMs + TOKEN_LIFE_MS, askedMs: nowMs };
    this.#tokens.set(account, fresh);
    this.#tokenAccounts.set(token, account);
    return fresh;
  }

  tokenAccount(token: string): string | undefined {
    return this.#tokenAccounts.get(token);
  }

  /** Every key and token becomes unknown. */
  forget(): void {
    for (const map of [
      this.#approvals,
      this.#approvedAccounts,
      this.#tokens,
      this.#tokenAccounts,
    ]) {
      map.clear();
    }
  }
}
