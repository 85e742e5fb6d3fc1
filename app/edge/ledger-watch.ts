// Looks every second whether the outbox's books are true, and says so once when they are not. Beside the
// tick's path. An edge whose books are wrong goes on: what it holds is still worth more than nothing.
import type { Emit } from "../shared/events.ts";
import type { Imbalance } from "./outbox/audit.ts";
import type { Outbox } from "./outbox/outbox.ts";

export class LedgerWatch {
  readonly #outbox: Pick<Outbox, "audit">;
  readonly #emit: Emit;
  /** Books known to be wrong. */
  #told = new Set<string>();

  constructor(outbox: Pick<Outbox, "audit">, emit: Emit) {
    this.#outbox = outbox;
    this.#emit = emit;
  }

  /** True while every record is accounted for; tells of what is not, once. */
  look(): boolean {
    const found = this.#outbox.audit();
    for (const imbalance of found) {
      if (!this.#told.has(keyOf(imbalance))) this.#tell(imbalance);
    }
    this.#told = new Set(found.map(keyOf));
    return found.length === 0;
  }

  #tell({ account, table, check, records }: Imbalance): void {
    const detail = "at the edge";
    this.#emit({ event: "ledger_unbalanced", account, table, check, records, detail });
  }
}

function keyOf({ account, table, check }: Imbalance): string {
  return `${account} ${table} ${check}`;
}
