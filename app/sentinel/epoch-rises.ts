// How often each account's lease was granted or changed lately, from its epoch, which rises each time: two looks
// half a minute apart miss no turn between them. Pure; bounded by accounts and by turns.
const SPAN_MS = 30 * 60_000;
const TURNS_MAX = 200;

interface Account {
  epoch: number;
  turns: { atMs: number; by: number }[];
}

export class EpochRises {
  readonly #accounts = new Map<string, Account>();

  /** `monoMs` of the look. An epoch that fell is a database restored, and begins anew. */
  take(accounts: readonly { account: string; epoch: number }[], monoMs: number): void {
    const names = new Set(accounts.map(({ account }) => account));
    for (const name of this.#accounts.keys()) if (!names.has(name)) this.#accounts.delete(name);
    for (const { account, epoch } of accounts) {
      const known = this.#accounts.get(account);
      if (!known || epoch < known.epoch) {
        this.#accounts.set(account, { epoch, turns: [] });
        continue;
      }
      if (epoch > known.epoch) known.turns.push({ atMs: monoMs, by: epoch - known.epoch });
      known.epoch = epoch;
      if (known.turns.length > TURNS_MAX) known.turns.shift();
    }
  }

  /** Rises of the last half hour, by account. */
  lately(monoMs: number): Map<string, number> {
    return new Map(
      [...this.#accounts].map(([account, known]) => {
        known.turns = known.turns.filter(({ atMs }) => monoMs - atMs < SPAN_MS);
        return [account, known.turns.reduce((sum, { by }) => sum + by, 0)];
      }),
    );
  }
}
