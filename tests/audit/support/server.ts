// A vendor on loopback: answers by path (or path and query), after a gate that lets in who has signed in as the vendor
// demands. A test replaces single answers, and can have the server misbehave in the ways networks do.
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A response: a body; or a status with one, and headers; or a fault; or what is worked out from the request. */
export type Reply = object | ((request: Asked) => object);

export interface Asked {
  method: string;
  url: URL;
  body: string;
  headers: IncomingMessage["headers"];
}

/** By path, or by path and query; the longest that fits wins. */
export type Replies = Record<string, Reply>;

const KIND = Symbol("kind");

interface Special {
  [KIND]: "reply" | "cut" | "silence";
  status: number;
  body: unknown;
  headers: Record<string, string>;
}

/** A status with a body, and headers of its own. */
export const reply = (
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): object => ({ [KIND]: "reply", status, body, headers }) satisfies Special;
/** Half of an answer, then the end of the connection. */
export const CUT: object = { [KIND]: "cut", status: 200, body: "", headers: {} } satisfies Special;
/** No answer, ever. */
export const SILENCE: object = {
  [KIND]: "silence",
  status: 200,
  body: "",
  headers: {},
} satisfies Special;

export interface Vendor {
  url: string;
  /** Path and query of each request, in order. */
  asked: string[];
  close(): Promise<void>;
}

export async function vendorServer(
  replies: Replies,
  gate: (asked: Asked) => object | undefined,
  unknown: object,
  /** What is always there, after what a test gives; a test may change its own while the server runs. */
  own: Replies = {},
): Promise<Vendor> {
  const asked: string[] = [];
  const server: Server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      const path = request.url!;
      asked.push(path);
      const of: Asked = {
        method: request.method!,
        url: new URL(path, "http://127.0.0.1"),
        body,
        headers: request.headers,
      };
      send(response, gate(of) ?? replyTo(replies, of, path) ?? replyTo(own, of, path) ?? unknown);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function replyTo(replies: Replies, asked: Asked, path: string): object | undefined {
  const fits = Object.keys(replies).filter((key) => path === key || path.split("?")[0] === key);
  const longest = fits.toSorted((a, b) => b.length - a.length)[0];
  const found = longest === undefined ? undefined : replies[longest];
  return typeof found === "function" ? (found as (asked: Asked) => object)(asked) : found;
}

function send(response: ServerResponse, found: object): void {
  const special: Special =
    KIND in found ? (found as Special) : { [KIND]: "reply", status: 200, body: found, headers: {} };
  if (special[KIND] === "silence") return;
  if (special[KIND] === "cut") {
    response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
    response.write('{"half":');
    // What was written has to be on its way first, or the client sees no answer at all.
    setImmediate(() => response.destroy());
    return;
  }
  const { status, body, headers } = special;
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(typeof body === "string" ? body : JSON.stringify(body));
}
