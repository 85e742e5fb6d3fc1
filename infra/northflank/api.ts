// The part of Northflank's REST API that tickhub uses, over plain fetch. Promises: a request that may be
// repeated is repeated when the network, the server or the hourly limit of 1,000 requests asks for it; an
// error names status, request, what the server said and what to do next, and never a secret.
// Paths and shapes: northflank.com/docs/v1/api, as mirrored in github.com/northflank/skills (2026-06-25).
import { sleep } from "../../app/shared/clock.ts";
import type { Clock } from "../../app/shared/clock.ts";

/** What a service runs and how; the body of `PUT …/services/deployment`. */
export interface ServiceSpec {
  name: string;
  description?: string;
  billing: { deploymentPlan: string };
  infrastructure?: { architecture: "x86" | "arm" };
  deployment: {
    instances: number;
    /** `repository@sha256:…`: the API's pattern refuses a tag and a digest together. */
    external: { imagePath: string; credentials?: string };
    docker: { configType: "default" };
    gracePeriodSeconds: number;
    storage?: { ephemeralStorage: { storageSize: number } };
  };
  ports: { name: string; internalPort: number; public: boolean; protocol: "HTTP" | "TCP" }[];
  runtimeEnvironment: Record<string, string>;
  healthChecks: HealthCheck[];
}

export interface HealthCheck {
  protocol: "HTTP";
  type: "livenessProbe" | "readinessProbe" | "startupProbe";
  path: string;
  port: number;
  initialDelaySeconds: number;
  periodSeconds: number;
  timeoutSeconds: number;
  failureThreshold: number;
  successThreshold?: number;
}

/** What `GET …/services/{id}` tells of a service, as far as it is used. Nothing in it says "paused". */
export interface Service {
  id: string;
  name: string;
  deployment?: { instances?: number; external?: { imagePath?: string } };
  status?: {
    deployment?: {
      status: "PENDING" | "IN_PROGRESS" | "COMPLETED" | "FAILED";
      lastTransitionTime?: string;
    };
  };
}

export interface Container {
  name: string;
  status:
    | "TASK_RUNNING"
    | "TASK_STARTING"
    | "TASK_STAGING"
    | "TASK_KILLING"
    | "TASK_KILLED"
    | "TASK_FAILED"
    | "TASK_FINISHED";
}

/** Body of `PUT …/secrets`: variables for the services named in `restrictions`, and for no other. */
export interface SecretGroupSpec {
  name: string;
  secretType: "environment";
  priority: number;
  restrictions: { restricted: true; nfObjects: { id: string; type: "service" }[] };
  secrets: { variables: Record<string, string> };
}

/** A login for a container registry; kept by the team, not by the project. */
export interface RegistrySpec {
  name: string;
  provider: "custom" | "github" | "gitlab" | "dockerhub";
  registryUrl?: string;
  credentials: { username: string; password: string; scope: { pull: true; push: false } };
  restrictions: { restricted: true; projects: string[] };
}

export interface NorthflankApi {
  service(id: string): Promise<Service | null>;
  containers(id: string): Promise<Container[]>;
  putService(spec: ServiceSpec): Promise<Service>;
  /** Stops every container. Of a paused service it does nothing. */
  pause(id: string): Promise<void>;
  /** Starts it again. Of a service that is not paused it does nothing. */
  resume(id: string, instances: number): Promise<void>;
  /** Of a service that is not there it does nothing. */
  deleteService(id: string): Promise<void>;
  hasSecretGroup(id: string): Promise<boolean>;
  putSecretGroup(spec: SecretGroupSpec): Promise<{ id: string }>;
  deleteSecretGroup(id: string): Promise<void>;
  hasRegistry(id: string): Promise<boolean>;
  addRegistry(spec: RegistrySpec): Promise<{ id: string }>;
  updateRegistry(id: string, spec: RegistrySpec): Promise<void>;
  deleteRegistry(id: string): Promise<void>;
}

export interface ApiOptions {
  /** `https://api.northflank.com`, or a loopback address. */
  url: string;
  projectId: string;
  token: string;
  clock: Clock;
  /** One line when a request waits, for the person who watches. */
  tell?: (line: string) => void;
}

/** What a refused or failed request means for the person who ran `pulumi up`. */
export class NorthflankError extends Error {
  /** HTTP status; 0 where no answer came. */
  readonly status: number;

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "NorthflankError";
    this.status = status;
  }
}

/** `My Service` is found again as `my-service`. */
export const slugOf = (name: string): string => name.toLowerCase().replaceAll(/\s+/g, "-");

export function northflankApi(options: ApiOptions): NorthflankApi {
  const project = `/v1/projects/${encodeURIComponent(options.projectId)}`;
  const service = (id: string) => `${project}/services/${encodeURIComponent(id)}`;
  const group = (id: string) => `${project}/secrets/${encodeURIComponent(id)}`;
  const registry = (id: string) => `/v1/integrations/registries/${encodeURIComponent(id)}`;
  const call = <T>(request: Request) => send<T>(options, request);
  const has = async (path: string) =>
    (await call({ method: "GET", path, accept: [404] })) !== undefined;

  return {
    async service(id) {
      return (await call<Service>({ method: "GET", path: service(id), accept: [404] })) ?? null;
    },
    async containers(id) {
      const path = `${service(id)}/containers?per_page=100`;
      return (await call<{ containers: Container[] }>({ method: "GET", path }))?.containers ?? [];
    },
    async putService(spec) {
      const path = `${project}/services/deployment`;
      return (await call<Service>({ method: "PUT", path, body: spec }))!;
    },
    async pause(id) {
      await call({ method: "POST", path: `${service(id)}/pause`, body: {}, accept: [409] });
    },
    async resume(id, instances) {
      const path = `${service(id)}/resume`;
      await call({ method: "POST", path, body: { instances }, accept: [409] });
    },
    async deleteService(id) {
      await call({ method: "DELETE", path: service(id), accept: [404] });
    },
    hasSecretGroup: (id) => has(`${group(id)}?show=this`),
    async putSecretGroup(spec) {
      const secrets = Object.values(spec.secrets.variables);
      const path = `${project}/secrets`;
      return (await call<{ id: string }>({ method: "PUT", path, body: spec, secrets }))!;
    },
    async deleteSecretGroup(id) {
      await call({ method: "DELETE", path: group(id), accept: [404] });
    },
    hasRegistry: (id) => has(registry(id)),
    async addRegistry(spec) {
      const secrets = [spec.credentials.password];
      const path = "/v1/integrations/registries";
      // Sent twice it would be made twice, so a lost answer is not repeated.
      const made = await call<{ id: string }>({ method: "POST", path, body: spec, secrets });
      return made!;
    },
    async updateRegistry(id, spec) {
      const { credentials, restrictions } = spec;
      const secrets = [credentials.password];
      const body = { credentials, restrictions };
      await call({ method: "PATCH", path: registry(id), body, secrets, isRepeatable: true });
    },
    async deleteRegistry(id) {
      await call({ method: "DELETE", path: registry(id), accept: [404] });
    },
  };
}

interface Request {
  method: "GET" | "PUT" | "POST" | "PATCH" | "DELETE";
  path: string;
  body?: unknown;
  /** Statuses that are an answer, too: nothing there, nothing to do. */
  accept?: readonly number[];
  /** Values of the body that no message may repeat. */
  secrets?: readonly string[];
  isRepeatable?: boolean;
}

const ATTEMPTS_MAX = 6;
const BACKOFF_MS = 1_000;
const BACKOFF_MAX_MS = 30_000;
/** The limit is counted by the hour; who has used it up is told so instead of left waiting. */
const LIMITED_MAX_MS = 15 * 60_000;
const REQUEST_MS = 30_000;

/** The answer's `data`; undefined for a status in `accept`. Throws NorthflankError. */
async function send<T>(options: ApiOptions, request: Request): Promise<T | undefined> {
  const { clock, tell } = options;
  const what = `${request.method} ${request.path}`;
  let limitedMs = 0;
  for (let attempt = 1; ; attempt++) {
    const answer = await attemptOnce(options, request);
    if (answer.name === "data") return answer.data as T;
    if (answer.name === "accepted") return undefined;
    const { status, said } = answer;
    const detail = redact(said, [options.token, ...(request.secrets ?? [])]);
    const waitMs = waitOf(answer, attempt, clock);
    if (status === 429) limitedMs += waitMs;
    const isOver = status === 429 ? limitedMs > LIMITED_MAX_MS : attempt >= ATTEMPTS_MAX;
    if (isOver || !mayRepeat(request, status)) {
      const answered = status === 0 ? "did not answer" : `answered ${status} to`;
      throw new NorthflankError(
        status,
        `Northflank ${answered} ${what}: ${detail} ${nextStep(status, options)}`,
      );
    }
    tell?.(
      `Northflank: ${status || "no answer"} to ${what}, again in ${Math.ceil(waitMs / 1000)} s`,
    );
    await sleep(clock, waitMs);
  }
}

type Answer =
  | { name: "data"; data: unknown }
  | { name: "accepted" }
  | { name: "failed"; status: number; said: string; limitedMs: number | null };

async function attemptOnce(options: ApiOptions, request: Request): Promise<Answer> {
  try {
    const response = await fetch(new URL(request.path, options.url), {
      method: request.method,
      headers: { authorization: `Bearer ${options.token}`, "content-type": "application/json" },
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      // A redirect would take the token to another host.
      redirect: "error",
      signal: AbortSignal.timeout(REQUEST_MS),
    });
    const text = await response.text();
    if (response.ok) return { name: "data", data: dataOf(text) };
    if (request.accept?.includes(response.status)) return { name: "accepted" };
    const limitedMs = limitOf(response.headers, options.clock.nowMs());
    return { name: "failed", status: response.status, said: messageOf(text), limitedMs };
  } catch (error) {
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    return { name: "failed", status: 0, said: `${String(cause)}.`, limitedMs: null };
  }
}

/** Everything but a creating POST may come twice: PUT, pause and resume end in the same state. */
function mayRepeat(request: Request, status: number): boolean {
  if (status === 429) return true;
  if (status !== 0 && status < 500) return false;
  const isCreation = request.method === "POST" && !/\/(pause|resume)$/.test(request.path);
  return !isCreation || request.isRepeatable === true;
}

function waitOf(answer: Answer & { name: "failed" }, attempt: number, clock: Clock): number {
  const backoffMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** (attempt - 1));
  const jitteredMs = backoffMs * (0.5 + clock.random() / 2);
  if (answer.status !== 429) return jitteredMs;
  return Math.max(jitteredMs, answer.limitedMs ?? BACKOFF_MAX_MS);
}

/**
 * Milliseconds until the limit is lifted, by `retry-after` (seconds) or `x-ratelimit-reset`. The latter's unit
 * is not documented: a number like an epoch is read as one, a small one as seconds from now.
 */
export function limitOf(headers: Headers, nowMs: number): number | null {
  const after = Number(headers.get("retry-after") ?? Number.NaN);
  if (Number.isFinite(after)) return after * 1_000;
  const reset = Number(headers.get("x-ratelimit-reset") ?? Number.NaN);
  if (!Number.isFinite(reset)) return null;
  if (reset > 1e12) return Math.max(0, reset - nowMs);
  if (reset > 1e9) return Math.max(0, reset * 1_000 - nowMs);
  return reset * 1_000;
}

function dataOf(text: string): unknown {
  if (text === "") return {};
  const body = JSON.parse(text) as { data?: unknown };
  return body.data ?? {};
}

/** The server's own sentence with its details, short enough for a terminal. */
function messageOf(text: string): string {
  const EXCERPT_MAX = 400;
  let said = text;
  try {
    const { error } = JSON.parse(text) as { error?: { message?: string; details?: unknown } };
    if (error?.message) {
      said = error.message + (error.details ? ` ${JSON.stringify(error.details)}` : "");
    }
  } catch {
    // Not JSON: a proxy's page, or a cut answer.
  }
  const line = said.replaceAll(/\s+/g, " ").trim().slice(0, EXCERPT_MAX);
  return line === "" ? "(no text)." : /[.!?]$/.test(line) ? line : `${line}.`;
}

/** A value too short to be a secret would only make the message unreadable. */
function redact(text: string, secrets: readonly string[]): string {
  const forms = secrets.flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)]);
  return forms
    .filter((form) => form.length >= 6)
    .reduce((left, form) => left.replaceAll(form, "[redacted]"), text);
}

function nextStep(status: number, { projectId, url }: ApiOptions): string {
  if (status === 0) return `Can this machine reach ${url}? Then run \`pulumi up\` again.`;
  if (status === 401 || status === 403) {
    return "Make an API token with the role's rights for services and secrets of this project, and give it to the stack as its Northflank token (a secret).";
  }
  if (status === 404) return `Does the project ${projectId} exist, and does the token see it?`;
  if (status === 429) return "The limit is 1,000 requests an hour: run `pulumi up` again later.";
  if (status >= 500) return "See status.northflank.com, then run `pulumi up` again.";
  return "Correct what it names in the stack's config, then run `pulumi up` again.";
}
