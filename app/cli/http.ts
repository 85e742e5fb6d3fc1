// Small JSON requests to the processes of a stack, bounded in time.
import { systemClock } from "../shared/clock.ts";
import { exchange } from "../shared/http-request.ts";
import type { Route } from "../shared/dial/route.ts";

const ANSWER_MS = 5_000;

/** GET, or POST when there is a body. null when nobody answers or the answer is not JSON. */
export async function fetchJson<T>(url: string, body?: unknown): Promise<T | null> {
  try {
    const response = await fetch(url, {
      signal: AbortSignal.timeout(ANSWER_MS),
      ...(body === undefined
        ? {}
        : {
            method: "POST",
            body: JSON.stringify(body),
            headers: { "content-type": "application/json" },
          }),
    });
    return (await response.json()) as T;
  } catch {
    return null;
  }
}

/** Of /status with every account. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

/** GET of what may lie behind proxies, such as the hub from an edge. null as above. */
export async function fetchJsonBy<T>(route: Route | undefined, url: string): Promise<T | null> {
  try {
    const limits = { timeoutMs: ANSWER_MS, replyBytesMax: ANSWER_BYTES_MAX };
    const { text } = await exchange({ url, clock: systemClock, route, ...limits });
    return JSON.parse(text) as T;
  } catch {
    return null;
  }
}
