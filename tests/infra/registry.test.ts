// The registry check against a registry on loopback that speaks the distribution API, with each way of
// logging in and each refusal that real ones have.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { TickhubError } from "../../app/shared/errors.ts";
import { checkPull, checkRegistry, type RegistryLogin } from "../../infra/lib/registry.ts";

const DIGEST = `sha256:${"ab".repeat(32)}`;

interface Manners {
  login: "basic" | "token" | "none";
  /** Status of each request after the login, by method. */
  GET?: number;
  POST?: number;
  HEAD?: number;
}

let server: Server | undefined;
afterEach(() => void server?.close());

/** A registry and what was asked of it. */
async function registry(manners: Manners): Promise<{ login: RegistryLogin; asked: string[] }> {
  const asked: string[] = [];
  server = createServer((request, response) => {
    asked.push(`${request.method!} ${request.url!}`);
    answer(manners, request, response);
  });
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const repository = `127.0.0.1:${port}/owner/tickhub`;
  return { login: { repository, username: "owner", password: "right" }, asked };
}

function answer(manners: Manners, request: IncomingMessage, response: ServerResponse): void {
  const end = (status: number, headers: Record<string, string> = {}, body = "") =>
    void response.writeHead(status, headers).end(body);
  const given = request.headers.authorization;
  const basic = `Basic ${Buffer.from("owner:right").toString("base64")}`;
  const host = `http://${request.headers.host!}`;
  if (request.url!.startsWith("/token")) {
    if (given !== basic) return end(401);
    const scope = new URL(request.url!, host).searchParams.get("scope");
    return end(200, {}, JSON.stringify({ token: `of ${scope ?? ""}` }));
  }
  const wanted = {
    basic: given === basic,
    token: given?.startsWith("Bearer of repository:"),
    none: true,
  };
  if (!wanted[manners.login]) {
    const challenge =
      manners.login === "basic" ? 'Basic realm="r"' : `Bearer realm="${host}/token",service="s"`;
    return end(401, { "www-authenticate": challenge });
  }
  if (request.url === "/v2/") return end(200);
  if (request.method === "POST")
    return end(manners.POST ?? 202, { location: `${request.url!}an-upload` });
  if (request.method === "HEAD") return end(manners.HEAD ?? 200);
  return end(request.method === "DELETE" ? 204 : (manners.GET ?? 200));
}

async function refusal(run: Promise<void>): Promise<Record<string, unknown>> {
  const error: unknown = await run.then(
    () => new Error("was let in"),
    (thrown: unknown) => thrown,
  );
  if (error instanceof TickhubError) return { code: error.code, ...error.context };
  throw error;
}

describe("the registry check", () => {
  it.each(["basic", "token", "none"] as const)(
    "logs in with %s and leaves no upload",
    async (login) => {
      const fake = await registry({ login });
      await checkRegistry(fake.login, ["hub", "edge"], { push: true });
      const after = fake.asked.filter((each) => each.includes("/hub/") && !each.includes("/token"));
      expect(after).toEqual([
        "GET /v2/owner/tickhub/hub/tags/list?n=1",
        "POST /v2/owner/tickhub/hub/blobs/uploads/",
        "DELETE /v2/owner/tickhub/hub/blobs/uploads/an-upload",
      ]);
      const scopes = fake.asked.filter((each) => each.includes("/token"));
      expect(scopes.every((each) => decodeURIComponent(each).includes(":pull,push"))).toBe(true);
    },
  );

  it("writes nothing in a preview", async () => {
    const fake = await registry({ login: "token" });
    await checkRegistry(fake.login, ["hub"], { push: false });
    expect(fake.asked.some((each) => each.startsWith("POST"))).toBe(false);
  });

  it.each(["basic", "token"] as const)("names a login that is refused (%s)", async (login) => {
    const fake = await registry({ login });
    const wrong = { ...fake.login, password: "wrong" };
    const refused = await refusal(checkRegistry(wrong, ["hub"], { push: true }));
    expect(refused).toEqual({
      code: "REGISTRY_REFUSED",
      what: "the login",
      repository: fake.login.repository,
      username: "owner",
      status: 401,
    });
  });

  it.each([
    [{ login: "token", POST: 403 }, "pushing owner/tickhub/hub", 403],
    [{ login: "token", GET: 401 }, "reading owner/tickhub/hub", 401],
  ] as const)("names what is refused: %o", async (manners, what, status) => {
    const fake = await registry(manners);
    const refused = await refusal(checkRegistry(fake.login, ["hub"], { push: true }));
    expect(refused).toMatchObject({ code: "REGISTRY_REFUSED", what, status });
  });

  it.each([404, 403])("lets an image be pushed that does not exist yet (%d)", async (GET) => {
    const fake = await registry({ login: "token", GET });
    await checkRegistry(fake.login, ["hub"], { push: true });
  });

  it("finds a pushed image by its digest, and names the one that cannot be pulled", async () => {
    const fake = await registry({ login: "token" });
    await checkPull(fake.login, `${fake.login.repository}/hub@${DIGEST}`);
    expect(fake.asked.at(-1)).toBe(`HEAD /v2/owner/tickhub/hub/manifests/${DIGEST}`);
    server?.close();
    const without = await registry({ login: "token", HEAD: 404 });
    const refused = await refusal(
      checkPull(without.login, `${without.login.repository}/hub@${DIGEST}`),
    );
    expect(refused).toMatchObject({ code: "REGISTRY_REFUSED", status: 404 });
    expect(refused["what"]).toBe(`pulling owner/tickhub/hub@${DIGEST}`);
  });

  it("tells a registry that does not answer, or is none, from one that refuses", async () => {
    const gone = await registry({ login: "none" });
    await new Promise((resolve) => server!.close(resolve));
    expect(await refusal(checkRegistry(gone.login, ["hub"], { push: false }))).toMatchObject({
      code: "REGISTRY_UNREACHABLE",
      problem: `no answer from ${gone.login.repository.split("/")[0]!}`,
    });
    const broken = await registry({ login: "none", GET: 502 });
    expect(await refusal(checkRegistry(broken.login, ["hub"], { push: false }))).toMatchObject({
      code: "REGISTRY_UNREACHABLE",
      problem: "status 502 to reading owner/tickhub/hub",
    });
  });
});
