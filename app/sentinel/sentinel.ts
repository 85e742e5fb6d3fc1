// The Sentinel as one object: looks at hub and edges from outside, calls people, tells the hub. Composition only.
// Promises: runs whatever is broken around it; a look that takes long delays the next, and is seen in /healthz.
import { Gauge } from "prom-client";
import type { MaintenanceWindow } from "../shared/maintenance.ts";
import type { Clock, Timer } from "../shared/clock.ts";
import { routeThrough } from "../shared/dial/route.ts";
import { codeOf } from "../shared/errors.ts";
import { exchange } from "../shared/http-request.ts";
import type { Reporter } from "../shared/report.ts";
import { SocketBytes } from "../shared/socket-bytes.ts";
import { Channel } from "./channel.ts";
import { parseCommand } from "./command.ts";
import { Duty } from "./duty.ts";
import { HubLine } from "./hub-line.ts";
import type { Observation } from "./observation.ts";
import type { Language } from "./rule.ts";
import { Slack } from "./slack.ts";
import { Telegram } from "./telegram.ts";
import { Watcher } from "./watcher.ts";
import { openWindow } from "./window.ts";

export interface SentinelOptions {
  hubUrl: string;
  edges: ReadonlyMap<string, string>;
  expiries: Observation["expiries"];
  windows: readonly MaintenanceWindow[];
  dailyMinute: number | null;
  language: Language;
  /** Null: the hub is told nothing. */
  token: string | null;
  telegram: { url: string; token: string; chat: string } | null;
  slackUrl: string | null;
  pingUrl: string | null;
  uplinkProxy: string | undefined;
  statusPort: number;
  statusBind: string;
  allowPublic: boolean;
  version: string;
  clock: Clock;
  reporter: Reporter;
  mintId: () => string;
  mintCode: () => string;
}

export interface Sentinel {
  url: string;
  stop(): Promise<void>;
}

/** When all is well, and when something is not. */
const LOOK_MS = { calm: 30_000, unsure: 10_000 };
const HEAR_MS = { calm: 60_000, awaiting: 15_000 };
const PING_MS = 300_000;
const PING_ANSWER_MS = 10_000;
/** A look is over within half a minute, whatever hangs. */
const STUCK_MS = 180_000;
const STOP_MS = 5_000;

/** Throws GATEWAY_PUBLIC, GATEWAY_PORT_TAKEN, CONFIG_INVALID. */
export async function startSentinel(options: SentinelOptions): Promise<Sentinel> {
  const { clock, reporter, hubUrl, token, version } = options;
  const { emit } = reporter;
  const route = routeThrough([options.uplinkProxy], clock);
  const bytes = new SocketBytes();
  const telegram = options.telegram ? new Telegram({ ...options.telegram, clock }) : null;
  const channels = [
    ...(telegram ? [new Channel(telegram, clock, emit)] : []),
    ...(options.slackUrl ? [new Channel(new Slack(options.slackUrl, clock), clock, emit)] : []),
  ];
  const watcher = new Watcher({ ...options, route, emit, bytes });
  const line = new HubLine({ hubUrl, token, version, route, clock, bytes });
  const duty = new Duty({ ...options, channels, line, emit });
  let lookedMs = clock.monoMs();
  const health = () => ({ ok: clock.monoMs() - lookedMs < STUCK_MS });
  const window = await openWindow({
    ...{ port: options.statusPort, bind: options.statusBind, allowPublic: options.allowPublic },
    ...{ token, registry: reporter.registry, health },
    status: () => ({
      version,
      lookAgeMs: clock.monoMs() - lookedMs,
      ...duty.status(),
      tested: duty.tested(),
      watchedBytes: bytes.written(),
    }),
    obey: (command) => duty.obey(command, "command"),
    test: () => duty.test(),
  });
  watchBook(reporter, duty);
  emit({ event: "sentinel_listening", url: window.url });
  if (channels.length === 0) {
    const reason = "no messenger is set: alerts reach the hub's page only";
    emit({ event: "message_failed", channel: "none", code: "CHANNEL_MISSING", reason, waiting: 0 });
  }
  const loops = [
    loop(
      clock,
      () => (duty.isUnsure() ? LOOK_MS.unsure : LOOK_MS.calm),
      async () => {
        await duty.turn(await watcher.look());
        lookedMs = clock.monoMs();
      },
    ),
    ...(telegram
      ? [
          loop(
            clock,
            () => (duty.isAwaiting() ? HEAR_MS.awaiting : HEAR_MS.calm),
            () => hear(telegram, duty),
          ),
        ]
      : []),
    ...(options.pingUrl
      ? [
          loop(
            clock,
            () => PING_MS,
            () => ping(options.pingUrl!, duty, options),
          ),
        ]
      : []),
  ];
  return {
    url: window.url,
    async stop() {
      for (const one of loops) one.cancel();
      await Promise.all(channels.map((channel) => channel.stop(STOP_MS)));
      await window.close();
    },
  };
}

/** Runs `work` now and again, each time so long after it ended. `work` does not throw. */
function loop(clock: Clock, delayMs: () => number, work: () => Promise<void>): Timer {
  let isOver = false;
  let timer: Timer | null = null;
  const run = () => {
    void work().then(() => {
      if (!isOver) timer = clock.after(delayMs(), run);
    });
  };
  run();
  return {
    cancel() {
      isOver = true;
      timer?.cancel();
    },
  };
}

/** Commands of the chat, answered there and on every other channel, so that all know. */
async function hear(telegram: Telegram, duty: Duty): Promise<void> {
  for (const text of await telegram.commands()) {
    const command = parseCommand(text);
    if (!command) continue;
    duty.say((await duty.obey(command, "telegram")) ?? `? ${text.slice(0, 40)}`);
  }
}

/** Tells a dead man's switch that this process lives and has a way to call somebody. */
async function ping(url: string, duty: Duty, { clock, reporter }: SentinelOptions): Promise<void> {
  const { channels } = duty.status();
  if (channels.length > 0 && channels.every(({ failing }) => failing !== null)) return;
  try {
    await exchange({ url, clock, timeoutMs: PING_ANSWER_MS, replyBytesMax: 64 * 1024 });
  } catch (error) {
    reporter.emit({ event: "watch_failed", target: "ping", reason: codeOf(error) });
  }
}

function watchBook({ registry }: Reporter, duty: Duty): void {
  new Gauge({
    name: "tickhub_alerts_standing",
    help: "Alerts that stand, by severity",
    labelNames: ["severity"],
    registers: [registry],
    collect() {
      const { standing } = duty.status();
      for (const severity of ["warning", "critical"] as const) {
        this.set({ severity }, standing.filter((one) => one.severity === severity).length);
      }
    },
  });
  new Gauge({
    name: "tickhub_messages_waiting",
    help: "Messages that a messenger has not taken yet",
    labelNames: ["channel"],
    registers: [registry],
    collect() {
      for (const { name, waiting } of duty.status().channels) this.set({ channel: name }, waiting);
    },
  });
}
