// The addresses that `tickhub latency` was given, opened: the hub's database, its gateway, and where their
// ports are.
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { randomUUID } from "node:crypto";
import { createTransport } from "../edge/uplink/transport.ts";
import { CANARY, canaryToken } from "../shared/canary.ts";
import { systemClock } from "../shared/clock.ts";
import type { Settings } from "../shared/config.ts";
import { routeThrough } from "../shared/dial/route.ts";
import type { Route } from "../shared/dial/route.ts";
import { codeOf, TickhubError } from "../shared/errors.ts";
import { LatencyDatabase } from "../measure/latency-database.ts";
import { LatencyGateway } from "../measure/latency-gateway.ts";
import { SEEN_LANES } from "../measure/latency-probes.ts";
import type { ConnectTarget } from "../measure/latency-probes.ts";
import { LATENCY_LIMITS } from "../measure/latency.ts";
import { VERSION } from "./version.ts";

export interface OpenTargets {
  connects: ConnectTarget[];
  database: LatencyDatabase | undefined;
  gateway: LatencyGateway | undefined;
  /** As they were given, passwords included. */
  urls: { database: string | undefined; gateway: string | undefined };
  /** Of the hub: as the URL has it, and what it resolved to; null where a proxy resolves it. */
  place: { host: string; address: string | null };
  close(): Promise<void>;
}

/**
 * Silence on a link that is being measured is a result, up to the patience: the link is not given up before.
 * The hub itself gives up an edge that does not answer for about five seconds.
 */
const HEARTBEAT = { tickMs: 1_000, missesMax: LATENCY_LIMITS.patienceMs / 1_000 + 5 };

/** Throws USAGE, CONFIG_MISSING, UPLINK_UNREACHABLE. */
export async function openTargets(
  settings: Settings,
  { to, run }: { to: readonly string[]; run: string },
): Promise<OpenTargets> {
  const urls = urlsOf(settings, to);
  const route = routeThrough([settings.TICKHUB_UPLINK_PROXY], systemClock);
  const gateway = urls.gateway === undefined ? undefined : openGateway(settings, urls, route);
  const database =
    urls.database === undefined
      ? undefined
      : new LatencyDatabase({
          ...{ url: urls.database, run, lanesMax: SEEN_LANES, clock: systemClock },
          ...(route ? { stream: () => route.stream() } : {}),
        });
  const connects: ConnectTarget[] = [];
  let place: OpenTargets["place"] | null = null;
  for (const { shown, host, port } of [database, gateway].filter((one) => one !== undefined)) {
    const address = route ? null : await resolve(host);
    connects.push({ shown, host: address ?? host, port, dial: route?.dial });
    place = { host, address };
  }
  return {
    ...{ connects, database, gateway, urls, place: place! },
    async close() {
      await Promise.all([database?.close(), gateway?.close()]);
    },
  };
}

function urlsOf(settings: Settings, to: readonly string[]): OpenTargets["urls"] {
  const isSet = (url: string | undefined) => url !== undefined;
  const given =
    to.length > 0 ? to : [settings.TICKHUB_HUB_URL, settings.TICKHUB_DATABASE_URL].filter(isSet);
  const of = (schemes: string[]) =>
    given.filter(
      (url) => URL.canParse(url) && schemes.includes(new URL(url).protocol.slice(0, -1)),
    );
  const [databases, gateways] = [of(["postgres", "postgresql"]), of(["ws", "wss"])];
  const isOdd = databases.length + gateways.length < given.length;
  if (
    given.length === 0 ||
    isOdd ||
    (to.length > 0 && (databases.length > 1 || gateways.length > 1))
  ) {
    const problem =
      "--to is postgres://… (the hub's database), ws://… (its gateway), or one of each";
    throw new TickhubError("USAGE", { problem });
  }
  return { database: databases[0], gateway: gateways[0] };
}

/** As the edge of the settings; else as the canary, which whoever knows the database may be. */
function openGateway(
  settings: Settings,
  urls: OpenTargets["urls"],
  route: Route | undefined,
): LatencyGateway {
  const url = new URL(urls.gateway!);
  const { TICKHUB_EDGE_ID: edge, TICKHUB_EDGE_TOKEN: token } = settings;
  const databaseUrl = settings.TICKHUB_DATABASE_URL ?? urls.database;
  const isEdge = edge !== undefined && token !== undefined;
  if (!isEdge && databaseUrl === undefined) {
    const help = "the gateway is for edges: set it, and TICKHUB_EDGE_TOKEN";
    throw new TickhubError("CONFIG_MISSING", { name: "TICKHUB_EDGE_ID", help });
  }
  const as = isEdge ? { edge, token } : { edge: CANARY, token: canaryToken(databaseUrl!) };
  const { patienceMs } = LATENCY_LIMITS;
  return new LatencyGateway({
    shown: `${url.protocol}//${url.host}${url.pathname}`,
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(url.port) || (url.protocol === "wss:" ? 443 : 80),
    edge: as.edge,
    createLink: () =>
      createTransport(url.href, {
        ...{ ...as, version: VERSION, bootId: randomUUID(), clock: systemClock, route },
        brokers: settings.TICKHUB_BROKERS,
        ...{ answerMs: patienceMs, verdictMs: patienceMs, heartbeat: HEARTBEAT },
      }),
    mintId: randomUUID,
    clock: systemClock,
  });
}

/** Once, so that the name server is not part of a connection's delay. */
async function resolve(host: string): Promise<string> {
  if (isIP(host)) return host;
  try {
    return (await lookup(host)).address;
  } catch (cause) {
    throw new TickhubError("UPLINK_UNREACHABLE", { host, reason: codeOf(cause) }, { cause });
  }
}
