// Settings from the environment, checked once at start-up. One table says every name, its form, its
// default and what it is for; docs/configuration.md is compared with it by a test. An unknown
// TICKHUB_* name is refused with the nearest known one, because a misspelt setting is a silent default.
import { z } from "zod";
import { BROKER_KINDS } from "./brokers.ts";
import { TickhubError } from "./errors.ts";
import { LATENCY_ACCEPT_DEFAULT, parseThresholds } from "./latency-run.ts";
import type { LogSettings } from "./log-lines.ts";
import { METERS } from "./meters.ts";
import { parseWindow } from "./maintenance.ts";
import { hashOfToken, isTokenOrHash } from "./token.ts";

const port = z.coerce.number().int().min(0).max(65_535);
const flag = z.enum(["0", "1"]).transform((text) => text === "1");
const list = z.string().transform((text) =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean),
);
const url = (...schemes: string[]) =>
  z
    .string()
    .refine((text) => URL.canParse(text) && schemes.includes(new URL(text).protocol.slice(0, -1)), {
      error: `a URL that starts with ${schemes.map((scheme) => `${scheme}://`).join(" or ")}`,
    });
/** `name=value,name=value`. */
const pairs = list.transform((parts, context) => {
  const entries = parts.map((part) => /^([^=]+)=(.+)$/s.exec(part));
  if (entries.includes(null)) {
    context.addIssue({ code: "custom", message: "name=value pairs, separated by commas" });
  }
  return new Map(entries.map((entry) => [entry?.[1] ?? "", entry?.[2] ?? ""]));
});
/** Plain tokens end here: from now on there are hashes only. */
const tokens = pairs
  .refine((edges) => [...edges.values()].every(isTokenOrHash), {
    error: "edge=token or edge=sha256: and 64 hexadecimal digits",
  })
  .transform((edges) => new Map([...edges].map(([edge, text]) => [edge, hashOfToken(text)])));
const amounts = pairs
  .refine((all) => [...all.values()].every((text) => Number(text) >= 0), {
    error: "name=amount pairs, separated by commas, each amount a number",
  })
  .transform((all) => new Map([...all].map(([name, text]) => [name, Number(text)])));
const meterLimits = amounts.refine(
  (all) => [...all.keys()].every((name) => (name.split("@")[0] ?? "") in METERS && /@./.test(name)),
  { error: `meter@subject=amount, the meter one of ${Object.keys(METERS).join(", ")}` },
);
const tags = pairs
  .transform((edges) => new Map([...edges].map(([edge, text]) => [edge, text.split("|")])))
  .refine((edges) => [...edges.values()].flat().every((tag) => /^tag:[a-z0-9-]+$/i.test(tag)), {
    error: "edge=tag:name pairs, separated by commas; several tags of one edge with | between",
  });

const thresholds = z.string().transform((text, context) => {
  const parsed = parseThresholds(text);
  if (parsed) return parsed;
  const message = "probe.percentile=ms pairs, separated by commas: ack.p99=250,commit.max=1000";
  context.addIssue({ code: "custom", message });
  return z.NEVER;
});

/** A calendar day; in Korea it begins at 15:00 UTC of the day before, and nobody minds here. */
const dates = pairs
  .refine(
    (all) =>
      [...all.values()].every(
        (text) => /^\d{4}-\d\d-\d\d$/.test(text) && Number.isFinite(Date.parse(text)),
      ),
    {
      error: "name=YYYY-MM-DD pairs, separated by commas",
    },
  )
  .transform((all) => new Map([...all].map(([name, text]) => [name, Date.parse(text)])));
const places = pairs.refine(
  (all) => [...all.values()].every((text) => /^https?:$/.test(URL.parse(text)?.protocol ?? "")),
  { error: "name=http://host:port pairs, separated by commas" },
);
const windows = list.transform((parts, context) => {
  const parsed = parts.map(parseWindow);
  if (!parsed.includes(null)) return parsed.filter((one) => one !== null);
  const message = "day HH:MM-HH:MM, the day one of mon … sun or daily, separated by commas";
  context.addIssue({ code: "custom", message });
  return z.NEVER;
});
const timeOfDay = z.union([
  z.literal("off").transform(() => null),
  z
    .string()
    .regex(/^([01]\d|2[0-3]):[0-5]\d$/, { error: "HH:MM, or off" })
    .transform((text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3))),
]);

/** What an edge may be called. */
export const EDGE_NAME = /^[a-z0-9-]{1,40}$/;

interface Setting {
  schema: z.ZodType;
  help: string;
  secret?: true;
}

/** Every setting. Order is the order of docs/configuration.md. */
export const SETTINGS = {
  TICKHUB_STATE_DIR: {
    schema: z.string().min(1).default(".tickhub"),
    help: "Where the embedded database and local state live.",
  },
  TICKHUB_DATABASE_URL: {
    schema: url("postgres", "postgresql").optional(),
    help: "PostgreSQL of the hub; without it an embedded one is started.",
    secret: true,
  },
  TICKHUB_LOG_LEVEL: {
    schema: z.enum(["debug", "info", "warn", "error", "silent"]).default("info"),
    help: "Lowest level of the log lines on stderr.",
  },
  TICKHUB_LOG_SHIP_LEVEL: {
    schema: z.enum(["debug", "info", "warn", "error", "off"]).default("info"),
    help: "Lowest level of what goes into the central log of the hub; off: nothing.",
  },
  TICKHUB_LOG_SHIP_MB: {
    schema: z.coerce.number().min(0).max(10_000).default(4),
    help: "MB of log lines this process may put into the central log a day, before compression.",
  },
  TICKHUB_MARKET_CLOCK: {
    schema: z.string().default("wall"),
    help: "Market time of a tape or simulation: wall, fixed:ISO or from:ISO@epochMs*speed.",
  },
  TICKHUB_BROKERS: {
    schema: z.enum(BROKER_KINDS).default("real"),
    help: "simulated: a staging hub or edge, which has to do with its like only.",
  },
  // Hub
  TICKHUB_PORT: { schema: port.default(8610), help: "Port of the hub: gateway, page, /metrics." },
  TICKHUB_WEB_PORT: {
    schema: port.default(0),
    help: "Port of its own for page, /status and /metrics; 0: all on TICKHUB_PORT.",
  },
  TICKHUB_BIND: {
    schema: z.string().default("127.0.0.1"),
    help: "Address the hub listens on: loopback or the tailnet's.",
  },
  TICKHUB_ALLOW_PUBLIC: {
    schema: flag.default(false),
    help: "1 lets the hub, and an edge's status port, bind to a public address.",
  },
  TICKHUB_EDGE_TOKENS: {
    schema: tokens.optional(),
    help: "Edges the hub accepts: edge=token or edge=sha256:HEX, separated by commas.",
    secret: true,
  },
  TICKHUB_ADMIN_TOKEN: {
    schema: z
      .string()
      .min(16, { error: "16 letters and more, or sha256: and 64 hexadecimal digits" })
      .refine(isTokenOrHash, { error: "a token, or sha256: and 64 hexadecimal digits" })
      .transform(hashOfToken)
      .optional(),
    help: "Lets whoever shows this token act from the page: a token or its sha256:HEX; none: it only shows.",
    secret: true,
  },
  TICKHUB_EDGE_TAGS: {
    schema: tags.optional(),
    help: "Tailnet tags an edge's machine has to have: edge=tag:name,edge=tag:name|tag:other.",
  },
  TICKHUB_SYMBOLS: {
    schema: list.default([]),
    help: "Symbols to collect: 005930,000660,NXT:005930,NAS:AAPL.",
  },
  TICKHUB_ACCOUNTS: {
    schema: list.default(["kis:1", "kiwoom:1"]),
    help: "Broker accounts the hub plans for: kis:1,kis:2,kiwoom:1.",
  },
  TICKHUB_QUIET_MS: {
    schema: z.coerce.number().int().min(0).default(20_000),
    help: "Pause between one holder of an account and the next, so that the broker frees the slot.",
  },
  TICKHUB_KILL_GRACE_MS: {
    schema: z.coerce.number().int().min(0).default(110_000),
    help: "How long a silent link must be dead before the same edge's next process may take the account.",
  },
  TICKHUB_PLACEMENT: {
    schema: pairs.optional(),
    help: "Edges that may hold an account: kis:1=home|cloud; several take over from each other.",
  },
  TICKHUB_SITES: {
    schema: pairs.optional(),
    help: "Which edges stand at home and which in the cloud: kis@home=home-kis,kis@cloud=kis; then phases place accounts.",
  },
  TICKHUB_LEASE_TTL_MS: {
    schema: z.coerce.number().int().min(2_000).default(60_000),
    help: "How long an edge of several may go on collecting without an answer of the hub.",
  },
  TICKHUB_RETAIN_DAYS: {
    schema: z.coerce
      .number()
      .int()
      .refine((days) => days === 0 || days >= 30, { error: "0, or 30 and more" })
      .default(0),
    help: "Days of raw trades and books to keep; 0 keeps all.",
  },
  TICKHUB_LOG_RETAIN_DAYS: {
    schema: z.coerce.number().int().min(1).max(3_650).default(14),
    help: "Days the central log keeps its lines.",
  },
  TICKHUB_LOG_MAX_MB: {
    schema: z.coerce.number().int().min(1).default(1_024),
    help: "Size of the central log beyond which its oldest lines go.",
  },
  TICKHUB_BACKUP_STATUS: {
    schema: z.string().min(1).optional(),
    help: "File in which the machine's WAL upload says how it stands.",
  },
  TICKHUB_METER_LIMITS: {
    schema: meterLimits.optional(),
    help: "What meters are compared with: egress@kis=20,storage@hub=100, in GB or requests a month.",
  },
  TICKHUB_EGRESS_BUDGET: {
    schema: amounts.optional(),
    help: "GB an edge may send a month, edge=GB; over it, it does without logs and books, never trades.",
  },
  // Edge
  TICKHUB_EDGE_ID: {
    schema: z.string().regex(EDGE_NAME).optional(),
    help: "Name of this edge, as in the hub's TICKHUB_EDGE_TOKENS.",
  },
  TICKHUB_EDGE_TOKEN: {
    schema: z.string().min(8).optional(),
    help: "Token of this edge.",
    secret: true,
  },
  TICKHUB_HUB_URL: {
    schema: url("ws", "wss", "postgres", "postgresql").optional(),
    help: "Where the edge sends: ws:// the hub's gateway, postgres:// its database.",
    secret: true,
  },
  TICKHUB_UPLINK_PROXY: {
    schema: url("socks5", "http").optional(),
    help: "Proxy through which the hub is reached, and resolved: socks5://HOST:PORT or http://HOST:PORT.",
    secret: true,
  },
  TICKHUB_BROKER_PROXY: {
    schema: url("http", "socks5").optional(),
    help: "Proxy through which the broker is reached; itself reached by TICKHUB_UPLINK_PROXY.",
    secret: true,
  },
  TICKHUB_OUTBOX_MB: {
    schema: z.coerce.number().int().min(1).max(4096).default(96),
    help: "Bound of the edge's in-memory outbox.",
  },
  TICKHUB_DRAIN_SECONDS: {
    schema: z.coerce.number().int().min(1).max(3600).default(20),
    help: "How long an edge that is told to end may go on sending what it holds.",
  },
  TICKHUB_STATUS_PORT: {
    schema: port.default(0),
    help: "Port of the edge's /healthz, /status and /metrics; 0 picks one.",
  },
  TICKHUB_STATUS_BIND: {
    schema: z.string().default("127.0.0.1"),
    help: "Address of the edge's status port: loopback or the tailnet's.",
  },
  TICKHUB_TAPE: {
    schema: z.string().min(1).optional(),
    help: "File that keeps every raw frame this edge receives.",
  },
  // News
  TICKHUB_NEWS_FEEDS: {
    schema: z.string().min(1).optional(),
    help: "Feeds of a news edge: rss:NAME=URL,search:NAME=URL,dart, or a file of such lines; default: our own list.",
    // Addresses of feeds may hold a reader's key.
    secret: true,
  },
  OPENDART_API_KEY: {
    schema: z.string().min(1).optional(),
    help: "Key of Open DART; without one no disclosures are asked for.",
    secret: true,
  },
  OPENDART_API_URL: {
    schema: url("http", "https").default("https://opendart.fss.or.kr"),
    help: "Address of Open DART; another one in tests.",
  },
  NAVER_CLIENT_ID: {
    schema: z.string().min(1).optional(),
    help: "Client id of Naver's search API, sent to NAVER_API_URL alone.",
    secret: true,
  },
  NAVER_CLIENT_SECRET: {
    schema: z.string().min(1).optional(),
    help: "Client secret of Naver's search API.",
    secret: true,
  },
  NAVER_API_URL: {
    schema: url("http", "https").default("https://openapi.naver.com"),
    help: "Address of Naver's search API; another one in tests.",
  },
  // Sentinel
  TICKHUB_SENTINEL_TOKEN: {
    schema: z
      .string()
      .min(8)
      .refine(isTokenOrHash, { error: "a token, or sha256: and 64 hexadecimal digits" })
      .optional(),
    help: "The Sentinel's token: the token itself at the Sentinel, its sha256:HEX at the hub.",
    secret: true,
  },
  TICKHUB_SENTINEL_HUB: {
    schema: url("http", "https").optional(),
    help: "The port of the hub that has /status: http://tickhub-hub.example.ts.net:8611.",
  },
  TICKHUB_SENTINEL_EDGES: {
    schema: places.prefault(""),
    help: "Edges the Sentinel watches, by their status ports: kis=http://tickhub-edge-kis.example.ts.net:8620.",
  },
  TICKHUB_SENTINEL_EXPIRIES: {
    schema: dates.prefault(""),
    help: "Keys that only a person knows the end of: kis:1=2027-03-01,tailscale-api=2027-01-15.",
  },
  TICKHUB_SENTINEL_QUIET: {
    schema: windows.prefault(""),
    help: "Maintenance windows in Korean time, in which alerts are held back: sun 02:00-04:00,daily 05:00-05:10.",
  },
  TICKHUB_SENTINEL_DAILY: {
    schema: timeOfDay.prefault("08:00"),
    help: "Time of day in Korea at which the Sentinel says that it lives and how things are; off: never.",
  },
  TICKHUB_LANG: {
    schema: z.enum(["en", "ko"]).default("en"),
    help: "Language of the Sentinel's messages.",
  },
  SENTINEL_TELEGRAM_TOKEN: {
    schema: z
      .string()
      .regex(/^\d+:[\w-]{20,}$/, { error: "as BotFather shows it" })
      .optional(),
    help: "Token of the Telegram bot that tells alerts.",
    secret: true,
  },
  SENTINEL_TELEGRAM_CHAT: {
    schema: z
      .string()
      .regex(/^(-?\d+|@\w+)$/, { error: "a number, or @channel" })
      .optional(),
    help: "The chat it tells them in, and takes commands from.",
  },
  SENTINEL_TELEGRAM_URL: {
    schema: url("http", "https").default("https://api.telegram.org"),
    help: "Address of Telegram's Bot API; another one in tests.",
  },
  SENTINEL_SLACK_URL: {
    schema: url("http", "https").optional(),
    help: "Incoming webhook of Slack, or of what speaks as it does.",
    secret: true,
  },
  SENTINEL_PING_URL: {
    schema: url("http", "https").optional(),
    help: "Address that is asked every five minutes, and calls you when it no longer is.",
    secret: true,
  },
  // Measuring
  TICKHUB_LATENCY_ACCEPT: {
    schema: thresholds.prefault(LATENCY_ACCEPT_DEFAULT),
    help: "What `tickhub latency` accepts: ack.p99=250,commit.p99=100, in ms.",
  },
  TICKHUB_STRESS_TOKENS: {
    schema: pairs
      .refine((edges) => [...edges.values()].every((text) => /^(?!sha256:).{8,}$/.test(text)), {
        error: "kis=token,kiwoom=token, the tokens themselves",
      })
      .optional(),
    help: "Tokens of a staging hub's edges, as which `tickhub stress --to` plays: kis=token,kiwoom=token.",
    secret: true,
  },
  // Brokers
  KIS_APP_KEY: {
    schema: list.default([]),
    help: "KIS app keys, one an account, separated by commas.",
    secret: true,
  },
  KIS_APP_SECRET: {
    schema: list.default([]),
    help: "KIS app secrets, in the same order.",
    secret: true,
  },
  KIS_REST_URL: {
    schema: url("http", "https").default("https://openapi.koreainvestment.com:9443"),
    help: "KIS REST host.",
  },
  KIS_WS_URL: {
    schema: url("ws", "wss").default("ws://ops.koreainvestment.com:21000"),
    help: "KIS WebSocket host.",
  },
  KIWOOM_APP_KEY: {
    schema: list.default([]),
    help: "Kiwoom app keys, one an account, separated by commas.",
    secret: true,
  },
  KIWOOM_SECRET_KEY: {
    schema: list.default([]),
    help: "Kiwoom secret keys, in the same order.",
    secret: true,
  },
  KIWOOM_REST_URL: {
    schema: url("http", "https").default("https://api.kiwoom.com"),
    help: "Kiwoom REST host.",
  },
  KIWOOM_WS_URL: {
    schema: url("ws", "wss").default("wss://api.kiwoom.com:10000/api/dostk/websocket"),
    help: "Kiwoom WebSocket host.",
  },
  // Audit
  OCI_API_URL: {
    schema: url("http", "https").optional(),
    help: "Address that stands for all of OCI's services; for tests.",
  },
  TAILSCALE_API_KEY: {
    schema: z.string().min(1).optional(),
    help: "API access token of the tailnet, for `tickhub audit`.",
    secret: true,
  },
  TAILSCALE_API_URL: {
    schema: url("http", "https").optional(),
    help: "Address of Tailscale's API; another one in tests.",
  },
  GOOGLE_CLOUD_PROJECT: {
    schema: z.string().min(1).optional(),
    help: "Id of the Google Cloud project, for `tickhub audit`.",
  },
  GOOGLE_OAUTH_ACCESS_TOKEN: {
    schema: z.string().min(1).optional(),
    help: "Access token from gcloud, for `tickhub audit` where Google's library is not installed.",
    secret: true,
  },
  GOOGLE_API_URL: {
    schema: z
      .string()
      .regex(/^https?:\/\//, "http://… or https://…")
      .optional(),
    help: "Address that stands for all of Google's services, with {service} in it; for tests.",
  },
  NORTHFLANK_API_TOKEN: {
    schema: z.string().min(1).optional(),
    help: "API token of Northflank, for `tickhub audit`.",
    secret: true,
  },
  NORTHFLANK_PROJECT: {
    schema: z.string().min(1).default("tickhub"),
    help: "Id of the Northflank project that the collectors run in, for `tickhub audit`.",
  },
  NORTHFLANK_API_URL: {
    schema: url("http", "https").optional(),
    help: "Address of Northflank's API; another one in tests.",
  },
} as const satisfies Record<string, Setting>;

/** What of a process's log goes into the central one. */
export function logShipOf(settings: Settings): LogSettings {
  const { TICKHUB_LOG_SHIP_LEVEL: level, TICKHUB_LOG_SHIP_MB: megabytes } = settings;
  return { level: level === "off" ? null : level, bytesPerDay: megabytes * 1024 * 1024 };
}

/** Where the hub shows its page and /status: a port of its own, or the gateway's. */
export function webPortOf(settings: Settings): number {
  return settings.TICKHUB_WEB_PORT || settings.TICKHUB_PORT;
}

export type SettingName = keyof typeof SETTINGS;
export type Settings = { [K in SettingName]: z.output<(typeof SETTINGS)[K]["schema"]> };

/** Names that only tests and CI read; they are not settings of a deployment. */
const TEST_NAMES = new Set([
  "TICKHUB_DATA_DIR",
  "TICKHUB_REQUIRE_DATA",
  "TICKHUB_TEST_DATABASE_URL",
  "TICKHUB_CACHE",
  "TICKHUB_CI",
  "TICKHUB_SEED",
]);

/**
 * Reads and checks the environment. Throws CONFIG_UNKNOWN for a TICKHUB_* name that does not exist and
 * CONFIG_INVALID for a value of the wrong form; a secret's value is never in the message.
 */
export function readSettings(env: Environment): Settings {
  const { settings, errors } = surveySettings(env);
  if (errors[0]) throw errors[0];
  return settings;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Every error at once, and the settings as if what is broken were not set. */
export function surveySettings(env: Environment): {
  settings: Settings;
  errors: TickhubError[];
} {
  const errors = Object.keys(env)
    .filter((name) => name.startsWith("TICKHUB_") && !(name in SETTINGS) && !TEST_NAMES.has(name))
    .map((name) => new TickhubError("CONFIG_UNKNOWN", { name, nearest: nearestOf(name) }));
  const settings: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries<Setting>(SETTINGS)) {
    const text = env[name];
    const parsed = setting.schema.safeParse(text === "" ? undefined : text);
    if (!parsed.success) {
      const wanted = parsed.error.issues[0]?.message ?? "another form";
      const shown = setting.secret ? {} : { value: text ?? "" };
      errors.push(new TickhubError("CONFIG_INVALID", { name, ...shown, wanted }));
    }
    settings[name] = parsed.success ? parsed.data : setting.schema.parse(undefined);
  }
  return { settings: settings as Settings, errors };
}

/** The value of an optional setting that this command cannot do without. Throws CONFIG_MISSING. */
export function required<K extends SettingName>(
  settings: Settings,
  name: K,
): NonNullable<Settings[K]> {
  const value = settings[name];
  if (value === undefined || (Array.isArray(value) && value.length === 0)) {
    throw new TickhubError("CONFIG_MISSING", { name, help: SETTINGS[name].help });
  }
  return value;
}

function nearestOf(name: string): string {
  const ranked = Object.keys(SETTINGS)
    .map((known) => ({ known, edits: editDistance(name, known) }))
    .sort((a, b) => a.edits - b.edits);
  return ranked[0]!.known;
}

/** Levenshtein distance: insertions, deletions and substitutions. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, substitution));
    }
    row = next;
  }
  return row[b.length]!;
}
