// The life of a registry login that Northflank keeps, so that it can pull a private image. It belongs to the
// team; its use is restricted to the one project.
import { slugOf } from "./api.ts";
import type { NorthflankApi, RegistrySpec } from "./api.ts";
import { sameJson } from "./compare.ts";
import type { Difference } from "./service.ts";

export interface RegistryInputs {
  projectId: string;
  apiUrl: string;
  name: string;
  /** Host of the registry, `ghcr.io`. */
  address: string;
  username: string;
  password: string;
}

export interface RegistryState extends RegistryInputs {
  credentialId: string;
}

export function diffRegistry(olds: RegistryState, news: RegistryInputs): Difference {
  const replaces = (["projectId", "name", "address"] as const).filter(
    (key) => !sameJson(olds[key], news[key]),
  );
  const isSame = sameJson([olds.username, olds.password], [news.username, news.password]);
  return { changes: replaces.length > 0 || !isSame, replaces, deleteBeforeReplace: true };
}

/** Adds the login, or overwrites the one an interrupted `up` has left. */
export async function putRegistry(
  api: NorthflankApi,
  inputs: RegistryInputs,
): Promise<RegistryState> {
  const spec = specOf(inputs);
  let credentialId = slugOf(inputs.name);
  if (await api.hasRegistry(credentialId)) await api.updateRegistry(credentialId, spec);
  else credentialId = (await api.addRegistry(spec)).id;
  return { ...inputs, credentialId };
}

export async function readRegistry(
  api: NorthflankApi,
  state: RegistryState,
): Promise<RegistryState | null> {
  return (await api.hasRegistry(state.credentialId)) ? state : null;
}

export async function deleteRegistry(api: NorthflankApi, state: RegistryState): Promise<void> {
  await api.deleteRegistry(state.credentialId);
}

function specOf(inputs: RegistryInputs): RegistrySpec {
  const isKnown = inputs.address === "ghcr.io";
  return {
    name: inputs.name,
    provider: isKnown ? "github" : "custom",
    ...(isKnown ? {} : { registryUrl: inputs.address }),
    credentials: {
      username: inputs.username,
      password: inputs.password,
      scope: { pull: true, push: false },
    },
    restrictions: { restricted: true, projects: [inputs.projectId] },
  };
}
