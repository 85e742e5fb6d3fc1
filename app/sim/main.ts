// The simulated brokers as a process: says on stdout where it listens, and ends on SIGTERM.
import { codeOf, TickhubError } from "../shared/errors.ts";
import { readArguments } from "./options.ts";
import { startSim } from "./sim.ts";

try {
  const sim = await startSim(readArguments(process.argv.slice(2)));
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => void sim.close().then(() => process.exit(0)));
  }
  const { urls, watchlist, marketClock } = sim;
  const said = { event: "sim_listening", ...urls, symbols: watchlist, marketClock };
  process.stdout.write(`${JSON.stringify(said)}\n`);
} catch (error) {
  const hint = error instanceof TickhubError ? error.hint : undefined;
  const reason = error instanceof Error ? error.message : String(error);
  const context = error instanceof TickhubError ? error.context : {};
  process.stdout.write(
    `${JSON.stringify({ ok: false, code: codeOf(error), context, reason, hint })}\n`,
  );
  process.exit(2);
}
