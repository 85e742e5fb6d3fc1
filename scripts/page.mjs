// Builds the hub's page (app/hub/web/page) into app/hub/web/dist, and only when its sources have changed since:
// `npm start` and the tests call it each time. A build is put in place in one move, so that a hub that reads the
// folder meanwhile, or another build, sees a whole page.
//   node scripts/page.mjs          when anything has changed
//   node scripts/page.mjs --force  always
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const source = join(root, "app/hub/web/page");
const target = join(root, "app/hub/web/dist");
/** What the page was built of; beside it, in the same folder. */
const note = join(target, "built.json");
const LOCK = "package-lock.json";

if (process.argv.includes("--force") || !isFresh()) {
  console.error("tickhub: building the page …");
  await build();
}

/** The files below the page's folder, and what it took from elsewhere the last time, are what they were. */
function isFresh() {
  if (!existsSync(note)) return false;
  const { files, digest } = JSON.parse(readFileSync(note, "utf8"));
  return files.every((file) => existsSync(join(root, file))) && digestOf(files) === digest;
}

function digestOf(others) {
  const hash = createHash("sha256");
  const own = readdirSync(source, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
  for (const file of [...new Set([...own, ...others, LOCK])].sort()) {
    hash.update(`${file}\0`).update(readFileSync(join(root, file)));
  }
  return hash.digest("hex");
}

async function build() {
  const vite = await import("vite");
  const place = mkdtempSync(`${target}.`);
  try {
    const { output } = await vite.build({
      configFile: join(source, "vite.config.ts"),
      logLevel: "warn",
      build: { outDir: place },
    });
    const others = output
      .flatMap((chunk) => (chunk.type === "chunk" ? chunk.moduleIds : []))
      .filter((id) => id.startsWith(join(root, "app")) && !id.startsWith(source))
      .map((id) => relative(root, id.split("?")[0]));
    compress(place);
    chmodSync(place, 0o755);
    const files = [...new Set(others)].sort();
    writeFileSync(join(place, "built.json"), JSON.stringify({ files, digest: digestOf(files) }));
    rmSync(target, { recursive: true, force: true });
    renameSync(place, target);
  } catch (error) {
    rmSync(place, { recursive: true, force: true });
    // Another build was faster; it built the same.
    if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
  }
}

/** Each file once more as .br and .gz, so that the hub need not compress while it serves. */
function compress(folder) {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = readFileSync(path);
    writeFileSync(`${path}.br`, brotliCompressSync(bytes));
    writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
  }
}
