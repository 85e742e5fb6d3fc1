// What a recording declares once it is in the database: the time it holds, and, where it was read to its end,
// what it shows of each symbol's first and last trade. So `tickhub verify` can tell "not recorded" from
// "lost", and a row lost between recording and table from a market that was quiet.
import type pg from "pg";
import { sleep, systemClock } from "../shared/clock.ts";
import type { Picture } from "../hub/query/picture.ts";
import type { Reject, Tick, Trade } from "../shared/tick.ts";
import { fetchJson } from "./http.ts";
import type { Stack } from "./stack.ts";

/** Exchange times are whole seconds: the last record lies somewhere in its second. */
const SECOND_MS = 1_000;

/** Says that `source`'s feed was recorded from the record at `fromMs` to the one at `toMs`, market time. */
export async function declareSpan(
  pool: pg.Pool,
  source: string,
  tape: string,
  { fromMs, toMs }: { fromMs: number; toMs: number },
): Promise<void> {
  const [from, to] = [fromMs, toMs].map((ms) => Math.floor(ms / SECOND_MS));
  await pool.query(
    `insert into public.recorded_span as r (source, from_at, to_at, tape)
     values ($1, to_timestamp($2), to_timestamp($3), $4)
     on conflict (source, from_at, tape) do update set to_at = greatest(r.to_at, excluded.to_at)`,
    [source, from!, to! + 1, tape],
  );
}

interface Ends {
  source: string;
  venue: string;
  symbol: string;
  day: number;
  seqFirst: number;
  chain: number;
  seqFinal: number;
}

/** Notes what a tape holds while it is replayed. */
export class Recording {
  readonly #spans = new Map<string, { fromMs: number; toMs: number }>();
  readonly #ends = new Map<string, Ends>();

  note(account: string, row: Tick | Reject): void {
    if (row.kind === "reject") return;
    const { exchangeMs } = row;
    const span = this.#spans.get(account);
    if (!span) this.#spans.set(account, { fromMs: exchangeMs, toMs: exchangeMs });
    else {
      span.fromMs = Math.min(span.fromMs, exchangeMs);
      span.toMs = Math.max(span.toMs, exchangeMs);
    }
    if (row.kind === "trade") this.#noteTrade(account, row);
  }

  /** Where the broker itself has told of a figure, its word stands. */
  async declare(pool: pg.Pool, tape: string): Promise<void> {
    for (const [source, span] of this.#spans) await declareSpan(pool, source, tape, span);
    const figures = [...this.#ends.values()].map((ends) => {
      return { ...ends, askedMs: this.#spans.get(ends.source)!.toMs };
    });
    await pool.query(
      `insert into public.day_figure (source, venue, symbol, day, seq_first, seq_final, asked_at)
       select source, venue, symbol, to_date(day::text, 'YYYYMMDD'), "seqFirst", "seqFinal",
              to_timestamp("askedMs" / 1000)
         from jsonb_to_recordset($1) as f (source text, venue text, symbol text, day int,
              "seqFirst" bigint, "seqFinal" bigint, "askedMs" float8)
       on conflict do nothing`,
      [JSON.stringify(figures)],
    );
  }

  #noteTrade(source: string, { venue, symbol, day, chain, seq, size }: Trade): void {
    const key = [source, venue, symbol, day].join("/");
    const ends = this.#ends.get(key);
    const seqFirst = seq - size;
    if (!ends) {
      this.#ends.set(key, { source, venue, symbol, day, seqFirst, chain, seqFinal: seq });
      return;
    }
    if (chain === 0) ends.seqFirst = Math.min(ends.seqFirst, seqFirst);
    if (chain > ends.chain) Object.assign(ends, { chain, seqFinal: seq });
    else if (chain === ends.chain) ends.seqFinal = Math.max(ends.seqFinal, seq);
  }
}

/** Questions about a recording's ends are asked within so long. */
const ASKED_MS = 5_000;
const ANSWERED_MS = 20_000;

/** Waits until what the hub asks the brokers about the day is answered; not for long, and only if an edge can. */
export async function answered(stack: Stack): Promise<void> {
  const startedMs = systemClock.monoMs();
  for (;;) {
    const tookMs = systemClock.monoMs() - startedMs;
    const picture = await fetchJson<Picture>(`${stack.hubUrl}/status`);
    const accounts = picture?.edges.flatMap(({ status }) => Object.values(status.accounts ?? {}));
    const canAsk = accounts?.some(({ refills }) => refills !== undefined) ?? false;
    if (tookMs >= ANSWERED_MS || (tookMs >= ASKED_MS && !canAsk)) return;
    if (tookMs >= ASKED_MS && picture?.coverage.openQuestions === 0) return;
    await sleep(systemClock, 200);
  }
}
