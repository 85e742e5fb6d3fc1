// A running stack as a drill sees it: what its edges say, what its brokers counted, what SQL finds. The
// three are asked apart, so that none can vouch for itself.
import type pg from "pg";
import { sleep, systemClock } from "../shared/clock.ts";
import { sumOf } from "../shared/tick.ts";
import type { Ledger } from "../shared/tick.ts";
import { BROKERS } from "./stack.ts";
import type { Broker, Stack } from "./stack.ts";

/** One fact that had to hold, and the figures it was decided by. */
export interface Check {
  says: string;
  ok: boolean;
  facts: string;
}

export function equal(says: string, found: number, wanted: number): Check {
  return { says, ok: found === wanted, facts: `${found}, expected ${wanted}` };
}

export function atLeast(says: string, found: number, least: number): Check {
  return { says, ok: found >= least, facts: `${found}, at least ${least}` };
}

export function atMost(says: string, found: number, most: number): Check {
  return { says, ok: found <= most, facts: `${Math.round(found)}, at most ${most}` };
}

const WAIT_MS = 90_000;
const LOOK_MS = 100;

export class Scene {
  readonly stack: Stack;
  readonly pool: pg.Pool;

  constructor(stack: Stack, pool: pg.Pool) {
    this.stack = stack;
    this.pool = pool;
  }

  /** Asks until the answer is not null. Throws after a minute and a half: then the drill itself is broken. */
  async until<T>(what: string, ask: () => Promise<T | null>): Promise<T> {
    const untilMs = systemClock.monoMs() + WAIT_MS;
    for (;;) {
      const answer = await ask();
      if (answer !== null) return answer;
      if (systemClock.monoMs() > untilMs)
        throw new Error(`${what} did not happen within ${WAIT_MS} ms`);
      await sleep(systemClock, LOOK_MS);
    }
  }

  /** Of what came from the broker's socket: its own counts know nothing of what was asked of its REST. */
  async edgeLedger(broker: Broker): Promise<Ledger> {
    return await this.until(`an answer of edge ${broker}`, async () => {
      return (await this.stack.edgeStatus(broker))?.live ?? null;
    });
  }

  async edgeLedgers(): Promise<Ledger[]> {
    return await Promise.all(BROKERS.map((broker) => this.edgeLedger(broker)));
  }

  async ledger(): Promise<Ledger> {
    return sumOf(await this.edgeLedgers());
  }

  /** Waits until each edge has `count` records committed. */
  async flow(count: number): Promise<void> {
    for (const broker of BROKERS) await this.committed(broker, count);
  }

  /** Waits until one edge has `count` records committed; returns its ledger then. */
  async committed(broker: Broker, count: number): Promise<Ledger> {
    return await this.until(`${count} records of ${broker}`, async () => {
      const ledger = (await this.stack.edgeStatus(broker))?.live;
      return ledger && ledger.committed >= count ? ledger : null;
    });
  }

  /** Ends the market and waits until the edges hold nothing; returns what the brokers sent to whom. */
  async settle(): Promise<Record<Broker, number>> {
    await this.stack.stopMarket();
    const counts = await this.until("the brokers' counts", () => this.stack.simCounts());
    const sent = { kis: recordsOf(counts.kis), kiwoom: recordsOf(counts.kiwoom) };
    await this.until("an empty outbox", async () => {
      const { held } = await this.ledger();
      return held === 0 ? true : null;
    });
    return sent;
  }

  /** Rows of trade, book and status together that came from a socket. */
  async rows(): Promise<number> {
    return await this.rowsOf(null);
  }

  async rowsOf(source: string | null): Promise<number> {
    return await this.number(
      `select sum(n) from (select source, origin, count(*) as n from trade group by 1, 2
         union all select source, origin, count(*) from book group by 1, 2
         union all select source, origin, count(*) from status group by 1, 2) t
       where origin = 0 and ($1::text is null or source = $1)`,
      [source],
    );
  }

  /** Books have no unique key: the same capture of the same process must not stand there twice. */
  async repeatedBooks(): Promise<number> {
    return await this.number(
      `select count(*) from (select from book b join stream s on s.no = b.stream
         group by s.holder, b.capture having count(*) > 1) t`,
    );
  }

  /** Streams whose numbers have a hole, or whose books do not say what their batches say. */
  async brokenStreams(): Promise<number> {
    return await this.number(
      `select count(*) from stream s where
         last_number <> (select count(*) from ingest_batch b where b.stream = s.no)
         or committed <> (select coalesce(sum(committed), 0) from ingest_batch b where b.stream = s.no)
         or received <> committed + duplicate + quarantined + lost`,
    );
  }

  async doubleSockets(): Promise<number> {
    return (await this.until("the brokers' counts", () => this.stack.simCounts())).doubleSockets;
  }

  async number(sql: string, values: unknown[] = []): Promise<number> {
    const { rows } = await this.pool.query<Record<string, string | null>>(sql, values);
    return Number(Object.values(rows[0]!)[0] ?? 0);
  }

  /** What has to hold after every drill. */
  async always(): Promise<Check[]> {
    return [
      equal("no book stands there twice", await this.repeatedBooks(), 0),
      equal("no stream has a hole or books of its own", await this.brokenStreams(), 0),
      equal("no account had two sockets, as its broker counts them", await this.doubleSockets(), 0),
    ];
  }
}

function recordsOf(accounts: Record<string, { records: number }>): number {
  return Object.values(accounts).reduce((sum, { records }) => sum + records, 0);
}
