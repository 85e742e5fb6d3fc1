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
  news_polled: { source: string; fresh: number };
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
  shedding_moved: { level: string };
  // Central log
  log_budget_spent: { level: string; bytesPerDay: number };
  hub_log_dropped: { count: number };
  logs_expired: { reason: string; before: string; gone: number };
  // Hub
  hub_listening: { url: string; gatewayUrl: string };
  edge_connected: { edge: string; address: string; version: string };
  edge_disconnected: { edge: string; code: string; openMs: number };
  edge_refused: { edge: string; address: string; code: string };
  edge_paused: { edge: string };
  evidence_stored: { edge: string; kind: string; subject: string; ok: boolean };
  act_done: { action: string; subject: string; address: string; reason: string; tookMs: number };
  act_refused: { action: string; address: string; code: string };
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
  parity_computed: {
    day: string;
    sides: string;
    share: number;
    coverage: number;
    rows: number;
    refusals: string;
    tookMs: number;
  };
  parity_failed: { code: string; reason: string };
  backup_troubled: { reason: string };
  meter_alarmed: {
    meter: string;
    subject: string;
    state: string;
    used: number;
    projected: number;
    limit: number;
    unit: string;
  };
  budget_enforced: { edge: string; level: string; projected: number; budget: number };
  ticks_expired: { table: string; before: string; gone: number };
  migration_applied: { name: string; tookMs: number };
  migration_skipped: { name: string; reason: string };
  // Proxy
  proxy_listening: { url: string };
  proxy_opened: { client: string; target: string };
  proxy_closed: {
    client: string;
    target: string;
    reason: string;
    upBytes: number;
    downBytes: number;
    openMs: number;
  };
  proxy_refused: { client: string; target: string; code: string };
  // Sentinel
  sentinel_listening: { url: string };
  alert_raised: { rule: string; subject: string; severity: string; id: string; text: string };
  alert_ended: { rule: string; subject: string; id: string; lastedMs: number };
  alert_acknowledged: { rule: string; subject: string; id: string; by: string };
  maintenance_moved: { until: string; reason: string };
  message_sent: { channel: string; tries: number };
  message_failed: { channel: string; code: string; reason: string; waiting: number };
  message_dropped: { channel: string; code: string };
  watch_failed: { target: string; reason: string };
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

/** How an event is told. `labels` become the counter's labels; `adds` is counted instead of 1, and in its name. */
export interface Telling {
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
  news_polled: {
    level: "info",
    says: "A feed of news had something new",
    labels: ["source"],
    adds: "fresh",
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
  shedding_moved: {
    level: "warn",
    says: "The edge does without more or less, to stay within its egress budget",
    labels: ["level"],
  },
  log_budget_spent: {
    level: "warn",
    says: "The day's bytes for the central log are used up for this level",
    labels: ["level"],
  },
  hub_log_dropped: {
    level: "warn",
    says: "Lines of the hub's own log gave way while the database was away",
    labels: [],
    adds: "count",
  },
  logs_expired: {
    level: "info",
    says: "Lines of the central log past their days or beyond its size were let go of",
    labels: ["reason"],
    adds: "gone",
  },
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
  evidence_stored: {
    level: "info",
    says: "An edge's measurement was stored",
    labels: ["edge", "kind"],
  },
  act_done: { level: "warn", says: "A person acted from the page", labels: ["action"] },
  act_refused: { level: "warn", says: "An act from the page was refused", labels: ["code"] },
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
  parity_computed: { level: "info", says: "How far two brokers agree on a day", labels: ["sides"] },
  parity_failed: {
    level: "error",
    says: "The daily comparison failed; it is tried again",
    labels: ["code"],
  },
  coverage_failed: {
    level: "error",
    says: "The ledger of coverage could not be kept; it is tried again",
    labels: ["code"],
  },
  backup_troubled: { level: "error", says: "The backup needs a look", labels: [] },
  meter_alarmed: {
    level: "warn",
    says: "Something free comes to its limit this month",
    labels: ["meter", "subject", "state"],
  },
  budget_enforced: {
    level: "warn",
    says: "An edge is told what to do without, to stay within its egress budget",
    labels: ["edge", "level"],
  },
  ticks_expired: {
    level: "info",
    says: "Raw ticks past their days were let go of",
    labels: ["table"],
  },
  migration_applied: { level: "info", says: "A migration was applied", labels: [] },
  migration_skipped: { level: "info", says: "A migration was skipped", labels: [] },
  proxy_listening: { level: "info", says: "The proxy listens", labels: [] },
  proxy_opened: { level: "info", says: "A tunnel opened", labels: ["target"] },
  proxy_closed: { level: "info", says: "A tunnel closed", labels: ["target", "reason"] },
  proxy_refused: { level: "warn", says: "The proxy refused a client", labels: ["code"] },
  sentinel_listening: { level: "info", says: "The Sentinel watches", labels: [] },
  alert_raised: { level: "error", says: "An alert was raised", labels: ["rule", "severity"] },
  alert_ended: { level: "info", says: "An alert has ended", labels: ["rule"] },
  alert_acknowledged: { level: "info", says: "Somebody knows of an alert", labels: ["rule"] },
  maintenance_moved: { level: "info", says: "Alerts are held back, or no longer", labels: [] },
  message_sent: { level: "info", says: "A messenger took a message", labels: ["channel"] },
  message_failed: {
    level: "warn",
    says: "A messenger did not take a message; it is kept",
    labels: ["channel", "code"],
  },
  message_dropped: {
    level: "error",
    says: "A message was given up",
    labels: ["channel", "code"],
  },
  watch_failed: {
    level: "warn",
    says: "Something that is watched did not answer",
    labels: ["target"],
  },
  ledger_unbalanced: {
    level: "error",
    says: "The books are wrong: a record is not accounted for",
    labels: ["account", "check"],
  },
  process_started: { level: "info", says: "The process started", labels: [] },
  process_stopping: { level: "info", says: "The process stops", labels: [] },
  process_stopped: { level: "info", says: "The process stopped", labels: [] },
} as const satisfies Record<EventName, Telling>;
