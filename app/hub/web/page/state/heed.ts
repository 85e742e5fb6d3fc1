// For what depends on a signal without using what is in it.
import type { ReadonlySignal } from "@preact/signals";

/** Makes whoever computes or draws just now do it again when one of these changes. */
export function heed(...signals: readonly ReadonlySignal<unknown>[]): void {
  signals.forEach((one) => one.value);
}
