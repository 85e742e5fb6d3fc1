// GET requests to Google's REST APIs, a list to its last page. Why not the client libraries: docs/adr/0027.
import { ask, AskError, everyPage } from "../ask.ts";
import type { GoogleLogin } from "./login.ts";

export type Item = Record<string, unknown>;
export type GoogleService =
  | "compute"
  | "monitoring"
  | "secretmanager"
  | "artifactregistry"
  | "cloudbilling"
  | "billingbudgets";

const BASE = "https://{service}.googleapis.com";

export interface GoogleClientOptions {
  /** The services' address with `{service}` in it; for servers on loopback. */
  base?: string | undefined;
  answerMs?: number | undefined;
}

export class GoogleClient {
  readonly #login: GoogleLogin;
  readonly #options: GoogleClientOptions;

  constructor(login: GoogleLogin, options: GoogleClientOptions = {}) {
    this.#login = login;
    this.#options = options;
  }

  /** One object. Throws AskError. */
  async get(
    service: GoogleService,
    path: string,
    query: Record<string, string> = {},
  ): Promise<Item> {
    const base = (this.#options.base ?? BASE).replace("{service}", service);
    const url = new URL(base + path);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const { body } = await ask(url, {
      headers: { authorization: `Bearer ${await this.#login.token()}` },
      answerMs: this.#options.answerMs,
    });
    return (body ?? {}) as Item;
  }

  /** The list under `name`, to its last page. Throws AskError. */
  async list(
    service: GoogleService,
    path: string,
    name: string,
    query: Record<string, string> = {},
  ): Promise<Item[]> {
    return await this.#pages(service, path, query, (body) => {
      const list = body[name];
      return Array.isArray(list) ? (list as Item[]) : [];
    });
  }

  /**
   * Compute Engine's lists over all zones: `{"items": {"zones/us-west1-b": {"instances": […]}, "zones/…": {"warning":
   * {"code": "NO_RESULTS_ON_PAGE"}}}}`. A zone that did not answer is in `unreachables`; then the list is none.
   */
  async aggregated(project: string, kind: string): Promise<Item[]> {
    const path = `/compute/v1/projects/${project}/aggregated/${kind}`;
    return await this.#pages("compute", path, { maxResults: "500" }, (body) => {
      const unreachable = body["unreachables"];
      if (Array.isArray(unreachable) && unreachable.length > 0)
        throw new AskError(
          `${path} is without ${unreachable.map(String).join(", ")}`,
          "vendor_down",
          { status: 200 },
        );
      return Object.values((body["items"] ?? {}) as Record<string, Item>).flatMap(
        (scope) => (scope[kind] ?? []) as Item[],
      );
    });
  }

  async #pages(
    service: GoogleService,
    path: string,
    query: Record<string, string>,
    itemsOf: (body: Item) => Item[],
  ): Promise<Item[]> {
    return await everyPage(`${service}${path}`, async (pageToken) => {
      const body = await this.get(service, path, {
        ...query,
        ...(pageToken === undefined ? {} : { pageToken }),
      });
      const next = body["nextPageToken"];
      return { items: itemsOf(body), next: typeof next === "string" ? next : undefined };
    });
  }
}

/** A service that was never switched on has nothing in it: 403 with this reason. */
export const isSwitchedOff = (error: unknown): boolean =>
  error instanceof AskError &&
  error.fault === "forbidden" &&
  /SERVICE_DISABLED|has not been used in project|it is disabled/.test(error.message);
