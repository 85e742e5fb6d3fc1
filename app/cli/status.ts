// `tickhub status`: the line anyone can read, how complete the market's day is, and below it what became of
// every record. Exits with 0 when all is well, with 1 when something needs a look.
import type { Picture } from "../hub/query/picture.ts";
import { readSettings } from "../shared/config.ts";
import { TickhubError } from "../shared/errors.ts";
import { fetchJson } from "./http.ts";
import { grouped, printJson } from "./output.ts";

export async function status(options: { hub?: string; json?: boolean }): Promise<number> {
  const settings = readSettings(process.env);
  const hub = options.hub ?? `http://127.0.0.1:${settings.TICKHUB_PORT}`;
  const picture = await fetchJson<Picture>(`${hub}/status`);
  if (!picture?.total) throw new TickhubError("UPLINK_UNREACHABLE", { hub });
  const troubles = troublesOf(picture);
  if (options.json) printJson({ ok: troubles.length === 0, troubles, ...picture });
  else process.stdout.write(`${picture.coverage.sentence}\n${oneLine(picture, troubles)}\n`);
  return troubles.length === 0 ? 0 : 1;
}

/** What a person should look at, each in a few words. */
function troublesOf(picture: Picture): string[] {
  const troubles: string[] = [];
  if (!picture.database.ok) troubles.push(`database ${picture.database.code}`);
  if (!picture.total.isBalanced) troubles.push("the books do not balance");
  for (const { account, check, detail } of picture.unbalanced) {
    troubles.push(`${account}: the books are wrong (${check}, ${detail})`);
  }
  const gone = picture.coverage.incidents.filter(
    ({ trades }) => trades === "lost" || trades === "partial",
  );
  if (gone.length > 0) troubles.push(`${gone.length} gaps in trades that nobody can refill`);
  if (picture.total.lost > 0) troubles.push(`${grouped(picture.total.lost)} records declared lost`);
  for (const { account, lease, edge } of picture.accounts) {
    if (!lease?.holder) troubles.push(`${account}: nobody collects`);
    if (edge && !edge.isBalanced) troubles.push(`${account}: the edge's books do not balance`);
  }
  for (const { edge, status: said } of picture.edges) {
    for (const [account, { feed, code }] of Object.entries(said.accounts ?? {})) {
      if (feed !== "live") troubles.push(`${edge}: ${account} ${feed}${code ? ` (${code})` : ""}`);
    }
  }
  return troubles;
}

function oneLine(picture: Picture, troubles: readonly string[]): string {
  const { committed, duplicate, held, quarantined, lost, received } = picture.total;
  const sum = `${grouped(received)} received = ${grouped(committed)} committed + ${grouped(duplicate)} duplicate + ${grouped(held)} held + ${grouped(quarantined)} quarantined + ${grouped(lost)} lost`;
  const { p99Ms } = picture.latency;
  const delay = p99Ms === null ? "" : ` · p99 ${p99Ms.toFixed(0)} ms to commit`;
  const verdict = troubles.length === 0 ? "all well" : troubles.join("; ");
  return `${verdict} · ${picture.edges.length} edges · ${sum}${delay}`;
}
