// Asks the image registry, before a plan relies on it, whether the login is let in and may push and pull.
// A build that fails at its push says `denied` in the middle of a page of layers; this says which key to set.
// Speaks the distribution API (/v2/), with the two ways of logging in that registries have.
import { TickhubError } from "../../app/shared/errors.ts";
import { registryAddress, repositoryPath } from "./image-ref.ts";

export interface RegistryLogin {
  /** `ghcr.io/owner/tickhub`, without an image's name. */
  repository: string;
  username: string;
  password: string;
}

/** Registries answer in well under a second; a dead address should not hold up a preview. */
const TIMEOUT_MS = 15_000;

const MANIFESTS = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

/**
 * Logs in and reads each image's tags; with `push` also opens an upload to each and cancels it. An image
 * that does not exist yet is fine. Throws REGISTRY_REFUSED, REGISTRY_UNREACHABLE.
 */
export async function checkRegistry(
  login: RegistryLogin,
  names: readonly string[],
  options: { push: boolean },
): Promise<void> {
  for (const name of names) {
    const path = `${repositoryPath(login.repository)}/${name}`;
    const session = await Session.open(login, path, options.push ? "pull,push" : "pull");
    const tags = await session.ask("GET", `/v2/${path}/tags/list?n=1`);
    // GHCR answers 403 for a package that was never pushed, and only a push tells that from a refusal.
    const unborn = tags.status === 404 || (tags.status === 403 && options.push);
    if (!tags.ok && !unborn) throw session.refused(`reading ${path}`, tags.status);
    if (!options.push) continue;
    const upload = await session.ask("POST", `/v2/${path}/blobs/uploads/`);
    if (upload.status !== 202) throw session.refused(`pushing ${path}`, upload.status);
    const location = upload.headers.get("location");
    if (location) await session.cancel(location);
  }
}

/** The manifest of `repository/name@sha256:…` can be read with the login that the hub's VM will use. */
export async function checkPull(login: RegistryLogin, image: string): Promise<void> {
  const [repository, digest] = image.split("@");
  const path = repositoryPath(repository!);
  const session = await Session.open(login, path, "pull");
  const answer = await session.ask("HEAD", `/v2/${path}/manifests/${digest!}`);
  if (!answer.ok) throw session.refused(`pulling ${path}@${digest!}`, answer.status);
}

class Session {
  readonly #login: RegistryLogin;
  readonly #base: string;
  readonly #authorization: string | undefined;

  private constructor(login: RegistryLogin, base: string, authorization: string | undefined) {
    this.#login = login;
    this.#base = base;
    this.#authorization = authorization;
  }

  static async open(login: RegistryLogin, path: string, actions: string): Promise<Session> {
    const base = baseOf(registryAddress(login.repository));
    const basic = `Basic ${Buffer.from(`${login.username}:${login.password}`).toString("base64")}`;
    const open = new Session(login, base, undefined);
    const first = await open.ask("GET", "/v2/");
    if (first.ok) return open;
    const challenge = first.headers.get("www-authenticate") ?? "";
    if (first.status === 401 && /^basic\b/i.test(challenge)) {
      const session = new Session(login, base, basic);
      const again = await session.ask("GET", "/v2/");
      if (!again.ok) throw session.refused("the login", again.status);
      return session;
    }
    const realm = /realm="([^"]+)"/i.exec(challenge)?.[1];
    if (first.status !== 401 || !realm || !URL.canParse(realm)) {
      throw unreachable(login, `status ${first.status} to /v2/`);
    }
    const url = new URL(realm);
    const service = /service="([^"]+)"/i.exec(challenge)?.[1];
    if (service) url.searchParams.set("service", service);
    url.searchParams.set("scope", `repository:${path}:${actions}`);
    const answer = await new Session(login, base, basic).ask("GET", url.href);
    if (!answer.ok) throw open.refused("the login", answer.status);
    const grant = (await answer.json()) as { token?: string; access_token?: string };
    const token = grant.token ?? grant.access_token;
    if (!token) throw unreachable(login, "no token");
    return new Session(login, base, `Bearer ${token}`);
  }

  async ask(method: string, target: string): Promise<Response> {
    const url = new URL(target, this.#base);
    const headers: Record<string, string> = { accept: MANIFESTS };
    if (this.#authorization) headers["authorization"] = this.#authorization;
    try {
      return await fetch(url, { method, headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    } catch (cause) {
      throw unreachable(this.#login, `no answer from ${url.host}`, cause);
    }
  }

  /** Ends an upload that was only a question; a registry ends it by itself in hours. */
  async cancel(location: string): Promise<void> {
    const url = new URL(location, this.#base);
    // Some registries upload elsewhere; the token is not for there.
    if (url.origin === new URL(this.#base).origin) await this.ask("DELETE", url.href);
  }

  refused(what: string, status: number): TickhubError {
    if (status >= 500) return unreachable(this.#login, `status ${status} to ${what}`);
    const { repository, username } = this.#login;
    return new TickhubError("REGISTRY_REFUSED", { what, repository, username, status });
  }
}

function unreachable(login: RegistryLogin, problem: string, cause?: unknown): TickhubError {
  const context = { registry: registryAddress(login.repository), problem };
  return new TickhubError("REGISTRY_UNREACHABLE", context, { cause });
}

/** Docker speaks plain HTTP to a registry on loopback and to no other; Docker Hub's API has another name. */
function baseOf(address: string): string {
  if (address === "docker.io") return "https://registry-1.docker.io";
  const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/.test(address);
  return `${loopback ? "http" : "https"}://${address}`;
}
