// The vendors as the wizard meets them, on loopback: each answers in the shape of its public API reference, checks
// what it is given as the real one does, and counts what it was asked.
import { createPublicKey, createVerify } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Vendors {
  /** Of everything: the path says which vendor. */
  url: string;
  /** As TICKHUB_SETUP_ENDPOINTS. */
  endpoints: string;
  /** Registers what the user pasted into Oracle's console. */
  uploadKey(publicKey: string): void;
  asked: string[];
  homeRegion: string;
  /** Of Northflank's project; null: there is none yet. */
  projectRegion: string | null;
  close(): Promise<void>;
}

export const TENANCY = "ocid1.tenancy.oc1..aaaatenant";
export const USER = "ocid1.user.oc1..aaaauser";
export const TOKENS = {
  tailscale: "tskey-api-good",
  northflank: "nf-good",
  registry: "ghp_good",
  google: "ya29.good",
};

type Reply = [status: number, body: unknown, headers?: Record<string, string>];

export async function startVendors(): Promise<Vendors> {
  const server = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      const [status, json, headers] = answer(vendors, uploaded, request, body);
      send(response, status, json, headers);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const uploaded = { key: "" };
  const vendors: Vendors = {
    url,
    endpoints: JSON.stringify({
      oci: `${url}/oci`,
      tailscale: `${url}/tailscale`,
      google: `${url}/google/{service}`,
      northflank: `${url}/northflank`,
    }),
    uploadKey: (publicKey) => (uploaded.key = publicKey),
    asked: [],
    homeRegion: "ap-seoul-1",
    projectRegion: null,
    close: () => closeServer(server),
  };
  return vendors;
}

function answer(
  vendors: Vendors,
  uploaded: { key: string },
  request: IncomingMessage,
  body: string,
): Reply {
  const url = new URL(request.url ?? "/", vendors.url);
  const [, vendor = ""] = url.pathname.split("/");
  vendors.asked.push(`${request.method} ${url.pathname}`);
  switch (vendor) {
    case "oci":
      return oci(vendors, uploaded.key, request, url);
    case "tailscale":
      return tailscale(request, url.pathname.slice("/tailscale".length));
    case "google":
      return google(request, url.pathname, body);
    case "northflank":
      return northflank(vendors, request, url.pathname.slice("/northflank".length), body);
    default:
      return registry(vendors, request, url);
  }
}

/** Checks the signature over what was really sent, with the key that was uploaded. */
function oci(vendors: Vendors, publicKey: string, request: IncomingMessage, url: URL): Reply {
  const header = request.headers.authorization ?? "";
  const field = (name: string) => new RegExp(`${name}="([^"]*)"`).exec(header)?.[1] ?? "";
  const signed = [
    `x-date: ${String(request.headers["x-date"])}`,
    `(request-target): get ${request.url}`,
    `host: ${request.headers.host}`,
  ].join("\n");
  const isSigned =
    publicKey !== "" &&
    field("keyId").startsWith(`${TENANCY}/${USER}/`) &&
    createVerify("RSA-SHA256")
      .update(signed)
      .verify(createPublicKey(publicKey), field("signature"), "base64");
  if (!isSigned) return [401, { code: "NotAuthenticated", message: "The required information" }];
  if (url.pathname.endsWith("/regionSubscriptions")) {
    const home = { regionName: vendors.homeRegion, isHomeRegion: true, status: "READY" };
    return [200, [{ regionName: "us-ashburn-1", isHomeRegion: false }, home]];
  }
  if (url.pathname.endsWith("/availabilityDomains"))
    return [200, [{ name: "Uocm:AP-SEOUL-1-AD-1" }]];
  return [
    200,
    [
      {
        id: "ocid1.image.oc1..min",
        displayName: "Canonical-Ubuntu-24.04-Minimal-aarch64-2026.10.31-0",
      },
      { id: "ocid1.image.oc1..good", displayName: "Canonical-Ubuntu-24.04-aarch64-2026.10.31-0" },
    ],
  ];
}

function tailscale(request: IncomingMessage, path: string): Reply {
  if (request.headers.authorization !== `Bearer ${TOKENS.tailscale}`) {
    return [401, { message: "API token invalid" }];
  }
  if (path.endsWith("/devices")) return [200, { devices: [{ name: "laptop.tail1234.ts.net" }] }];
  return [
    200,
    {
      users: [
        { loginName: "owner@example.com", role: "owner" },
        { loginName: "m@example.com", role: "member" },
      ],
    },
  ];
}

function google(request: IncomingMessage, path: string, body: string): Reply {
  if (path.endsWith("/token")) {
    const isGrant = body.includes("grant_type");
    return isGrant
      ? [200, { access_token: TOKENS.google, expires_in: 3600, token_type: "Bearer" }]
      : [400, {}];
  }
  if (request.headers.authorization !== `Bearer ${TOKENS.google}`) return [401, {}];
  if (path.endsWith("/billingInfo")) return [200, { billingEnabled: true }];
  if (path.includes("/images/family/")) return [200, { name: "debian-12-bookworm-v20261110" }];
  return path.endsWith("/projects/my-project-1234")
    ? [200, { projectId: "my-project-1234", lifecycleState: "ACTIVE" }]
    : [403, { error: { message: "The caller does not have permission" } }];
}

function northflank(vendors: Vendors, request: IncomingMessage, path: string, body: string): Reply {
  if (request.headers.authorization !== `Bearer ${TOKENS.northflank}`) {
    return [401, { error: { message: "Unauthorized" } }];
  }
  if (request.method === "POST" && path === "/v1/projects") {
    vendors.projectRegion = (JSON.parse(body) as { region: string }).region;
    return [200, { data: { id: "tickhub" } }];
  }
  return vendors.projectRegion === null
    ? [404, { error: { message: "Project not found" } }]
    : [200, { data: { id: "tickhub", region: vendors.projectRegion } }];
}

/** As ghcr.io: a door that asks for a token, a token for the right login, an upload that may begin. */
function registry(vendors: Vendors, request: IncomingMessage, url: URL): Reply {
  const basic = `Basic ${Buffer.from(`owner:${TOKENS.registry}`).toString("base64")}`;
  if (url.pathname === "/v2/") {
    const challenge = `Bearer realm="${vendors.url}/ghcrtoken",service="ghcr.io"`;
    return [401, {}, { "www-authenticate": challenge }];
  }
  if (url.pathname === "/ghcrtoken") {
    return request.headers.authorization === basic
      ? [200, { token: "push" }]
      : [403, { errors: ["denied"] }];
  }
  return request.headers.authorization === "Bearer push"
    ? [202, ""]
    : [401, { errors: ["unauthorized"] }];
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request) body += String(chunk);
  return body;
}

function send(response: ServerResponse, status: number, body: unknown, headers = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(typeof body === "string" ? body : JSON.stringify(body));
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
