// What a Northflank account says of itself: projects, services with their plans, jobs, addons, volumes, and the
// invoice that is being written. Asks, and judges nothing; verdict.ts does. Paths and fields are those of the
// official client @northflank/js-client 0.9.5 (`endpointUrl`, `…Result`); a test lets that client read the same
// loopback server. Answers are `{"data": …, "pagination": {"hasNextPage", "cursor", "count"}}`.
import { ask, everyPage } from "../ask.ts";
import { Gatherer } from "../gather.ts";
import type { Unanswered } from "../refusal.ts";

const API = "https://api.northflank.com";

export type Item = Record<string, unknown>;

export interface NorthflankService {
  id: string;
  plan: string;
  instances: number;
  paused: boolean;
  publicPorts: number;
}

/** Undefined: not told; the question is in `unanswered` then. */
export interface NorthflankFacts {
  region: string;
  /** Of the account; the sandbox has one. */
  projects: string[] | undefined;
  services: NorthflankService[] | undefined;
  jobs: string[] | undefined;
  addons: string[] | undefined;
  /** With their sizes in megabytes. */
  volumes: { id: string; mb: number }[] | undefined;
  /** US dollars a month by plan. */
  plans: Map<string, number> | undefined;
  /** Of the invoice in preparation, in US dollars. */
  spentUsd: number | undefined;
  unanswered: Unanswered[];
}

export interface NorthflankAccount {
  token: string;
  project: string;
  /** Another address, for servers on loopback. */
  base?: string | undefined;
  answerMs?: number | undefined;
}

export class NorthflankClient {
  readonly #account: NorthflankAccount;

  constructor(account: NorthflankAccount) {
    this.#account = account;
  }

  /** The `data` of an answer, with the mark of the next page. Throws AskError. */
  async get(
    path: string,
    query: Record<string, string> = {},
  ): Promise<{ data: unknown; next: string | undefined }> {
    const url = new URL((this.#account.base ?? API) + path);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const { body } = await ask(url, {
      headers: { authorization: `Bearer ${this.#account.token}` },
      answerMs: this.#account.answerMs,
    });
    const { data, pagination } = (body ?? {}) as {
      data?: unknown;
      pagination?: { hasNextPage?: boolean; cursor?: string };
    };
    return { data, next: pagination?.hasNextPage ? pagination.cursor : undefined };
  }

  /** A list under `name`, or one that stands for itself, to its last page. Throws AskError. */
  async list(path: string, name: string): Promise<Item[]> {
    return await everyPage(`northflank${path}`, async (cursor) => {
      const { data, next } = await this.get(path, {
        per_page: "100",
        ...(cursor === undefined ? {} : { cursor }),
      });
      const list = Array.isArray(data) ? data : (data as Item | null | undefined)?.[name];
      return { items: Array.isArray(list) ? (list as Item[]) : [], next };
    });
  }
}

/** Throws AskError when the project cannot be read; anything less is `unanswered`. */
export async function readNorthflank(
  client: NorthflankClient,
  projectId: string,
): Promise<NorthflankFacts> {
  const project = `/v1/projects/${encodeURIComponent(projectId)}`;
  const { data } = await client.get(project);
  const region = ((data as Item | undefined)?.["deployment"] as Item | undefined)?.["region"];
  const gather = new Gatherer();
  const list = (what: string, path: string, name = what) =>
    gather.try(what, () => client.list(path, name));
  const [projects, services, jobs, addons, volumes, plans, invoice] = await Promise.all([
    list("projects", "/v1/projects"),
    list("services", `${project}/services`),
    list("jobs", `${project}/jobs`),
    list("addons", `${project}/addons`),
    list("volumes", `${project}/volumes`),
    gather.try("plans", () => client.get("/v1/plans")),
    gather.try("cost of the month", () => client.get("/v1/billing/invoices/details")),
  ]);
  const details =
    services &&
    (await gather.each(
      () => "services' plans",
      services,
      async ({ id }) => {
        const service = await client.get(`${project}/services/${encodeURIComponent(String(id))}`);
        return [serviceOf((service.data ?? {}) as Item)];
      },
    ));
  const idOf = ({ id }: Item) => String(id);
  return {
    region: typeof region === "string" ? region : "",
    projects: projects?.map(idOf),
    services: details,
    jobs: jobs?.map(idOf),
    addons: addons?.map(idOf),
    volumes: volumes?.map((volume) => ({
      id: idOf(volume),
      mb: Number((volume["spec"] as Item | undefined)?.["storageSize"] ?? 0),
    })),
    plans: plans && plansOf(plans.data),
    spentUsd: invoice && usdOf(invoice.data),
    unanswered: gather.unanswered,
  };
}

function serviceOf(item: Item): NorthflankService {
  const billing = (item["billing"] ?? {}) as Item;
  const deployment = (item["deployment"] ?? {}) as Item;
  const ports = (item["ports"] ?? []) as Item[];
  return {
    id: String(item["id"]),
    plan: String(billing["deploymentPlan"]),
    instances: Number(deployment["instances"] ?? 0),
    paused: item["servicePaused"] === true,
    publicPorts: ports.filter((port) => port["public"] === true).length,
  };
}

function plansOf(data: unknown): Map<string, number> {
  const plans = ((data as Item | undefined)?.["plans"] ?? []) as Item[];
  return new Map(plans.map((plan) => [String(plan["id"]), Number(plan["amountPerMonth"])]));
}

/** The invoice's total is in cents, as that of `GET /v1/billing/invoices` is said to be; the details do not say. */
function usdOf(data: unknown): number {
  const { total, subTotal } = (data ?? {}) as { total?: number; subTotal?: number };
  return (total ?? subTotal ?? 0) / 100;
}
