#!/usr/bin/env node
// The `tickhub` command. Only wires: each command lives in the file of its name and is loaded when called.
import { existsSync } from "node:fs";
import { Argument, Command, CommanderError, Option } from "commander";
import { TickhubError } from "../shared/errors.ts";
import { LOG_LEVELS } from "../shared/web-api.ts";
import type { AuditOptions } from "./audit.ts";
import type { BackupOptions } from "./backup.ts";
import type { DrillOptions } from "./drill.ts";
import type { DrillName } from "./drills.ts";
import type { InstrumentsAction } from "./instruments.ts";
import type { LatencyCommand } from "./latency.ts";
import type { LogsOptions } from "./logs.ts";
import type { PhaseAction, PhaseOptions } from "./phase.ts";
import type { ParityCommand } from "./parity.ts";
import type { ProbeOptions } from "./probe.ts";
import type { QuarantineAction, QuarantineOptions } from "./quarantine.ts";
import type { RecordOptions } from "./record.ts";
import type { ReleaseAction, ReleaseOptions } from "./release.ts";
import type { ReplayOptions } from "./replay.ts";
import type { Broker } from "./stack.ts";
import type { SentinelAction, SentinelCommand } from "./sentinel.ts";
import type { TransferCommand } from "./transfer.ts";
import type { StressOptions } from "./stress.ts";
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
command("edge", "a collector: one broker's feeds, or those of news, an outbox, an uplink")
  .addOption(
    new Option("--feed <kind>", "whose feeds").choices([...BROKERS, "news"]).makeOptionMandatory(),
  )
  .action(async (options: Json & { feed: Broker | "news" }) =>
    done(await (await import("./edge.ts")).edge(options)),
  );
command("proxy", "the CONNECT proxy in front of Kiwoom, on a machine whose address is registered")
  .requiredOption("--listen <address:port>", "where: loopback or the tailnet's address")
  .action(async (options: Json & { listen: string }) =>
    done(await (await import("./proxy.ts")).proxy(options)),
  );
command("sentinel", "the watchdog, apart from hub and edges: alerts by Telegram and Slack")
  .addArgument(
    new Argument("[action]", "what to do")
      .choices(["run", "check", "test", "ack", "quiet", "status"])
      .default("run"),
  )
  .argument("[words...]", "of ack: the code; of quiet: minutes and why, or off")
  .option("--pace <n>", "of run: everything so many times faster, for drills", positive, 1)
  .action(async (action: SentinelAction, words: string[], options: SentinelCommand) =>
    done(await (await import("./sentinel.ts")).sentinel(action, words, options)),
  );
command(
  "probe",
  "one symbol for a minute, from here: is this place, address and key good for an edge?",
)
  .addArgument(new Argument("<broker>", "whose").choices(BROKERS))
  .option("--account <account>", "which of the keys: kis:2; default: the first")
  .option("--symbol <symbol>", "005930, NXT:005930, NAS:AAPL", "005930")
  .option("--seconds <n>", "how long the session is watched", positive, 60)
  .option("--no-hub", "do not ask the hub for the account: you know that no edge uses it")
  .option("--out <file>", "keep what was seen, as JSON")
  .action(async (broker: Broker, options: ProbeOptions) =>
    done(await (await import("./probe.ts")).probe(broker, options)),
  );
command("token", "a fresh token for an edge, and its hash for the hub")
  .argument("<edge>", "the edge's name, as in its TICKHUB_EDGE_ID")
  .action(async (edge: string, options: Json) =>
    done((await import("./token.ts")).token(edge, options)),
  );
command("status", "the one line anyone can read")
  .option("--hub <url>", "the hub's http:// address")
  .option("--meters", "what of the free tiers is used, and will be by the month's end")
  .action(async (options: Json & { hub?: string; meters?: boolean }) =>
    done(await (await import("./status.ts")).status(options)),
  );
command("logs", "the central log: lines of the hub and of every edge")
  .option("-f, --follow", "go on with what comes, until Ctrl-C")
  .option("--edge <name>", "whose lines; hub: the hub's own")
  .addOption(new Option("--level <level>", "the least one").choices(LOG_LEVELS))
  .option("--since <time>", "10m, 2h, 3d, or a time: 2026-11-27T09:00, in Korea unless it says")
  .option("--event <name>", "of one event: feed_closed")
  .option("--grep <text>", "lines with this text in the event's name or its fields")
  .option("--limit <n>", "the newest so many; default 200", positive)
  .option("--hub <url>", "the hub's http:// address")
  .option("--database", "read TICKHUB_DATABASE_URL instead of asking the hub")
  .action(async (options: LogsOptions) => done(await (await import("./logs.ts")).logs(options)));
command(
  "preflight",
  "may a deploy begin: refuses while an outbox holds old records or the hub is down",
)
  .option("--hub <url>", "the hub's http:// address")
  .action(async (options: Json & { hub?: string }) =>
    done(await (await import("./preflight.ts")).preflight(options)),
  );
command("release", "a roll-out on the hub's machine: wait for it, prove it, may it begin")
  .addArgument(new Argument("<action>", "what to do").choices(["wait", "check", "window"]))
  .option("--hub <url>", "of wait: the hub's http:// address")
  .option("--report <place>", "of wait: the agent's report, a file or URL, instead of the hub")
  .option("--digest <digest>", "of wait: of the release's file; default: the next one found")
  .option("--timeout <seconds>", "of wait and check: how long at most", positive)
  .action(async (action: ReleaseAction, options: ReleaseOptions) =>
    done(await (await import("./release.ts")).release(action, options)),
  );
command("doctor", "names each broken precondition and its fix").action(async (options: Json) =>
  done(await (await import("./doctor.ts")).doctor(options)),
);
command("latency", "how good is the path to a hub, from here: percentiles, clocks, a verdict")
  .option(
    "--to <url>",
    "postgres://… the hub's database, ws://… its gateway; once each; default: as set",
    (url: string, urls: string[] | undefined) => [...(urls ?? []), url],
  )
  .option("--from <name>", "whose measurement it is; default: TICKHUB_EDGE_ID, else home")
  .option("--samples <n>", "of each probe; default 1000", positive)
  .option("--seconds <n>", "of each probe at most; default 30", positive)
  .option("--label <text>", "kept with the rows, for --compare")
  .option("--tune", "what a client's settings are worth here, with and without in alternation")
  .option("--compare <labels...>", "what changed between two labels; measures nothing")
  .option("--no-pool", "leave out what 1 to 16 connections bring")
  .option("--no-store", "leave no rows and no evidence")
  .option("--report <file>", "an HTML page with histogram and percentile curve")
  .action(async (options: LatencyCommand) =>
    done(await (await import("./latency.ts")).latency(options)),
  );
command(
  "audit",
  "do the accounts run this for nothing: limits, usage, the month's bill, tailnet; changes nothing",
)
  .addOption(
    new Option("--section <name>", "one of them alone").choices([
      "oci",
      "gcp",
      "northflank",
      "tailscale",
    ]),
  )
  .option("--policy <file>", "the policy the tailnet should have; default: the committed one")
  .action(async (options: AuditOptions) => done(await (await import("./audit.ts")).audit(options)));
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
command("parity", "how far two brokers agree on a day, print by print, and where they do not")
  .option("--date <yyyy-mm-dd>", "the trading day, in the venue's zone")
  .option("--left <side>", "a broker, which means all its accounts, or an account", "kis")
  .option("--right <side>", "the other one", "kiwoom")
  .option("--differences", "list each difference, with its time in Seoul")
  .option("--report <file>", "an HTML report with plots")
  .option("--frames <files...>", "instead: two recordings of one feed, as multisets of frames")
  .action(async (options: ParityCommand) =>
    done(await (await import("./parity.ts")).parity(options)),
  );
command("backup", "is the backup any good: bring a copy up and compare it with what is in use")
  .addArgument(new Argument("<action>", "what to do").choices(["verify"]))
  .option("--copy <url>", "a restored copy that runs already")
  .option(
    "--copy-host <host>",
    "such a copy on another host, with the login of the database in use",
  )
  .option("--restored <dir>", "a copy of the embedded database's folder; it is changed")
  .option("--wal <dir>", "the archived WAL that belongs to it")
  .option(
    "--margin <seconds>",
    "leave out rows this much newer than the copy's end; default 120",
    zeroOrMore,
  )
  .option(
    "--behind <seconds>",
    "the copy may end this long before the newest commit; default 900",
    zeroOrMore,
  )
  .action(async (_action: string, options: BackupOptions) =>
    done(await (await import("./backup.ts")).backupVerify(options)),
  );
command("phase", "the migration from home to the cloud: where it stands, what is next, go, go back")
  .addArgument(
    new Argument("<action>", "what to do").choices([
      "show",
      "plan",
      "advance",
      "rollback",
      "adopt",
    ]),
  )
  .option("--from <url>", "the home database, or its state folder: between home and local only")
  .addOption(
    new Option("--to <phase>", "of advance and rollback: do nothing more once it is there").choices(
      [...["home", "local", "dual", "cloud"]],
    ),
  )
  .option("--back", "of plan: of a rollback")
  .option("--force <reason>", "skip the gate, never the one socket an account; kept in the history")
  .option("--wait <seconds>", "how long one step may wait for others", positive, 300)
  .action(async (action: PhaseAction, options: PhaseOptions) =>
    done(await (await import("./phase.ts")).phase(action, options)),
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
command("stress", "the market's open at N times its rate through the whole path, with a verdict")
  .requiredOption("--profile <name|file>", "krx-open, us-open, a profile of your own, or a tape")
  .option("--to <url>", "ws://HOST:PORT: into the gateway of a staging hub that runs there")
  .option("--speed <n>", "so many times its rate; of --find-limit: where to begin", positive, 1)
  .option("--find-limit", "search the highest speed that passes, in short runs")
  .option("--seconds <n>", "end the market after so long", positive)
  .option(
    "--limit <name=value>",
    "another limit for a threshold of docs/stress.md; again for more of them",
    (text: string, texts: string[] | undefined) => [...(texts ?? []), text],
  )
  .option("--report <file>", "write an HTML report with plots")
  .option(
    "--force <reason>",
    "also where somebody collects, never where real brokers are; kept with the evidence",
  )
  .action(async (options: StressOptions) =>
    done(await (await import("./stress.ts")).stress(options)),
  );
command("instruments", "what instruments are called, from files of KRX's data portal")
  .addArgument(new Argument("<action>", "what to do").choices(["load", "list"]))
  .argument("[files...]", "of load: JSON files, packed or not")
  .action(async (action: InstrumentsAction, files: string[], options: Json) =>
    done(await (await import("./instruments.ts")).instruments(action, files, options)),
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
command(
  "transfer",
  "tables from another database, in chunks, compared on both sides; goes on when killed",
)
  .requiredOption("--from <url>", "the source, postgres://…; env:NAME reads it from a variable")
  .option("--to <url>", "the target, a tickhub database; default: the one in use")
  .requiredOption(
    "--table <name>",
    "what: trade, legacy.ticks, or ticks:trade where the target's has another name; again for more",
    (name: string, names: string[] | undefined) => [...(names ?? []), name],
  )
  .option(
    "--map <file>",
    "how rows of an older layout become rows of the target (docs/transfer.md)",
  )
  .option("--by <column>", "the target's column to cut chunks by; default: its time")
  .option("--chunk-rows <n>", "rows of a chunk", positive, 250_000)
  .option("--parallel <n>", "chunks at once", positive, 2)
  .option("--max-rate <bytes>", "at most so many bytes a second: 500k, 8M", byteCount)
  .option("--polite", "wait while edges of the target's hub hold records for longer than 5 s")
  .option(
    "--create",
    "make a target table that is missing, with the source's columns and primary key",
  )
  .option(
    "--dry-run",
    "copy one chunk for trial, and say how long all would take and how large it gets",
  )
  .option("--verify-only", "compare both sides, copy nothing")
  .option(
    "--until-caught-up",
    "look again until nothing new is found (what it does without --follow)",
  )
  .option("--follow", "go on looking for new rows until Ctrl-C")
  .option("--behind <seconds>", "near enough to a source that is written to", zeroOrMore, 5)
  .option("--repair", "where rows differ, make the target's as the source's")
  .option("--max-differences <n>", "rows shown of those that differ", zeroOrMore, 20)
  .option(
    "--direct-compress",
    "let TimescaleDB compress on the way in, where no unique index forbids it",
  )
  .action(async (options: TransferCommand) =>
    done(await (await import("./transfer.ts")).transferTables(options)),
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

function zeroOrMore(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < 0) {
    throw new TickhubError("USAGE", { problem: `${text} is not a number of 0 or more` });
  }
  return value;
}

/** `500k`, `8M`, `1G`: powers of 1024. */
function byteCount(text: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)([kMG]?)B?$/.exec(text) ?? [];
  const bytes = Number(digits) * 1024 ** ["", "k", "M", "G"].indexOf(unit ?? "");
  if (Number.isNaN(bytes) || bytes <= 0) {
    throw new TickhubError("USAGE", { problem: `${text} is not a number of bytes such as 8M` });
  }
  return bytes;
}

/**
 * Commands return their exit code; whatever they left open does not keep the process alive. What they have
 * said is handed over first: a pipe takes no more than 64 KiB at once, and the rest would be cut off.
 */
function done(code: number): void {
  process.exitCode = code;
  // Whoever was to read has gone.
  process.stdout.once("error", () => process.exit());
  process.stdout.write("", () => process.exit());
}
