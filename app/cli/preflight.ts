// `tickhub preflight`: may a deploy begin? Exits with 1 while the hub is down, while an edge that collects
// has not been heard of, or while an outbox holds records older than a few seconds: replacing a process
// then would lose them, or find nobody to grant the lease to the next one.
import type { EdgePicture, Picture } from "../hub/query/picture.ts";
import { readSettings, webPortOf } from "../shared/config.ts";
import { fetchJson } from "./http.ts";
import { printJson } from "./output.ts";

/**
 * A record held longer than this waits for something; a batch of books waits for a second by itself. An
 * edge speaks each second: one that has been silent for longer may hold as much.
 */
const HELD_MS_MAX = 5_000;

export interface Preflight {
  ok: boolean;
  /** Why not, each in a sentence. */
  reasons: string[];
  edges: { edge: string; oldestMs: number; seenAgeMs: number }[];
}

export async function preflight(options: { hub?: string; json?: boolean }): Promise<number> {
  const hub = options.hub ?? `http://127.0.0.1:${webPortOf(readSettings(process.env))}`;
  const verdict = judge(await fetchJson<Picture>(`${hub}/status`), hub);
  if (options.json) printJson(verdict);
  else process.stdout.write(`${inWords(verdict)}\n`);
  return verdict.ok ? 0 : 1;
}

/** What speaks against a deploy in what the hub at `hub` says; null when it says nothing. */
export function judge(picture: Picture | null, hub: string): Preflight {
  if (!picture?.total) return { ok: false, reasons: [`No hub answers at ${hub}.`], edges: [] };
  const holders = new Set(
    picture.accounts.flatMap(({ lease }) => (lease?.holder && lease.edge ? [lease.edge] : [])),
  );
  // An edge that is silent and holds nothing was taken out of service.
  const edges = picture.edges.filter(
    ({ edge, seenAgeMs }) => holders.has(edge) || seenAgeMs <= HELD_MS_MAX,
  );
  const reasons = edges.flatMap((edge) => reasonOf(edge) ?? []);
  for (const holder of holders) {
    if (edges.every(({ edge }) => edge !== holder)) reasons.push(`${holder} was never heard of.`);
  }
  if (!picture.database.ok)
    reasons.unshift(`The database does not answer (${picture.database.code}).`);
  return {
    ok: reasons.length === 0,
    reasons,
    edges: edges.map((one) => ({
      edge: one.edge,
      oldestMs: oldestMs(one),
      seenAgeMs: one.seenAgeMs,
    })),
  };
}

function reasonOf(edge: EdgePicture): string | null {
  const { seenAgeMs } = edge;
  if (seenAgeMs > HELD_MS_MAX) {
    return `${edge.edge} holds an account and was last heard ${seconds(seenAgeMs)} ago.`;
  }
  const heldMs = oldestMs(edge);
  return heldMs > HELD_MS_MAX ? `${edge.edge} holds records of ${seconds(heldMs)} ago.` : null;
}

function oldestMs({ status }: EdgePicture): number {
  return status.outbox?.oldestMs ?? 0;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function inWords({ ok, reasons, edges }: Preflight): string {
  if (!ok) return `not now: ${reasons.join(" ")}`;
  const oldest = Math.max(0, ...edges.map((edge) => edge.oldestMs));
  return `ready: ${edges.length} edges, the oldest record held for ${seconds(oldest)}`;
}
