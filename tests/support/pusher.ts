// An edge without a broker: outbox and sender on a lease of kis:1, and a market that goes on until told to stop.
import { randomUUID } from "node:crypto";
import pg from "pg";
import { expect, onTestFinished } from "vitest";
import { Outbox, OUTBOX_DEFAULTS } from "../../app/edge/outbox/outbox.ts";
import { Sender } from "../../app/edge/uplink/sender.ts";
import { systemClock as clock } from "../../app/shared/clock.ts";
import type { Event } from "../../app/shared/events.ts";
import type { Route } from "../../app/shared/dial/route.ts";
import type { EdgeStatus, Wish } from "../../app/shared/gateway-protocol.ts";
import { TOKEN, trades, until } from "./hub.ts";

/** Pushes 50 trades every 5 ms; over `route` where one is given. */
export async function startPusher(url: string, route?: Route) {
  const outbox = new Outbox({ ...OUTBOX_DEFAULTS, bytesMax: 64e6, mintStream: randomUUID });
  const events: Event[] = [];
  const sender = new Sender({
    ...{ url, edge: "kis", token: TOKEN, version: "t", bootId: "b", outbox, clock, route },
    emit: (event) => events.push(event),
  });
  const holder = randomUUID();
  const symbol = `P${holder.slice(0, 8)}`;
  sender.addHolder("kis:1", holder);
  sender.start();
  const ask = (wish: Wish, status: EdgeStatus = {}) =>
    sender.ask({ account: "kis:1", holder, edge: "kis", wish, status });
  let epoch = 0;
  await until(async () => {
    const standing = await ask("claim").catch(() => null);
    if (standing?.lease.state === "granted") epoch = standing.lease.epoch!;
    return epoch > 0;
  }, "a lease");
  let pushed = 0;
  const timer = setInterval(() => {
    for (const row of trades(50, pushed * 10, { symbol }))
      outbox.push("kis:1", epoch, row, clock.monoMs());
    pushed += 50;
  }, 5);
  onTestFinished(() => clearInterval(timer));
  return {
    ...{ outbox, events, sender, symbol, ask },
    /** Lets some rows go through. */
    async someRows() {
      const { committed } = outbox.ledger();
      await until(() => outbox.ledger().committed > committed + 300, "rows to flow");
    },
    /** Ends the market and sends what is left. Returns how many rows were pushed. */
    async finish() {
      clearInterval(timer);
      await sender.drain(clock.monoMs() + 30_000);
      await ask("release");
      await sender.stop();
      return pushed;
    },
  };
}

/** All that was pushed of a symbol is in the table, once. */
export async function expectOnce(url: string, symbol: string, pushed: number): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ n: number; seqs: number; quarantined: number }>(
    `select count(*)::int as n, count(distinct seq)::int as seqs,
            (select count(*)::int from quarantine) as quarantined from trade where symbol = $1`,
    [symbol],
  );
  await client.end();
  expect(rows[0]).toEqual({ n: pushed, seqs: pushed, quarantined: 0 });
}
