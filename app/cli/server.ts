// Which PostgreSQL a command works with: the one it is told of, else the embedded one of its state directory.
import { join } from "node:path";
import { systemClock } from "../shared/clock.ts";
import { startEmbedded } from "../store/embedded.ts";

export interface Server {
  /** With the password. */
  url: string;
  /** Leaves alone what the command did not start. */
  stop(): Promise<void>;
}

export async function openServer(stateDir: string, databaseUrl?: string): Promise<Server> {
  if (databaseUrl) return { url: databaseUrl, stop: () => Promise.resolve() };
  return await startEmbedded({ directory: join(stateDir, "postgres"), clock: systemClock });
}
