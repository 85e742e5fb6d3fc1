// How a batch's rows came to tickhub, with the numbers that stand for it in SQL and in a batch's header
// (docs/wire.md). Numbers are never reused.

/** live: read from the broker's socket. backfill: asked of its REST later. transfer: from another database. */
export const ORIGINS = { live: 0, backfill: 1, transfer: 2 } as const;

export type Origin = keyof typeof ORIGINS;

const NAMES = new Map<number, Origin>(
  Object.entries(ORIGINS).map(([name, id]) => [id, name as Origin]),
);

/** The origin with number `id`, or undefined when this release does not know it. */
export function originOf(id: number): Origin | undefined {
  return NAMES.get(id);
}
