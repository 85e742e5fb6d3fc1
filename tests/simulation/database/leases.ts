// where_am_i of the model database, line by line: who is granted an account, when, and under which epoch.
import type { Running } from "./model.ts";
import type { Lease, LeaseEpoch, Tables, Transaction } from "./tables.ts";

export type Wish = "claim" | "hold" | "release" | "report";

export interface Asking {
  account: string;
  holder: string;
  edge: string;
  wish: Wish;
  /** Of the assignment that the asking feed runs. */
  assignmentEpoch: number | undefined;
}

/** What it needs of the database around it. */
interface Surroundings {
  tables: Tables;
  lock: (tx: Transaction, name: string, mode: "shared" | "exclusive") => Running<void>;
  nowMs: () => number;
  startedMs: () => number;
}

export class LeaseFunctions {
  readonly #of: Surroundings;

  constructor(surroundings: Surroundings) {
    this.#of = surroundings;
  }

  *whereAmI(tx: Transaction, asking: Asking): Running<object> {
    const { account, holder, edge, wish } = asking;
    const l = this.#lease(tx, account);
    if (wish === "claim" && l && l.holder !== holder && this.#waitMs(l, edge) === 0) {
      yield "pause";
      yield* this.#of.lock(tx, `account ${account}`, "exclusive");
      yield* this.#grant(tx, asking);
    } else if (wish === "release") yield* this.#release(tx, asking);
    else if (wish === "claim" || wish === "hold") yield* this.#hear(tx, asking);
    return this.#standing(tx, asking);
  }

  *#grant(tx: Transaction, { account, holder, edge }: Asking): Running<void> {
    const l = yield* this.#leaseForUpdate(tx, account, () => true);
    if (!l || l.holder === holder || this.#waitMs(l, edge) !== 0) return;
    const nowMs = this.#of.nowMs();
    const place = this.#of.tables.placements.get(account);
    this.#endEpochs(tx, account, nowMs);
    const mode = (place?.sites.length ?? 0) > 1 ? "failover" : "exclusive";
    const ttlMs = place?.ttlMs ?? l.ttlMs;
    const granted = {
      holder,
      edge,
      releasedMs: null,
      grantedMs: nowMs,
      seenMs: nowMs,
      mode,
      ttlMs,
    };
    tx.leases.set(account, { ...l, ...granted } as Lease);
    this.#beginEpoch(tx, account);
  }

  *#release(tx: Transaction, { account, holder }: Asking): Running<void> {
    const l = yield* this.#leaseForUpdate(tx, account, (one) => one.holder === holder);
    if (!l) return;
    const nowMs = this.#of.nowMs();
    tx.leases.set(account, { ...l, holder: null, releasedMs: nowMs, seenMs: nowMs });
    this.#endEpochs(tx, account, nowMs + l.quietMs);
  }

  *#hear(tx: Transaction, { account, holder }: Asking): Running<void> {
    const l = yield* this.#leaseForUpdate(tx, account, (one) => one.holder === holder);
    if (!l) return;
    tx.leases.set(account, { ...l, seenMs: this.#of.nowMs() });
    if (l.assignedEpoch !== l.planEpoch) this.#beginEpoch(tx, account);
  }

  #standing(tx: Transaction, { account, holder, edge, wish, assignmentEpoch }: Asking): object {
    const l = this.#lease(tx, account);
    const waitMs = l ? this.#waitMs(l, edge) : null;
    const state = this.#standingOf(l, waitMs, holder, edge, wish);
    const isGranted = state === "granted";
    const isNews = wish === "claim" || assignmentEpoch !== l?.planEpoch;
    return {
      system: "7000000000000000001",
      nowMs: this.#of.nowMs(),
      lease: {
        state,
        epoch: l?.epoch ?? null,
        holder: l?.holder ?? null,
        edge: l?.edge ?? null,
        waitMs: state === "waiting" ? waitMs : null,
        mode: l?.mode ?? null,
        silenceMs: l ? silenceMs(l) : null,
        validMs: l?.mode === "failover" ? l.ttlMs : null,
      },
      ...(isGranted ? { assignmentEpoch: l!.planEpoch } : {}),
      ...(isGranted && isNews
        ? { assignment: this.#of.tables.assignments.get(account) ?? [] }
        : {}),
      ...(isGranted && wish === "claim" ? { positions: this.#positions(account) } : {}),
    };
  }

  #standingOf(
    l: Lease | undefined,
    waitMs: number | null,
    holder: string,
    edge: string,
    wish: Wish,
  ): string {
    if (!l) return "unknown";
    if (l.holder === holder) return "granted";
    if (wish === "hold") return "lost";
    if (wish === "release" || (wish === "report" && l.holder === null)) return "released";
    if (!this.#mayHold(l.account, edge)) return "ineligible";
    return waitMs === null ? "held" : "waiting";
  }

  #positions(account: string): object[] {
    const symbols = (this.#of.tables.assignments.get(account) ?? []).map(({ symbol }) => symbol);
    return [...new Set(symbols)].flatMap((symbol) => {
      const last = this.#of.tables.latest.get(`${account}|${symbol}`);
      if (!last) return [];
      const { chain, seq, price, tsMs: exchangeMs } = last;
      const at = new Date(Date.UTC(2000, 0, 1 + last.day));
      const day = 10_000 * at.getUTCFullYear() + 100 * (at.getUTCMonth() + 1) + at.getUTCDate();
      return [{ symbol, venue: "KRX", day, chain, seq, price, exchangeMs }];
    });
  }

  #lease(tx: Transaction, account: string): Lease | undefined {
    return tx.leases.get(account) ?? this.#of.tables.leases.get(account);
  }

  /** Finds by snapshot, waits for the row, and looks again, as an update in READ COMMITTED does. */
  *#leaseForUpdate(
    tx: Transaction,
    account: string,
    isWanted: (lease: Lease) => boolean,
  ): Running<Lease | undefined> {
    const seen = this.#lease(tx, account);
    if (!seen || !isWanted(seen)) return undefined;
    yield* this.#of.lock(tx, `lease ${account}`, "exclusive");
    const now = this.#lease(tx, account);
    return now && isWanted(now) ? now : undefined;
  }

  #endEpochs(tx: Transaction, account: string, endedMs: number): void {
    const epochs = this.#epochs(tx, account);
    tx.epochs.set(
      account,
      epochs.map((one) => (one.endedMs === null ? { ...one, endedMs } : one)),
    );
  }

  #beginEpoch(tx: Transaction, account: string): void {
    const l = this.#lease(tx, account)!;
    const nowMs = this.#of.nowMs();
    const epoch = Math.max(l.epoch + 1, Math.floor(nowMs / 1_000));
    tx.leases.set(account, { ...l, epoch, assignedEpoch: l.planEpoch });
    const begun = { epoch, holder: l.holder!, edge: l.edge!, grantedMs: nowMs, endedMs: null };
    tx.epochs.set(account, [...this.#epochs(tx, account), begun]);
  }

  #epochs(tx: Transaction, account: string): readonly LeaseEpoch[] {
    return tx.epochs.get(account) ?? this.#of.tables.epochs.get(account) ?? [];
  }

  #mayHold(account: string, edge: string): boolean {
    return this.#of.tables.placements.get(account)?.sites.includes(edge) ?? true;
  }

  /** lease_wait_ms: 0 = now, null = not at all. */
  #waitMs(l: Lease, edge: string): number | null {
    const nowMs = this.#of.nowMs();
    if (!this.#mayHold(l.account, edge)) return null;
    if (l.holder === null) return Math.max(0, (l.releasedMs ?? -Infinity) + l.quietMs - nowMs);
    if (l.mode !== "failover" && l.edge !== edge) return null;
    const heardMs = Math.max(
      l.seenMs ?? -Infinity,
      this.#of.startedMs(),
      this.#of.tables.hubStartMs,
    );
    return Math.max(0, heardMs + silenceMs(l) + l.quietMs - nowMs);
  }
}

function silenceMs(l: Lease): number {
  return l.mode === "failover" ? Math.max(l.ttlMs, l.killGraceMs) : l.killGraceMs;
}
