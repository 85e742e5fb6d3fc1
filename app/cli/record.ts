// `tickhub record`: a run like `tickhub up`, in a database of its own, with every raw frame the edges
// received kept on tapes. Ends with the digest that `tickhub replay` of those tapes has to give again.
import { randomBytes } from "node:crypto";
import { readSettings } from "../shared/config.ts";
import { digestDatabase } from "../store/digest.ts";
import { openPool } from "../store/database.ts";
import { createDatabase } from "../store/scratch.ts";
import { finish, run, simArgs } from "./up.ts";
import type { UpOptions } from "./up.ts";
import { BROKERS } from "./stack.ts";
import { openServer } from "./server.ts";

export interface RecordOptions extends UpOptions {
  out: string;
}

export async function record(options: RecordOptions): Promise<number> {
  const settings = readSettings(process.env);
  const server = await openServer(settings.TICKHUB_STATE_DIR);
  try {
    const database = `record_${randomBytes(6).toString("hex")}`;
    const databaseUrl = await createDatabase(server.url, database);
    const { report, ok } = await run(options, {
      stateDir: settings.TICKHUB_STATE_DIR,
      databaseUrl,
      port: settings.TICKHUB_PORT,
      logLevel: settings.TICKHUB_LOG_LEVEL,
      uplink: options.uplink,
      simArgs: simArgs(options),
      tapePrefix: options.out,
    });
    const pool = openPool(databaseUrl, { connectionsMax: 1, name: "tickhub-record" });
    const digest = await digestDatabase(pool).finally(() => pool.end());
    const tapes = BROKERS.map((broker) => `${options.out}.${broker}.tape`);
    finish({ ...report, digest, database, tapes }, ok, options.json ?? false);
    return ok ? 0 : 1;
  } finally {
    await server.stop();
  }
}
