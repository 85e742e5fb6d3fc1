// How an edge does, in one word and a reason, so that whoever shows it needs no rules of their own. Pure. An edge
// at the gateway is gone when its connection is; one that writes into the database itself has only its word, whose
// age decides.
import type { EdgeStatus } from "../../shared/gateway-protocol.ts";
import type { EdgeHealth } from "../../shared/web-api.ts";
import type { SiteRule } from "../phase/phases.ts";
import type { LeaseRow } from "./overview.ts";

export interface EdgeFacts {
  edge: string;
  connections: number;
  /** False where its last word came past this hub's gateway. */
  isAtGateway: boolean;
  seenAgeMs: number;
  status: EdgeStatus;
}

/** An edge asks once a second; a light one says how often (`periodMs`). */
const PERIOD_MS = 1_000;
/** Periods without a word. */
const LATE_PERIODS = 5;
const DOWN_PERIODS = 15;
/** A backlog is this old when its link does not keep up; a second is how long books wait for company. */
const BACKLOG_MS = 5_000;
/** Of outbox left: about what it takes somebody to look. */
const ROOM_S = 120;

export function healthOf(
  facts: EdgeFacts,
  sites: readonly SiteRule[],
  leases: readonly LeaseRow[],
): EdgeHealth {
  const { edge, seenAgeMs, status } = facts;
  const tickAges = Object.values(status.accounts ?? {}).flatMap(({ tickAgeMs }) => tickAgeMs ?? []);
  const { outbox, uplink } = status;
  return {
    ...stateOf(facts),
    site: sites.find(({ edges }) => edges.includes(edge))?.side ?? null,
    breaker: uplink?.breaker ?? null,
    outboxSeconds: outbox?.secondsLeft ?? null,
    outboxRows: outbox?.rows ?? null,
    tickAgeMs: tickAges.length === 0 ? null : Math.min(...tickAges) + seenAgeMs,
    holds: leases.flatMap(({ account, edge: by, holder }) =>
      holder !== null && by === edge ? [account] : [],
    ),
  };
}

function stateOf(facts: EdgeFacts): Pick<EdgeHealth, "state" | "reason"> {
  const { connections, isAtGateway, seenAgeMs, status } = facts;
  const period = status.periodMs ?? PERIOD_MS;
  const silent = `silent for ${spanOf(seenAgeMs)}`;
  if (connections === 0 && isAtGateway)
    return { state: "down", reason: `not connected; ${silent}` };
  if (connections === 0 && seenAgeMs > DOWN_PERIODS * period)
    return { state: "down", reason: silent };
  if (seenAgeMs > LATE_PERIODS * period) return { state: "late", reason: silent };
  const trouble = troubleOf(status);
  return trouble === null ? { state: "ok", reason: "" } : { state: "late", reason: trouble };
}

function troubleOf({ accounts = {}, outbox }: EdgeStatus): string | null {
  for (const [account, { code }] of Object.entries(accounts)) {
    if (code !== undefined && code !== "") return `${account}: ${code}`;
  }
  const { oldestMs = 0, secondsLeft = Infinity } = outbox ?? {};
  if (oldestMs > BACKLOG_MS) return `its outbox is ${spanOf(oldestMs)} behind`;
  if (secondsLeft < ROOM_S) return `its outbox is full in ${spanOf(secondsLeft * 1_000)}`;
  return null;
}

function spanOf(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800
    ? `${Math.floor(seconds / 3_600)} h`
    : `${Math.floor(seconds / 86_400)} d`;
}
