// The locks of the model database, as PostgreSQL's heavyweight ones: shared or exclusive, first come first
// served, held to the end of the transaction; a circle of waiting is found when it closes.
// https://www.postgresql.org/docs/17/explicit-locking.html

export type Mode = "shared" | "exclusive";

/** Who holds and waits. */
export interface Locker {
  readonly id: number;
  /** Names of what it holds. */
  readonly held: Set<string>;
  /** Called when what it waits for is its own. */
  granted: () => void;
}

interface Waiter {
  by: Locker;
  mode: Mode;
}

interface Lock {
  holders: Map<Locker, Mode>;
  queue: Waiter[];
}

export class Locks {
  readonly #locks = new Map<string, Lock>();
  /** Granted and not told yet: all of a queue are granted before the first of them goes on. */
  readonly #woken: Locker[] = [];
  #isWaking = false;
  /** Times that several went on at once; PostgreSQL does not say which of them is first. */
  crowds = 0;

  /** True when granted at once; otherwise `by.granted` is called later. Throws "deadlock" if never. */
  request(name: string, by: Locker, mode: Mode): boolean {
    const lock = this.#lock(name);
    const held = lock.holders.get(by);
    if (held === "exclusive" || held === mode) return true;
    const isFree = lock.queue.length === 0 && canHold(lock, by, mode);
    if (isFree) {
      this.#grant(name, lock, { by, mode });
      return true;
    }
    const waiter = { by, mode };
    lock.queue.push(waiter);
    if (this.#isCircle(by)) {
      lock.queue.splice(lock.queue.indexOf(waiter), 1);
      throw new Deadlock();
    }
    return false;
  }

  /** Gives up one lock before the end: only for waiting on a transaction, whose own lock nobody keeps. */
  release(name: string, by: Locker): void {
    by.held.delete(name);
    const lock = this.#locks.get(name);
    if (!lock) return;
    lock.holders.delete(by);
    this.#serve(name, lock);
    this.#wake();
  }

  /** The transaction is over: everything it holds, and its place in any queue. */
  releaseAll(by: Locker): void {
    for (const [name, lock] of this.#locks) {
      const at = lock.queue.findIndex((waiter) => waiter.by === by);
      if (at < 0) continue;
      lock.queue.splice(at, 1);
      this.#serve(name, lock);
      this.#wake();
    }
    for (const name of [...by.held]) this.release(name, by);
  }

  #lock(name: string): Lock {
    let lock = this.#locks.get(name);
    if (!lock) {
      lock = { holders: new Map(), queue: [] };
      this.#locks.set(name, lock);
    }
    return lock;
  }

  #grant(name: string, lock: Lock, { by, mode }: Waiter): void {
    lock.holders.set(by, mode);
    by.held.add(name);
  }

  #wake(): void {
    if (this.#isWaking) return;
    this.#isWaking = true;
    for (let next = this.#woken.shift(); next; next = this.#woken.shift()) next.granted();
    this.#isWaking = false;
  }

  #serve(name: string, lock: Lock): void {
    const before = this.#woken.length;
    while (lock.queue.length > 0) {
      const first = lock.queue[0]!;
      if (!canHold(lock, first.by, first.mode)) return;
      lock.queue.shift();
      this.#grant(name, lock, first);
      this.#woken.push(first.by);
    }
    if (this.#woken.length > before + 1) this.crowds++;
    if (lock.holders.size === 0) this.#locks.delete(name);
  }

  #isCircle(start: Locker): boolean {
    const seen = new Set<Locker>();
    const visit = (by: Locker): boolean => {
      for (const other of this.#blockersOf(by)) {
        if (other === start) return true;
        if (seen.has(other)) continue;
        seen.add(other);
        if (visit(other)) return true;
      }
      return false;
    };
    return visit(start);
  }

  /** Holders in its way, and those in front of it in the queue. */
  #blockersOf(by: Locker): Locker[] {
    for (const lock of this.#locks.values()) {
      const at = lock.queue.findIndex((waiter) => waiter.by === by);
      if (at < 0) continue;
      const { mode } = lock.queue[at]!;
      const conflicts = (other: Mode) => mode === "exclusive" || other === "exclusive";
      const holders = [...lock.holders].filter(([who, held]) => who !== by && conflicts(held));
      const ahead = lock.queue.slice(0, at).filter((waiter) => conflicts(waiter.mode));
      return [...holders.map(([who]) => who), ...ahead.map((waiter) => waiter.by)];
    }
    return [];
  }
}

function canHold(lock: Lock, by: Locker, mode: Mode): boolean {
  for (const [holder, held] of lock.holders) {
    if (holder !== by && (mode === "exclusive" || held === "exclusive")) return false;
  }
  return true;
}

/** SQLSTATE 40P01. */
export class Deadlock extends Error {
  readonly code = "40P01";
  constructor() {
    super("deadlock detected");
  }
}
