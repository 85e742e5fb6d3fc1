// How a command leaves what it measured: straight into the database where it has one, else at the door of
// the hub, as the edge it measures for.
import { z } from "zod";
import { systemClock } from "../shared/clock.ts";
import { required } from "../shared/config.ts";
import type { Settings } from "../shared/config.ts";
import { routeThrough } from "../shared/dial/route.ts";
import { codeOf, TickhubError } from "../shared/errors.ts";
import { EVIDENCE_PATH } from "../shared/evidence.ts";
import type { Evidence } from "../shared/evidence.ts";
import { errorOf, parseMessage } from "../shared/gateway-protocol.ts";
import { exchange } from "../shared/http-request.ts";
import { asStoreError, openPool } from "../store/database.ts";
import { keepEvidence } from "../store/latency-runs.ts";

/** Longer than the hub lets an address wait that showed wrong tokens. */
const ANSWER_MS = 15_000;
const ANSWER_BYTES_MAX = 64 * 1024;
const answerSchema = z.object({
  id: z.number().optional(),
  code: z.string().optional(),
  problem: z.string().optional(),
});

/**
 * Leaves `evidence` in the database of TICKHUB_DATABASE_URL where that is set; else at the hub of
 * TICKHUB_HUB_URL as TICKHUB_EDGE_ID with its token, through TICKHUB_UPLINK_PROXY where one is set. A
 * postgres:// hub is a database. Throws CONFIG_MISSING, UPLINK_*, PROXY_*, EDGE_*, EVIDENCE_*, DATABASE_*.
 */
export async function deliverEvidence(settings: Settings, evidence: Evidence): Promise<void> {
  const databaseUrl = settings.TICKHUB_DATABASE_URL;
  if (databaseUrl !== undefined) return await store(databaseUrl, settings, evidence);
  const hubUrl = required(settings, "TICKHUB_HUB_URL");
  if (hubUrl.startsWith("postgres")) return await store(hubUrl, settings, evidence);
  const edge = required(settings, "TICKHUB_EDGE_ID");
  const token = required(settings, "TICKHUB_EDGE_TOKEN");
  await postEvidence({ hubUrl, edge, token, settings }, evidence);
}

async function store(url: string, settings: Settings, evidence: Evidence): Promise<void> {
  const isOwn = url === settings.TICKHUB_DATABASE_URL;
  const route = isOwn ? undefined : routeThrough([settings.TICKHUB_UPLINK_PROXY], systemClock);
  const pool = openPool(url, {
    connectionsMax: 1,
    name: "tickhub-evidence",
    ...(route ? { stream: () => route.stream() } : {}),
  });
  try {
    await keepEvidence(pool, evidence);
  } catch (error) {
    throw asStoreError(error);
  } finally {
    await pool.end();
  }
}

/** Leaves `evidence` at a hub's door, as `edge`. Returns its row. Throws as deliverEvidence. */
export async function postEvidence(
  place: { hubUrl: string; edge: string; token: string; settings: Settings },
  evidence: Evidence,
): Promise<number> {
  const { hubUrl, edge, token, settings } = place;
  const url = new URL(EVIDENCE_PATH, hubUrl.replace(/^ws/, "http"));
  // The route lasts as long as the process; a command ends after this.
  const route = routeThrough([settings.TICKHUB_UPLINK_PROXY], systemClock);
  const shown = `${url.protocol}//${url.host}${url.pathname}`;
  url.searchParams.set("edge", edge);
  const reply = await exchange({
    url: url.href,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(evidence),
    clock: systemClock,
    timeoutMs: ANSWER_MS,
    replyBytesMax: ANSWER_BYTES_MAX,
    route,
  }).catch((cause: unknown) => {
    if (cause instanceof TickhubError) throw cause;
    const reason = codeOf(cause) === "Error" ? (cause as Error).message : codeOf(cause);
    throw new TickhubError("UPLINK_UNREACHABLE", { url: shown, reason }, { cause });
  });
  const { id, code, problem } = answerIn(reply.text);
  // A stranger's server answers 200 to anything.
  if (reply.status === 200 && id !== undefined) return id;
  const facts = { url: shown, status: reply.status, ...(problem ? { problem } : {}) };
  throw errorOf(code, facts, "UPLINK_PROTOCOL");
}

function answerIn(text: string) {
  const { id, code = "", problem } = parseMessage(answerSchema, text) ?? {};
  return { id, code, problem };
}
