// The hub that `tickhub stress --to` loads, as its doors for edges show it. Promises: nothing goes there unless it
// has said that its brokers are simulated; not even --force changes that.
import { z } from "zod";
import type { EdgeReport } from "../edge/core.ts";
import { systemClock } from "../shared/clock.ts";
import { required } from "../shared/config.ts";
import type { Settings } from "../shared/config.ts";
import type { Route } from "../shared/dial/route.ts";
import { routeThrough } from "../shared/dial/route.ts";
import { TickhubError } from "../shared/errors.ts";
import type { Evidence } from "../shared/evidence.ts";
import { errorOf, GATEWAY_PATH, parseMessage } from "../shared/gateway-protocol.ts";
import {
  STRESS_PATH,
  STRESS_ROWS_PATH,
  stressLookSchema,
  stressRowsSchema,
} from "../shared/stress-door.ts";
import type { StressLook } from "../shared/stress-door.ts";
import { askDoor, DOOR_ANSWER_MS } from "./edge-door.ts";
import { postEvidence } from "./evidence.ts";
import { BROKERS } from "./stack.ts";
import type { Broker, StackTarget } from "./stack.ts";

/** The hub's own limit on counting, and a little. */
const COUNT_MS = 130_000;
const ANSWER_BYTES_MAX = 2 ** 20;
const refusalSchema = z.object({ code: z.string() });

/** Somebody collects whose lease was renewed, or whose batch was committed, this lately. */
export const IN_USE_MINUTES = 15;

export class StressHub {
  /** `ws://host:port`. */
  readonly gatewayUrl: string;
  readonly tokens: ReadonlyMap<Broker, string>;
  readonly #settings: Settings;
  readonly #route: Route | undefined;

  /** Throws USAGE, CONFIG_MISSING. */
  constructor(to: string, settings: Settings) {
    this.gatewayUrl = gatewayOf(to);
    const given = required(settings, "TICKHUB_STRESS_TOKENS");
    this.tokens = new Map(
      BROKERS.map((broker) => {
        const token = given.get(broker);
        if (token !== undefined) return [broker, token];
        const help = `it lacks the token of the hub's edge ${broker}: kis=TOKEN,kiwoom=TOKEN`;
        throw new TickhubError("CONFIG_MISSING", { name: "TICKHUB_STRESS_TOKENS", help });
      }),
    );
    this.#settings = settings;
    this.#route = routeThrough([settings.TICKHUB_UPLINK_PROXY], systemClock);
  }

  /**
   * What the hub collects, once it is certain that it may be loaded.
   * @param force why a hub in use is loaded all the same; a hub of real brokers never is
   * Throws STRESS_TARGET_REAL, STRESS_TARGET_IN_USE, EDGE_*, UPLINK_*, PROXY_*.
   */
  async admit(force: string | undefined): Promise<StressLook> {
    const [look] = await Promise.all([this.look("kis"), this.look("kiwoom")]);
    const fromMs = look.nowMs - IN_USE_MINUTES * 60_000;
    const live = look.leases.filter(({ seenMs }) => seenMs !== null && seenMs > fromMs);
    if (force !== undefined || live.length === 0) return look;
    const held = live.map(({ account, edge }) => `${account} at ${edge ?? "?"}`).join(" ");
    throw new TickhubError("STRESS_TARGET_IN_USE", {
      ...{ leases: live.length, minutes: IN_USE_MINUTES, held },
    });
  }

  /** How the hub does. Throws as `admit`. */
  async look(as: Broker): Promise<StressLook> {
    const look = await this.#get(as, STRESS_PATH, { timeoutMs: DOOR_ANSWER_MS });
    const parsed = stressLookSchema.safeParse(look);
    if (parsed.success) return parsed.data;
    // Whatever answers there, it did not say that its brokers are simulated.
    throw this.#real("it does not say whose brokers it takes");
  }

  /** Live rows that the hub finds of these edges' streams. Throws as `admit`, and DATABASE_*. */
  async countRows(edges: readonly EdgeReport[]): Promise<number> {
    const counts = await Promise.all(
      BROKERS.map(async (broker) => {
        const accounts = edges.find(({ edge }) => edge === broker)?.accounts ?? {};
        const holders = Object.values(accounts).flatMap(({ holder }) => holder ?? []);
        const query = { holders: holders.join(",") };
        const answer = await this.#get(broker, STRESS_ROWS_PATH, { query, timeoutMs: COUNT_MS });
        return stressRowsSchema.parse(answer).rows;
      }),
    );
    return counts.reduce((sum, rows) => sum + rows, 0);
  }

  /** Leaves `evidence` with the hub. Returns its row. */
  async keep(evidence: Evidence): Promise<number> {
    const place = { hubUrl: this.gatewayUrl, edge: "kis", token: this.tokens.get("kis")! };
    return await postEvidence({ ...place, settings: this.#settings }, evidence);
  }

  target({ accounts }: StressLook): StackTarget {
    const { gatewayUrl, tokens } = this;
    return { gatewayUrl, tokens, accounts, uplinkProxy: this.#settings.TICKHUB_UPLINK_PROXY };
  }

  async #get(
    as: Broker,
    path: string,
    { query = {}, timeoutMs }: { query?: Record<string, string>; timeoutMs: number },
  ): Promise<unknown> {
    const { gatewayUrl: hubUrl } = this;
    const door = { hubUrl, edge: as, token: this.tokens.get(as)!, route: this.#route };
    const wanted = { path, query, timeoutMs, answerBytesMax: ANSWER_BYTES_MAX };
    const reply = await askDoor(door, wanted);
    if (reply.status === 200) return parseMessage(z.unknown(), reply.text);
    const code = parseMessage(refusalSchema, reply.text)?.code;
    if (code === "EDGE_BROKERS") throw this.#real("it takes real brokers");
    // A hub of a release before has no such door, and any other server does not have it either.
    if (code === undefined) throw this.#real("it does not say whose brokers it takes");
    throw errorOf(code, { url: reply.shown, edge: as, status: reply.status }, "UPLINK_PROTOCOL");
  }

  #real(reason: string): TickhubError {
    return new TickhubError("STRESS_TARGET_REAL", { hub: this.gatewayUrl, reason });
  }
}

/** The simulated symbols' own exchange, as a hub's plan calls it. */
const VENUES = { KRX: "KRX", US: "NAS" } as const;

/** Codes of the hub's plan that a profile's market can play. Throws STRESS_TARGET_PLAN where there are none. */
export function codesOf({ symbols, accounts }: StressLook, market: "KRX" | "US"): string[] {
  const venue = VENUES[market];
  const codes = symbols.flatMap((one) => (one.venue === venue ? [one.symbol] : []));
  const missing = BROKERS.find((broker) => !accounts.some((name) => name.startsWith(`${broker}:`)));
  if (codes.length > 0 && missing === undefined) return [...new Set(codes)];
  const problem = missing ? `it has no account of ${missing}` : `it collects nothing of ${venue}`;
  throw new TickhubError("STRESS_TARGET_PLAN", { problem });
}

/** `ws://host:port`. Throws USAGE. */
function gatewayOf(to: string): string {
  const url = URL.parse(to);
  const isGateway = url !== null && /^wss?:$/.test(url.protocol);
  if (isGateway && ["/", GATEWAY_PATH].includes(url.pathname))
    return `${url.protocol}//${url.host}`;
  const problem = "--to is ws://HOST:PORT or wss://HOST:PORT, the gateway of a staging hub";
  throw new TickhubError("USAGE", { problem });
}
