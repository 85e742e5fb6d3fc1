// What every edge has, whatever it collects: an outbox, the sender that empties it, meters, the window for
// people and probes, and the report in which all of it is told. An edge of a kind (edge.ts: a broker's,
// news-edge.ts: the light one) adds what fills the outbox, and asks the hub through `ask`.
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { BrokerKind } from "../shared/brokers.ts";
import type { Clock } from "../shared/clock.ts";
import { every } from "../shared/clock.ts";
import { routeThrough } from "../shared/dial/route.ts";
import type { Emit } from "../shared/events.ts";
import type { AccountStatus, EdgeStatus, Standing, Wish } from "../shared/gateway-protocol.ts";
import type { LogSettings } from "../shared/log-lines.ts";
import { LoopWatch } from "../shared/loop-watch.ts";
import type { LoopDelay } from "../shared/loop-watch.ts";
import { listed } from "../shared/meters.ts";
import { logAccount } from "../shared/own-account.ts";
import type { Reporter } from "../shared/report.ts";
import type { Ledger } from "../shared/tick.ts";
import { ByteMeter } from "./byte-meter.ts";
import { DriftNote } from "./drift-note.ts";
import { LedgerWatch } from "./ledger-watch.ts";
import { LogShipper } from "./logs/shipper.ts";
import { createEdgeMetrics } from "./metrics.ts";
import type { OutboxEvent } from "./outbox/events.ts";
import { Outbox, OUTBOX_DEFAULTS } from "./outbox/outbox.ts";
import type { HeldSpan } from "./outbox/outbox.ts";
import { Shedder } from "./shedder.ts";
import { startStatusServer } from "./status-server.ts";
import type { StatusServer } from "./status-server.ts";
import { Sender } from "./uplink/sender.ts";
import type { SenderOptions } from "./uplink/sender.ts";

/** Settings that are the same for every kind of edge. */
export interface CoreOptions {
  edge: string;
  version: string;
  hubUrl: string;
  token: string;
  /** Whose ticks it carries; default: real ones. */
  brokers?: BrokerKind;
  /** `socks5://` or `http://`: the way to the hub, which the proxy also resolves. */
  uplinkProxy?: string | undefined;
  outboxBytes: number;
  /** Port of the status server; 0 picks one. */
  statusPort: number;
  /** Default: loopback. Another than the tailnet's address needs `allowPublic`. */
  statusBind?: string;
  allowPublic?: boolean;
  /** What of its log goes into the hub's central one; default: nothing. */
  logShip?: LogSettings;
  clock: Clock;
  reporter: Reporter;
}

/** How an edge does, and at its end: how it did. */
export interface EdgeReport extends EdgeStatus {
  edge: string;
  /** Of all records; log lines are none. */
  ledger: Ledger;
  /** Of the log lines on their way to the central log. */
  logs: Ledger;
  /** Of what came from the brokers' sockets; the rest was asked of their REST. */
  live: Ledger;
  balanced: boolean;
  /** What the hub has no verdict on, by account and table. */
  heldSpans: HeldSpan[];
  p50Ms: number | null;
  p99Ms: number | null;
  /** Resident memory of the process. */
  rssBytes: number;
  loop: LoopDelay;
}

export interface Edge {
  statusUrl: string;
  report(): EdgeReport;
  /** Unsubscribes and closes the sockets, drains for at most `drainMs`, releases the accounts. */
  stop(drainMs: number): Promise<EdgeReport>;
}

/** What an edge of a kind gives the core. */
export interface Crew {
  /** Its accounts, as the hub is told of them. */
  accounts: () => Record<string, AccountStatus>;
  isStandingBy: () => boolean;
  /** Told to people beside the report, and not to the hub. */
  more?: () => object;
}

/** How a kind of edge uses its link; default: as a broker's edge does. */
export type LinkOptions = Pick<SenderOptions, "heartbeat">;

const LEDGER_LOOK_MS = 1_000;

export class EdgeCore {
  readonly outbox: Outbox;
  readonly sender: Sender;
  readonly meter: ByteMeter;
  /** Of its feeds' layouts. */
  readonly drifts = new DriftNote();
  readonly #options: CoreOptions;
  readonly #bootId = randomUUID();
  readonly #logs: LogShipper;
  readonly #shedder: Shedder;
  readonly #loop: LoopWatch;
  readonly #books: LedgerWatch;
  #crew: Crew = { accounts: () => ({}), isStandingBy: () => false };
  #isDraining = false;

  constructor(options: CoreOptions, link: LinkOptions = {}) {
    const { clock, reporter, edge, version, hubUrl: url, token, outboxBytes } = options;
    const { emit } = reporter;
    this.#options = options;
    this.outbox = new Outbox({
      ...OUTBOX_DEFAULTS,
      bytesMax: outboxBytes,
      mintStream: randomUUID,
      onEvent: (event) => tell(event, emit),
    });
    this.meter = new ByteMeter(clock, reporter.logBytes);
    const logShip = options.logShip ?? { level: null, bytesPerDay: 0 };
    this.#logs = new LogShipper({ edge, outbox: this.outbox, reporter, clock, ...logShip });
    this.#shedder = new Shedder(this.outbox, reporter.logger, emit, this.#logs);
    this.#loop = new LoopWatch(clock);
    this.#books = new LedgerWatch(this.outbox, emit);
    this.sender = new Sender({
      ...{ url, edge, token, version, clock, emit, outbox: this.outbox },
      ...{
        bootId: this.#bootId,
        brokers: options.brokers,
        route: routeThrough([options.uplinkProxy], clock),
      },
      bytes: this.meter.hub,
      ...link,
    });
    this.sender.addHolder(logAccount(edge), randomUUID());
  }

  /** Opens the window, and the link to the hub; `stop` ends both. */
  async start(crew: Crew): Promise<{ server: StatusServer; looking: { cancel(): void } }> {
    const { clock, reporter, version, statusPort, allowPublic } = this.#options;
    const { statusBind = "127.0.0.1" } = this.#options;
    this.#crew = crew;
    const server = await startStatusServer(
      { port: statusPort, bind: statusBind, allowPublic: allowPublic ?? false },
      {
        status: () => ({ ...this.report(), ...crew.more?.() }),
        health: () => ({
          ok: true,
          standby: crew.isStandingBy(),
          draining: this.#isDraining,
          heldRecords: this.outbox.recordLedger().held,
        }),
      },
      createEdgeMetrics(reporter.registry, version, {
        report: () => this.report(),
        counters: () => this.meter.counters(),
      }),
      this.meter.served,
    );
    this.sender.start();
    return { server, looking: every(clock, LEDGER_LOOK_MS, () => void this.#books.look()) };
  }

  /** Sends what is held, for at most `drainMs`; what fills the outbox has stopped. */
  async drain(drainMs: number): Promise<void> {
    this.#logs.stop();
    await this.sender.drain(this.#options.clock.monoMs() + drainMs);
  }

  /** From here on probes are told that the edge is about to end. */
  draining(): void {
    this.#isDraining = true;
  }

  /** Where `holder` stands with `account`; tells the hub `status`, by default all of the report. */
  async ask(
    account: string,
    holder: string,
    wish: Wish,
    status: EdgeStatus = this.report(),
  ): Promise<Standing> {
    const { edge } = this.#options;
    const standing = await this.sender.ask({ account, holder, edge, wish, status });
    this.#shedder.heard(standing.shedding);
    return standing;
  }

  /** The least that the hub has to know of an edge, for a link on which bytes are dear. */
  slimStatus(periodMs: number): EdgeStatus {
    const { bootId, version, outbox, uplink, accounts, meters, shedding } = this.report();
    const { bytes, rows, oldestMs, secondsLeft } = outbox ?? {};
    const { breaker, link } = uplink ?? {};
    return {
      ...{ bootId, version, accounts, meters, periodMs },
      outbox: { bytes, rows, oldestMs, secondsLeft },
      uplink: { breaker, link },
      ...(shedding === undefined ? {} : { shedding }),
    };
  }

  report(): EdgeReport {
    const { edge, version, clock } = this.#options;
    const uplink = this.sender.status();
    const ledger = this.outbox.recordLedger();
    return {
      edge,
      bootId: this.#bootId,
      version,
      host: hostname(),
      outbox: { ...this.outbox.stats(clock.monoMs()) },
      uplink: { ...uplink },
      accounts: this.#crew.accounts(),
      ledger,
      logs: this.outbox.laneLedger("log"),
      live: this.outbox.liveLedger(),
      balanced: this.#books.look(),
      heldSpans: this.outbox.heldSpans().filter(({ table }) => table !== "log"),
      meters: listed(this.meter.counters()),
      ...(this.#shedder.level === "none" ? {} : { shedding: this.#shedder.level }),
      ...this.drifts.status(),
      p50Ms: uplink.p50Ms,
      p99Ms: uplink.p99Ms,
      rssBytes: process.memoryUsage.rss(),
      loop: this.#loop.read(),
    };
  }

  /** The last word, and the end of link and window. */
  async stop({ server, looking }: Awaited<ReturnType<EdgeCore["start"]>>): Promise<EdgeReport> {
    looking.cancel();
    this.#loop.stop();
    const last = this.report();
    await this.sender.stop();
    await server.close();
    return last;
  }
}

/** The outbox's events in the words of the log. */
function tell(event: OutboxEvent, emit: Emit): void {
  switch (event.event) {
    case "loss_declared": {
      const { account, table, count, reason } = event;
      return emit({ event: "outbox_trimmed", account, table, count, reason });
    }
    case "backlog_set_apart": {
      const { account, table, stream, entries } = event;
      return emit({ event: "backlog_sealed", account, table, stream, entries });
    }
    case "batch_refused": {
      const { stream, number, code } = event;
      return emit({ event: "stream_stuck", stream, number, code });
    }
    case "verdict_mismatched": {
      const { stream, number, rows, counted } = event;
      return emit({ event: "verdict_mismatched", stream, number, rows, counted });
    }
    case "batch_packed":
    case "loss_began":
      return;
  }
}
