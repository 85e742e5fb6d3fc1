// What a refill is allowed to bring: the prints of the gap and no neighbour, because REST dates some prints
// to another second and the key of `trade` would not know them again.

export interface Gap {
  account: string;
  symbol: string;
  /** Cumulative volume before and after what is missing. */
  seqFrom: number;
  seqTo: number;
}

/** Those of `rows` that lie in the gap's volume interval (seqFrom, seqTo]. */
export function clipToGap<Row extends { seq: number }>(rows: readonly Row[], gap: Gap): Row[] {
  return rows.filter(({ seq }) => seq > gap.seqFrom && seq <= gap.seqTo);
}
