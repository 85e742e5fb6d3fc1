// The built page (scripts/page.mjs makes it) as the hub serves it: read once, at start, compressed already. Files
// whose names carry their hash may be kept by browsers for ever; `/` names them, and is asked again each time.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

export const PAGE_FOLDER = fileURLToPath(new URL("./dist", import.meta.url));

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".md": "text/markdown; charset=utf-8",
};
/** In the order of preference; each is a file beside the plain one. */
const ENCODINGS = [
  { name: "br", suffix: ".br" },
  { name: "gzip", suffix: ".gz" },
] as const;
const YEAR_S = 365 * 86_400;

const UNBUILT = `The page is not built. Build it: node scripts/page.mjs, then start the hub again.
Everything else works: /status, /live, /healthz and /metrics.
`;

interface PageFile {
  path: string;
  type: string;
  isHashed: boolean;
  plain: Buffer;
  encoded: { name: string; bytes: Buffer }[];
}

/** Serves what is in `folder`; where nothing is, `/` says how to get it. */
export function addPage(app: FastifyInstance, folder = PAGE_FOLDER): void {
  const files = readPage(folder);
  if (files.length === 0) {
    app.get("/", (_request, reply) =>
      reply.code(503).type("text/plain; charset=utf-8").send(UNBUILT),
    );
  }
  for (const file of files) app.get(file.path, (request, reply) => send(file, request, reply));
}

function readPage(folder: string): PageFile[] {
  if (!existsSync(join(folder, "index.html"))) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) => {
    const type = TYPES[extname(entry.name)];
    if (!entry.isFile() || !type) return [];
    const file = join(entry.parentPath, entry.name);
    const name = relative(folder, file).split(sep).join("/");
    const encoded = ENCODINGS.flatMap((encoding) => {
      const path = `${file}${encoding.suffix}`;
      return existsSync(path) ? [{ name: encoding.name, bytes: readFileSync(path) }] : [];
    });
    const path = name === "index.html" ? "/" : `/${name}`;
    return [
      { path, type, isHashed: name.startsWith("assets/"), plain: readFileSync(file), encoded },
    ];
  });
}

function send(file: PageFile, { headers }: FastifyRequest, reply: FastifyReply): FastifyReply {
  const accepted = (headers["accept-encoding"] ?? "")
    .split(",")
    .map((part) => part.split(";")[0]!.trim());
  const best = file.encoded.find(({ name }) => accepted.includes(name));
  if (best) reply.header("content-encoding", best.name);
  if (file.isHashed) reply.header("cache-control", `public, max-age=${YEAR_S}, immutable`);
  return reply.type(file.type).send(best?.bytes ?? file.plain);
}
