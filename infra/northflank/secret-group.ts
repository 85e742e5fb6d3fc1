// The life of a secret group: variables that one service gets, and nobody else. Northflank restarts a service
// whose variables change, the new container first; so a change here happens in that service's pause, too.
import type { Clock } from "../../app/shared/clock.ts";
import { slugOf } from "./api.ts";
import type { NorthflankApi, SecretGroupSpec } from "./api.ts";
import { sameJson } from "./compare.ts";
import { changePaused } from "./rollout.ts";
import type { Difference, Failure } from "./service.ts";

export interface SecretGroupInputs {
  projectId: string;
  apiUrl: string;
  name: string;
  /** The one service that gets the variables. */
  serviceName: string;
  variables: Record<string, string>;
  /** Why that service may be restarted in a trading session. */
  force?: string;
}

export interface SecretGroupState extends SecretGroupInputs {
  groupId: string;
}

export function checkSecretGroup(inputs: SecretGroupInputs): Failure[] {
  const isGood = /^[a-zA-Z0-9]+((-|\s)[a-zA-Z0-9]+)*$/.test(inputs.name) && inputs.name.length >= 3;
  return isGood ? [] : [{ property: "name", reason: "3 letters or more, digits, single hyphens" }];
}

export function diffSecretGroup(olds: SecretGroupState, news: SecretGroupInputs): Difference {
  const replaces = (["projectId", "name", "serviceName"] as const).filter(
    (key) => !sameJson(olds[key], news[key]),
  );
  const changes = replaces.length > 0 || !sameJson(olds.variables, news.variables);
  return { changes, replaces, deleteBeforeReplace: true };
}

/** Creates or overwrites the group, while the service it belongs to has no container. */
export async function putSecretGroup(
  api: NorthflankApi,
  clock: Clock,
  inputs: SecretGroupInputs,
): Promise<SecretGroupState> {
  const service = slugOf(inputs.serviceName);
  let groupId = slugOf(inputs.name);
  await changePaused(api, clock, { id: service, force: inputs.force }, async () => {
    groupId = (await api.putSecretGroup(specOf(inputs, service))).id;
  });
  return { ...inputs, groupId };
}

/** Null when the group is gone. Values are never read back: the state's are compared with the config's. */
export async function readSecretGroup(
  api: NorthflankApi,
  state: SecretGroupState,
): Promise<SecretGroupState | null> {
  return (await api.hasSecretGroup(state.groupId)) ? state : null;
}

export async function deleteSecretGroup(
  api: NorthflankApi,
  state: SecretGroupState,
): Promise<void> {
  await api.deleteSecretGroup(state.groupId);
}

function specOf(inputs: SecretGroupInputs, service: string): SecretGroupSpec {
  return {
    name: inputs.name,
    secretType: "environment",
    priority: 10,
    restrictions: { restricted: true, nfObjects: [{ id: service, type: "service" }] },
    secrets: { variables: inputs.variables },
  };
}
