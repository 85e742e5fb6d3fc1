// One link to the hub, as the sender sees it: either the gateway's WebSocket or the hub's database itself,
// picked by the URL's scheme. A transport lives once: opened, used, closed; the next try is a new one.
// Promises: `send` resolves after the rows are committed, and every promise it gave settles when it closes.
import type { BrokerKind } from "../../shared/brokers.ts";
import type { Clock } from "../../shared/clock.ts";
import { TickhubError } from "../../shared/errors.ts";
import type { EdgeStatus, Standing, Wish } from "../../shared/gateway-protocol.ts";
import type { HeartbeatTimes } from "../../shared/heartbeat.ts";
import type { Route } from "../../shared/dial/route.ts";
import type { SocketBytes } from "../../shared/socket-bytes.ts";
import type { Table } from "../../shared/table.ts";
import type { Verdict } from "../../shared/tick.ts";
import { GatewayTransport } from "./gateway-transport.ts";
import { PostgresTransport } from "./postgres-transport.ts";

/** Where do I stand with this account: heartbeat, lease and status in one. */
export interface Question {
  account: string;
  /** UUID of this process for this account. */
  holder: string;
  edge: string;
  wish: Wish;
  status: EdgeStatus;
}

/** What the other side said when it accepted us. */
export interface Opened {
  /** The database's system identifier. */
  system: string;
  /** Release of the hub, or of the database server on a direct link. */
  hub: string;
  /** The other side's wall clock at its answer, epoch ms. */
  hubMs: number;
  /** How much may be under way at once. */
  inFlightMax: number;
  inFlightBytesMax: number;
  /** What it stores: batches of other tables must not be sent. */
  tables: readonly Table[];
}

export interface Transport {
  /** Without the password. */
  readonly url: string;
  /** Resolves when the other side accepted us. Throws TickhubError (EDGE_TOKEN, EDGE_BROKERS, WIRE_VERSION, UPLINK_*, PROXY_*). */
  open(): Promise<Opened>;
  ask(question: Question): Promise<Standing>;
  /** Pipelined; resolves after commit. Rejects with a TickhubError. */
  send(bytes: Uint8Array, holder: string): Promise<Verdict>;
  /** Called once when the link is gone after `open`, unless by `close`. */
  onClosed(listener: (error: TickhubError) => void): void;
  close(): Promise<void>;
}

export interface TransportOptions {
  edge: string;
  /** Bearer token for the gateway; a direct link's password is in its URL. */
  token: string;
  version: string;
  bootId: string;
  /** Whose ticks this edge carries; default: real ones. A hub of others is not spoken to. */
  brokers?: BrokerKind | undefined;
  clock: Clock;
  /** From connecting to being accepted, and from a question to its answer. */
  answerMs: number;
  /** From a batch's send to its verdict: longer than the hub's own statement timeouts. */
  verdictMs: number;
  heartbeat: HeartbeatTimes;
  /** Through proxies, which also resolve the hub's name. */
  route?: Route | undefined;
  /** Counts what is written. */
  bytes?: SocketBytes | undefined;
}

export const TRANSPORT_TIMINGS = { answerMs: 5_000, verdictMs: 60_000 } as const;

/** The transport for `url`. Throws UPLINK_URL for any scheme but ws, wss, postgres and postgresql. */
export function createTransport(url: string, options: TransportOptions): Transport {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  switch (parsed?.protocol) {
    case "ws:":
    case "wss:":
      return new GatewayTransport(parsed, options);
    case "postgres:":
    case "postgresql:":
      return new PostgresTransport(parsed, options);
    default:
      throw new TickhubError("UPLINK_URL", { scheme: parsed?.protocol.slice(0, -1) ?? "none" });
  }
}
