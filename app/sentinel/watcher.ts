// Looks: asks the hub for what the rules read and the edges whether they live, over the tailnet, and remembers the
// little that one look cannot see. Thin; judges nothing. Promises: never throws, ends in bounded time, and asks an
// edge for no more than it has to, because edges pay for what they send.
import type { Clock } from "../shared/clock.ts";
import type { Route } from "../shared/dial/route.ts";
import { codeOf } from "../shared/errors.ts";
import type { Emit } from "../shared/events.ts";
import { edgeStatusSchema } from "../shared/gateway-protocol.ts";
import { exchange } from "../shared/http-request.ts";
import type { HttpReply } from "../shared/http-request.ts";
import type { SocketBytes } from "../shared/socket-bytes.ts";
import { hubWatchSchema, WATCH_PATH } from "../shared/watch.ts";
import type { HubWatch } from "../shared/watch.ts";
import { EpochRises } from "./epoch-rises.ts";
import type { EdgeSight, HubSight, Observation } from "./observation.ts";
import { UNHEARD_MS } from "./reach-rules.ts";

const ANSWER_MS = 10_000;
const ANSWER_BYTES_MAX = 256 * 1024;
/** While the hub is well, edges are asked this often. */
const EDGES_MS = 60_000;

export interface WatcherOptions {
  /** `http://tickhub-hub.example.ts.net:8611` */
  hubUrl: string;
  /** Addresses of status ports, by edge. */
  edges: ReadonlyMap<string, string>;
  /** From the settings. */
  expiries: Observation["expiries"];
  route: Route | undefined;
  clock: Clock;
  emit: Emit;
  bytes?: SocketBytes;
}

export class Watcher {
  readonly #options: WatcherOptions;
  readonly #rises: EpochRises;
  readonly #certificates = new Map<string, number>();
  readonly #told = new Set<string>();
  /** Edges that have answered. */
  readonly #seen = new Set<string>();
  #edges = new Map<string, EdgeSight>();
  #askedMs = Number.NEGATIVE_INFINITY;

  constructor(options: WatcherOptions) {
    this.#options = options;
    this.#rises = new EpochRises();
  }

  /** All but what the Sentinel knows of itself. */
  async look(): Promise<Omit<Observation, "channels" | "door">> {
    const { clock } = this.#options;
    const hub = await this.#hub();
    const monoMs = clock.monoMs();
    // An edge that is away is asked each time: it may be back.
    const isDue = monoMs - this.#askedMs >= EDGES_MS || [...this.#edges.values()].some(isAway);
    const unheard = [...this.#options.edges.keys()].filter((edge) => !isHeardBy(hub, edge));
    if (hub.name !== "seen" || isDue || unheard.length > 0) {
      this.#edges = await this.#allEdges(new Set(unheard));
      this.#askedMs = monoMs;
    }
    if (hub.name === "seen") this.#rises.take(hub.watch.accounts, monoMs);
    const certificates = [...this.#certificates].map(([subject, atMs]) => ({ subject, atMs }));
    return {
      nowMs: clock.nowMs(),
      hub,
      edges: this.#edges,
      epochRises: this.#rises.lately(monoMs),
      expiries: [...this.#options.expiries, ...certificates],
    };
  }

  async #hub(): Promise<HubSight> {
    const { clock, hubUrl } = this.#options;
    const askedMs = clock.nowMs();
    const monoMs = clock.monoMs();
    try {
      const { status, text } = await this.#get("hub", new URL(WATCH_PATH, hubUrl).href);
      const watch = status === 200 ? watchIn(text) : null;
      if (watch) {
        const tookMs = clock.monoMs() - monoMs;
        const offset = { offsetMs: watch.nowMs - (askedMs + tookMs / 2), errorMs: tookMs / 2 };
        return { name: "seen", watch, offset };
      }
      return await this.#health(status);
    } catch (error) {
      return { name: "away", reason: this.#failed("hub", reasonOf(error)) };
    }
  }

  /** It answers, and not what was asked: it may be starting, or of a release without `/watch`. */
  async #health(status: number): Promise<HubSight> {
    const { status: health, text } = await this.#get(
      "hub",
      new URL("/healthz", this.#options.hubUrl).href,
    );
    const said = health === 503 ? text.slice(0, 300) : `${WATCH_PATH} answers HTTP ${status}`;
    return { name: "unready", reason: said };
  }

  /** At once; those that the hub does not hear, with their figures. */
  async #allEdges(unheard: ReadonlySet<string>): Promise<Map<string, EdgeSight>> {
    const sights = [...this.#options.edges].map(
      async ([edge, url]) => [edge, await this.#edge(edge, url, unheard.has(edge))] as const,
    );
    return new Map(await Promise.all(sights));
  }

  async #edge(edge: string, url: string, withStatus: boolean): Promise<EdgeSight> {
    try {
      const { status, text } = await this.#get(
        edge,
        new URL(withStatus ? "/status" : "/healthz", url).href,
      );
      if (status !== 200) throw new Error(`HTTP ${status}`);
      this.#seen.add(edge);
      const parsed = withStatus ? edgeStatusSchema.safeParse(JSON.parse(text)).data : undefined;
      return { name: "seen", status: parsed ?? null };
    } catch (error) {
      const reason = this.#failed(edge, reasonOf(error));
      return { name: "away", reason, wasSeen: this.#seen.has(edge) };
    }
  }

  async #get(target: string, url: string): Promise<HttpReply> {
    const { clock, route, bytes } = this.#options;
    const limits = { timeoutMs: ANSWER_MS, replyBytesMax: ANSWER_BYTES_MAX };
    const reply = await exchange({ url, clock, route, bytes, ...limits });
    const { certificateEndMs } = reply;
    if (certificateEndMs !== null) {
      this.#certificates.set(`certificate of ${new URL(url).hostname}`, certificateEndMs);
    }
    this.#told.delete(target);
    return reply;
  }

  /** Told once until it answers again. */
  #failed(target: string, reason: string): string {
    if (!this.#told.has(target)) this.#options.emit({ event: "watch_failed", target, reason });
    this.#told.add(target);
    return reason;
  }
}

function watchIn(text: string): HubWatch | null {
  try {
    return hubWatchSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

function reasonOf(error: unknown): string {
  const code = codeOf(error);
  return ["Error", "SyntaxError"].includes(code) ? (error as Error).message.slice(0, 100) : code;
}

/** The hub answers, and has heard the edge lately. */
function isHeardBy(hub: HubSight, edge: string): boolean {
  if (hub.name !== "seen") return false;
  return hub.watch.edges.some((one) => one.edge === edge && one.seenAgeMs < UNHEARD_MS);
}

const isAway = ({ name }: EdgeSight) => name === "away";
