// How a service gets a new spec or new secrets: pause, wait until no container is left, put, resume, wait until
// it runs and is ready. Northflank itself starts the new container before it stops the old one, and two
// containers of one service would hold one broker account twice, which locks it. Promises: the put happens
// only while no container runs; a put that is refused lets the old spec run again; cut off anywhere, the
// same call made again ends in the wanted state.
import { sleep } from "../../app/shared/clock.ts";
import type { Clock } from "../../app/shared/clock.ts";
import { sessionNow } from "../lib/quiet-hours.ts";
import { NorthflankError } from "./api.ts";
import type { Container, NorthflankApi, Service, ServiceSpec } from "./api.ts";

/** Looks become rarer, so that two services' roll-outs stay far below 1,000 requests an hour. */
const LOOK_FIRST_MS = 1_000;
const LOOK_MAX_MS = 15_000;
const LOOK_GROWTH = 1.5;
/** Beyond the grace period: the kill, and the time until the list shows it. */
const STOP_MARGIN_MS = 90_000;
/** Pull of the image, start of the tailnet node, first answer of the probe. */
export const READY_MAX_MS = 10 * 60_000;
/** Of a service whose spec we have not seen. */
const GRACE_DEFAULT_SECONDS = 300;

const OVER = new Set<Container["status"]>(["TASK_KILLED", "TASK_FAILED", "TASK_FINISHED"]);

/** Containers that may still hold an account: everything that is not over, the one being stopped included. */
export function liveOf(containers: readonly Container[]): Container[] {
  return containers.filter(({ status }) => !OVER.has(status));
}

/** What runs is not stopped in a trading session, unless a reason is given for it. */
export class SessionError extends Error {
  override readonly name = "SessionError";
}

/** The put was accepted, and the service is not running: the new spec is in place and has to be mended. */
export class NotReadyError extends Error {
  override readonly name = "NotReadyError";
}

/**
 * Creates the service, or rolls a new spec out over the one that runs. Resolves when it runs and is ready.
 * Throws NorthflankError where the put was refused (the old spec runs again), NotReadyError where the new one
 * does not come up, SessionError where a running one would be stopped in a session and `force` says no reason.
 */
export async function rollOut(
  api: NorthflankApi,
  clock: Clock,
  spec: ServiceSpec,
  { id, force }: Target,
): Promise<void> {
  const before = await api.service(id);
  if (before === null) {
    await api.putService(spec);
    return untilReady(api, clock, id, null);
  }
  await refuseInSession(api, clock, { id, force });
  const put = async () => {
    await api.putService(spec);
  };
  await whilePaused({ api, clock, id, before, instances: spec.deployment.instances }, put);
}

export interface Target {
  id: string;
  /** Why it may be restarted within a trading session. */
  force: string | undefined;
}

/** Before anything is touched. A service without a container has nothing to lose. */
async function refuseInSession(api: NorthflankApi, clock: Clock, target: Target): Promise<void> {
  const { id, force } = target;
  const session = sessionNow(clock.nowMs());
  if (session === null || force !== undefined) return;
  if (liveOf(await api.containers(id)).length === 0) return;
  throw new SessionError(
    `${id} is not restarted now: ${session}. Nothing was changed. Run \`pulumi up\` again then, or say why it cannot wait: pulumi config set force 'REASON' (and remove it afterwards).`,
  );
}

/**
 * Runs `change` while the service has no container. Where there is no service, that is all. One that does not
 * come up again is the service's own matter: it is rolled next, perhaps with the image that mends it.
 */
export async function changePaused(
  api: NorthflankApi,
  clock: Clock,
  { id, force }: Target,
  change: () => Promise<void>,
): Promise<void> {
  const before = await api.service(id);
  if (before === null) return change();
  await refuseInSession(api, clock, { id, force });
  try {
    await whilePaused({ api, clock, id, before, instances: 1 }, change);
  } catch (error) {
    if (!(error instanceof NotReadyError)) throw error;
  }
}

interface Pause {
  api: NorthflankApi;
  clock: Clock;
  id: string;
  before: Service;
  instances: number;
}

async function whilePaused(pause: Pause, change: () => Promise<void>): Promise<void> {
  const { api, clock, id, before, instances } = pause;
  try {
    await stop(api, clock, id);
    await change();
  } catch (error) {
    throw await resumedOld(pause, error);
  }
  await api.resume(id, instances);
  await untilReady(api, clock, id, transitionOf(before));
}

/** Pauses and waits until nothing runs. Also the first step of a deletion, so that the outbox is drained. */
export async function stop(api: NorthflankApi, clock: Clock, id: string): Promise<void> {
  await api.pause(id);
  const maxMs = GRACE_DEFAULT_SECONDS * 1_000 + STOP_MARGIN_MS;
  const stopped = await poll(clock, maxMs, async () => {
    return liveOf(await api.containers(id)).length === 0 ? true : null;
  });
  if (stopped === null) {
    throw new NotReadyError(
      `${id} still has a container ${maxMs / 1000} s after it was paused; nothing was changed. Look at its log on Northflank.`,
    );
  }
}

/** Whatever went wrong before the new spec was in place: what ran before shall run again. */
async function resumedOld(pause: Pause, error: unknown): Promise<Error> {
  const { api, clock, id, before } = pause;
  const said = error instanceof Error ? error.message : String(error);
  const status = error instanceof NorthflankError ? error.status : 0;
  try {
    await api.resume(id, Math.max(1, before.deployment?.instances ?? 1));
    await untilReady(api, clock, id, transitionOf(before));
    return new NorthflankError(status, `${said} The old spec of ${id} runs again.`, {
      cause: error,
    });
  } catch (second) {
    const also = second instanceof Error ? second.message : String(second);
    const left = `${id} keeps its old spec and does not run: ${also}`;
    return new NorthflankError(status, `${said} ${left}`, { cause: error });
  }
}

/**
 * Until the deployment is completed and a container runs. A state that was there before the change
 * (`staleAt`) proves nothing: a failure is not believed, a completion only at the second look.
 */
export async function untilReady(
  api: NorthflankApi,
  clock: Clock,
  id: string,
  staleAt: string | null,
): Promise<void> {
  let completedLooks = 0;
  let last = "nothing yet";
  const outcome = await poll(clock, READY_MAX_MS, async () => {
    const service = await api.service(id);
    const status = service?.status?.deployment?.status ?? "PENDING";
    const isStale = staleAt !== null && service !== null && transitionOf(service) === staleAt;
    last = status;
    if (status === "FAILED" && !isStale) return "failed";
    if (status !== "COMPLETED") return null;
    const isRunning = liveOf(await api.containers(id)).some((one) => one.status === "TASK_RUNNING");
    completedLooks = isRunning ? completedLooks + 1 : 0;
    return isRunning && (!isStale || completedLooks > 1) ? "ready" : null;
  });
  if (outcome === "ready") return;
  const when = outcome === "failed" ? "" : ` within ${READY_MAX_MS / 60_000} min (last: ${last})`;
  throw new NotReadyError(
    `${id} did not become ready${when}. Look at its log on Northflank: can it pull the image, join the tailnet, reach the hub? Then run \`pulumi up\` again.`,
  );
}

/** What there is of a service; anything but `running` wants an update. */
export type Standing = "running" | "absent" | "stopped" | "failed" | "other image";

export async function standing(
  api: NorthflankApi,
  spec: ServiceSpec,
  id: string,
): Promise<Standing> {
  const service = await api.service(id);
  if (service === null) return "absent";
  if (service.status?.deployment?.status === "FAILED") return "failed";
  // The API tells an image back without its host, so only the digest is compared.
  const digest = spec.deployment.external.imagePath.split("@")[1] ?? "";
  const image = service.deployment?.external?.imagePath;
  if (image !== undefined && !image.endsWith(digest)) return "other image";
  return liveOf(await api.containers(id)).length > 0 ? "running" : "stopped";
}

function transitionOf(service: Service): string | null {
  return service.status?.deployment?.lastTransitionTime ?? null;
}

/** The first answer of `look` that is not null; null when the time is over. */
async function poll<T>(
  clock: Clock,
  maxMs: number,
  look: () => Promise<T | null>,
): Promise<T | null> {
  const endMs = clock.monoMs() + maxMs;
  for (let waitMs = LOOK_FIRST_MS; ; waitMs = Math.min(LOOK_MAX_MS, waitMs * LOOK_GROWTH)) {
    const found = await look();
    if (found !== null) return found;
    if (clock.monoMs() >= endMs) return null;
    await sleep(clock, waitMs);
  }
}
