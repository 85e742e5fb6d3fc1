// `tickhub phase`: the migration's state machine (docs/phases.md).
//   show      the phase, who holds what where, and the gate to the next one
//   plan      the steps that advance (--back: rollback) would take, each as it stands; changes nothing
//   advance   goes through them; killed and run again, it goes on where it stands
//   rollback  the same, backwards, also out of an advance that is half done
//   adopt     this database grants again, because the other one is gone for good
// Exits with 0 when it holds or is done, with 1 when the gate is shut, a step waited in vain or an account is
// not collected.
import { randomUUID } from "node:crypto";
import { hostname, userInfo } from "node:os";
import pg from "pg";
import { adopt } from "../hub/phase/adopt.ts";
import type { Condition } from "../hub/phase/gate.ts";
import { move, plan } from "../hub/phase/machine.ts";
import type { MachineOptions, Moved, Planned } from "../hub/phase/machine.ts";
import type { Phase } from "../hub/phase/phases.ts";
import { show } from "../hub/phase/show.ts";
import type { Shown } from "../hub/phase/show.ts";
import type { StepProgress } from "../hub/phase/steps.ts";
import { parityGate } from "../hub/query/parity/gate.ts";
import { systemClock } from "../shared/clock.ts";
import { readSettings } from "../shared/config.ts";
import { TickhubError } from "../shared/errors.ts";
import { marketNow, parseMarketClock } from "../shared/market-clock.ts";
import { isoAtVenue, kstDay } from "../shared/market-time.ts";
import { asDatabaseError } from "../store/database.ts";
import { printJson, say } from "./output.ts";
import { openServer } from "./server.ts";
import type { Server } from "./server.ts";

export type PhaseAction = "show" | "plan" | "advance" | "rollback" | "adopt";

export interface PhaseOptions {
  from?: string;
  to?: Phase;
  back?: boolean;
  force?: string;
  /** Seconds. */
  wait: number;
  json?: boolean;
}

/** A reason of fewer letters is none. */
const REASON_MIN = 10;
const CONNECT_MS = 5_000;
const STATEMENT_MS = 30_000;

export async function phase(action: PhaseAction, options: PhaseOptions): Promise<number> {
  const forced = reasonOf(action, options.force);
  const settings = readSettings(process.env);
  const servers: Server[] = [];
  const clients: pg.Client[] = [];
  const open = async (server: Server) => {
    servers.push(server);
    clients.push(await connect(server.url));
    return clients.at(-1)!;
  };
  try {
    const { TICKHUB_STATE_DIR: stateDir, TICKHUB_DATABASE_URL: url } = settings;
    const here = await open(await openServer(stateDir, url));
    const home = options.from ? await open(await serverOf(options.from)) : undefined;
    for (const database of clients) await checkSchema(database);
    const marketMs = marketNow(parseMarketClock(settings.TICKHUB_MARKET_CLOCK), systemClock);
    const parity = (database: Pick<pg.Pool, "query">) =>
      parityGate(database, { nowDay: kstDay(marketMs) });
    const machine: MachineOptions = { here, home, clock: systemClock, marketMs, parity };
    return await act(action, machine, { ...options, forced });
  } catch (error) {
    throw asDatabaseError(error);
  } finally {
    await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
    for (const server of servers) await server.stop();
  }
}

async function act(
  action: PhaseAction,
  machine: MachineOptions,
  options: PhaseOptions & { forced: string | null },
): Promise<number> {
  const { json, forced } = options;
  const asked = { by: `${userInfo().username}@${hostname()}`, mintRun: randomUUID };
  if (action === "show") {
    const shown = await show(machine);
    if (json) printJson(shown);
    else process.stdout.write(textOf(shown));
    return shown.ok ? 0 : 1;
  }
  if (action === "plan") {
    const planned = await plan(machine, options.back ? "rollback" : "advance");
    const isOpen = planned.gate.every(({ open }) => open);
    if (json) printJson({ ok: isOpen, ...planned });
    else process.stdout.write(planText(planned));
    return isOpen ? 0 : 1;
  }
  if (action === "adopt") {
    const adopted = await adopt({ ...machine, ...asked, forced: forced! });
    if (json) printJson({ ok: true, ...adopted });
    else process.stdout.write(`adopted: phase ${adopted.phase}, leases are granted here\n`);
    return 0;
  }
  const moved = await move({
    ...{ ...machine, ...asked, verb: action, to: options.to, forced, waitMs: options.wait * 1_000 },
    tell: (progress) => (json ? undefined : say(lineOf(progress))),
  });
  if (json) printJson(moved);
  else process.stdout.write(outcomeOf(moved));
  return moved.ok ? 0 : 1;
}

/** Throws USAGE. */
function reasonOf(action: PhaseAction, reason: string | undefined): string | null {
  const text = reason?.trim();
  if (text === undefined && action !== "adopt") return null;
  if (text === undefined || text.length < REASON_MIN) {
    const problem = `--force wants a reason of ${REASON_MIN} letters and more: it is kept in the history`;
    throw new TickhubError("USAGE", { problem });
  }
  return text;
}

async function serverOf(from: string): Promise<Server> {
  const isUrl = /^postgres(ql)?:\/\//.test(from);
  return isUrl ? { url: from, stop: () => Promise.resolve() } : await openServer(from);
}

/** One connection, because it holds the lock: when it is gone, so is the right to change anything. */
async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({
    ...{ connectionString: url, application_name: "tickhub-phase", keepAlive: true },
    ...{ connectionTimeoutMillis: CONNECT_MS, statement_timeout: STATEMENT_MS },
  });
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

async function checkSchema(database: pg.Client): Promise<void> {
  const { rows } = await database.query<{ has: boolean }>(
    "select to_regclass('public.phase_step') is not null as has",
  );
  if (!rows[0]!.has) throw new TickhubError("DATABASE_SCHEMA_MISSING", {});
}

function lineOf({ no, of, step, state, says, next }: StepProgress): string {
  const mark = { doing: "…", waiting: "waits", done: "done" }[state];
  return `[${no}/${of}] ${step}: ${mark} (${says})${next ? `\n        next: ${next}` : ""}`;
}

function outcomeOf(moved: Moved): string {
  if (!moved.ok)
    return `refused:\n${gateText(moved.refused)}--force REASON skips these, and is kept\n`;
  const skipped = moved.skipped.map((one) => `  skipped: ${one}\n`).join("");
  return `phase ${moved.phase}\n${skipped}`;
}

function gateText(conditions: readonly Condition[]): string {
  return conditions
    .map(({ name, open, says, next }) => {
      const line = `  ${open ? "ok  " : "SHUT"}  ${name}: ${says}\n`;
      return open || next === "" ? line : `${line}        next: ${next}\n`;
    })
    .join("");
}

function planText({ transition, gate, steps }: Planned): string {
  const { verb, from, to, run } = transition;
  const lines = steps.map(({ step, state, says, next }, i) => {
    const line = `  ${{ done: "done", act: "to do", wait: "waits" }[state].padEnd(5)}  ${i + 1}. ${step}: ${says}\n`;
    return state === "wait" && next ? `${line}           next: ${next}\n` : line;
  });
  const title = `${verb} ${from ?? "(no phase)"} -> ${to}${run ? ", under way" : ""}\n`;
  return `${title}${gateText(gate)}steps:\n${lines.join("")}`;
}

const FENCES = {
  none: "granted here, by TICKHUB_PLACEMENT",
  open: "granted here",
  shut: "NOT granted here; holders keep what they hold",
  clearing: "NOT granted here; every holder is called back",
} as const;

function textOf({ phase: name, underway, since, database, fence, accounts, gate }: Shown): string {
  const entered = since?.enteredMs ?? since?.begunMs;
  const when = entered ? `${isoAtVenue("KRX", entered).slice(0, 16).replace("T", " ")} KST` : "";
  const by = since ? ` since ${when}, by ${since.begunBy} (${since.verb})` : "";
  const forced = since?.forced ? `\n          forced: ${since.forced}` : "";
  const moving = underway
    ? `\nmoving    ${underway.verb} to ${underway.to} is half done\n          next: tickhub phase ${underway.verb}, or tickhub phase ${underway.verb === "advance" ? "rollback" : "advance"} to undo it`
    : "";
  const copy = fence.isCopy ? " (a copy of the database that was opened)" : "";
  const peer = fence.peer && fence.state !== "open" ? `, but in ${fence.peer}` : "";
  const lines = accounts.map(({ account, edge, side, feed, code, seenAgeMs, placed }) => {
    const ago = seenAgeMs === null ? "" : `, heard ${(seenAgeMs / 1_000).toFixed(1)} s ago`;
    const held = edge
      ? `${edge}${side ? ` (${side})` : ""} holds it, feed ${feed ?? "unknown"}${code ? ` ${code}` : ""}${ago}`
      : "nobody holds it";
    return `${account.padEnd(9)} ${held} · placed at ${placed.join(" or ") || "no edge"}\n`;
  });
  const next = gate
    ? `gate to ${gate.to}: ${gate.open ? "open" : "shut"}\n${gateText(gate.conditions)}`
    : "";
  return (
    `phase     ${name ?? "none: tickhub phase advance enters home"}${by}${forced}${moving}\n` +
    `leases    ${FENCES[fence.state]}${copy}${peer}\ndatabase  ${database}\n${lines.join("")}${next}`
  );
}
