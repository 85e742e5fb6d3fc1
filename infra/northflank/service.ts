// The life of a deployment service, as plain functions of (api, clock, inputs): what Pulumi's check, diff,
// create, read, update and delete do. provider.ts hands them to the engine; tests call them directly.
import type { Clock } from "../../app/shared/clock.ts";
import { slugOf } from "./api.ts";
import type { NorthflankApi, ServiceSpec } from "./api.ts";
import { isUnknown, sameJson } from "./compare.ts";
import { NotReadyError, rollOut, standing, stop } from "./rollout.ts";

export interface ServiceInputs {
  projectId: string;
  /** How the API is reached; not part of what is deployed, so a change of it changes nothing. */
  apiUrl: string;
  spec: ServiceSpec;
  /** Why it may be restarted in a trading session; no part of what is deployed either. */
  force?: string;
}

/** What the state holds. `isRunning` is false when a refresh found the service paused or without container. */
export interface ServiceState extends ServiceInputs {
  serviceId: string;
  isRunning: boolean;
}

export interface Failure {
  property: string;
  reason: string;
}

const SHA256 = /^[^@]+@sha256:[0-9a-f]{64}$/;
/** Of the API's reference, "Put deployment service". */
const NAME = /^[a-zA-Z]((-|\s)?[a-zA-Z0-9]+((-|\s)[a-zA-Z0-9]+)*)?$/;

/** What a spec must not be: an image that can change, a second instance, a public port. */
export function checkService(inputs: ServiceInputs): Failure[] {
  const { spec } = inputs;
  if (isUnknown(spec)) return [];
  const failures: Failure[] = [];
  const refuse = (property: string, reason: string) => void failures.push({ property, reason });
  if (!NAME.test(spec.name) || spec.name.length < 3 || spec.name.length > 54) {
    refuse("spec.name", "3 to 54 letters, digits and single hyphens, a letter first");
  }
  const { external, instances, gracePeriodSeconds } = spec.deployment;
  const image = external.imagePath;
  if (!isUnknown(image) && (!SHA256.test(image) || /:[^/]*@/.test(image.replace(/^[^/]*\//, "")))) {
    const path = "spec.deployment.external.imagePath";
    refuse(path, "an image by digest and without a tag: repository@sha256:…");
  }
  if (instances !== 1) {
    const reason = "exactly one: two containers would open one account's socket twice";
    refuse("spec.deployment.instances", reason);
  }
  if (!Number.isInteger(gracePeriodSeconds) || gracePeriodSeconds < 30) {
    refuse("spec.deployment.gracePeriodSeconds", "a whole number of seconds, at least 30");
  }
  if (spec.ports.some((port) => port.public)) {
    refuse("spec.ports", "no port of an edge is public; people and the hub come over the tailnet");
  }
  return failures;
}

export interface Difference {
  changes: boolean;
  replaces: string[];
  /** The new service would take the account while the old one has it. */
  deleteBeforeReplace: boolean;
}

/** Compares what was put with what is wanted; how the provider's own code changed is no difference. */
export function diffService(olds: ServiceState, news: ServiceInputs): Difference {
  const moved = [
    ...(sameJson(olds.projectId, news.projectId) ? [] : ["projectId"]),
    ...(isUnknown(news.spec) || olds.spec.name === news.spec.name ? [] : ["spec"]),
  ];
  const changes = moved.length > 0 || !sameJson(olds.spec, news.spec) || !olds.isRunning;
  return { changes, replaces: moved, deleteBeforeReplace: true };
}

/**
 * The same, and a look at what really runs: a service that an interrupted roll-out left paused is a difference
 * even when its inputs are those of the state. While Northflank cannot be asked, the inputs decide.
 */
export async function diffServiceLive(
  api: NorthflankApi,
  olds: ServiceState,
  news: ServiceInputs,
): Promise<Difference> {
  const difference = diffService(olds, news);
  if (difference.changes) return difference;
  const live = await standing(api, olds.spec, olds.serviceId).catch(() => "running");
  return { ...difference, changes: live !== "running" };
}

/** Creates or takes over; a service of that name that runs already is rolled, never doubled. */
export async function createService(
  api: NorthflankApi,
  clock: Clock,
  inputs: ServiceInputs,
): Promise<ServiceState> {
  const serviceId = slugOf(inputs.spec.name);
  await recorded(
    inputs,
    serviceId,
    rollOut(api, clock, inputs.spec, { id: serviceId, force: inputs.force }),
  );
  return { ...inputs, serviceId, isRunning: true };
}

export async function updateService(
  api: NorthflankApi,
  clock: Clock,
  olds: ServiceState,
  news: ServiceInputs,
): Promise<ServiceState> {
  const { serviceId } = olds;
  await recorded(
    news,
    serviceId,
    rollOut(api, clock, news.spec, { id: serviceId, force: news.force }),
  );
  return { ...news, serviceId, isRunning: true };
}

/** The state as it is found; null when the service is gone. */
export async function readService(
  api: NorthflankApi,
  state: ServiceState,
): Promise<ServiceState | null> {
  const live = await standing(api, state.spec, state.serviceId);
  return live === "absent" ? null : { ...state, isRunning: live === "running" };
}

/** Pauses first, so that the outbox is drained and the account is free when this returns. */
export async function deleteService(
  api: NorthflankApi,
  clock: Clock,
  state: ServiceState,
): Promise<void> {
  if ((await api.service(state.serviceId)) === null) return;
  await stop(api, clock, state.serviceId);
  await api.deleteService(state.serviceId);
}

/** A spec that was put and does not come up is in the state all the same, marked as failed to start. */
async function recorded(inputs: ServiceInputs, id: string, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof NotReadyError)) throw error;
    const properties: ServiceState = { ...inputs, serviceId: id, isRunning: false };
    throw Object.assign(error, { id, properties, reasons: [error.message] });
  }
}
