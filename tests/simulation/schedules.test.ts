// The model database against the real one: the same statements, in the same order, by the same connections.
// At each step both answer alike or both wait, and at the end both have the same rows. A schedule is drawn
// on the model, then played on PostgreSQL under the real migrations.
import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { exchange } from "../../app/store/exchange.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { CONNECTIONS, drawSchedule, outcomeOf, type Outcome, type Turn } from "./schedule.ts";
import { realRows } from "./schedule-rows.ts";

const SCHEDULES = 200;

let database: TestDatabase;
let clients: pg.Client[];
let pids: number[];
beforeAll(async () => {
  database = await createDatabase({ migrated: true });
  clients = Array.from({ length: CONNECTIONS }, () => new pg.Client(database.url));
  await Promise.all(clients.map((client) => client.connect()));
  const asked = clients.map((client) =>
    client.query<{ pid: number }>("select pg_backend_pid() pid"),
  );
  pids = (await Promise.all(asked)).map(({ rows }) => rows[0]!.pid);
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.end()));
  await database.drop();
});

/** Half a minute on two cores that have nothing else to do. */
const TIMEOUT_MS = 300_000;

it(
  `the model database and PostgreSQL agree on ${SCHEDULES} random schedules`,
  { timeout: TIMEOUT_MS },
  async () => {
    let [turns, waits] = [0, 0];
    for (let seed = 1; seed <= SCHEDULES; seed++) {
      const schedule = drawSchedule(seed);
      await database.pool.query(schedule.setUp);
      await play(seed, schedule.turns);
      expect(await realRows(database.pool), `rows of schedule ${seed}`).toEqual(schedule.rows);
      turns += schedule.turns.length;
      waits += schedule.turns.reduce((sum, { freed }) => sum + freed.length, 0);
    }
    console.log(`${SCHEDULES} schedules, ${turns} statements, ${waits} of which waited for a lock`);
  },
);

async function play(seed: number, turns: readonly Turn[]): Promise<void> {
  const waiting = new Map<number, Promise<Outcome>>();
  const settled = new Set<number>();
  for (const [i, { at, step, expected, freed }] of turns.entries()) {
    const where = `schedule ${seed}, statement ${i} of connection ${at}: ${step.text.slice(0, 60)}`;
    if (at === CONNECTIONS) {
      await database.pool.query(step.text);
      continue;
    }
    const answer = send(at, step).finally(() => settled.add(at));
    settled.delete(at);
    const said = await Promise.race([answer, whenBlocked(pids[at]!, () => settled.has(at))]);
    expect(said ?? "waits", where).toEqual(expected ?? "waits");
    if (said === null) waiting.set(at, answer);
    for (const { at: other, outcome } of freed) {
      expect(await waiting.get(other), `${where}, frees ${other}`).toEqual(outcome);
      waiting.delete(other);
    }
    const early = [...waiting.keys()].filter((other) => settled.has(other));
    expect(early, `${where}, frees nobody else`).toEqual([]);
  }
}

async function send(at: number, step: Turn["step"]): Promise<Outcome> {
  const client = clients[at]!;
  try {
    const [answer] = await exchange(client, [step]);
    return outcomeOf(null, answer ?? []);
  } catch (error) {
    // The server tells of an error before it lets go of the locks; it answers again when it has.
    await client.query("").catch(() => undefined);
    return outcomeOf(error as Error, []);
  }
}

/** Null once the server says that it waits for one of our connections; never settles when it has answered. */
async function whenBlocked(pid: number, isAnswered: () => boolean): Promise<null> {
  while (!isAnswered()) {
    const { rows } = await database.pool.query<{ waits: boolean }>(
      "select pg_blocking_pids($1) && $2::int[] as waits",
      [pid, pids],
    );
    if (rows[0]!.waits) return null;
  }
  return new Promise(() => undefined);
}
