// `tickhub status`: the line anyone can read, how complete the market's day is, and below it what became of
// every record. Exits with 0 when all is well, with 1 when something needs a look.
import type { Picture } from "../hub/query/picture.ts";
import { ALL_WELL, inWords, TROUBLE_WORDS, troublesOf } from "../hub/query/verdict.ts";
import { readSettings, webPortOf } from "../shared/config.ts";
import { TickhubError } from "../shared/errors.ts";
import { fetchJson } from "./http.ts";
import { metersTable } from "./meters-table.ts";
import { grouped, printJson } from "./output.ts";

export async function status(options: {
  hub?: string;
  json?: boolean;
  meters?: boolean;
}): Promise<number> {
  const settings = readSettings(process.env);
  const hub = options.hub ?? `http://127.0.0.1:${webPortOf(settings)}`;
  const picture = await fetchJson<Picture>(`${hub}/status`);
  if (!picture?.total) throw new TickhubError("UPLINK_UNREACHABLE", { hub });
  const troubles = troublesOf(picture).map((trouble) => inWords(trouble, TROUBLE_WORDS));
  if (options.json) printJson({ ok: troubles.length === 0, troubles, ...picture });
  else if (options.meters) process.stdout.write(metersTable(metersOf(picture)));
  else process.stdout.write(`${picture.coverage.sentence}\n${oneLine(picture, troubles)}\n`);
  return troubles.length === 0 ? 0 : 1;
}

/** A hub of the release before has none. */
function metersOf({ meters = [] }: Partial<Pick<Picture, "meters">>): Picture["meters"] {
  return meters;
}

function oneLine(picture: Picture, troubles: readonly string[]): string {
  const { committed, duplicate, held, quarantined, lost, received } = picture.total;
  const sum = `${grouped(received)} received = ${grouped(committed)} committed + ${grouped(duplicate)} duplicate + ${grouped(held)} held + ${grouped(quarantined)} quarantined + ${grouped(lost)} lost`;
  const { p99Ms } = picture.latency;
  const delay = p99Ms === null ? "" : ` · p99 ${p99Ms.toFixed(0)} ms to commit`;
  const verdict = troubles.length === 0 ? ALL_WELL : troubles.join("; ");
  const phase = picture.phase ? `phase ${picture.phase.name ?? "none"} · ` : "";
  return `${verdict} · ${phase}${picture.edges.length} edges · ${sum}${delay}`;
}
