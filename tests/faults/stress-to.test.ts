// `tickhub stress --to` as a user runs it: the open, from simulated brokers and edges here, through real sockets into
// a hub that runs elsewhere, on a database of its own. What is conserved is counted in that database.
import { randomUUID } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Child } from "../../app/cli/child.ts";
import { newStateDir, tickhub } from "../support/cli.ts";
import { rowCount } from "../support/stack.ts";
import { OwnPostgres } from "./support/own-postgres.ts";

const TOKENS = "kis=a-token-of-kis,kiwoom=a-token-of-kiwoom";
/** More than one KIS key holds. */
const SYMBOLS = [
  "005930",
  "000660",
  ...Array.from({ length: 20 }, (_, i) => `${900_010 + i * 10}`),
];
const WIDE = ["generator-late=15000", "unread=15", "commit99=15000", "outbox=15", "edge-loop=5000"]
  .concat("hub-loop=5000", "commit-probe=5000")
  // Of a host that others use, too.
  .concat("cpu=100", "io-wait=100", "io-stall=100", "checkpoints=10")
  .flatMap((limit) => ["--limit", limit]);

interface Report {
  ok: boolean;
  target: string;
  symbols: number;
  accounts: number;
  records: Record<string, number>;
  checks: { name: string; value: number | null }[];
  losses: string[];
  evidence: number;
}

let server: OwnPostgres;
let hub: Child;
let pool: pg.Pool;
let gatewayUrl: string;
beforeAll(async () => {
  server = await OwnPostgres.start();
  pool = new pg.Pool({ connectionString: server.url });
  const stateDir = newStateDir();
  hub = new Child({
    args: ["hub", "--json"],
    env: {
      TICKHUB_STATE_DIR: stateDir,
      TICKHUB_DATABASE_URL: server.url,
      TICKHUB_BROKERS: "simulated",
      TICKHUB_PORT: "0",
      TICKHUB_EDGE_TOKENS: TOKENS,
      TICKHUB_SYMBOLS: [...SYMBOLS, "NAS:AAPL"].join(","),
      TICKHUB_ACCOUNTS: "kis:1,kis:2,kiwoom:1",
      TICKHUB_QUIET_MS: "500",
      TICKHUB_KILL_GRACE_MS: "1000",
    },
    logFile: `${stateDir}/hub.log`,
  });
  gatewayUrl = String((await hub.announced("hub_listening"))["gatewayUrl"]);
});
afterAll(async () => {
  await hub.stop();
  await pool.end();
  await server.remove();
});

async function stressTo(...more: string[]) {
  const args = ["stress", "--json", "--to", gatewayUrl, "--profile", "krx-open", ...more];
  const result = await tickhub(args, { TICKHUB_STRESS_TOKENS: TOKENS });
  return { ...result, report: result.json as unknown as Report };
}

/** Everything was kept: by the command's word, and by what the database holds beside what it held before. */
async function expectKept(
  { report, code, stderr }: Awaited<ReturnType<typeof stressTo>>,
  before: number,
) {
  expect(report, stderr).toMatchObject({
    ...{ ok: true, losses: [], target: gatewayUrl },
    summary: "nothing lost, nothing over its limit",
  });
  expect(code).toBe(0);
  expect(report).toMatchObject({ symbols: SYMBOLS.length, accounts: 3 });
  const { sent = 0, received, committed, rows, ...rest } = report.records;
  expect(sent).toBeGreaterThan(3_000);
  expect([received, committed, rows]).toEqual([sent, sent, sent]);
  expect(rest).toEqual({ duplicate: 0, held: 0, quarantined: 0, lost: 0, doubleSockets: 0 });
  expect(await rowCount(pool)).toBe(before + sent);
  const { rows: held } = await pool.query("select from lease where holder is not null");
  expect(held).toHaveLength(0);
}

async function evidenceOf({ evidence }: Report) {
  const { rows } = await pool.query<Record<string, unknown>>(
    "select kind, subject, ok, detail from evidence where id = $1",
    [evidence],
  );
  return rows[0];
}

test("what is sent here is what SQL finds there; the hub's own figures decide, and evidence stays with it", async () => {
  const run = await stressTo("--speed", "1", "--seconds", "5", ...WIDE);
  await expectKept(run, 0);
  const found = new Map(run.report.checks.map(({ name, value }) => [name, value]));
  for (const name of ["commit99", "hub-loop", "cpu", "commit-probe", "checkpoints"]) {
    expect(found.get(name), name).toEqual(expect.any(Number));
  }
  expect(await evidenceOf(run.report)).toMatchObject({
    ...{ kind: "stress", subject: "hub", ok: true },
    detail: { through: "gateway", speed: 1 },
  });
});

test("a hub whose account somebody holds is left alone; --force waits for a holder that died, and plays again", async () => {
  const before = await rowCount(pool);
  await pool.query(
    `update lease set holder = $1, edge = 'kis', seen_at = now() - interval '1 minute'
      where account = 'kis:1'`,
    [randomUUID()],
  );
  const refused = await stressTo();
  expect(refused.code).toBe(1);
  expect(refused.json).toMatchObject({
    code: "STRESS_TARGET_IN_USE",
    context: { leases: 1, held: "kis:1 at kis" },
  });
  expect(await rowCount(pool)).toBe(before);
  const run = await stressTo("--seconds", "1", "--force", "it was killed", ...WIDE);
  await expectKept(run, before);
  expect(await evidenceOf(run.report)).toMatchObject({ detail: { forced: "it was killed" } });
});
