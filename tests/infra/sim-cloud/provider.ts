// A Pulumi provider for one simulated package: its table decides what is valid, what changed and what is
// replaced, its behaviour what the cloud says, its folder remembers. Served by Pulumi's provider SDK.
import { randomBytes } from "node:crypto";
import type { Provider } from "@pulumi/pulumi/provider/index.js";
import type { Ask, Behaviour } from "./behaviour.ts";
import { Cloud, type Resource } from "./cloud.ts";
import { change, failures } from "./rules.ts";
import type { Table } from "./table.ts";
import {
  isObject,
  isSecret,
  plainInputs,
  secret,
  text,
  type Inputs,
  type Value,
} from "./values.ts";

const typeOf = (urn: string): string => urn.split("::")[2]!.split("$").at(-1)!;
const nameOf = (urn: string): string => urn.split("::").slice(3).join("::");
const stackOf = (urn: string): string => urn.split("::")[0]!.replace("urn:pulumi:", "");

const GENERATED = /-[0-9a-f]{7}$/;

export function provider(table: Table, behaviour: Behaviour, cloud: Cloud): Provider {
  const resources = table.resources;
  const known = (type: string) => {
    const found = resources[type];
    if (!found)
      throw new Error(`tables/ of the simulated cloud holds no ${type}; see upstream.ts.`);
    return found;
  };
  const ask = (urn: string, inputs: Inputs): Ask => ({
    cloud,
    type: typeOf(urn),
    name: nameOf(urn),
    inputs: plainInputs(inputs),
  });

  /** Inputs and outputs together, as the state keeps them; what is secret is wrapped. */
  function state(resource: Resource): Inputs {
    const secrets = resources[resource.type]?.secretOutputs ?? [];
    const outputs = Object.entries(resource.outputs).map(([key, value]): [string, Value] => [
      key,
      secrets.includes(key) && !isSecret(value) ? secret(value) : value,
    ]);
    return { ...resource.inputs, ...Object.fromEntries(outputs) };
  }

  function withDefaults(urn: string, olds: Inputs, news: Inputs): Inputs {
    const inputs = { ...news };
    const field = behaviour.autoName?.(typeOf(urn));
    if (field !== undefined && inputs[field] === undefined)
      inputs[field] = olds[field] ?? `${nameOf(urn)}-${randomBytes(4).toString("hex").slice(0, 7)}`;
    for (const [key, value] of Object.entries(behaviour.defaults?.(ask(urn, news)) ?? {})) {
      const given = inputs[key];
      inputs[key] = isObject(given) && isObject(value) ? { ...given, ...value } : value;
    }
    return inputs;
  }

  function diff(id: string, urn: string, olds: Inputs, news: Inputs) {
    const type = typeOf(urn);
    // What was given last; the state of before also holds outputs, which are no change.
    const given = cloud.get(id)?.inputs ?? {};
    const before = Object.fromEntries(
      Object.entries(olds).filter(([key]) => key in news || key in given),
    );
    const { changed, replaces } = change(known(type), before, news);
    const stale = behaviour.stale?.(type, plainInputs(news), plainInputs(olds)) ?? [];
    const field = behaviour.autoName?.(type);
    const named = field !== undefined && !GENERATED.test(text(plainInputs(news)[field]));
    return {
      changes: changed.length + stale.length > 0,
      replaces: [...replaces, ...stale],
      // Two of the same name cannot stand side by side; the bridge knows it of names that it makes itself.
      deleteBeforeReplace: named && !changed.includes(field),
    };
  }

  async function create(urn: string, inputs: Inputs) {
    const request = ask(urn, inputs);
    const { type, name } = request;
    await cloud.held(type, "create", "before");
    const refusal = cloud.refusal(type, "create");
    if (refusal !== undefined) throw new Error(refusal);
    behaviour.admit?.(request);
    const id = behaviour.id(request);
    const resource: Resource = {
      id,
      type,
      name,
      stack: stackOf(urn),
      createdAt: cloud.now().toISOString(),
      inputs,
      outputs: behaviour.outputs?.(request, id) ?? {},
    };
    cloud.put(resource);
    cloud.log({ operation: "create", type, name, id });
    await cloud.held(type, "create", "after");
    return { id, outs: state(resource) };
  }

  async function update(id: string, urn: string, news: Inputs) {
    const request = ask(urn, news);
    const { type, name } = request;
    await cloud.held(type, "update", "before");
    const refusal = cloud.refusal(type, "update");
    if (refusal !== undefined) throw new Error(refusal);
    const existing = cloud.get(id);
    if (!existing) throw new Error(`404: ${id} does not exist.`);
    behaviour.admit?.(request, existing);
    const resource = {
      ...existing,
      inputs: news,
      outputs: { ...existing.outputs, ...updated(behaviour.outputs?.(request, id) ?? {}) },
    };
    cloud.put(resource);
    cloud.log({ operation: "update", type, name, id });
    return { outs: state(resource) };
  }

  function read(id: string, urn: string) {
    const found = cloud.get(id) ?? behaviour.adopt?.(cloud, typeOf(urn), id);
    const resource =
      found && (behaviour.read?.(cloud, found) ?? (behaviour.read ? undefined : found));
    if (!resource) return { id: "", props: {} };
    cloud.put(resource);
    cloud.log({ operation: "read", type: resource.type, name: nameOf(urn), id });
    return { id, props: state(resource), inputs: resource.inputs };
  }

  async function remove(id: string, urn: string) {
    const type = typeOf(urn);
    await cloud.held(type, "delete", "before");
    const refusal = cloud.refusal(type, "delete");
    if (refusal !== undefined) throw new Error(refusal);
    const resource = cloud.get(id);
    if (!resource) return;
    const outcome = behaviour.release?.(cloud, resource);
    if (outcome === undefined) cloud.remove(id);
    else if (outcome !== "kept") cloud.put({ ...resource, goneAt: outcome.goneAt });
    cloud.log({ operation: "delete", type, name: nameOf(urn), id });
  }

  return {
    version: table.version,
    schema: JSON.stringify({ name: table.package.replace("@pulumi/", ""), version: table.version }),
    check: (urn, olds, news) => {
      const inputs = withDefaults(urn, (olds ?? {}) as Inputs, news as Inputs);
      return Promise.resolve({ inputs, failures: failures(known(typeOf(urn)), news as Inputs) });
    },
    diff: (id, urn, olds, news) => Promise.resolve(diff(id, urn, olds as Inputs, news as Inputs)),
    create: (urn, inputs) => create(urn, inputs as Inputs),
    update: (id, urn, _olds, news) => update(id, urn, news as Inputs),
    read: (id, urn) => Promise.resolve(read(id, urn)),
    delete: remove,
    invoke: (token, args) => {
      const outputs = behaviour.invoke?.(cloud, token, plainInputs(args as Inputs));
      if (!outputs) throw new Error(`${table.package} answers no ${token}.`);
      return Promise.resolve({ outputs });
    },
  };
}

/** Of the outputs, what an update may change: not what was decided when the thing was made. */
const MADE_ONCE =
  /^(timeCreated|createdAt|creationTimestamp|key|expiresAt|ipAddress|publicIp|bucketId|etag|bootVolumeId|managementEndpoint|cryptoEndpoint|version)$/;
const updated = (outputs: Inputs): Inputs =>
  Object.fromEntries(Object.entries(outputs).filter(([key]) => !MADE_ONCE.test(key)));
