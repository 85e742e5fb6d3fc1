// The ways out of this machine: the hub's name, its door as an edge meets it, the clock behind it, the tailnet,
// the proxies. Nothing is sent but handshakes, and the greeting with which an edge is let in.
import { randomUUID } from "node:crypto";
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { reach } from "../../edge/probe/reach.ts";
import { createTransport, TRANSPORT_TIMINGS } from "../../edge/uplink/transport.ts";
import { findPath } from "../../measure/path.ts";
import { HEARTBEAT } from "../../shared/heartbeat.ts";
import type { Settings } from "../../shared/config.ts";
import { routeThrough } from "../../shared/dial/route.ts";
import { codeOf, TickhubError } from "../../shared/errors.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import { askTailscaled, STATUS_PATH } from "../../shared/tailscaled.ts";
import { fetchJsonBy } from "../http.ts";
import { VERSION } from "../version.ts";
import { databaseMs } from "./database.ts";
import { broken, reasonOf, troubleOf, warning } from "./finding.ts";
import type { Check, Look, Trouble } from "./finding.ts";

/** Two machines further apart date ticks on the wrong side of a second, and leases by guess. */
const SKEW_MS_MAX = 2_000;
const ANSWER_MS = 4_000;

/** The gateway's address; null where the edge writes into the database, or there is no hub. */
function gatewayOf({ TICKHUB_HUB_URL: url }: Settings): URL | null {
  return url?.startsWith("ws") ? new URL(url) : null;
}

const healthOf = (gateway: URL) => new URL("/healthz", gateway.href.replace(/^ws/, "http")).href;
const hostOf = ({ hostname }: URL) => hostname.replace(/^\[(.*)\]$/, "$1");

/** A proxy resolves names by itself. */
async function nameTroubles({ settings }: Look): Promise<Trouble[]> {
  const gateway = gatewayOf(settings);
  if (!gateway || settings.TICKHUB_UPLINK_PROXY || isIP(hostOf(gateway))) return [];
  try {
    await lookup(hostOf(gateway));
    return [];
  } catch (error) {
    const facts = { host: hostOf(gateway), reason: reasonOf(error) };
    return [
      broken(
        "UPLINK_UNREACHABLE",
        facts,
        "`tailscale status` names the hub's machine, if this one is in the tailnet.",
      ),
    ];
  }
}

const DOOR_NEXT: Partial<Record<ErrorCode, (look: Look, url: URL) => string>> = {
  UPLINK_UNREACHABLE: (_look, url) =>
    `\`curl -sS ${healthOf(url)}\`; is the hub running, and the port right?`,
  UPLINK_PROTOCOL: (_look, url) =>
    `\`curl -sS ${healthOf(url)}\`: a hub answers with its version. TICKHUB_HUB_URL names the gateway's port.`,
  EDGE_TOKEN: ({ settings }) =>
    `\`npx tickhub token ${settings.TICKHUB_EDGE_ID ?? "EDGE"}\`, then its hash to the hub's TICKHUB_EDGE_TOKENS.`,
  EDGE_BROKERS: (_look, gateway) =>
    `compare TICKHUB_BROKERS with that of the hub at ${gateway.host}; TICKHUB_HUB_URL may be another hub's`,
  EDGE_IDENTITY: () =>
    "`tailscale status --self`: the machine needs a tag of the hub's TICKHUB_EDGE_TAGS.",
  WIRE_VERSION: () => "`npx tickhub --version`, on both machines; update the older.",
};

/** As this edge would be met. An edge whose token is missing is told elsewhere. */
async function doorTroubles(look: Look): Promise<Trouble[]> {
  const { settings, clock } = look;
  const gateway = gatewayOf(settings);
  const {
    TICKHUB_EDGE_ID: edge,
    TICKHUB_EDGE_TOKEN: token,
    TICKHUB_UPLINK_PROXY: proxy,
  } = settings;
  if (!gateway) return [];
  if (edge === undefined || token === undefined || token.startsWith("sha256:"))
    return await strangerTroubles(look, gateway);
  const transport = createTransport(gateway.href, {
    ...{ edge, token, version: VERSION, bootId: randomUUID(), clock },
    ...{ ...TRANSPORT_TIMINGS, answerMs: ANSWER_MS, heartbeat: HEARTBEAT },
    ...{ route: routeThrough([proxy], clock), brokers: settings.TICKHUB_BROKERS },
  });
  try {
    await transport.open();
    return [];
  } catch (error) {
    const code = codeOf(error) as ErrorCode;
    // The name and the proxies have checks of their own.
    if (/ENOTFOUND|EAI_AGAIN/.test(String(error)) || code.startsWith("PROXY_")) return [];
    const next = DOOR_NEXT[code]?.(look, gateway) ?? `\`curl -sS ${healthOf(gateway)}\``;
    return [troubleOf(error, next)];
  } finally {
    await transport.close();
  }
}

/** Without a name and a token: does a hub answer there at all? */
async function strangerTroubles(look: Look, gateway: URL): Promise<Trouble[]> {
  const { settings, clock } = look;
  if (settings.TICKHUB_UPLINK_PROXY) return [];
  const { failed, place } = await reach({
    url: gateway.href,
    route: undefined,
    clock,
    stepMs: ANSWER_MS,
  });
  if (failed?.step === "name") return [];
  const facts = { url: place, ...(failed ? { reason: failed.reason } : {}) };
  if (failed)
    return [broken("UPLINK_UNREACHABLE", facts, DOOR_NEXT.UPLINK_UNREACHABLE!(look, gateway))];
  const health = await fetchJsonBy<{ nowMs?: number }>(undefined, healthOf(gateway));
  if (typeof health?.nowMs === "number") return [];
  return [broken("UPLINK_PROTOCOL", facts, DOOR_NEXT.UPLINK_PROTOCOL!(look, gateway))];
}

/** Against the hub this edge sends to, else against the database. */
async function clockTroubles(look: Look): Promise<Trouble[]> {
  const { clock } = look;
  const startedMs = clock.nowMs();
  const theirsMs = (await hubMs(look)) ?? (await databaseMs(look));
  if (theirsMs === null) return [];
  const skewMs = Math.round((startedMs + clock.nowMs()) / 2 - theirsMs);
  if (Math.abs(skewMs) <= SKEW_MS_MAX) return [];
  const facts = { skewMs, allowedMs: SKEW_MS_MAX };
  return [
    broken("CLOCK_SKEW", facts, "`timedatectl status`, on both machines: one does not follow NTP."),
  ];
}

async function hubMs({ settings, clock }: Look): Promise<number | null> {
  const gateway = gatewayOf(settings);
  if (!gateway) return null;
  const route = routeThrough([settings.TICKHUB_UPLINK_PROXY], clock);
  return (await fetchJsonBy<{ nowMs?: number }>(route, healthOf(gateway)))?.nowMs ?? null;
}

/** A hub that compares its edges' tags has to have somebody to ask. */
async function tailscaledTroubles({ settings, clock, tailscaleSocket }: Look): Promise<Trouble[]> {
  if (!settings.TICKHUB_EDGE_TAGS?.size) return [];
  try {
    const limits = { answerBytesMax: 8 * 1024 * 1024, clock };
    await askTailscaled({ socketPath: tailscaleSocket, path: STATUS_PATH, ...limits });
    return [];
  } catch (error) {
    const reason = `TICKHUB_EDGE_TAGS cannot be compared: ${codeOf(error)}`;
    const facts = { socket: tailscaleSocket, reason };
    return [
      broken("EDGE_IDENTITY", facts, "`systemctl status tailscaled`, or `unset TICKHUB_EDGE_TAGS`"),
    ];
  }
}

async function relayTroubles({ settings, clock, tailscaleSocket }: Look): Promise<Trouble[]> {
  const gateway = gatewayOf(settings);
  if (!gateway) return [];
  const host = hostOf(gateway);
  const address = isIP(host) ? host : null;
  const path = await findPath({ host, address, socketPath: tailscaleSocket, clock });
  if (path.name !== "relayed") return [];
  const { peer, relay } = path;
  return [
    warning(
      "TAILNET_RELAYED",
      { peer, relay },
      `\`tailscale ping ${peer}\`, and open UDP 41641 on one side.`,
    ),
  ];
}

/** Each proxy, up to what it stands in front of. */
async function proxyTroubles({ settings, clock }: Look): Promise<Trouble[]> {
  const { TICKHUB_UPLINK_PROXY: uplink, TICKHUB_BROKER_PROXY: broker } = settings;
  const gateway = gatewayOf(settings);
  const ways: { url: string; proxies: (string | undefined)[]; next: string }[] = [];
  if (uplink && gateway)
    ways.push({
      url: gateway.href,
      proxies: [uplink],
      next: "`ss -ltn` shows whether it listens; TICKHUB_UPLINK_PROXY is tailscaled's, in a container.",
    });
  if (broker)
    ways.push({
      url:
        settings.KIWOOM_APP_KEY.length > 0 || settings.KIS_APP_KEY.length === 0
          ? settings.KIWOOM_WS_URL
          : settings.KIS_WS_URL,
      proxies: [uplink, broker],
      next: `\`npx tickhub probe ${settings.KIWOOM_APP_KEY.length > 0 || settings.KIS_APP_KEY.length === 0 ? "kiwoom" : "kis"}\` shows each step of the way.`,
    });
  const found = await Promise.all(
    ways.map(async ({ url, proxies, next }) => {
      try {
        const target = new URL(url);
        const port = Number(target.port) || (/^(wss|https):$/.test(target.protocol) ? 443 : 80);
        const socket = await routeThrough(proxies, clock)!.dial({ host: hostOf(target), port });
        socket.destroy();
        return [];
      } catch (error) {
        if (!(error instanceof TickhubError)) throw error;
        return [troubleOf(error, next)];
      }
    }),
  );
  return found.flat();
}

const HUB = ["TICKHUB_HUB_URL", "TICKHUB_UPLINK_PROXY"];

export const LINK_CHECKS: readonly Check[] = [
  { name: "hub name", needs: HUB, run: nameTroubles },
  { name: "hub", needs: [...HUB, "TICKHUB_EDGE_ID", "TICKHUB_EDGE_TOKEN"], run: doorTroubles },
  { name: "clock", needs: HUB, run: clockTroubles },
  { name: "tailscaled", needs: ["TICKHUB_EDGE_TAGS"], run: tailscaledTroubles },
  { name: "way to the hub", needs: HUB, run: relayTroubles },
  { name: "proxies", needs: [...HUB, "TICKHUB_BROKER_PROXY"], run: proxyTroubles },
];
