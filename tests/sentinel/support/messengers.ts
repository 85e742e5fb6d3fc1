// Telegram's Bot API and a Slack-compatible webhook on loopback, with their own words for what goes wrong: 429 with
// their ways to say how long, 5xx, no answer at all, a wrong token.
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export const BOT_TOKEN = "123456789:AAtests-0123456789abcdefghij";
export const CHAT = "4711";
const HOOK = "/services/T000/B000/tests";

/** What the next requests meet, one each; then all is well. */
export type Trouble = "429" | "500" | "hang" | "html" | "refused" | "unwanted";

export interface Messenger {
  url: string;
  /** Texts that were taken, in their order. */
  texts: string[];
  /** Every request, also those that were not taken. */
  requests: number;
  troubles: Trouble[];
  /** Stays until it is taken back. */
  always: Trouble | null;
  close(): Promise<void>;
}

async function serve(
  handle: (request: IncomingMessage, body: string, response: ServerResponse) => void,
): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => handle(request, body, response));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

export interface TelegramServer extends Messenger {
  /** Somebody writes to the bot. */
  write(text: string, chat?: number): void;
}

export async function startTelegram(): Promise<TelegramServer> {
  const updates: object[] = [];
  const { server, url } = await serve((request, body, response) => {
    const json = (status: number, answer: object) =>
      response
        .writeHead(status, { "content-type": "application/json" })
        .end(JSON.stringify(answer));
    const fail = (code: number, description: string, parameters?: object) =>
      json(code, {
        ok: false,
        error_code: code,
        description,
        ...(parameters ? { parameters } : {}),
      });
    const [, token, method] = /^\/bot([^/]+)\/(\w+)$/.exec(request.url ?? "") ?? [];
    if (token !== BOT_TOKEN) return void fail(401, "Unauthorized");
    if (method === "getMe") return void json(200, { ok: true, result: { id: 1, is_bot: true } });
    const asked = JSON.parse(body) as { chat_id?: string; text?: string; offset?: number };
    if (method === "getUpdates") {
      const result = updates.filter(
        (one) => (one as { update_id: number }).update_id >= (asked.offset ?? 0),
      );
      return void json(200, { ok: true, result });
    }
    messenger.requests++;
    const trouble = messenger.troubles.shift() ?? messenger.always;
    if (trouble === "429") {
      return void fail(429, "Too Many Requests: retry after 7", { retry_after: 7 });
    }
    if (trouble === "500") return void fail(502, "Bad Gateway");
    if (trouble === "hang") return;
    if (trouble === "html")
      return void response.writeHead(200).end("<html>a portal's login</html>");
    if (trouble === "refused") return void fail(403, "Forbidden: bot was blocked by the user");
    if (trouble === "unwanted") return void fail(400, "Bad Request: message text is empty");
    if (asked.chat_id !== CHAT) return void fail(400, "Bad Request: chat not found");
    if ((asked.text ?? "").length > 4_096)
      return void fail(400, "Bad Request: message is too long");
    messenger.texts.push(asked.text ?? "");
    json(200, { ok: true, result: { message_id: messenger.texts.length } });
  });
  const messenger: TelegramServer = {
    url,
    texts: [],
    requests: 0,
    troubles: [],
    always: null,
    write(text, chat = Number(CHAT)) {
      updates.push({ update_id: updates.length + 1, message: { text, chat: { id: chat } } });
    },
    close: () => close(server),
  };
  return messenger;
}

export async function startSlack(): Promise<Messenger> {
  const { server, url } = await serve((request, body, response) => {
    const say = (status: number, text: string, headers = {}) =>
      response.writeHead(status, { "content-type": "text/plain", ...headers }).end(text);
    if (request.url !== HOOK) return void say(404, "no_service");
    messenger.requests++;
    const trouble = messenger.troubles.shift() ?? messenger.always;
    if (trouble === "429") return void say(429, "rate_limited", { "retry-after": "11" });
    if (trouble === "500") return void say(500, "rollup_error");
    if (trouble === "hang") return;
    if (trouble === "html") return void say(302, "", { location: "https://example.com" });
    if (trouble === "refused") return void say(410, "channel_is_archived");
    if (trouble === "unwanted") return void say(400, "invalid_payload");
    const { text } = JSON.parse(body) as { text: string };
    messenger.texts.push(text);
    say(200, "ok");
  });
  const messenger: Messenger = {
    url: `${url}${HOOK}`,
    texts: [],
    requests: 0,
    troubles: [],
    always: null,
    close: () => close(server),
  };
  return messenger;
}
