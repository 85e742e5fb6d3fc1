// What runs in Pulumi's dynamic provider process: the engine's calls turned into those of service.ts,
// secret-group.ts and registry.ts. It is loaded there by its name `#northflank/provider` (package.json), so
// that the state holds no code but a call of this file. The token comes with `configure`, out of the stack's
// encrypted config; it is in no input, no output and no text of the state.
import { systemClock } from "../../app/shared/clock.ts";
import { northflankApi } from "./api.ts";
import type { NorthflankApi } from "./api.ts";
import { deleteRegistry, diffRegistry, putRegistry, readRegistry } from "./registry.ts";
import type { RegistryInputs, RegistryState } from "./registry.ts";
import {
  checkSecretGroup,
  deleteSecretGroup,
  diffSecretGroup,
  putSecretGroup,
  readSecretGroup,
} from "./secret-group.ts";
import type { SecretGroupInputs, SecretGroupState } from "./secret-group.ts";
import {
  checkService,
  createService,
  deleteService,
  diffServiceLive,
  readService,
  updateService,
} from "./service.ts";
import type { Difference, Failure, ServiceInputs, ServiceState } from "./service.ts";

export type Kind = "DeploymentService" | "SecretGroup" | "RegistryCredential";

/** Config key of the API token, in the project's namespace. */
export const TOKEN_KEY = "northflankToken";

/** What a kind of resource does; `Inputs` as the program gives them, `State` as they are kept. */
interface Life<Inputs, State extends Inputs> {
  idOf: (state: State) => string;
  check: (inputs: Inputs) => Failure[];
  diff: (api: NorthflankApi, olds: State, news: Inputs) => Difference | Promise<Difference>;
  create: (api: NorthflankApi, inputs: Inputs) => Promise<State>;
  read: (api: NorthflankApi, state: State) => Promise<State | null>;
  update: (api: NorthflankApi, olds: State, news: Inputs) => Promise<State>;
  delete: (api: NorthflankApi, state: State) => Promise<void>;
}

const service: Life<ServiceInputs, ServiceState> = {
  idOf: (state) => state.serviceId,
  check: checkService,
  diff: diffServiceLive,
  create: (api, inputs) => createService(api, systemClock, inputs),
  read: readService,
  update: (api, olds, news) => updateService(api, systemClock, olds, news),
  delete: (api, state) => deleteService(api, systemClock, state),
};

const secretGroup: Life<SecretGroupInputs, SecretGroupState> = {
  idOf: (state) => state.groupId,
  check: checkSecretGroup,
  diff: (_api, olds, news) => diffSecretGroup(olds, news),
  create: (api, inputs) => putSecretGroup(api, systemClock, inputs),
  read: readSecretGroup,
  update: (api, _olds, news) => putSecretGroup(api, systemClock, news),
  delete: deleteSecretGroup,
};

const registry: Life<RegistryInputs, RegistryState> = {
  idOf: (state) => state.credentialId,
  check: () => [],
  diff: (_api, olds, news) => diffRegistry(olds, news),
  create: putRegistry,
  read: readRegistry,
  update: (api, _olds, news) => putRegistry(api, news),
  delete: deleteRegistry,
};

interface Place {
  projectId: string;
  apiUrl: string;
}

let token = "";

/** The engine's view of a kind: what it calls, with the shapes of `pulumi.dynamic.ResourceProvider`. */
function served<Inputs extends Place, State extends Inputs>(life: Life<Inputs, State>) {
  const api = ({ apiUrl: url, projectId }: Place) =>
    northflankApi({ url, projectId, token, clock: systemClock, tell: console.error });
  return {
    async configure(request: { config: { require(key: string): string } }): Promise<void> {
      token = request.config.require(TOKEN_KEY);
      return Promise.resolve();
    },
    async check(_olds: Inputs, news: Inputs) {
      return Promise.resolve({ inputs: news, failures: life.check(news) });
    },
    diff: async (_id: string, olds: State, news: Inputs) =>
      life.diff(api(olds), own(olds), own(news)),
    async create(inputs: Inputs) {
      const outs = await life.create(api(inputs), own(inputs));
      return { id: life.idOf(outs), outs };
    },
    async read(id: string, props: State) {
      const found = await life.read(api(props), own(props));
      return found === null ? { id: "", props: {} } : { id, props: found };
    },
    async update(_id: string, olds: State, news: Inputs) {
      return { outs: await life.update(api(news), own(olds), own(news)) };
    },
    delete: (_id: string, props: State) => life.delete(api(props), own(props)),
  };
}

/** Without the provider's text, which the engine's side adds to everything again. */
function own<T extends object>(properties: T): T {
  const entries = Object.entries(properties).filter(([key]) => key !== "__provider");
  return Object.fromEntries(entries) as T;
}

const KINDS = {
  DeploymentService: served(service),
  SecretGroup: served(secretGroup),
  RegistryCredential: served(registry),
};

export function providerOf(kind: Kind): (typeof KINDS)[Kind] {
  return KINDS[kind];
}
