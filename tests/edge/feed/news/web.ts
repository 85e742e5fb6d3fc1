// A publisher's web server on loopback, told by a test what it answers, which remembers what it was asked.
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Web {
  url: string;
  /** `GET /path`, in the order of asking. */
  asked: { path: string; headers: IncomingMessage["headers"] }[];
  /** What answers a path; without one it is 404. */
  answer: Record<string, (request: IncomingMessage, response: ServerResponse) => void>;
  close(): Promise<void>;
}

export async function startWeb(): Promise<Web> {
  const web: Omit<Web, "url" | "close"> = { asked: [], answer: {} };
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    web.asked.push({ path, headers: request.headers });
    const answer = web.answer[path] ?? web.answer[path.split("?")[0]!];
    if (answer) answer(request, response);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(web, {
    url: `http://127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  });
}

/** An RSS document of items with these numbers. */
export function rssOf(numbers: readonly number[], title = "item"): string {
  const items = numbers.map(
    (no) =>
      `<item><title>${title} ${no}</title><link>https://news.example/${no}</link>` +
      `<description>about ${no}</description><pubDate>Thu, 26 Nov 2026 08:00:00 +0900</pubDate></item>`,
  );
  return `<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel><title>x</title>${items.join("")}</channel></rss>`;
}
