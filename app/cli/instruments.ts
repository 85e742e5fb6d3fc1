// `tickhub instruments`: what the exchange's instruments are called. `load` reads files of KRX's data portal into
// the table that the page shows names from and news are tagged by; `list` counts what is there.
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { readSettings } from "../shared/config.ts";
import { codeOf, TickhubError } from "../shared/errors.ts";
import { readInstruments } from "../shared/instruments.ts";
import type { InstrumentFile } from "../shared/instruments.ts";
import { openPool } from "../store/database.ts";
import { countInstruments, saveInstruments } from "../store/instruments.ts";
import { checkSchema } from "../store/migrate.ts";
import { grouped, printJson } from "./output.ts";
import { openServer } from "./server.ts";

export type InstrumentsAction = "load" | "list";

interface Loaded {
  file: string;
  instruments: number;
  refused: number;
  added: number;
  changed: number;
  same: number;
}

/** Throws USAGE, INSTRUMENTS_FILE, DATABASE_*. All files are read before the first row is written. */
export async function instruments(
  action: InstrumentsAction,
  files: readonly string[],
  options: { json?: boolean },
): Promise<number> {
  if ((action === "load") !== files.length > 0) {
    throw new TickhubError("USAGE", { problem: "load wants files, list wants none" });
  }
  const settings = readSettings(process.env);
  const read = files.map((file) => ({ file, ...fileOf(file) }));
  const server = await openServer(settings.TICKHUB_STATE_DIR, settings.TICKHUB_DATABASE_URL);
  const pool = openPool(server.url, { connectionsMax: 1, name: "tickhub-instruments" });
  try {
    await checkSchema(pool);
    const loaded: Loaded[] = [];
    for (const { file, instruments: all, refused } of read) {
      const changes = await saveInstruments(pool, all);
      loaded.push({ file, instruments: all.length, refused, ...changes });
    }
    const kinds = await countInstruments(pool);
    if (options.json) printJson({ loaded, kinds });
    else print(loaded, kinds);
    return loaded.some(({ refused }) => refused > 0) ? 1 : 0;
  } finally {
    await pool.end();
    await server.stop();
  }
}

function fileOf(file: string): InstrumentFile {
  const problem = (reason: string, cause?: unknown) =>
    new TickhubError("INSTRUMENTS_FILE", { file, reason }, { cause });
  let read: InstrumentFile | null;
  try {
    const bytes = readFileSync(file);
    const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b;
    read = readInstruments(JSON.parse((isPacked ? gunzipSync(bytes) : bytes).toString()));
  } catch (error) {
    throw problem(codeOf(error) === "SyntaxError" ? "no JSON" : codeOf(error), error);
  }
  if (!read) throw problem("no list of instruments in OutBlock_1, output or block1");
  if (read.instruments.length === 0) throw problem("no instrument in it");
  return read;
}

function print(
  loaded: readonly Loaded[],
  kinds: readonly { venue: string; kind: string; count: number }[],
): void {
  for (const { file, instruments: all, added, changed, refused } of loaded) {
    const rest = refused > 0 ? `; ${grouped(refused)} rows are no instruments` : "";
    const counts = `${grouped(all)} instruments, ${grouped(added)} new, ${grouped(changed)} changed`;
    process.stdout.write(`${file}: ${counts}${rest}\n`);
  }
  for (const { venue, kind, count } of kinds) {
    process.stdout.write(`${venue} ${kind}: ${grouped(count)}\n`);
  }
  if (kinds.length === 0) process.stdout.write("none; next: tickhub instruments load FILE\n");
}
