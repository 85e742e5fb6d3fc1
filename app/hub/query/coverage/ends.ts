// The trades of one run in the least room: where each ends in cumulative volume, and in which second.
// Twelve bytes a trade, so that a day of five million fits beside the hub. Promises: ends rise.

const CAPACITY_FIRST = 16;

export class Ends {
  #seq = new Float64Array(CAPACITY_FIRST);
  #second = new Uint32Array(CAPACITY_FIRST);
  length = 0;

  seq(index: number): number {
    return this.#seq[index]!;
  }

  /** Exchange time of the trade, epoch ms. */
  timeMs(index: number): number {
    return this.#second[index]! * 1_000;
  }

  push(seq: number, timeMs: number): void {
    if (this.length === this.#seq.length) this.#grow(this.length + 1);
    this.#seq[this.length] = seq;
    this.#second[this.length] = timeMs / 1_000;
    this.length += 1;
  }

  /** Puts one in front of all. */
  unshift(seq: number, timeMs: number): void {
    if (this.length === this.#seq.length) this.#grow(this.length + 1);
    this.#seq.copyWithin(1, 0, this.length);
    this.#second.copyWithin(1, 0, this.length);
    this.#seq[0] = seq;
    this.#second[0] = timeMs / 1_000;
    this.length += 1;
  }

  /** Puts `others`, which all lie behind, at the end. */
  append(others: Ends): void {
    this.#grow(this.length + others.length);
    this.#seq.set(others.#seq.subarray(0, others.length), this.length);
    this.#second.set(others.#second.subarray(0, others.length), this.length);
    this.length += others.length;
  }

  /** Index of the first trade that ends behind `seq`; `length` when none does. */
  firstBehind(seq: number): number {
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#seq[middle]! > seq) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #grow(least: number): void {
    if (least <= this.#seq.length) return;
    const capacity = Math.max(least, Math.ceil(this.#seq.length * 1.5));
    const [seq, second] = [new Float64Array(capacity), new Uint32Array(capacity)];
    seq.set(this.#seq.subarray(0, this.length));
    second.set(this.#second.subarray(0, this.length));
    [this.#seq, this.#second] = [seq, second];
  }
}
