// The edge's own window, on loopback: /healthz for probes, /status for people, /metrics for Prometheus.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Registry } from "prom-client";

export interface StatusServer {
  url: string;
  close(): Promise<void>;
}

/** Ready from the first moment, also while another process still holds the accounts: a standby is healthy. */
export async function startStatusServer(
  port: number,
  edge: { status: () => unknown; isStandby: () => boolean },
  registry: Registry,
): Promise<StatusServer> {
  const server = createServer((request, response) => {
    const answer = (code: number, type: string, body: string) => {
      response.writeHead(code, { "content-type": type, "cache-control": "no-store" }).end(body);
    };
    const json = (body: unknown) => answer(200, "application/json", JSON.stringify(body));
    if (request.url === "/healthz") json({ ok: true, standby: edge.isStandby() });
    else if (request.url === "/status") json(edge.status());
    else if (request.url === "/metrics") {
      void registry.metrics().then((text) => answer(200, registry.contentType, text));
    } else answer(404, "text/plain", "Here are /healthz, /status and /metrics.\n");
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${bound}`,
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
