// Where rows were given up a tombstone stands in their place. Neighbours of one kind become one, so that
// an overload of any length leaves few of them.
import { type Entry, widen } from "./stream.ts";

/**
 * Puts a tombstone at `at` among the waiting entries and merges it with its neighbours; without `spare`
 * room it is added to any other of the stream, whose span then grows. Returns by how many tombstones
 * there are more: 1, 0, or -1 when it joined two.
 */
export function bury(waiting: Entry[], at: number, loss: Entry, spare: boolean): number {
  waiting.splice(at, 0, loss);
  let added = 1;
  if (merge(waiting, at, at + 1)) added--;
  if (merge(waiting, at - 1, at)) added--;
  if (added < 1 || spare) return added;
  const other = waiting.find((entry) => entry !== loss && entry.content.kind === "lost");
  if (other === undefined) return added;
  absorb(waiting, other, loss);
  return 0;
}

function merge(waiting: Entry[], at: number, next: number): boolean {
  const entry = waiting[at];
  const other = waiting[next];
  if (entry?.content.kind !== "lost" || other?.content.kind !== "lost") return false;
  if (entry.epoch !== other.epoch || entry.content.reason !== other.content.reason) return false;
  absorb(waiting, entry, other);
  return true;
}

function absorb(waiting: Entry[], entry: Entry, other: Entry): void {
  waiting.splice(waiting.indexOf(other), 1);
  entry.count += other.count;
  entry.sinceMs = Math.min(entry.sinceMs, other.sinceMs);
  widen(entry, other);
}
