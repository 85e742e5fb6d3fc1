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
  DATABASE_BROKERS: {
    retry: false,
    hint: "Real and simulated ticks never share a database: name another (TICKHUB_STATE_DIR or TICKHUB_DATABASE_URL).",
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
  BACKUP_STALE: {
    retry: false,
    hint: "Look at the machine's WAL upload: journalctl -u tickhub-wal-upload; docs/backup.md.",
  },
  BACKUP_MISSING: {
    retry: false,
    hint: "A restore needs a copy of the database's files and its archived WAL; see docs/backup.md.",
  },
  BACKUP_EMPTY: {
    retry: false,
    hint: "The copy holds no batch at all: it is not a copy of this hub's database, or of its first minute.",
  },
  BACKUP_RECOVERY: {
    retry: false,
    hint: "The copy did not reach the end of its archive in time; its log says where it stands.",
  },
  DATABASE_BUSY: {
    retry: true,
    hint: "More batches wait for the database, or longer, than this process allows; the sender tries again.",
  },
  DATABASE_LOGIN: {
    retry: false,
    hint: "The server answered and lets nobody in: compare user, password and database of the URL.",
  },
  DATABASE_RIGHTS: {
    retry: false,
    hint: "The hub owns its schema: let it log in as the user who made it.",
  },
  DATABASE_EXTENSION: {
    retry: false,
    hint: "Start PostgreSQL with TimescaleDB in shared_preload_libraries, as images/compose.yaml does.",
  },
  DATABASE_REPLACED: {
    retry: false,
    hint: "The hub came up on another database. Mount the right volume; the edge holds its outbox.",
  },
  // Transfer
  TRANSFER_CONNECT: {
    retry: false,
    hint: "The database of that side let nobody in: compare host, database, user and password of its URL.",
  },
  TRANSFER_SERVER: {
    retry: false,
    hint: "Both servers have to be PostgreSQL 12 or later; pg_dump reads older ones.",
  },
  TRANSFER_TABLE: {
    retry: false,
    hint: "Correct its name, grant select on it, or make the target table first (--create copies the columns).",
  },
  TRANSFER_COLUMNS: {
    retry: false,
    hint: "Make the columns named equal on both sides, or say how they are made in a map: docs/transfer.md.",
  },
  TRANSFER_MAP: {
    retry: false,
    hint: "Correct the map; docs/transfer.md has its form, app/transfer/maps/ has examples.",
  },
  TRANSFER_ROWS: {
    retry: false,
    hint: "The target refused rows of the source. Mend them there, or leave them out with the map's where.",
  },
  TRANSFER_BUSY: {
    retry: false,
    hint: "Another tickhub transfer moves this table. Wait for it or end it; it goes on where it stood.",
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
  PROXY_UNREACHABLE: {
    retry: true,
    hint: "The proxy did not answer. Does it run where TICKHUB_UPLINK_PROXY or TICKHUB_BROKER_PROXY says?",
  },
  PROXY_REFUSED: {
    retry: true,
    hint: "The proxy answered and did not connect, for the reason in the message. Is the target up, and allowed there?",
  },
  PROXY_FORBIDDEN: {
    retry: false,
    hint: "This proxy connects to Kiwoom's hosts and ports alone, by CONNECT.",
  },
  PROXY_FULL: {
    retry: true,
    hint: "As many tunnels are open as the proxy allows, or it stops. Does a client connect without closing?",
  },
  PROXY_TARGET: {
    retry: true,
    hint: "The proxy could not resolve or reach the target. Does its own machine?",
  },
  PROXY_PROTOCOL: {
    retry: false,
    hint: "Not HTTP, a head that is too long, or one that did not come in time.",
  },
  EDGE_TOKEN: {
    retry: false,
    hint: "The hub does not know this edge's token. Compare TICKHUB_EDGE_TOKEN on both sides.",
  },
  EDGE_IDENTITY: {
    retry: false,
    hint: "The tailnet does not know this edge's machine under a tag that TICKHUB_EDGE_TAGS gives it.",
  },
  EDGE_BROKERS: {
    retry: false,
    hint: "One has real brokers, the other simulated ones: the edge belongs to another hub (TICKHUB_BROKERS).",
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
    hint: "Another program listens there. Stop it, or choose another port.",
  },
  GATEWAY_PUBLIC: {
    retry: false,
    hint: "Bind to loopback or the tailnet's address. Set TICKHUB_ALLOW_PUBLIC=1 only if you mean it.",
  },
  EVIDENCE_INVALID: {
    retry: false,
    hint: "What was sent is no evidence, or too much of it. Update the older of both sides.",
  },
  EVIDENCE_SUBJECT: {
    retry: false,
    hint: "An edge speaks for itself and its accounts. Run the command under the name it measures for.",
  },
  EVIDENCE_RATE: {
    retry: true,
    hint: "This edge sent more evidence than the hub takes at a time. Wait a minute.",
  },
  // The page and its API
  REQUEST_INVALID: {
    retry: false,
    hint: "Correct what the answer names; docs/api.md has each question with an example.",
  },
  ACT_OFF: {
    retry: false,
    hint: "This hub only shows. Set TICKHUB_ADMIN_TOKEN and start it again to act from here.",
  },
  ACT_TOKEN: {
    retry: false,
    hint: "Not this hub's admin token. Compare it with TICKHUB_ADMIN_TOKEN.",
  },
  ACT_ORIGIN: { retry: false, hint: "A page of another site asked. Open the hub's own page." },
  ACT_RATE: {
    retry: true,
    hint: "Too many acts or wrong tokens from this address. Wait a minute.",
  },
  ACT_REFUSED: {
    retry: false,
    hint: "It was not done, for the reasons named. tickhub phase plan shows what is missing.",
  },
  // Lease and assignment
  LEASE_FREE: {
    retry: false,
    hint: "Nobody holds this account, so there is nobody to call it back from.",
  },
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
    hint: "The account is placed at other edges, by the migration's phase or the hub's TICKHUB_PLACEMENT; this one stands by.",
  },
  LEASE_LOST: {
    retry: true,
    hint: "The lease passed on, ran out, or is in doubt; the socket was closed and the account is claimed again.",
  },
  LEASE_REVOKED: {
    retry: false,
    hint: "The account is collected elsewhere now. This edge keeps what it holds: do not end it before that is stored.",
  },
  // Phases of the migration
  PHASE_BUSY: {
    retry: true,
    hint: "Another tickhub phase works on this database. Wait for its end, then look at tickhub phase show.",
  },
  PHASE_WAIT: {
    retry: true,
    hint: "Do what it names, then run the same command again: it goes on where it stands. tickhub phase rollback goes back.",
  },
  PHASE_ORDER: {
    retry: false,
    hint: "Look at tickhub phase show, and at docs/phases.md for the order of the phases.",
  },
  PHASE_SITES: {
    retry: false,
    hint: "Name the edges of both sides in the hub's TICKHUB_SITES, and start the hub again.",
  },
  PHASE_COPIED: {
    retry: false,
    hint: "Only where the original is gone for good: tickhub phase adopt --force REASON. Two databases that grant one account open two sockets.",
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
  // News
  NEWS_UNREACHABLE: {
    retry: true,
    hint: "The feed's server did not answer in time; the collector backs off and asks again.",
  },
  NEWS_ANSWER: {
    retry: true,
    hint: "The feed's server answered with an error, named in the message. Open its address; a feed that moved needs its new one.",
  },
  NEWS_TOO_LARGE: {
    retry: true,
    hint: "The document is larger than a feed's may be; nothing of it was read. Compare its address with the publisher's page.",
  },
  NEWS_REDIRECT: {
    retry: true,
    hint: "The feed's server sends elsewhere too often, or where a feed cannot be. Put the last address into TICKHUB_NEWS_FEEDS.",
  },
  NEWS_ROBOTS: {
    retry: true,
    hint: "The server's robots.txt wants no programs at this address. Take the feed out of TICKHUB_NEWS_FEEDS.",
  },
  NEWS_LIMIT: {
    retry: true,
    hint: "The server's request limit was met; the collector waits as long as it was told to.",
  },
  NEWS_NAMES: {
    retry: true,
    hint: "Items are tagged by what their feeds say alone. Load names into the hub's database: tickhub instruments load FILE.",
  },
  INSTRUMENTS_FILE: {
    retry: false,
    hint: "Save a master from data.krx.co.kr as JSON (screens 12001, 12005, 12007 or the stock finder) and load that.",
  },
  NEWS_KEY: {
    retry: true,
    hint: "The server refused the key. Compare OPENDART_API_KEY, or NAVER_CLIENT_ID and NAVER_CLIENT_SECRET, with its portal.",
  },
  // Tapes
  TAPE_UNREADABLE: {
    retry: false,
    hint: "Not a tape, or cut short. Give a .tape or a recording named in docs/tapes.md.",
  },
  STRESS_NOT_OPENED: {
    retry: false,
    hint: "Read the logs under TICKHUB_STATE_DIR/stress/logs: an edge could not register.",
  },
  STRESS_TARGET_IN_USE: {
    retry: false,
    hint: "Name a staging server, or stop its edges and wait; --force REASON loads it all the same.",
  },
  STRESS_TARGET_REAL: {
    retry: false,
    hint: "Only a hub with TICKHUB_BROKERS=simulated on a database of its own is loaded; --force is no way around it.",
  },
  STRESS_TARGET_PLAN: {
    retry: false,
    hint: "Give the staging hub TICKHUB_SYMBOLS of the profile's market and TICKHUB_ACCOUNTS of both brokers.",
  },
  PROFILE_UNREADABLE: {
    retry: false,
    hint: "Not a profile of an open. Give krx-open, us-open, or a file as docs/stress.md describes it.",
  },
  TAPE_NOT_EMPTY: {
    retry: false,
    hint: "Replay compares digests and needs an empty database. Name one with --into.",
  },
  // Infrastructure
  STACK_ROLE_MISSING: {
    retry: false,
    hint: "The stack's configuration is empty. Restore its file with the command in the message.",
  },
  STACK_CONFIG_MISSING: {
    retry: false,
    hint: "Set the key with the command in the message; docs/infra.md lists all keys.",
  },
  STACK_CONFIG_INVALID: {
    retry: false,
    hint: "Set the key again, in the form the message wants; docs/infra.md lists all keys.",
  },
  STACK_CONFIG_PLAIN: {
    retry: false,
    hint: "A secret stands in plain text in the stack's file. Set it again with --secret, and renew it if it was committed.",
  },
  STACK_STAGING: {
    retry: false,
    hint: "A staging stack has simulated brokers and nothing of production's. Change the key that the message names.",
  },
  STACK_PAID: {
    retry: false,
    hint: "This plan would bill. Make it smaller, or allow it with the command in the message.",
  },
  STACK_REFERENCE: {
    retry: false,
    hint: "Another stack's outputs are missing. Bring that stack up first, with the command in the message.",
  },
  REGISTRY_REFUSED: {
    retry: false,
    hint: "The registry refused what the message names. Set registryUsername and registryPassword to a token that may push and pull.",
  },
  REGISTRY_UNREACHABLE: {
    retry: true,
    hint: "The image registry did not answer. Compare the key registry with its address.",
  },
  IMAGE_UNPINNED: {
    retry: false,
    hint: "An image has no digest, so nobody could say what would run. Was it pushed? Look at the build's output.",
  },
  // Releases
  RELEASE_REVERTED: {
    retry: false,
    hint: "The release before runs again. Read the hub's log on its machine, mend the cause, and run pulumi up.",
  },
  RELEASE_REFUSED: {
    retry: false,
    hint: "What ran goes on. The reason says what to change; outside the session the agent tries by itself.",
  },
  RELEASE_TIMEOUT: {
    retry: true,
    hint: "Wait again; if it stays so, look at the agent: journalctl -u tickhub-release on the hub's machine.",
  },
  // Sentinel
  SENTINEL_TOKEN: {
    retry: false,
    hint: "Give the Sentinel the token whose sha256:HEX is the hub's TICKHUB_SENTINEL_TOKEN.",
  },
  SENTINEL_REPORT: {
    retry: false,
    hint: "The hub does not understand this Sentinel: run both from the same release.",
  },
  SENTINEL_UNREACHABLE: {
    retry: true,
    hint: "Run the command where the Sentinel runs, with its settings, as by docker exec tickhub-sentinel.",
  },
  SENTINEL_CODE: {
    retry: false,
    hint: "No alert that stands has this code. It is the last word of the alert's message.",
  },
  CHANNEL_MISSING: {
    retry: false,
    hint: "Set SENTINEL_TELEGRAM_TOKEN and SENTINEL_TELEGRAM_CHAT, or SENTINEL_SLACK_URL: alerts need a way out.",
  },
  CHANNEL_BUSY: {
    retry: true,
    hint: "The messenger wants fewer messages; they are kept and sent when it says.",
  },
  CHANNEL_UNREACHABLE: {
    retry: true,
    hint: "The messenger did not answer; messages are kept and sent again.",
  },
  CHANNEL_REFUSED: {
    retry: false,
    hint: "The messenger refuses token, chat or webhook: make a new one and set it.",
  },
  // The machine
  TAILNET_RELAYED: {
    retry: true,
    hint: "The way to the hub goes by a relay, which is slower and shared. Open UDP 41641 on one side.",
  },
  DISK_LOW: {
    retry: true,
    hint: "Free room on the disk that is named, or let raw ticks go with TICKHUB_RETAIN_DAYS.",
  },
  DOCTOR_TIMEOUT: {
    retry: true,
    hint: "What is asked there hangs: a firewall that drops packets, or a machine that stopped.",
  },
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
