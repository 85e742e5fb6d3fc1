// The hub's database: may one come in, is it this release's, may this user do what the hub does, and what of
// it speaks against a start. The embedded one looks after itself.
import type pg from "pg";
import { historyOf, readHistory } from "../../hub/phase/history.ts";
import type { Settings } from "../../shared/config.ts";
import { codeOf, TickhubError } from "../../shared/errors.ts";
import { readBrokers } from "../../store/brokers.ts";
import { asDatabaseError, openPool } from "../../store/database.ts";
import { checkSchema } from "../../store/migrate.ts";
import { broken, reasonOf, troubleOf, warning } from "./finding.ts";
import type { Check, Look, Trouble } from "./finding.ts";

const CONNECT_MS = 3_000;

/** Runs `ask` on a pool of its own. */
async function onDatabase<T>(url: string, ask: (pool: pg.Pool) => Promise<T>): Promise<T> {
  const limits = { connectTimeoutMs: CONNECT_MS, statementTimeoutMs: CONNECT_MS };
  const pool = openPool(url, { connectionsMax: 1, name: "tickhub-doctor", ...limits });
  try {
    return await ask(pool);
  } finally {
    await pool.end();
  }
}

/** As the programs of PostgreSQL take it, without the password. */
function optionsOf(text: string): { place: string; user: string; database: string } {
  const url = new URL(text);
  const host = url.hostname || "127.0.0.1";
  const place = `-h ${host} -p ${url.port || "5432"}`;
  const user = decodeURIComponent(url.username) || "tickhub";
  return { place, user, database: decodeURIComponent(url.pathname.slice(1)) || user };
}

/** https://www.postgresql.org/docs/17/errcodes-appendix.html: login, and a database that does not exist. */
const LOGIN = /^(28|3D)/;
const RIGHTS = /^42501$/;

function databaseTrouble(thrown: unknown, url: string): Trouble {
  const { place, user, database } = optionsOf(url);
  const sqlstate = codeOf(thrown);
  const psql = `psql ${place} -U ${user}`;
  if (sqlstate === "3D000")
    return broken(
      "DATABASE_LOGIN",
      { database, reason: reasonIn(thrown) },
      `\`createdb ${place} -U ${user} ${database}\``,
    );
  if (LOGIN.test(sqlstate))
    return broken(
      "DATABASE_LOGIN",
      { user, database, reason: reasonIn(thrown) },
      `\`${psql} -d ${database}\` with the password of TICKHUB_DATABASE_URL.`,
    );
  if (RIGHTS.test(sqlstate))
    return broken("DATABASE_RIGHTS", { user, database, reason: reasonIn(thrown) }, ownerNext(url));
  const error = asDatabaseError(thrown);
  switch (codeOf(error)) {
    case "DATABASE_UNREACHABLE":
      return troubleOf(
        error,
        `\`pg_isready ${place}\`; is the server running, and the address right?`,
      );
    case "DATABASE_SCHEMA_MISSING":
      return troubleOf(error, "`npx tickhub hub`, once: it applies the migrations.");
    case "DATABASE_SCHEMA_NEWER":
      return troubleOf(error, "`git pull`, then start again: this release is too old for it.");
    case "DATABASE_SCHEMA_CHANGED":
      return troubleOf(error, "`git checkout -- migrations`");
    default:
      if (error instanceof TickhubError) return troubleOf(error, `\`${psql} -d ${database}\``);
      return broken(
        "DATABASE_REFUSED",
        { sqlstate, reason: reasonIn(thrown) },
        `\`${psql} -d ${database}\``,
      );
  }
}

function ownerNext(url: string): string {
  const { place, database } = optionsOf(url);
  return `\`psql ${place} -d ${database} -c '\\dt public.*'\` names the owner; log in as that user.`;
}

/** Its message; PostgreSQL's own never has a password. */
function reasonIn(error: unknown): string {
  return error instanceof Error ? error.message : reasonOf(error);
}

async function schemaTroubles(url: string, settings: Settings): Promise<Trouble[]> {
  try {
    return await onDatabase(url, async (pool) => {
      await checkSchema(pool);
      return [
        ...(await rightsTroubles(pool, url)),
        ...(await extensionTroubles(pool)),
        ...(await brokersTroubles(pool, settings)),
      ];
    });
  } catch (error) {
    return [databaseTrouble(error, url)];
  }
}

/** Migrations and retention are the owner's. */
async function rightsTroubles(pool: pg.Pool, url: string): Promise<Trouble[]> {
  const { rows } = await pool.query<{ user: string; owner: string; may: boolean }>(
    `select current_user as user, pg_get_userbyid(relowner) as owner,
            pg_has_role(current_user, relowner, 'USAGE') as may
       from pg_class where oid = 'public.trade'::regclass`,
  );
  const { user, owner, may } = rows[0]!;
  if (may) return [];
  const reason = "the hub needs what the owner of the tables may do";
  return [broken("DATABASE_RIGHTS", { user, owner, reason }, ownerNext(url))];
}

/** Migrations that need TimescaleDB were applied: then its tables do not open without it. */
async function extensionTroubles(pool: pg.Pool): Promise<Trouble[]> {
  const { rows } = await pool.query<{
    applied: string | null;
    preload: string;
    installed: boolean;
  }>(
    `select (select min(name) from public.schema_migration where name like '%-timescale.sql' and not skipped) as applied,
            current_setting('shared_preload_libraries') as preload,
            exists (select from pg_extension where extname = 'timescaledb') as installed`,
  );
  const { applied, preload, installed } = rows[0]!;
  if (applied === null || (installed && /\btimescaledb\b/.test(preload))) return [];
  const facts = { migration: applied, installed, shared_preload_libraries: preload };
  const next =
    "`psql -c \"alter system set shared_preload_libraries = 'timescaledb'\"`, on a server that has it; then restart it.";
  return [broken("DATABASE_EXTENSION", facts, next)];
}

/** No hub of the other kind starts on it. */
async function brokersTroubles(
  pool: pg.Pool,
  { TICKHUB_BROKERS: ours }: Settings,
): Promise<Trouble[]> {
  const kind = (await readBrokers(pool)) ?? ours;
  if (kind === ours) return [];
  const next = `\`export TICKHUB_DATABASE_URL=…\` of another database, or \`export TICKHUB_BROKERS=${kind}\`.`;
  return [broken("DATABASE_BROKERS", { database: kind, hub: ours }, next)];
}

/** Of what the schema's check has not told already. */
async function quietly(
  url: string,
  ask: (pool: pg.Pool) => Promise<Trouble[]>,
): Promise<Trouble[]> {
  try {
    return await onDatabase(url, ask);
  } catch {
    return [];
  }
}

/** A transition that was begun goes on by its own command; a hub with other sites would place otherwise. */
async function phaseTroubles(
  pool: pg.Pool,
  { TICKHUB_SITES: sites }: Settings,
): Promise<Trouble[]> {
  const { underway } = historyOf(await readHistory(pool));
  if (!underway) return [];
  const { verb, to } = underway;
  const facts = { underway: `${verb} to ${to}`, sites: sites === undefined ? "unset" : "set" };
  return [warning("PHASE_WAIT", facts, "`npx tickhub phase show`, then the command it names.")];
}

/** Accounts for which there are keys here, and which somebody else collects. */
async function leaseTroubles(pool: pg.Pool, settings: Settings): Promise<Trouble[]> {
  const { TICKHUB_EDGE_ID: edge, KIS_APP_KEY: kis, KIWOOM_APP_KEY: kiwoom } = settings;
  if (edge === undefined) return [];
  const own = [
    ...kis.map((_, at) => `kis:${at + 1}`),
    ...kiwoom.map((_, at) => `kiwoom:${at + 1}`),
  ];
  const { rows } = await pool.query<{ account: string; holder: string; silent_s: number }>(
    `select account, edge as holder, extract(epoch from clock_timestamp() - seen_at)::float8 as silent_s
       from public.lease where account = any($1) and holder is not null and edge <> $2 order by account`,
    [own, edge],
  );
  return rows.map(({ account, holder, silent_s: silentS }) =>
    warning(
      "LEASE_HELD",
      { account, edge: holder, silentS: Math.round(silentS) },
      "`npx tickhub status` shows who collects what; this edge stands by until it is released.",
    ),
  );
}

const withUrl =
  (ask: (url: string, look: Look) => Promise<Trouble[]>) =>
  async (look: Look): Promise<Trouble[]> => {
    const url = look.settings.TICKHUB_DATABASE_URL;
    return url === undefined ? [] : await ask(url, look);
  };

export const DATABASE_CHECKS: readonly Check[] = [
  {
    name: "database",
    needs: ["TICKHUB_DATABASE_URL"],
    run: withUrl((url, { settings }) => schemaTroubles(url, settings)),
  },
  {
    name: "phase",
    needs: ["TICKHUB_DATABASE_URL"],
    run: withUrl((url, { settings }) => quietly(url, (pool) => phaseTroubles(pool, settings))),
  },
  {
    name: "lease",
    needs: ["TICKHUB_DATABASE_URL"],
    run: withUrl((url, { settings }) => quietly(url, (pool) => leaseTroubles(pool, settings))),
  },
];

/** Its wall clock, epoch ms; null where there is none to ask. */
export async function databaseMs({ settings }: Look): Promise<number | null> {
  const url = settings.TICKHUB_DATABASE_URL;
  if (url === undefined) return null;
  return await onDatabase(url, async (pool) => {
    const { rows } = await pool.query<{ now_ms: number }>(
      "select extract(epoch from clock_timestamp())::float8 * 1000 as now_ms",
    );
    return rows[0]!.now_ms;
  }).catch(() => null);
}
