// A keeper on a real database under a clock that the test moves, and the edges that feed it.
import { randomUUID } from "node:crypto";
import type pg from "pg";
import { CoverageKeeper } from "../../../app/hub/query/coverage/keeper.ts";
import type { Event } from "../../../app/shared/events.ts";
import type { FeedSession, RefillAnswer, Standing } from "../../../app/shared/gateway-protocol.ts";
import { systemClock } from "../../../app/shared/clock.ts";
import { kstMs } from "../../../app/shared/market-time.ts";
import type { Book, Trade } from "../../../app/shared/tick.ts";
import { BatchWriter } from "../../../app/store/writer.ts";
import { book, TestStream, trade } from "../../store/batches.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { until } from "../../support/hub.ts";

export const DAY = 20261123;
export const at = (hhmmss: number, day = DAY) => kstMs(day, hhmmss);

export class Rig {
  readonly pool: pg.Pool;
  readonly clock = new FakeClock(at(100_000));
  readonly events: Event[] = [];
  readonly writer: BatchWriter;
  keeper: CoverageKeeper;

  constructor(pool: pg.Pool) {
    this.pool = pool;
    this.writer = new BatchWriter({ pool, clock: systemClock, connectionsMax: 2, unleased: true });
    this.keeper = this.#start();
  }

  #start(): CoverageKeeper {
    const { pool, clock, events } = this;
    const market = (wallMs: number) => wallMs;
    const keeper = new CoverageKeeper({ pool, clock, market, emit: (event) => events.push(event) });
    keeper.start();
    return keeper;
  }

  /** Another process begins where this one ends. */
  async restart(): Promise<void> {
    await this.keeper.stop();
    this.keeper = this.#start();
  }

  /** Lets `seconds` pass, with a look of the keeper in each. */
  async pass(seconds = 1): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      // Exactly to its timer, so that the look itself takes no time.
      this.clock.advance(this.clock.nextMs() ?? 0);
      await until(() => this.clock.pending() > 0, "the end of a pass");
    }
  }

  /** To a time of the day, a look at its end. */
  async passTo(hhmmss: number, day = DAY): Promise<void> {
    this.clock.jumpWall(at(hhmmss, day) - this.clock.nowMs());
    await this.pass(11);
  }

  async assign(source: string, symbol: string, channels = ["trade", "book"]): Promise<void> {
    await this.pool.query(
      "insert into lease (account, kill_grace_ms) values ($1, 0) on conflict do nothing",
      [source],
    );
    await this.pool.query(
      `insert into assignment (account, venue, symbol, channel)
       select $1, 'KRX', $2, unnest($3::text[])`,
      [source, symbol, channels],
    );
  }

  /** `08:30:00 09:00:00 alive`, of one symbol's channel. */
  async intervals(
    source: string,
    symbol: string,
    channel = "trade",
    day = "2026-11-23",
  ): Promise<string[]> {
    const { rows } = await this.pool.query<{ line: string }>(
      `select to_char(from_at at time zone 'Asia/Seoul', 'HH24:MI:SS') || ' '
              || to_char(to_at at time zone 'Asia/Seoul', 'HH24:MI:SS') || ' ' || state as line
         from coverage where source = $1 and symbol = $2 and channel = $3 and day = $4
        order by from_at`,
      [source, symbol, channel, day],
    );
    return rows.map(({ line }) => line);
  }

  /** `trade hole VOLUME_STEP 610..700 suspected`, in the order of their making. */
  async gaps(source: string): Promise<string[]> {
    const { rows } = await this.pool.query<{ line: string }>(
      `select concat_ws(' ', channel, kind, reason,
              coalesce(seq_from::text, '?') || '..' || coalesce(seq_to::text, '?'), state,
              to_char(from_at at time zone 'Asia/Seoul', 'HH24:MI:SS') || '-'
              || to_char(to_at at time zone 'Asia/Seoul', 'HH24:MI:SS')) as line
         from gap where source = $1 order by id`,
      [source],
    );
    return rows.map(({ line }) => line);
  }

  /** Seconds that the intervals of each channel of a source's day add up to. */
  async sums(source: string): Promise<number[]> {
    const { rows } = await this.pool.query<{ seconds: number }>(
      `select extract(epoch from sum(to_at - from_at))::float8 as seconds
         from coverage where source = $1 group by symbol, channel, day`,
      [source],
    );
    return rows.map(({ seconds }) => seconds);
  }
}

/** One process of an edge: its streams, its session, what it says of itself. */
export class TestEdge {
  readonly #rig: Rig;
  readonly #source: string;
  readonly holder = randomUUID();
  readonly #streams: Record<"trade" | "book", TestStream>;
  #capture = 0;

  constructor(rig: Rig, source: string) {
    this.#rig = rig;
    this.#source = source;
    const stream = () => new TestStream(source, 0, this.holder);
    this.#streams = { trade: stream(), book: stream() };
  }

  async trades(rows: readonly Partial<Trade>[]): Promise<void> {
    const made = rows.map((row) => trade(0, { capture: ++this.#capture, extra: null, ...row }));
    await this.#rig.writer.write(this.#streams.trade.next(made), this.#streams.trade.from);
  }

  async books(rows: readonly Partial<Book>[]): Promise<void> {
    const made = rows.map((row) => book(0, { capture: ++this.#capture, ...row }));
    await this.#rig.writer.write(this.#streams.book.next(made), this.#streams.book.from);
  }

  /** A heartbeat: `sessions` and answers as an edge tells of them. */
  async beat(
    sessions: readonly Partial<FeedSession>[],
    { oldestMs = 0, refills = [] }: { oldestMs?: number; refills?: Partial<RefillAnswer>[] } = {},
  ): Promise<Standing> {
    const told = sessions.map((one) => ({ no: 1, toMs: null, code: null, ...one }));
    const answers = refills.map((one) => {
      return { rows: 0, seqFirst: null, seqFinal: null, detail: null, ...one };
    });
    const status = {
      outbox: { oldestMs },
      accounts: { [this.#source]: { feed: "live", sessions: told, refills: answers } },
    };
    const { rows } = await this.#rig.pool.query<{ standing: Standing }>(
      "select where_am_i($1, $2, 'edge', 'claim', $3) as standing",
      [this.#source, this.holder, JSON.stringify(status)],
    );
    return rows[0]!.standing;
  }
}

/** One trade a second of ten shares each, with its count. */
export function steady(
  symbol: string,
  from: number,
  count: number,
  seq: number,
  over: Partial<Trade> = {},
): Partial<Trade>[] {
  return Array.from({ length: count }, (_, i) => ({
    ...{ symbol, venue: "KRX", day: DAY, chain: 0, seq: seq + (i + 1) * 10, size: 10, side: 1 },
    ...{ sellCount: 0, buyCount: seq / 10 + i + 1 },
    exchangeMs: at(from) + i * 1_000,
    edgeRecvMs: at(from) + i * 1_000 + 100,
    ...over,
  }));
}
