// A KIS feed in front of a scripted KIS: real sockets, time in the test's hands. After every test it
// checks what has to hold in all of them: one socket at a time, and no key in any event.
import { expect } from "vitest";
import type { FeedSink, Registration } from "../../../app/edge/feed/feed.ts";
import { KIS_TIMINGS } from "../../../app/edge/feed/kis/protocol.ts";
import { createKisFeed } from "../../../app/edge/feed/kis/session.ts";
import type { KisFeedOptions } from "../../../app/edge/feed/kis/session.ts";
import type { Event, EventName } from "../../../app/shared/events.ts";
import type { Reject, Tick } from "../../../app/shared/tick.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { ScriptedBroker, until } from "../../support/scripted-broker.ts";
import type { ScriptedSocket } from "../../support/scripted-broker.ts";

export const APP_KEY = "PSxKappKeyOfTheTest";
export const SECRET = "secretOfTheTest+/=";

/** A request as the broker read it. */
export interface Asked {
  join: boolean;
  trId: string;
  trKey: string;
  approvalKey: string;
}

interface Request {
  header: { approval_key?: string; tr_type?: string; tr_id?: string };
  body?: { input: { tr_id: string; tr_key: string } };
}

/** `005930/trade KRX` and so on: registrations in a word each. */
export function plan(...words: string[]): Registration[] {
  return words.map((word) => {
    const [symbol = "", channel = "trade", venue = "KRX"] = word.split("/");
    return { symbol, channel: channel as Registration["channel"], venue };
  });
}

export function ackOf({ trId, trKey }: Pick<Asked, "trId" | "trKey">, msgCd: string, msg = "") {
  const rt_cd = msgCd === "OPSP0000" || msgCd === "OPSP0001" ? "0" : "1";
  // What comes with a success is a secret, too.
  const output = { iv: "ivOfTheTest", key: "outputKeyOfTheTest" };
  return {
    header: { tr_id: trId, tr_key: trKey, encrypt: "N" },
    body: { rt_cd, msg_cd: msgCd, msg1: msg, output },
  };
}

/** As it comes: it names no registration. */
export const TAKEN = {
  header: { tr_id: "(null)", tr_key: "", encrypt: "N" },
  body: { rt_cd: "9", msg_cd: "OPSP8996", msg1: "ALREADY IN USE appkey" },
};

export class KisRig {
  readonly clock = new FakeClock();
  readonly events: Event[] = [];
  readonly ticks: Tick[] = [];
  readonly rejects: Reject[] = [];
  readonly caps: number[] = [];
  readonly registering: string[] = [];
  /** Market times since which the socket was said to be silent. */
  readonly silences: number[] = [];
  readonly broker: ScriptedBroker;
  readonly feed: ReturnType<typeof createKisFeed>;
  /** What the broker does with a request; a code is its answer, undefined is silence. */
  answer: (asked: Asked, socket: ScriptedSocket) => string | undefined = ({ join }) =>
    join ? "OPSP0000" : "OPSP0001";
  keysIssued = 0;
  #beats = 0;

  private constructor(broker: ScriptedBroker, options: Partial<KisFeedOptions>) {
    this.clock.chance = 0; // Every wait is its floor.
    this.broker = broker;
    broker.script.post = () => {
      this.keysIssued++;
      return { status: 200, body: { approval_key: `approval-key-${this.keysIssued}` } };
    };
    broker.script.message = (text, socket) => this.#read(text, socket);
    const sink: FeedSink = {
      ticks: (ticks) => this.ticks.push(...ticks),
      reject: (reject) => this.rejects.push(reject),
      silent: (_line, sinceMs) => this.silences.push(sinceMs),
      registering: ({ symbol, channel }) => this.registering.push(`${symbol}/${channel}`),
    };
    this.feed = createKisFeed({
      source: "kis:1",
      appKey: APP_KEY,
      secret: SECRET,
      restUrl: broker.restUrl,
      wsUrl: broker.wsUrl,
      clock: this.clock,
      market: (wallMs) => wallMs,
      emit: (event) => this.events.push(event),
      sink,
      onCap: (cap) => this.caps.push(cap),
      ...options,
    });
  }

  static async start(options: Partial<KisFeedOptions> = {}): Promise<KisRig> {
    const nothing = () => undefined;
    const script = { post: nothing, message: nothing, handshake: "accept" } as const;
    return new KisRig(await ScriptedBroker.start({ ...script }), options);
  }

  /** What was asked over a socket, in order: `+H0STCNT0 005930`, `-…`. */
  asked(socket = this.broker.socket): string[] {
    return socket.received.flatMap((text) => {
      const one = requestIn(text);
      return one ? [`${one.join ? "+" : "-"}${one.trId} ${one.trKey}`] : [];
    });
  }

  /** The approval key of a socket's first request. */
  keyUsed(socket = this.broker.socket): string | undefined {
    return socket.received.map(requestIn).find((one) => one !== undefined)?.approvalKey;
  }

  told<N extends EventName>(name: N): Extract<Event, { event: N }>[] {
    return this.events.filter((event): event is Extract<Event, { event: N }> => {
      return event.event === name;
    });
  }

  /** Until the broker has its `n`th socket, and everything it did at once has been read. */
  async connected(n = 1): Promise<void> {
    await until(() => this.broker.sockets.length === n);
    await this.beat();
  }

  /**
   * Two heartbeats and their echoes. After the first, what the feed had sent has been read and answered;
   * after the second, the feed has read the answers.
   */
  async beat(socket = this.broker.socket): Promise<void> {
    await this.#beat(socket);
    if (socket.closedWith === undefined) await this.#beat(socket);
  }

  async #beat(socket: ScriptedSocket): Promise<void> {
    const text = JSON.stringify({ header: { tr_id: "PINGPONG", datetime: `${++this.#beats}` } });
    socket.send(text);
    await until(() => socket.received.includes(text) || socket.closedWith !== undefined);
  }

  /** Lets time pass at the pace of the requests until everything is registered. */
  async live(): Promise<void> {
    for (let i = 0; this.feed.state().name !== "live"; i++) {
      if (i > 100) throw new Error(`not live but ${JSON.stringify(this.feed.state())}`);
      await this.beat();
      if (this.feed.state().name === "live") break;
      this.clock.advance(KIS_TIMINGS.paceMs);
    }
  }

  /** Starts it and waits until `words` are registered. */
  async run(...words: string[]): Promise<void> {
    this.feed.start(plan(...words));
    await this.connected();
    await this.live();
  }

  /** The state after the socket is gone: `FEED_CLOSED 15000` is code and milliseconds to wait. */
  async waiting(): Promise<string> {
    await until(() => this.feed.state().name === "waiting" && this.broker.open === 0);
    const state = this.feed.state();
    if (state.name !== "waiting") throw new Error(state.name);
    return `${state.code} ${state.untilMs - this.clock.nowMs()}`;
  }

  /** Ends the present wait, not a millisecond early, and waits for socket number `n`. */
  async reconnected(n: number): Promise<void> {
    await this.waiting();
    const state = this.feed.state();
    if (state.name !== "waiting") throw new Error(state.name);
    this.clock.advance(state.untilMs - this.clock.nowMs() - 1);
    expect(this.feed.state().name).toBe("waiting");
    this.clock.advance(1);
    await this.connected(n);
  }

  async end(): Promise<void> {
    this.feed.destroy();
    await this.feed.stop();
    await this.broker.close();
    expect(this.broker.openMost).toBeLessThanOrEqual(1);
    const told = JSON.stringify(this.events);
    for (const secret of [APP_KEY, SECRET, "approval-key", "ivOfTheTest", "outputKeyOfTheTest"]) {
      expect(told).not.toContain(secret);
    }
  }

  #read(text: string, socket: ScriptedSocket): void {
    const asked = requestIn(text);
    const msgCd = asked && this.answer(asked, socket);
    if (msgCd !== undefined) socket.send(ackOf(asked!, msgCd));
  }
}

/** The request in a message; undefined for a heartbeat. */
function requestIn(text: string): Asked | undefined {
  const { header, body } = JSON.parse(text) as Request;
  if (!body) return undefined;
  const { tr_id: trId, tr_key: trKey } = body.input;
  return { join: header.tr_type === "1", trId, trKey, approvalKey: header.approval_key ?? "" };
}
