// The one vocabulary of what happens: every event is typed here, and report.ts turns each into one log
// line and one counter. Events are per batch, per connection, per decision; never per tick.

/** What each event carries. Field names are the log's field names. Never a secret. */
export interface EventFields {
  // Feed
  feed_opened: { source: string; url: string };
  feed_subscribed: { source: string; registrations: number; tookMs: number };
  feed_closed: { source: string; code: string; reason: string; openMs: number };
  feed_silent: { source: string; line: string; scope: string; lost: string; silentMs: number };
  feed_retrying: { source: string; code: string; delayMs: number; attempt: number };
  feed_alarmed: { source: string; code: string; reason: string };
  feed_drifted: { source: string; record: string; width: string; known: string };
  feed_cap_learned: { source: string; cap: number; refused: number };
  feed_subscription_refused: { source: string; key: string; code: string; reason: string };
  record_quarantined: { source: string; code: string; count: number; reason: string };
  gap_answered: {
    source: string;
    kind: string;
    symbol: string;
    outcome: string;
    rows: number;
    requests: number;
    tookMs: number;
  };
  // Outbox
  outbox_trimmed: { account: string; table: string; count: number; reason: string };
  backlog_sealed: { account: string; table: string; stream: string; entries: number };
  stream_stuck: { stream: string; number: number; code: string };
  verdict_mismatched: { stream: string; number: number; rows: number; counted: number };
  // Uplink
  uplink_opened: { url: string; hub: string };
  uplink_closed: { url: string; code: string; openMs: number };
  uplink_refused: { url: string; code: string; hint: string };
  breaker_moved: { from: string; to: string; code: string };
  lease_moved: { account: string; state: string; epoch: number };
  // Hub
  hub_listening: { url: string };
  edge_connected: { edge: string; address: string; version: string };
  edge_disconnected: { edge: string; code: string; openMs: number };
  edge_refused: { edge: string; address: string; code: string };
  edge_paused: { edge: string };
  batch_stored: {
    edge: string;
    account: string;
    table: string;
    rows: number;
    duplicate: number;
    quarantined: number;
    tookMs: number;
  };
  quarantine_overflowed: { source: string; count: number };
  batch_refused: { edge: string; account: string; code: string; stream: string; number: number };
  database_failed: { code: string; reason: string };
  gap_declared: {
    source: string;
    channel: string;
    kind: string;
    reason: string;
    count: number;
    missing: number;
    symbols: string;
  };
  gap_closed: {
    source: string;
    channel: string;
    kind: string;
    reason: string;
    state: string;
    count: number;
    symbols: string;
  };
  coverage_failed: { code: string; reason: string };
  coverage_summed: { sentence: string };
  migration_applied: { name: string; tookMs: number };
  migration_skipped: { name: string; reason: string };
  // Any process
  ledger_unbalanced: {
    account: string;
    table: string;
    check: string;
    records: number;
    detail: string;
  };
  process_started: { role: string; version: string };
  process_stopping: { role: string; signal: string };
  process_stopped: { role: string; held: number };
}

export type EventName = keyof EventFields;
export type Event = { [K in EventName]: { event: K } & EventFields[K] }[EventName];

/** Takes an event. Handed to everything that has something to tell. */
export type Emit = (event: Event) => void;

/** How an event is told. `labels` become the counter's labels; `adds` is counted instead of 1. */
interface Telling {
  level: "debug" | "info" | "warn" | "error";
  /** What it means, as the log's message and the counter's help text. */
  says: string;
  labels: readonly string[];
  adds?: string;
}

export const EVENTS = {
  feed_opened: { level: "info", says: "A broker socket opened", labels: ["source"] },
  feed_subscribed: { level: "info", says: "All registrations are confirmed", labels: ["source"] },
  feed_closed: { level: "warn", says: "A broker socket closed", labels: ["source", "code"] },
  feed_silent: {
    level: "error",
    says: "A broker's socket lives and brings nothing where something is due",
    labels: ["source", "scope"],
  },
  feed_retrying: {
    level: "warn",
    says: "A feed waits before it connects again",
    labels: ["source", "code"],
  },
  feed_alarmed: { level: "error", says: "A feed needs a person", labels: ["source", "code"] },
  feed_drifted: {
    level: "warn",
    says: "The broker changed a record's layout",
    labels: ["source", "record"],
  },
  feed_cap_learned: {
    level: "warn",
    says: "The broker allows fewer registrations than planned",
    labels: ["source"],
  },
  feed_subscription_refused: {
    level: "error",
    says: "The broker refused a registration",
    labels: ["source", "code"],
  },
  record_quarantined: {
    level: "warn",
    says: "Records went to quarantine",
    labels: ["source", "code"],
    adds: "count",
  },
  gap_answered: {
    level: "info",
    says: "The broker's REST was asked about a gap",
    labels: ["source", "outcome"],
  },
  outbox_trimmed: {
    level: "error",
    says: "Records were given up under the overload policy",
    labels: ["account", "table", "reason"],
    adds: "count",
  },
  backlog_sealed: {
    level: "info",
    says: "A backlog was sealed off and drains beside fresh records",
    labels: ["account", "table"],
  },
  stream_stuck: { level: "error", says: "The hub refuses a batch for good", labels: ["code"] },
  verdict_mismatched: {
    level: "error",
    says: "The hub's verdict does not add up to the batch's rows",
    labels: [],
  },
  uplink_opened: { level: "info", says: "The link to the hub opened", labels: [] },
  uplink_closed: { level: "warn", says: "The link to the hub closed", labels: ["code"] },
  uplink_refused: { level: "error", says: "The hub refused this edge", labels: ["code"] },
  breaker_moved: { level: "info", says: "The circuit breaker moved", labels: ["to"] },
  lease_moved: { level: "info", says: "An account's lease moved", labels: ["account", "state"] },
  hub_listening: { level: "info", says: "The hub listens", labels: [] },
  edge_connected: { level: "info", says: "An edge connected", labels: ["edge"] },
  edge_disconnected: {
    level: "warn",
    says: "An edge's connection closed",
    labels: ["edge", "code"],
  },
  edge_refused: { level: "warn", says: "A connection was refused", labels: ["code"] },
  edge_paused: {
    level: "debug",
    says: "An edge sent faster than its rate and is not read for a while",
    labels: ["edge"],
  },
  batch_stored: {
    level: "debug",
    says: "Rows were committed",
    labels: ["account", "table"],
    adds: "rows",
  },
  quarantine_overflowed: {
    level: "error",
    says: "Records beyond the quarantine's budget were only counted",
    labels: ["source"],
    adds: "count",
  },
  batch_refused: { level: "error", says: "A batch was refused", labels: ["code"] },
  database_failed: { level: "error", says: "The database failed", labels: ["code"] },
  gap_declared: {
    level: "warn",
    says: "Something is missing, or may be",
    labels: ["source", "channel", "kind"],
    adds: "count",
  },
  gap_closed: {
    level: "info",
    says: "A gap was refilled, explained, or given up",
    labels: ["source", "channel", "state"],
    adds: "count",
  },
  coverage_summed: { level: "info", says: "How complete the market's day is", labels: [] },
  coverage_failed: {
    level: "error",
    says: "The ledger of coverage could not be kept; it is tried again",
    labels: ["code"],
  },
  migration_applied: { level: "info", says: "A migration was applied", labels: [] },
  migration_skipped: { level: "info", says: "A migration was skipped", labels: [] },
  ledger_unbalanced: {
    level: "error",
    says: "The books are wrong: a record is not accounted for",
    labels: ["account", "check"],
  },
  process_started: { level: "info", says: "The process started", labels: [] },
  process_stopping: { level: "info", says: "The process stops", labels: [] },
  process_stopped: { level: "info", says: "The process stopped", labels: [] },
} as const satisfies Record<EventName, Telling>;
