// `npm run bench -- ingest decode --json`: runs the named benchmarks (all without a name), one after the
// other, and prints one JSON object. Figures are ratios to a baseline of the same run wherever they can be.
import { parseArgs } from "node:util";

const BENCHES = {
  codec: async () => (await import("./codec.ts")).run({ json: true }),
  decode: async () => (await import("./decode.ts")).run(),
  refill: async () => (await import("./refill.ts")).run(),
  ingest: async () => (await import("./ingest.ts")).run(),
  transfer: async () => (await import("./transfer.ts")).run(),
  coverage: async () => (await import("./coverage.ts")).run(),
  "light-link": async () => (await import("./light-link.ts")).run(),
  parity: async () => (await import("./parity.ts")).run(),
  page: async () => (await import("./page.ts")).run(),
} as const;

const { values, positionals } = parseArgs({
  options: { json: { type: "boolean", default: false } },
  allowPositionals: true,
});
const names = positionals.length > 0 ? positionals : Object.keys(BENCHES);
const results: Record<string, unknown> = {};
for (const name of names) {
  if (!(name in BENCHES)) {
    process.stderr.write(`No benchmark ${name}. There are ${Object.keys(BENCHES).join(", ")}.\n`);
    process.exit(2);
  }
  results[name] = await BENCHES[name as keyof typeof BENCHES]();
}
process.stdout.write(`${JSON.stringify(results, null, values.json ? 0 : 2)}\n`);
process.exit(0);
