// The tables a batch can carry, with the numbers that stand for them in its header (docs/wire.md).
// Numbers are never reused.

export const TABLES = {
  trade: 1,
  book: 2,
  status: 3,
  quarantine: 4,
  news: 5,
  log: 6,
  frame: 7,
} as const;

/** `frame` is raw socket input and exists on tapes only. */
export type Table = keyof typeof TABLES;

/** What a hub takes that does not say which tables it takes: the releases before `news` and `log`. */
export const TABLES_UNSAID: readonly Table[] = ["trade", "book", "status", "quarantine"];
/** What a hub of this release takes. */
export const TABLES_TAKEN: readonly Table[] = [...TABLES_UNSAID, "news", "log"];

const NAMES = new Map<number, Table>(
  Object.entries(TABLES).map(([name, id]) => [id, name as Table]),
);

/** The table with number `id`, or undefined when this release does not know it. */
export function tableOf(id: number): Table | undefined {
  return NAMES.get(id);
}
