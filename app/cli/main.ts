#!/usr/bin/env node
// The `tickhub` command. Only wires: each command lives in the file of its name and is loaded when called.
import { existsSync } from "node:fs";
import { Argument, Command, CommanderError, Option } from "commander";
import { TickhubError } from "../shared/errors.ts";
import type { DrillOptions } from "./drill.ts";
import type { DrillName } from "./drills.ts";
import type { QuarantineAction, QuarantineOptions } from "./quarantine.ts";
import type { RecordOptions } from "./record.ts";
import type { ReplayOptions } from "./replay.ts";
import type { Broker } from "./stack.ts";
import type { UpOptions } from "./up.ts";
import type { VerifyOptions } from "./verify.ts";
import { exitCodeOf, printError } from "./output.ts";
import { VERSION } from "./version.ts";

const BROKERS: Broker[] = ["kis", "kiwoom"];

interface Json {
  json?: boolean;
}

const program = new Command("tickhub")
  .description("Ticks and 10-level books from KIS and Kiwoom into one database, exactly once.")
  .version(VERSION)
  .exitOverride()
  .configureOutput({
    writeOut: (text) => process.stdout.write(text),
    outputError: () => undefined,
  });

/** Options of a run on one machine: `up` and `record`. */
function market(command: Command): Command {
  return command
    .option("--seconds <n>", "stop by itself after so many seconds of market", positive)
    .option(
      "--tape <file>",
      "play a recording instead of the simulator's own market; again for more of them",
      (file: string, files: string[] | undefined) => [...(files ?? []), file],
    )
    .option("--speed <n|max>", "how fast the recording is played", "1")
    .option("--seed <n>", "seed of the simulator's own market", positive)
    .option("--rate <n>", "market updates a second of the simulator's own market", positive)
    .addOption(
      new Option("--uplink <kind>", "how the edges send")
        .choices(["gateway", "postgres"])
        .default("gateway"),
    );
}

market(
  command("up", "everything on one machine: database, hub, simulated brokers, one edge each"),
).action(async (options: UpOptions) => done(await (await import("./up.ts")).up(options)));
command("hub", "the hub: ingest gateway, page, metrics").action(async (options: Json) =>
  done(await (await import("./hub.ts")).hub(options)),
);
command("edge", "a collector: one broker's feeds, an outbox, an uplink")
  .addOption(new Option("--feed <broker>", "whose feeds").choices(BROKERS).makeOptionMandatory())
  .action(async (options: Json & { feed: Broker }) =>
    done(await (await import("./edge.ts")).edge(options)),
  );
command("token", "a fresh token for an edge, and its hash for the hub")
  .argument("<edge>", "the edge's name, as in its TICKHUB_EDGE_ID")
  .action(async (edge: string, options: Json) =>
    done((await import("./token.ts")).token(edge, options)),
  );
command("status", "the one line anyone can read")
  .option("--hub <url>", "the hub's http:// address")
  .action(async (options: Json & { hub?: string }) =>
    done(await (await import("./status.ts")).status(options)),
  );
command(
  "preflight",
  "may a deploy begin: refuses while an outbox holds old records or the hub is down",
)
  .option("--hub <url>", "the hub's http:// address")
  .action(async (options: Json & { hub?: string }) =>
    done(await (await import("./preflight.ts")).preflight(options)),
  );
command("doctor", "names each broken precondition and its fix").action(async (options: Json) =>
  done(await (await import("./doctor.ts")).doctor(options)),
);
market(
  command("record", "a run on one machine, with every raw frame kept on tapes").requiredOption(
    "--out <prefix>",
    "tapes are written to <prefix>.kis.tape and <prefix>.kiwoom.tape",
  ),
).action(async (options: RecordOptions) =>
  done(await (await import("./record.ts")).record(options)),
);
command("replay", "decode tapes again into an empty database and print its digest")
  .argument("<tape...>")
  .option(
    "--into <url>",
    "a database; default: a new one beside the embedded one, dropped afterwards",
  )
  .option("--append", "allow a database that already holds rows: what it has is not stored again")
  .action(async (tapes: string[], options: ReplayOptions) =>
    done(await (await import("./replay.ts")).replay(tapes, options)),
  );
command(
  "verify",
  "how complete a day is, from the tables alone: names each span that is not proven",
)
  .requiredOption("--date <yyyy-mm-dd>", "the trading day, in the venue's zone")
  .option("--source <account>", "one account only: kis:1")
  .action(async (options: VerifyOptions) =>
    done(await (await import("./verify.ts")).verify(options)),
  );
command("drill", "pull a plug on purpose, with a tickhub of its own, and prove what happened")
  .addArgument(
    new Argument("<name>", "what breaks").choices([
      "outage",
      "crash",
      "double-session",
      "poison",
      "half-open",
    ]),
  )
  .option("--seconds <n>", "how long an outage lasts; default 60", positive)
  .action(async (name: DrillName, options: DrillOptions) =>
    done(await (await import("./drill.ts")).drill(name, options)),
  );
command(
  "quarantine",
  "what could not be read or stored: counts, one row, or read it again after a fix",
)
  .addArgument(new Argument("<action>", "what to do").choices(["list", "show", "replay"]))
  .argument("[row]", "of show: its number")
  .option("--source <account>", "only what this account received")
  .action(async (action: QuarantineAction, row: string | undefined, options: QuarantineOptions) =>
    done(await (await import("./quarantine.ts")).quarantine(action, row, options)),
  );
command("decode", "one broker frame a line in, one JSON line out")
  .argument("<file>", "a file of frames, or - for standard input")
  .addOption(new Option("--broker <broker>", "whose frames").choices(BROKERS).makeOptionMandatory())
  .option("--day <yyyymmdd>", "trading day of frames that carry none; default: today")
  .action(async (file: string, options: { broker: Broker; day?: string }) =>
    done(await (await import("./decode.ts")).decode(file, options)),
  );

if (existsSync(".env")) process.loadEnvFile(".env");
try {
  await program.parseAsync();
} catch (error) {
  const json = process.argv.includes("--json");
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) process.exit(0);
    printError(new TickhubError("USAGE", { problem: error.message.replace(/^error: /, "") }), json);
    process.exit(2);
  }
  printError(error, json);
  process.exit(exitCodeOf(error));
}

function command(name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option("--json", "one JSON object on stdout, logs on stderr");
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) {
    throw new TickhubError("USAGE", { problem: `${text} is not a number above 0` });
  }
  return value;
}

/** Commands return their exit code; whatever they left open does not keep the process alive. */
function done(code: number): void {
  process.exitCode = code;
  process.exit();
}
