// `tickhub proxy`: the CONNECT proxy in front of Kiwoom, on a machine whose address Kiwoom has registered.
import { startProxy } from "../proxy/proxy.ts";
import { systemClock } from "../shared/clock.ts";
import { readSettings } from "../shared/config.ts";
import { TickhubError } from "../shared/errors.ts";
import { createReporter } from "../shared/report.ts";
import { printJson, say } from "./output.ts";
import { untilSignal } from "./signal.ts";
import { VERSION } from "./version.ts";

/** A request under way ends within it; a WebSocket does not end by itself. */
const DRAIN_MS = 10_000;

export async function proxy(options: { listen: string; json?: boolean }): Promise<number> {
  const place = placeOf(options.listen);
  const settings = readSettings(process.env);
  const reporter = createReporter("proxy", settings.TICKHUB_LOG_LEVEL);
  const running = await startProxy({
    ...place,
    allowPublic: settings.TICKHUB_ALLOW_PUBLIC,
    version: VERSION,
    clock: systemClock,
    reporter,
  });
  reporter.emit({ event: "process_started", role: "proxy", version: VERSION });
  printJson({ event: "proxy_listening", url: running.url });
  if (!options.json) say(`tickhub proxy: ${running.url}`);
  const signal = await untilSignal();
  reporter.emit({ event: "process_stopping", role: "proxy", signal });
  await running.stop(DRAIN_MS);
  reporter.emit({ event: "process_stopped", role: "proxy", held: 0 });
  return 0;
}

/** `127.0.0.1:8640`, `[::1]:8640`. */
function placeOf(listen: string): { bind: string; port: number } {
  const parts = /^(?:\[([0-9a-f:.]+)\]|([^\s:]+)):(\d{1,5})$/i.exec(listen);
  const port = Number(parts?.[3]);
  if (!parts || port > 65_535) {
    throw new TickhubError("USAGE", { problem: `--listen takes ADDRESS:PORT, not ${listen}` });
  }
  return { bind: parts[1] ?? parts[2]!, port };
}
