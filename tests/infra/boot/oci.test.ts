// Requests signed by the machine itself, against a loopback cloud that checks each signature, and the secrets
// file that comes of them.
import { execFile, execFileSync } from "node:child_process";
import { createHash, createPublicKey, createVerify, X509Certificate } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

const VM = join(import.meta.dirname, "../../../infra/vm");
const TENANCY = "ocid1.tenancy.oc1..aaaaexample";
const TOKEN = "eyJ.session.token";

/** Metadata service, federation, vault and object storage in one. */
class Cloud {
  readonly objects = new Map<string, string>();
  readonly secrets = new Map<string, string>();
  /** Answers of the vault that fail first. */
  vaultFailures = 0;
  readonly faults: string[] = [];
  readonly #pki = mkdtempSync(join(tmpdir(), "tickhub-pki-"));
  readonly #server: Server;
  #session = "";

  constructor() {
    const subject = `/CN=ocid1.instance.oc1..x/OU=opc-instance:ocid1.instance.oc1..x/OU=opc-tenant:${TENANCY}`;
    const files = ["-keyout", join(this.#pki, "key.pem"), "-out", join(this.#pki, "cert.pem")];
    execFileSync(
      "openssl",
      ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", subject, ...files],
      { stdio: "ignore" },
    );
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  close(): void {
    this.#server.close();
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const path = request.url ?? "";
    const end = (status: number, text: string) => void response.writeHead(status).end(text);
    const identity = /^\/opc\/v2\/identity\/(.+)\.pem$/.exec(path)?.[1];
    if (identity !== undefined) {
      if (request.headers.authorization !== "Bearer Oracle") return end(401, "");
      return end(
        200,
        readFileSync(join(this.#pki, `${identity === "key" ? "key" : "cert"}.pem`), "utf8"),
      );
    }
    if (!this.#isSigned(request, body)) return end(401, '{"code":"NotAuthenticated"}');
    if (path === "/v1/x509") {
      this.#session = (JSON.parse(body) as { publicKey: string }).publicKey;
      return end(200, JSON.stringify({ token: TOKEN }));
    }
    const secret = /^\/20190301\/secretbundles\/(.+)$/.exec(path)?.[1];
    if (secret !== undefined) {
      if (this.vaultFailures-- > 0) return end(503, '{"code":"ServiceUnavailable"}');
      const content = this.secrets.get(secret);
      if (content === undefined) return end(404, '{"code":"NotAuthorizedOrNotFound"}');
      const bundle = { contentType: "BASE64", content: Buffer.from(content).toString("base64") };
      return end(200, JSON.stringify({ secretBundleContent: bundle }));
    }
    if (path.startsWith("/n/axexample/b/tickhub/o?")) {
      return end(200, this.#listing(new URL(path, this.url).searchParams));
    }
    const name = decodeURIComponent(
      /^\/n\/axexample\/b\/tickhub\/o\/([^/]+)$/.exec(path)?.[1] ?? "",
    );
    if (request.method === "PUT") {
      const md5 = createHash("md5").update(body).digest("base64");
      if (request.headers["content-md5"] !== md5) return end(400, '{"code":"UnmatchedContentMD5"}');
      this.objects.set(name, body);
      return end(200, "");
    }
    if (request.method === "DELETE") return end(this.objects.delete(name) ? 204 : 404, "");
    const object = this.objects.get(name);
    end(object === undefined ? 404 : 200, object ?? '{"code":"ObjectNotFound"}');
  }

  /** Two names a page, as if a thousand were many. */
  #listing(query: URLSearchParams): string {
    const from = query.get("start") ?? "";
    const names = [...this.objects.keys()]
      .filter((name) => name.startsWith(query.get("prefix") ?? "") && name >= from)
      .sort();
    const objects = names
      .slice(0, 2)
      .map((name) => ({ name, size: this.objects.get(name)!.length }));
    return JSON.stringify({ objects, ...(names[2] ? { nextStartWith: names[2] } : {}) });
  }

  /** As Oracle's "Request Signatures" has it: date, target and host always, the body's facts where there is one. */
  #isSigned(request: IncomingMessage, body: string): boolean {
    const said = Object.fromEntries(
      [...(request.headers.authorization ?? "").matchAll(/(\w+)="([^"]*)"/g)].map((m) => [
        m[1]!,
        m[2]!,
      ]),
    );
    const names = said["headers"]?.split(" ") ?? [];
    const isFederation = request.url === "/v1/x509";
    const needed = ["date", "(request-target)", ...(isFederation ? [] : ["host"])];
    if (body) needed.push("content-length", "content-type", "x-content-sha256");
    const hash = createHash("sha256").update(body).digest("base64");
    const text = names.map((name) =>
      name === "(request-target)"
        ? `${name}: ${request.method?.toLowerCase()} ${request.url}`
        : `${name}: ${String(request.headers[name])}`,
    );
    const leaf = new X509Certificate(readFileSync(join(this.#pki, "cert.pem")));
    const key = isFederation
      ? leaf.publicKey
      : createPublicKey({ key: Buffer.from(this.#session, "base64"), format: "der", type: "spki" });
    const keyId = isFederation
      ? `${TENANCY}/fed-x509-sha256/${leaf.fingerprint256.toLowerCase()}`
      : `ST$${TOKEN}`;
    const checks = {
      headers: needed.every((name) => names.includes(name)),
      body: !body || request.headers["x-content-sha256"] === hash,
      keyId: said["keyId"] === keyId,
      date: Math.abs(Date.parse(request.headers.date ?? "") - Date.now()) < 300_000,
      signature: createVerify("sha256")
        .update(text.join("\n"))
        .verify(key, said["signature"] ?? "", "base64"),
    };
    const wrong = Object.entries(checks)
      .filter(([, good]) => !good)
      .map(([name]) => name);
    if (wrong.length > 0) this.faults.push(`${request.url}: ${wrong.join(", ")}`);
    return wrong.length === 0;
  }
}

describe("the machine's requests to its cloud", () => {
  const cloud = new Cloud();
  let run: string;

  beforeAll(() => cloud.listen());
  afterAll(() => cloud.close());
  beforeEach(() => {
    run = mkdtempSync(join(tmpdir(), "tickhub-run-"));
    cloud.faults.length = 0;
    cloud.vaultFailures = 0;
  });

  const script = (name: string, ...args: string[]) =>
    new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
      const child = execFile(
        join(VM, name),
        args,
        {
          env: {
            PATH: `${VM}:${process.env.PATH ?? ""}`,
            TICKHUB_REGION: "ap-seoul-1",
            TICKHUB_NAMESPACE: "axexample",
            TICKHUB_BUCKET: "tickhub",
            TICKHUB_IMDS: `${cloud.url}/opc/v2`,
            TICKHUB_OCI_AUTH: cloud.url,
            TICKHUB_OCI_SECRETS: cloud.url,
            TICKHUB_OCI_OBJECTS: cloud.url,
            TICKHUB_RUN: run,
            TICKHUB_SECRETS_LIST: join(run, "list"),
            TICKHUB_ATTEMPTS: "3",
            TICKHUB_RETRY_SECONDS: "0",
          },
        },
        (_error, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
      );
    });

  test("an object is put and got again under the same name, each request signed", async () => {
    const file = join(run, "report.json");
    writeFileSync(file, '{"outcome":"running"}\n');
    expect(
      await script("tickhub-oci", "object-put", "releases/oci.report.json", file),
    ).toMatchObject({ code: 0, stderr: "" });
    expect(cloud.objects.get("releases/oci.report.json")).toBe('{"outcome":"running"}\n');
    const got = join(run, "got.json");
    expect((await script("tickhub-oci", "object-get", "releases/oci.report.json", got)).code).toBe(
      0,
    );
    expect(readFileSync(got, "utf8")).toBe('{"outcome":"running"}\n');
    expect(cloud.faults).toEqual([]);
  });

  test("objects are listed over pages with their sizes, and deleted, also twice", async () => {
    const file = join(run, "segment");
    const names = ["a", "b", "c", "d", "e"].map((name) => `wal/oci/7 8&9/${name}.zst`);
    for (const [index, name] of names.entries()) {
      writeFileSync(file, "x".repeat(index + 1));
      expect((await script("tickhub-oci", "object-put", name, file)).code).toBe(0);
    }
    expect((await script("tickhub-oci", "object-list", "wal/oci/7 8&9/")).stdout).toBe(
      names.map((name, index) => `${index + 1}\t${name}\n`).join(""),
    );
    expect((await script("tickhub-oci", "object-list", "wal/other/")).stdout).toBe("");
    expect((await script("tickhub-oci", "object-delete", names[0]!)).code).toBe(0);
    expect((await script("tickhub-oci", "object-delete", names[0]!)).code).toBe(0);
    expect(cloud.objects.has(names[0]!)).toBe(false);
    expect(cloud.faults).toEqual([]);
  });

  test("an object that is not there is told apart from a cloud that fails", async () => {
    expect(
      (await script("tickhub-oci", "object-get", "releases/none.json", join(run, "x"))).code,
    ).toBe(3);
    const failed = await script("tickhub-oci", "secret", "ocid1.none");
    expect(failed).toMatchObject({ code: 1, stdout: "" });
    expect(failed.stderr).toContain("HTTP 404, NotAuthorizedOrNotFound");
  });

  test("keys and token are gone when it ends", async () => {
    cloud.secrets.set("ocid1.one", "hush");
    expect((await script("tickhub-oci", "secret", "ocid1.one")).stdout).toBe("hush");
    expect(readdirSync(run)).toEqual([]);
  });

  test("the vault's secrets become one env file that root alone can reach, and the registry's a login", async () => {
    cloud.secrets.set("ocid1.url", "postgres://hub:p$a#s@database/tickhub");
    cloud.secrets.set("ocid1.tokens", "kis=sha256:ab,kiwoom=sha256:cd");
    cloud.secrets.set(
      "ocid1.registry",
      JSON.stringify({ address: "ghcr.io", username: "somebody", password: "p:w" }),
    );
    writeFileSync(
      join(run, "list"),
      "TICKHUB_DATABASE_URL ocid1.url\nREGISTRY ocid1.registry\nTICKHUB_EDGE_TOKENS ocid1.tokens\n",
    );
    cloud.vaultFailures = 1;
    const { code, stdout, stderr } = await script("tickhub-secrets");
    expect(code, stderr).toBe(0);
    expect(stdout + stderr).not.toContain("p$a");
    expect(readFileSync(join(run, "secrets.env"), "utf8").split("\n")).toEqual([
      "TICKHUB_DATABASE_URL='postgres://hub:p$a#s@database/tickhub'",
      "TICKHUB_EDGE_TOKENS=kis=sha256:ab,kiwoom=sha256:cd",
      "",
    ]);
    expect(statSync(join(run, "secrets.env")).mode & 0o777).toBe(0o444);
    expect(statSync(run).mode & 0o777).toBe(0o700);
    const login = JSON.parse(readFileSync(join(run, "docker/config.json"), "utf8")) as unknown;
    expect(login).toEqual({
      auths: { "ghcr.io": { auth: Buffer.from("somebody:p:w").toString("base64") } },
    });
  });

  test("a vault that stays away ends the attempts, and an earlier file stays", async () => {
    writeFileSync(join(run, "list"), "TICKHUB_DATABASE_URL ocid1.url\n");
    mkdirSync(join(run, "docker"));
    writeFileSync(join(run, "secrets.env"), "A=1\n");
    cloud.vaultFailures = 100;
    const { code, stderr } = await script("tickhub-secrets");
    expect(code).toBe(1);
    expect(stderr).toContain("given up after 3 attempts");
    expect(readFileSync(join(run, "secrets.env"), "utf8")).toBe("A=1\n");
  });

  test("a secret that no env file can carry is refused by name", async () => {
    cloud.secrets.set("ocid1.odd", "it's\nodd");
    writeFileSync(join(run, "list"), "ODD ocid1.odd\n");
    const { code, stderr } = await script("tickhub-secrets");
    expect(code).toBe(1);
    expect(stderr).toContain("ODD has a line break");
    expect(stderr).not.toContain("odd\n'");
  });
});
