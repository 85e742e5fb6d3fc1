// What a pass found, told once for all symbols it concerns: a reconnect touches a hundred of them at once.
import type { Emit } from "../../../shared/events.ts";
import type { GapRow } from "./day-ledger.ts";
import { isFinal, REASON } from "./gap-row.ts";
import type { Judgement } from "./judge.ts";

interface Tally {
  count: number;
  /** Shares missing, where known. */
  missing: number;
  symbols: Set<string>;
}

const SYMBOLS_MAX = 5;

export class Findings {
  readonly #declared = new Map<string, Tally>();
  readonly #closed = new Map<string, Tally>();

  note(source: string, symbol: string, judgement: Judgement, rows: readonly GapRow[]): void {
    if (judgement.do === "declare") {
      const { channel, kind, reason, seqFrom, seqTo } = judgement.gap;
      // Asking about the ends of a day is not a finding.
      if (reason === REASON.dayStart || reason === REASON.dayEnd) return;
      tally(this.#declared, [source, channel, kind, reason], symbol, volume(seqFrom, seqTo));
      return;
    }
    if (judgement.do === "renew") return;
    const { id, state } = judgement;
    const row = rows.find((one) => one.id === id);
    if (!row || !state || !isFinal(state)) return;
    const { channel, kind, reason, seqFrom, seqTo } = row;
    tally(this.#closed, [source, channel, kind, reason, state], symbol, volume(seqFrom, seqTo));
  }

  tell(emit: Emit): void {
    for (const [key, { count, missing, symbols }] of this.#declared) {
      const [source, channel, kind, reason] = key.split("\n") as [string, string, string, string];
      const names = namesOf(symbols);
      emit({
        event: "gap_declared",
        source,
        channel,
        kind,
        reason,
        count,
        missing,
        symbols: names,
      });
    }
    for (const [key, { count, symbols }] of this.#closed) {
      const [source, channel, kind, reason, state] = key.split("\n") as [
        ...[string, string, string, string, string],
      ];
      const names = namesOf(symbols);
      emit({ event: "gap_closed", source, channel, kind, reason, state, count, symbols: names });
    }
  }
}

function tally(
  tallies: Map<string, Tally>,
  parts: readonly string[],
  symbol: string,
  missing: number,
): void {
  const key = parts.join("\n");
  const known = tallies.get(key) ?? { count: 0, missing: 0, symbols: new Set() };
  known.count += 1;
  known.missing += missing;
  known.symbols.add(symbol);
  tallies.set(key, known);
}

function volume(seqFrom: number | null, seqTo: number | null): number {
  return seqFrom === null || seqTo === null ? 0 : seqTo - seqFrom;
}

function namesOf(symbols: ReadonlySet<string>): string {
  const names = [...symbols].slice(0, SYMBOLS_MAX).join(" ");
  return symbols.size > SYMBOLS_MAX ? `${names} and ${symbols.size - SYMBOLS_MAX} more` : names;
}
