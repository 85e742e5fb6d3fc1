// What this process has handed on already: most of what a feed lists, it listed the last time too (98 of 100
// items in a recorded log of a news search). Bounded; what is listed again is remembered the longest. It
// saves egress and is no promise: the database alone decides that an item is stored once.

export class SeenItems {
  readonly #itemsMax: number;
  /** Oldest first. */
  readonly #seen = new Set<string>();

  constructor(itemsMax: number) {
    this.#itemsMax = itemsMax;
  }

  /** True for an item that was noted lately; from now on it was. */
  note(digest: Uint8Array): boolean {
    const key = Buffer.from(digest).toString("latin1");
    const isKnown = this.#seen.delete(key);
    this.#seen.add(key);
    if (this.#seen.size > this.#itemsMax) this.#forgetOldest();
    return isKnown;
  }

  get size(): number {
    return this.#seen.size;
  }

  #forgetOldest(): void {
    for (const oldest of this.#seen) {
      this.#seen.delete(oldest);
      return;
    }
  }
}
