// How a command leaves what it measured: straight into the database where it has one, else at the door of
// the hub, as the edge it measures for.
import { z } from "zod";
import { systemClock } from "../shared/clock.ts";
import { required } from "../shared/config.ts";
import type { Settings } from "../shared/config.ts";
import { routeThrough } from "../shared/dial/route.ts";
import { EVIDENCE_PATH } from "../shared/evidence.ts";
import type { Evidence } from "../shared/evidence.ts";
import { errorOf, parseMessage } from "../shared/gateway-protocol.ts";
import { asStoreError, openPool } from "../store/database.ts";
import { keepEvidence } from "../store/latency-runs.ts";
import { askDoor, DOOR_ANSWER_MS } from "./edge-door.ts";

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
  const { settings, ...door } = place;
  // The route lasts as long as the process; a command ends after this.
  const route = routeThrough([settings.TICKHUB_UPLINK_PROXY], systemClock);
  const reply = await askDoor(
    { ...door, route },
    {
      ...{ path: EVIDENCE_PATH, body: evidence },
      ...{ timeoutMs: DOOR_ANSWER_MS, answerBytesMax: ANSWER_BYTES_MAX },
    },
  );
  const { id, code, problem } = answerIn(reply.text);
  // A stranger's server answers 200 to anything.
  if (reply.status === 200 && id !== undefined) return id;
  const facts = { url: reply.shown, status: reply.status, ...(problem ? { problem } : {}) };
  throw errorOf(code, facts, "UPLINK_PROTOCOL");
}

function answerIn(text: string) {
  const { id, code = "", problem } = parseMessage(answerSchema, text) ?? {};
  return { id, code, problem };
}
