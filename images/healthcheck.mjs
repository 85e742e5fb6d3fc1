// HEALTHCHECK of both images: asks this container's own /healthz. Plain JavaScript, because it runs four
// times a minute beside a collector on a tenth of a core and should load nothing.
/* global AbortSignal, fetch */
const env = process.env;
// It answers CONNECT alone.
if (env.TICKHUB_ENTRY === "proxy") process.exit(0);
// An edge has a status port; a hub keeps /healthz on its gateway's port.
const port = env.TICKHUB_STATUS_PORT ?? env.TICKHUB_PORT ?? "8610";
const bind = (env.TICKHUB_STATUS_PORT ? env.TICKHUB_STATUS_BIND : env.TICKHUB_BIND) ?? "";
const host = ["", "0.0.0.0", "::", "localhost"].includes(bind) ? "127.0.0.1" : bind;
const url = `http://${host.includes(":") ? `[${host}]` : host}:${port}/healthz`;
try {
  const response = await fetch(url, { signal: AbortSignal.timeout(4_000) });
  process.stdout.write(await response.text());
  process.exit(response.ok ? 0 : 1);
} catch (error) {
  process.stdout.write(`${url}: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
