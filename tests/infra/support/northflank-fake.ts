// A loopback server that behaves as Northflank's API does where tickhub depends on it: a put or a changed secret
// starts the new container before the old one stops, unless the service is paused; a pause sends SIGTERM and
// the container drains; states come late; requests fail on demand. It counts containers that live at the same
// time. Time is an argument. As a process (`node northflank-fake.ts --port N`) it runs on the machine's clock
// and tells its state at /fake/state; POST /fake/faults adds faults, POST /fake/settings changes settings.
import { createServer } from "node:http";
import type { IncomingMessage, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import type { SecretGroupSpec, ServiceSpec } from "../../../infra/northflank/api.ts";

export interface FakeSettings {
  token: string;
  projectId: string;
  /** From a container's creation until it runs and is ready. */
  startMs: number;
  /** From SIGTERM until the container is gone. */
  drainMs: number;
  /** Images whose path contains this never become ready. */
  brokenImage: string;
  /** Plans that are refused with 400. */
  refusedPlan: string;
  /** Refuses every put of a secret group and says its values, as a careless server might. */
  isEchoing: boolean;
}

/** The next requests that match are answered with this instead; `after` lets the server do the work first. */
export interface Fault {
  match: string;
  status: number;
  times: number;
  headers?: Record<string, string>;
  after?: boolean;
}

interface FakeContainer {
  name: string;
  image: string;
  createdMs: number;
  readyMs: number;
  goneMs: number;
}

interface FakeService {
  id: string;
  spec: ServiceSpec;
  isPaused: boolean;
  containers: FakeContainer[];
  reason: "SCALING" | "DEPLOYING";
  changedMs: number;
  /** The most that ever lived at the same moment: one account held twice when it is 2. */
  liveMax: number;
}

const DEFAULTS: FakeSettings = {
  token: "nf-token-of-the-tests",
  projectId: "tickhub",
  startMs: 8_000,
  drainMs: 4_000,
  brokenImage: "broken",
  refusedPlan: "nf-compute-refused",
  isEchoing: false,
};

export class NorthflankFake {
  readonly settings: FakeSettings;
  readonly services = new Map<string, FakeService>();
  readonly groups = new Map<string, SecretGroupSpec>();
  readonly registries = new Map<string, unknown>();
  readonly faults: Fault[] = [];
  /** `PUT /v1/…` of every request, in order. */
  readonly requests: string[] = [];
  /** liveMax of services that were deleted. */
  readonly #past: number[] = [];
  readonly #nowMs: () => number;
  #server: Server | null = null;
  #made = 0;

  constructor(nowMs: () => number, settings: Partial<FakeSettings> = {}) {
    this.#nowMs = nowMs;
    this.settings = { ...DEFAULTS, ...settings };
  }

  async listen(port = 0): Promise<string> {
    this.#server = createServer((request, response) => {
      void readBody(request).then((body) => {
        const answer = this.#answer(request, body);
        response.writeHead(answer.status, {
          "content-type": "application/json",
          ...answer.headers,
        });
        response.end(JSON.stringify(answer.body));
      });
    });
    await new Promise<void>((resolve) => this.#server!.listen(port, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
  }

  /** The most containers of any service that ever lived at the same moment. */
  liveMax(): number {
    for (const service of this.services.values()) this.#settle(service);
    return Math.max(0, ...this.#past, ...[...this.services.values()].map((one) => one.liveMax));
  }

  /** Images of the containers that run now. */
  running(id: string): string[] {
    const service = this.services.get(id);
    if (!service) return [];
    this.#settle(service);
    const nowMs = this.#nowMs();
    return service.containers
      .filter((one) => one.readyMs <= nowMs && nowMs < one.goneMs)
      .map((one) => one.image);
  }

  #answer(request: IncomingMessage, body: unknown): Answer {
    const url = new URL(request.url ?? "/", "http://fake");
    const what = `${request.method ?? ""} ${url.pathname}`;
    if (url.pathname.startsWith("/fake/")) return this.#control(url.pathname, body);
    this.requests.push(what);
    const fault = this.faults.find((one) => one.times > 0 && what.includes(one.match));
    if (fault) fault.times--;
    const done = fault && !fault.after ? null : this.#work(request, what, url.pathname, body);
    if (!fault) return done!;
    const { status, headers = {} } = fault;
    return { status, headers, body: { error: { status, message: "A fault of the test" } } };
  }

  #work(request: IncomingMessage, what: string, path: string, body: unknown): Answer {
    if (request.headers.authorization !== `Bearer ${this.settings.token}`) {
      return refusal(401, "Unauthorized");
    }
    const registry = /^\/v1\/integrations\/registries(?:\/([^/]+))?$/.exec(path);
    if (registry) return this.#registry(request.method ?? "", registry[1], body);
    const prefix = `/v1/projects/${this.settings.projectId}/`;
    if (!path.startsWith(prefix)) return refusal(404, "Project not found");
    const rest = path.slice(prefix.length);
    if (what.startsWith("PUT") && rest === "services/deployment") {
      return this.#putService(body as ServiceSpec);
    }
    if (what.startsWith("PUT") && rest === "secrets") {
      return this.#putGroup(body as SecretGroupSpec);
    }
    const [kind, id = "", verb] = rest.split("/");
    if (kind === "secrets") return this.#group(request.method ?? "", id);
    const service = this.services.get(id);
    if (kind !== "services" || !service) return refusal(404, "Not found");
    this.#settle(service);
    return this.#service(request.method ?? "", service, verb, body);
  }

  #service(method: string, service: FakeService, verb: string | undefined, body: unknown): Answer {
    if (method === "GET" && !verb) return data(this.#told(service));
    if (method === "GET" && verb === "containers") {
      return data({ containers: service.containers.map((one) => this.#toldContainer(one)) });
    }
    if (method === "DELETE") {
      this.#past.push(service.liveMax);
      this.services.delete(service.id);
      return data({});
    }
    if (verb === "pause") {
      if (service.isPaused) return refusal(409, "The service is already paused");
      service.isPaused = true;
      this.#change(service, "SCALING");
      for (const one of service.containers) this.#terminate(one, this.#nowMs());
      return data({});
    }
    if (verb === "resume") {
      if (!service.isPaused)
        return refusal(409, "The service could not be resumed as it is not paused");
      service.isPaused = false;
      const { instances } = body as { instances?: number };
      if (instances !== undefined) service.spec.deployment.instances = instances;
      this.#change(service, "SCALING");
      this.#start(service);
      return data({});
    }
    return refusal(404, "Not found");
  }

  #putService(spec: ServiceSpec): Answer {
    if (spec.billing.deploymentPlan === this.settings.refusedPlan) {
      return refusal(400, "Invalid plan", { plan: spec.billing.deploymentPlan });
    }
    const id = spec.name.toLowerCase().replaceAll(/\s+/g, "-");
    const known = this.services.get(id);
    if (known) {
      this.#settle(known);
      known.spec = spec;
      this.#redeploy(known);
      return data(this.#told(known));
    }
    const service: FakeService = {
      id,
      spec,
      isPaused: false,
      containers: [],
      reason: "DEPLOYING",
      changedMs: this.#nowMs(),
      liveMax: 0,
    };
    this.services.set(id, service);
    this.#start(service);
    return data(this.#told(service));
  }

  #putGroup(spec: SecretGroupSpec): Answer {
    if (this.settings.isEchoing) return refusal(400, "Invalid secret", spec.secrets.variables);
    const id = spec.name.toLowerCase().replaceAll(/\s+/g, "-");
    this.groups.set(id, spec);
    for (const object of spec.restrictions.nfObjects) {
      const service = this.services.get(object.id);
      if (!service) continue;
      this.#settle(service);
      this.#redeploy(service);
    }
    return data({ ...spec, id });
  }

  #group(method: string, id: string): Answer {
    if (!this.groups.has(id)) return refusal(404, "Not found");
    if (method === "DELETE") this.groups.delete(id);
    return data({ id });
  }

  #registry(method: string, id: string | undefined, body: unknown): Answer {
    if (method === "POST") {
      const made = (body as { name: string }).name;
      if (this.registries.has(made)) return refusal(409, "The name is taken");
      this.registries.set(made, body);
      return data({ id: made });
    }
    if (id === undefined || !this.registries.has(id)) return refusal(404, "Not found");
    if (method === "PATCH") this.registries.set(id, body);
    if (method === "DELETE") this.registries.delete(id);
    return data({ id });
  }

  /** The new container comes first; what ran before is stopped once the new one is ready. */
  #redeploy(service: FakeService): void {
    this.#change(service, "DEPLOYING");
    if (!service.isPaused) this.#start(service);
  }

  #change(service: FakeService, reason: FakeService["reason"]): void {
    service.reason = reason;
    service.changedMs = this.#nowMs();
  }

  #start(service: FakeService): void {
    const nowMs = this.#nowMs();
    const image = service.spec.deployment.external.imagePath;
    const isBroken = image.includes(this.settings.brokenImage);
    service.containers.push({
      name: `${service.id}-${++this.#made}`,
      image,
      createdMs: nowMs,
      readyMs: isBroken ? Infinity : nowMs + this.settings.startMs,
      goneMs: Infinity,
    });
    this.#count(service, nowMs);
  }

  /** What has happened by now: a container that became ready has the older ones stopped. */
  #settle(service: FakeService): void {
    const nowMs = this.#nowMs();
    for (const [at, ready] of service.containers.entries()) {
      if (ready.readyMs > nowMs || ready.goneMs <= ready.readyMs) continue;
      for (const older of service.containers.slice(0, at)) this.#terminate(older, ready.readyMs);
    }
    this.#count(service, nowMs);
    // Those that are gone are shown as killed for a while; a minute is enough for any look.
    service.containers = service.containers.filter((one) => one.goneMs > nowMs - 60_000);
  }

  #count(service: FakeService, nowMs: number): void {
    const live = service.containers.filter((one) => one.createdMs <= nowMs && nowMs < one.goneMs);
    service.liveMax = Math.max(service.liveMax, live.length);
  }

  #terminate(container: FakeContainer, atMs: number): void {
    container.goneMs = Math.min(container.goneMs, atMs + this.settings.drainMs);
  }

  #told(service: FakeService) {
    const newest = service.containers.at(-1);
    const nowMs = this.#nowMs();
    const isReady = service.isPaused || (newest !== undefined && newest.readyMs <= nowMs);
    const isFailed =
      newest?.readyMs === Infinity && newest.createdMs + this.settings.startMs <= nowMs;
    const status = isReady ? "COMPLETED" : isFailed ? "FAILED" : "IN_PROGRESS";
    const atMs = isReady && newest && !service.isPaused ? newest.readyMs : service.changedMs;
    const { reason } = service;
    const lastTransitionTime = new Date(atMs).toISOString();
    return {
      id: service.id,
      ...service.spec,
      serviceType: "deployment",
      status: { deployment: { status, reason, lastTransitionTime } },
    };
  }

  #toldContainer(one: FakeContainer) {
    const nowMs = this.#nowMs();
    const status =
      one.goneMs <= nowMs
        ? "TASK_KILLED"
        : one.goneMs < Infinity
          ? "TASK_KILLING"
          : one.readyMs <= nowMs
            ? "TASK_RUNNING"
            : "TASK_STARTING";
    return { name: one.name, status, createdAt: one.createdMs, updatedAt: nowMs };
  }

  #control(path: string, body: unknown): Answer {
    if (path === "/fake/faults") this.faults.push(...(body as Fault[]));
    if (path === "/fake/settings") Object.assign(this.settings, body);
    const liveMax = this.liveMax();
    const services = [...this.services.values()].map(({ id, spec, isPaused }) => {
      return { id, isPaused, spec, running: this.running(id) };
    });
    const groups = Object.fromEntries(this.groups);
    const registries = [...this.registries.keys()];
    const { requests } = this;
    return data({ liveMax, services, groups, registries, requests });
  }
}

interface Answer {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
}

const data = (body: unknown): Answer => ({ status: 200, body: { data: body } });

const refusal = (status: number, message: string, details?: unknown): Answer => ({
  status,
  body: { error: { status, message, ...(details === undefined ? {} : { details }) } },
});

async function readBody(request: IncomingMessage): Promise<unknown> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text === "" ? undefined : JSON.parse(text);
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { port: { type: "string", default: "0" } } });
  // A real engine waits in real time, so everything is quick here.
  const fake = new NorthflankFake(() => Date.now(), { startMs: 200, drainMs: 100 });
  console.log(JSON.stringify({ url: await fake.listen(Number(values.port)) }));
}
