// The tokens Kiwoom has given out (kiwoom.md §1). Any app key is a customer here.
import { randomBytes } from "node:crypto";
import type { Accounts } from "../broker.ts";

const TOKEN_LIFE_MS = 86_400_000;

export interface KiwoomToken {
  token: string;
  expiresMs: number;
}

export class KiwoomKeys {
  readonly #accounts: Accounts;
  readonly #tokens = new Map<string, KiwoomToken>();
  readonly #tokenAccounts = new Map<string, string>();

  constructor(accounts: Accounts) {
    this.#accounts = accounts;
  }

  /** The account's token, the same one while it lives; undefined when there are too many accounts. */
  issue(account: string, nowMs: number): KiwoomToken | undefined {
    if (!this.#accounts.tally(account)) return undefined;
    const known = this.#tokens.get(account);
    if (known && nowMs < known.expiresMs) return known;
    if (known) this.#tokenAccounts.delete(known.token);
    const fresh = {
      token: randomBytes(32).toString("base64url"),
      expiresMs: nowMs + TOKEN_LIFE_MS,
    };
    this.#tokens.set(account, fresh);
    this.#tokenAccounts.set(fresh.token, account);
    return fresh;
  }

  account(token: string): string | undefined {
    return this.#tokenAccounts.get(token);
  }

  revoke(token: string): boolean {
    const account = this.#tokenAccounts.get(token);
    if (account !== undefined) this.#tokens.delete(account);
    return this.#tokenAccounts.delete(token);
  }

  /** Every token becomes unknown. */
  forget(): void {
    this.#tokens.clear();
    this.#tokenAccounts.clear();
  }
}
