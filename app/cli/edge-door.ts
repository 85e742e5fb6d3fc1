// The hub's doors for edges, beside its gateway, as a command knocks at them: with an edge's token, through the
// uplink's proxy where there is one.
import { systemClock } from "../shared/clock.ts";
import type { Route } from "../shared/dial/route.ts";
import { codeOf, TickhubError } from "../shared/errors.ts";
import { exchange } from "../shared/http-request.ts";

/** Longer than the hub lets an address wait that showed wrong tokens. */
export const DOOR_ANSWER_MS = 15_000;

export interface EdgeDoor {
  /** `ws://host:port`, with or without the gateway's path. */
  hubUrl: string;
  edge: string;
  token: string;
  route: Route | undefined;
}

export interface DoorRequest {
  path: string;
  query?: Record<string, string>;
  /** Makes it a POST, as JSON. */
  body?: unknown;
  timeoutMs: number;
  answerBytesMax: number;
}

export interface DoorReply {
  status: number;
  text: string;
  /** The door's URL without its query, for an error. */
  shown: string;
}

/** Whatever the hub answered. Throws UPLINK_UNREACHABLE, PROXY_*. */
export async function askDoor(door: EdgeDoor, request: DoorRequest): Promise<DoorReply> {
  const { path, query = {}, body, timeoutMs, answerBytesMax } = request;
  const url = new URL(path, door.hubUrl.replace(/^ws/, "http"));
  const shown = `${url.protocol}//${url.host}${url.pathname}`;
  for (const [name, value] of Object.entries({ edge: door.edge, ...query }))
    url.searchParams.set(name, value);
  const isPost = body !== undefined;
  try {
    const { status, text } = await exchange({
      url: url.href,
      headers: {
        authorization: `Bearer ${door.token}`,
        ...(isPost ? { "content-type": "application/json" } : {}),
      },
      ...(isPost ? { body: JSON.stringify(body) } : {}),
      ...{ clock: systemClock, timeoutMs, replyBytesMax: answerBytesMax, route: door.route },
    });
    return { status, text, shown };
  } catch (cause) {
    if (cause instanceof TickhubError) throw cause;
    const reason = codeOf(cause) === "Error" ? (cause as Error).message : codeOf(cause);
    throw new TickhubError("UPLINK_UNREACHABLE", { url: shown, reason }, { cause });
  }
}
