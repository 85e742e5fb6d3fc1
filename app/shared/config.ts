// Settings from the environment, checked once at start-up. One table says every name, its form, its
// default and what it is for; docs/configuration.md is compared with it by a test. An unknown
// TICKHUB_* name is refused with the nearest known one, because a misspelt setting is a silent default.
import { z } from "zod";
import { TickhubError } from "./errors.ts";
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
const tags = pairs
  .transform((edges) => new Map([...edges].map(([edge, text]) => [edge, text.split("|")])))
  .refine((edges) => [...edges.values()].flat().every((tag) => /^tag:[a-z0-9-]+$/i.test(tag)), {
    error: "edge=tag:name pairs, separated by commas; several tags of one edge with | between",
  });

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
  TICKHUB_MARKET_CLOCK: {
    schema: z.string().default("wall"),
    help: "Market time of a tape or simulation: wall, fixed:ISO or from:ISO@epochMs*speed.",
  },
  // Hub
  TICKHUB_PORT: { schema: port.default(8610), help: "Port of the hub: gateway, page, /metrics." },
  TICKHUB_BIND: {
    schema: z.string().default("127.0.0.1"),
    help: "Address the hub listens on: loopback or the tailnet's.",
  },
  TICKHUB_ALLOW_PUBLIC: {
    schema: flag.default(false),
    help: "1 lets the hub bind to a public address.",
  },
  TICKHUB_EDGE_TOKENS: {
    schema: tokens.optional(),
    help: "Edges the hub accepts: edge=token or edge=sha256:HEX, separated by commas.",
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
  TICKHUB_LEASE_TTL_MS: {
    schema: z.coerce.number().int().min(2_000).default(60_000),
    help: "How long an edge of several may go on collecting without an answer of the hub.",
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
  TICKHUB_OUTBOX_MB: {
    schema: z.coerce.number().int().min(1).max(4096).default(96),
    help: "Bound of the edge's in-memory outbox.",
  },
  TICKHUB_STATUS_PORT: {
    schema: port.default(0),
    help: "Loopback port of the edge's /healthz, /status and /metrics; 0 picks one.",
  },
  TICKHUB_TAPE: {
    schema: z.string().min(1).optional(),
    help: "File that keeps every raw frame this edge receives.",
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
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof SETTINGS;
export type Settings = { [K in SettingName]: z.output<(typeof SETTINGS)[K]["schema"]> };

/** Names that only tests and CI read; they are not settings of a deployment. */
const TEST_NAMES = new Set([
  "TICKHUB_DATA_DIR",
  "TICKHUB_REQUIRE_DATA",
  "TICKHUB_TEST_DATABASE_URL",
  "TICKHUB_CI",
  "TICKHUB_SEED",
]);

/**
 * Reads and checks the environment. Throws CONFIG_UNKNOWN for a TICKHUB_* name that does not exist and
 * CONFIG_INVALID for a value of the wrong form; a secret's value is never in the message.
 */
export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  for (const name of Object.keys(env)) {
    if (name.startsWith("TICKHUB_") && !(name in SETTINGS) && !TEST_NAMES.has(name)) {
      throw new TickhubError("CONFIG_UNKNOWN", { name, nearest: nearestOf(name) });
    }
  }
  const settings: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries<Setting>(SETTINGS)) {
    const text = env[name];
    const parsed = setting.schema.safeParse(text === "" ? undefined : text);
    if (!parsed.success) {
      const wanted = parsed.error.issues[0]?.message ?? "another form";
      throw new TickhubError("CONFIG_INVALID", {
        name,
        ...(setting.secret ? {} : { value: text ?? "" }),
        wanted,
      });
    }
    settings[name] = parsed.data;
  }
  return settings as Settings;
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
