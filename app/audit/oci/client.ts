// Requests to OCI, signed as its API asks (draft-cavage HTTP signatures, RSA-SHA256 over date, target and host, and
// over the body's length, type and hash where there is a body). Why not the vendor's client: docs/adr/0017, 0027.
import { createHash, sign } from "node:crypto";
import type { Clock } from "../../shared/clock.ts";
import type { Answer } from "../ask.ts";
import { ask, everyPage } from "../ask.ts";
import type { OciCredentials } from "./credentials.ts";

/**
 * Services by name, with host and the path their version begins with. Sources: `serviceEndpointTemplate` and base
 * path of the official client's packages oci-identity, -limits, -budget, -core, -monitoring, -usageapi,
 * -objectstorage and -resourcesearch 2.139.1.
 */
const SERVICES = {
  identity: { host: "identity.{region}.oci.oraclecloud.com", path: "/20160918" },
  limits: { host: "limits.{region}.oci.oraclecloud.com", path: "/20190729" },
  quotas: { host: "limits.{region}.oci.oraclecloud.com", path: "/20181025" },
  budgets: { host: "usage.{region}.oci.oraclecloud.com", path: "/20190111" },
  core: { host: "iaas.{region}.oraclecloud.com", path: "/20160918" },
  monitoring: { host: "telemetry.{region}.oraclecloud.com", path: "/20180401" },
  usage: { host: "usageapi.{region}.oci.oraclecloud.com", path: "/20200107" },
  objects: { host: "objectstorage.{region}.oraclecloud.com", path: "" },
  search: { host: "query.{region}.oci.oraclecloud.com", path: "/20180409" },
} as const;

export type OciService = keyof typeof SERVICES;
export type Item = Record<string, unknown>;

export interface OciClientOptions {
  /** Replaces every service's scheme and host; for servers on loopback. */
  base?: string | undefined;
  /** How long an answer may take, in milliseconds. */
  answerMs?: number | undefined;
}

export class OciClient {
  readonly #credentials: OciCredentials;
  readonly #clock: Clock;
  readonly #options: OciClientOptions;

  constructor(credentials: OciCredentials, clock: Clock, options: OciClientOptions = {}) {
    this.#credentials = credentials;
    this.#clock = clock;
    this.#options = options;
  }

  /** One object. Throws AskError. */
  async get(
    service: OciService,
    path: string,
    query: Record<string, string> = {},
  ): Promise<unknown> {
    return (await this.#ask(service, path, query)).body;
  }

  /** A whole list, page by page; `body` makes it a POST. Throws AskError. */
  async list(
    service: OciService,
    path: string,
    query: Record<string, string> = {},
    body?: object,
  ): Promise<Item[]> {
    return await everyPage<Item>(`${service}${path}`, async (page) => {
      const answer = await this.#ask(
        service,
        path,
        { ...query, ...(page === undefined ? {} : { page }) },
        body,
      );
      return {
        items: itemsOf(answer.body),
        next: answer.headers.get("opc-next-page") ?? undefined,
      };
    });
  }

  async #ask(
    service: OciService,
    path: string,
    query: Record<string, string>,
    body?: object,
  ): Promise<Answer> {
    const { host, path: version } = SERVICES[service];
    const base =
      this.#options.base ?? `https://${host.replace("{region}", this.#credentials.region)}`;
    const url = new URL(`${base}${version}${path}`);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const date = new Date(this.#clock.nowMs()).toUTCString();
    const text = body === undefined ? undefined : JSON.stringify(body);
    return await ask(url, {
      method: text === undefined ? "GET" : "POST",
      headers: signedHeaders(url, date, this.#credentials, text),
      body: text,
      answerMs: this.#options.answerMs,
    });
  }
}

/** A list, or a collection with its items. */
function itemsOf(body: unknown): Item[] {
  const list = Array.isArray(body) ? body : (body as { items?: unknown } | null)?.items;
  return Array.isArray(list) ? (list as Item[]) : [];
}

/** The headers that authorise one request: a GET, or a POST where there is a body. */
export function signedHeaders(
  url: URL,
  date: string,
  { key, keyId }: Pick<OciCredentials, "key" | "keyId">,
  body?: string,
): Record<string, string> {
  const target = `${body === undefined ? "get" : "post"} ${url.pathname}${url.search}`;
  const ofBody: Record<string, string> =
    body === undefined
      ? {}
      : {
          "content-type": "application/json",
          "content-length": String(Buffer.byteLength(body)),
          "x-content-sha256": createHash("sha256").update(body).digest("base64"),
        };
  const signed = { "x-date": date, "(request-target)": target, host: url.host, ...ofBody };
  const text = Object.entries(signed)
    .map(([name, value]) => `${name}: ${value}`)
    .join("\n");
  const signature = sign("RSA-SHA256", Buffer.from(text), key).toString("base64");
  return {
    "x-date": date,
    // fetch sets the length itself, from the same bytes.
    ...Object.fromEntries(Object.entries(ofBody).filter(([name]) => name !== "content-length")),
    authorization:
      `Signature version="1",keyId="${keyId}",algorithm="rsa-sha256",` +
      `headers="${Object.keys(signed).join(" ")}",signature="${signature}"`,
  };
}
