// Every way the world can fail us, in one table: the code people search for, whether trying again can
// help, and the next step. docs/errors.md has a heading for each; tests/shared/vocabulary.test.ts compares.

export const ERRORS = {
  // Configuration
  CONFIG_UNKNOWN: {
    retry: false,
    hint: "No such setting. Compare its spelling with docs/configuration.md.",
  },
  CONFIG_INVALID: {
    retry: false,
    hint: "Correct the value; docs/configuration.md shows its form.",
  },
  CONFIG_MISSING: { retry: false, hint: "Set the variable, in the environment or in .env." },
  CONFIG_CLOCK: {
    retry: false,
    hint: "A real broker needs the wall clock: unset TICKHUB_MARKET_CLOCK.",
  },
  USAGE: { retry: false, hint: "See tickhub --help." },
  // Database
  DATABASE_UNREACHABLE: {
    retry: true,
    hint: "Is PostgreSQL running, and TICKHUB_DATABASE_URL right?",
  },
  DATABASE_SCHEMA_NEWER: {
    retry: false,
    hint: "This database needs a newer tickhub: update, then start again.",
  },
  DATABASE_SCHEMA_CHANGED: {
    retry: false,
    hint: "An applied migration was edited. Restore the file from git.",
  },
  DATABASE_SCHEMA_MISSING: {
    retry: false,
    hint: "Start the hub once against it: it applies the migrations.",
  },
  DATABASE_DIRECTORY: {
    retry: false,
    hint: "Make the data directory writable for this user, or set TICKHUB_STATE_DIR.",
  },
  DATABASE_START: {
    retry: false,
    hint: "The embedded PostgreSQL did not start; its log, named in the message, says why.",
  },
  DATABASE_REFUSED: {
    retry: true,
    hint: "The database answered with an error, named in the message; nothing was stored. Look at its log.",
  },
  DATABASE_FULL: {
    retry: true,
    hint: "The database has no room left, named in the message. Free or add disk; edges hold and go on by themselves.",
  },
  DATABASE_SLOW: {
    retry: true,
    hint: "The database did not finish in time; nothing was stored. Look for a lock, or at its disk.",
  },
  DATABASE_BUSY: {
    retry: true,
    hint: "More batches wait for the database, or longer, than this process allows; the sender tries again.",
  },
  DATABASE_REPLACED: {
    retry: false,
    hint: "The hub came up on another database. Mount the right volume; the edge holds its outbox.",
  },
  // Batches and ingest
  BATCH_CORRUPT: {
    retry: false,
    hint: "Checksum or layout is wrong. The batch stays with its sender; report it with both versions.",
  },
  BATCH_VERSION: {
    retry: false,
    hint: "Update the older side: the hub reads its own wire version and the one before.",
  },
  BATCH_TOO_LARGE: {
    retry: false,
    hint: "Lower the sender's batch size to the limit named in the message.",
  },
  BATCH_ID_REUSED: {
    retry: false,
    hint: "This stream and number were stored with other content. The stream is closed; report it.",
  },
  STREAM_HOLE: {
    retry: true,
    hint: "An earlier batch of this stream has not arrived; the edge sends from there.",
  },
  KEY_CONFLICT: {
    retry: false,
    hint: "A stored trade has the same key with another price or size. Look at it in the table quarantine.",
  },
  OUTSIDE_LEASE: {
    retry: false,
    hint: "Captured without holding the account's lease. Kept in quarantine.",
  },
  ROW_INVALID: { retry: false, hint: "The database cannot hold this row. Kept in quarantine." },
  // Uplink and gateway
  UPLINK_URL: { retry: false, hint: "TICKHUB_HUB_URL starts with ws://, wss:// or postgres://." },
  UPLINK_UNREACHABLE: {
    retry: true,
    hint: "The hub did not answer. Is it running, and the address right?",
  },
  UPLINK_TIMEOUT: {
    retry: true,
    hint: "The hub stopped answering; the outbox holds and sends again.",
  },
  UPLINK_CLOSED: {
    retry: true,
    hint: "The link to the hub closed; the outbox holds until it is back.",
  },
  UPLINK_PROTOCOL: {
    retry: true,
    hint: "The other side does not speak tickhub's protocol. Does the URL name the hub's port?",
  },
  EDGE_TOKEN: {
    retry: false,
    hint: "The hub does not know this edge's token. Compare TICKHUB_EDGE_TOKEN on both sides.",
  },
  EDGE_IDENTITY: {
    retry: false,
    hint: "The tailnet does not know this edge's machine under a tag that TICKHUB_EDGE_TAGS gives it.",
  },
  EDGE_ACCOUNT: {
    retry: false,
    hint: "The hub's configuration does not give this account to this edge.",
  },
  WIRE_VERSION: {
    retry: false,
    hint: "Hub and edge are more than one wire version apart. Update the older; nothing is lost meanwhile.",
  },
  GATEWAY_FRAME_TOO_LARGE: {
    retry: false,
    hint: "A message was larger than the gateway accepts; the connection was closed.",
  },
  GATEWAY_FULL: {
    retry: true,
    hint: "As many connections are open as the gateway accepts. Does an edge connect without closing?",
  },
  GATEWAY_PROTOCOL: {
    retry: false,
    hint: "A message was not of tickhub's protocol; the connection was closed.",
  },
  GATEWAY_PORT_TAKEN: {
    retry: false,
    hint: "Another program listens there. Stop it, or set TICKHUB_PORT.",
  },
  GATEWAY_PUBLIC: {
    retry: false,
    hint: "The gateway binds to loopback or the tailnet. Set TICKHUB_ALLOW_PUBLIC=1 only if you mean it.",
  },
  // Lease and assignment
  LEASE_HELD: {
    retry: true,
    hint: "Another stream holds this account. It passes on by release or proof of death.",
  },
  LEASE_UNKNOWN: {
    retry: true,
    hint: "The hub does not plan for this account. Add it to the hub's TICKHUB_ACCOUNTS.",
  },
  LEASE_INELIGIBLE: {
    retry: true,
    hint: "The hub's TICKHUB_PLACEMENT gives this account to other edges. Add this one, or take its key away.",
  },
  LEASE_LOST: {
    retry: true,
    hint: "The lease passed on, ran out, or is in doubt; the socket was closed and the account is claimed again.",
  },
  CAP_TOO_SMALL: {
    retry: false,
    hint: "Add as many app keys as the message says are missing, or watch fewer symbols.",
  },
  // Feeds
  FEED_AUTH: {
    retry: true,
    hint: "The broker refused the key; the feed waits minutes between tries. Compare it with the broker's portal: real and mock keys differ.",
  },
  FEED_UNREACHABLE: {
    retry: true,
    hint: "The broker did not answer; the feed backs off and tries again.",
  },
  FEED_SOCKET_TAKEN: {
    retry: true,
    hint: "Another program uses this account's only socket. Stop it; the feed waits minutes between tries.",
  },
  FEED_EVICTED: {
    retry: false,
    hint: "Another program keeps logging in with this key. Stop it, then restart this edge.",
  },
  FEED_ADDRESS_REFUSED: {
    retry: true,
    hint: "Register this host's public address with the broker (Kiwoom 8050, 8010).",
  },
  FEED_ACK_TIMEOUT: {
    retry: true,
    hint: "The broker did not confirm a subscription in time; the feed reconnects.",
  },
  FEED_SILENT: {
    retry: true,
    hint: "No heartbeat, or no record of symbols in session, for too long; the feed reconnects.",
  },
  FEED_CLOSED: {
    retry: true,
    hint: "The broker closed the socket; the feed backs off and reconnects.",
  },
  FEED_RATE_LIMITED: {
    retry: true,
    hint: "The broker's request limit was met; the feed slows down.",
  },
  FEED_SUBSCRIPTION: {
    retry: false,
    hint: "The broker refuses this subscription; the symbol or channel is dropped.",
  },
  // Tapes
  TAPE_UNREADABLE: {
    retry: false,
    hint: "Not a tape, or cut short. Give a .tape or a recording named in docs/tapes.md.",
  },
  TAPE_NOT_EMPTY: {
    retry: false,
    hint: "Replay compares digests and needs an empty database. Name one with --into.",
  },
  // The machine
  CLOCK_SKEW: { retry: false, hint: "Set this machine's clock (chrony or systemd-timesyncd)." },
} as const satisfies Record<string, { retry: boolean; hint: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** Facts for the person who reads the error. Never a secret. */
export type ErrorContext = Record<string, string | number | boolean | null>;

/** The world failed, in a way the table above knows. `retry` decides whether anyone tries again. */
export class TickhubError extends Error {
  readonly code: ErrorCode;
  readonly context: ErrorContext;

  constructor(code: ErrorCode, context: ErrorContext = {}, options?: ErrorOptions) {
    super(describe(code, context), options);
    this.name = "TickhubError";
    this.code = code;
    this.context = context;
  }

  get retry(): boolean {
    return ERRORS[this.code].retry;
  }
  get hint(): string {
    return ERRORS[this.code].hint;
  }
}

/** The code of any thrown value: ours, the system's (`ECONNREFUSED`), or its name. */
export function codeOf(error: unknown): string {
  if (error instanceof TickhubError) return error.code;
  if (error instanceof Error && "code" in error && typeof error.code === "string")
    return error.code;
  return error instanceof Error ? error.name : "UNKNOWN";
}

function describe(code: ErrorCode, context: ErrorContext): string {
  const facts = Object.entries(context).map(([name, value]) => `${name}=${String(value)}`);
  return facts.length > 0 ? `${code} (${facts.join(", ")})` : code;
}
