// An outbox with small limits, and ways to look into what it sends.
import { decodeBatch, ticksOf } from "../../../app/shared/batch.ts";
import type { OutboxEvent } from "../../../app/edge/outbox/events.ts";
import {
  Outbox,
  OUTBOX_DEFAULTS,
  type OutboxOptions,
  type Parcel,
} from "../../../app/edge/outbox/outbox.ts";

export const LIMITS = { rowsMax: 10_000, rawBytesMax: 16 * 2 ** 20 };

export function makeOutbox(options: Partial<OutboxOptions> = {}) {
  const events: OutboxEvent[] = [];
  let minted = 0;
  const outbox = new Outbox({
    ...OUTBOX_DEFAULTS,
    bytesMax: 10 ** 7,
    mintStream: () => `00000000-0000-4000-8000-${String(++minted).padStart(12, "0")}`,
    onEvent: (event) => events.push(event),
    ...options,
  });
  return { outbox, events };
}

/** The captures of the rows a batch carries; none for a tombstone. */
export function capturesOf({ bytes }: Parcel): number[] {
  const rows = ticksOf(decodeBatch(bytes, LIMITS));
  return rows.map((row) => (row.kind === "frame" ? 0 : row.capture));
}

/** How many rows a tombstone stands for; 0 for a batch. */
export function lossOf({ bytes }: Parcel): number {
  const batch = decodeBatch(bytes, LIMITS);
  return batch.kind === "tombstone" ? batch.tombstone.count : 0;
}

/** All that `next` gives now. */
export function sendAll(outbox: Outbox, nowMs: number, window = Infinity): Parcel[] {
  const parcels: Parcel[] = [];
  for (;;) {
    const parcel = outbox.next(nowMs, window);
    if (parcel === null) return parcels;
    parcels.push(parcel);
  }
}

export function commit(outbox: Outbox, { stream, number, rows }: Parcel) {
  return outbox.settle({ stream, number, committed: rows, duplicate: 0, quarantined: 0 });
}
