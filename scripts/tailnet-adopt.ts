// `npm run tailnet:adopt`: before the first `up`, looks at the policy the tailnet has, keeps what is worth
// keeping as infra/tailnet/extra.hujson, says what tickhub's policy will change, and how to hand the policy
// over to Pulumi. It reads from Tailscale and writes that one file; it changes nothing there.
//   TAILSCALE_API_KEY=tskey-api-… npm run tailnet:adopt -- --stack oci [--drop-allow-all]
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { isDeepStrictEqual, parseArgs } from "node:util";
import type { KiwoomEgress, Phase } from "../infra/config.ts";
import { adopt } from "../infra/lib/tailnet-adopt.ts";
import { parseHujson } from "../infra/lib/tailnet-extra.ts";
import type { TailnetPlan } from "../infra/lib/tailnet-policy.ts";

const PHASES: readonly Phase[] = ["home", "local", "dual", "cloud"];
const EGRESSES: readonly KiwoomEgress[] = ["hub", "home", "oci-micro"];
const TIMEOUT_MS = 30_000;

/** Something the user can mend; its text says how. */
class Refusal extends Error {}

const { values } = parseArgs({
  options: {
    stack: { type: "string", default: "oci" },
    /** Over what the stack's file says; separated by commas. */
    admins: { type: "string" },
    phase: { type: "string" },
    egress: { type: "string" },
    out: { type: "string", default: "infra/tailnet/extra.hujson" },
    "drop-allow-all": { type: "boolean", default: false },
  },
});

const say = (text = "") => process.stdout.write(`${text}\n`);

try {
  await main();
} catch (error) {
  if (!(error instanceof Error)) throw error;
  process.stderr.write(`tailnet:adopt: ${error.message}\n`);
  process.exitCode = error instanceof Refusal ? 1 : 2;
}

async function main(): Promise<void> {
  const plan = planOf(values.stack);
  const present = await presentPolicy();
  const adoption = adopt(present, plan, { dropAllowAll: values["drop-allow-all"] });
  if (adoption.outcome === "allows-all") {
    throw new Refusal(
      `the tailnet lets everybody do everything:\n  ${adoption.rules.join("\n  ")}\n` +
        "tickhub's policy ends that: machines of yours that are not in it will no longer reach one another.\n" +
        "Next: write the rules they need into the policy in Tailscale's console, then run this again with --drop-allow-all.",
    );
  }
  if (adoption.outcome === "opens-ours") {
    throw new Refusal(
      `these rules would open tickhub's machines:\n  ${adoption.rules.join("\n  ")}\n` +
        "Next: narrow them in Tailscale's console to the machines you mean, then run this again.",
    );
  }
  keep(adoption.extra);
  say(adoption.changes.length === 0 ? "Nothing will change." : "What `pulumi up` will change:");
  for (const line of adoption.changes) say(`  ${line}`);
  say("\nNext, so that Pulumi takes the policy over instead of refusing to overwrite it:");
  say(
    `  pulumi import --stack ${values.stack} --generate-code=false tailscale:index/acl:Acl tailnet-policy acl`,
  );
}

/** An extra.hujson that differs is never overwritten: it may hold what the tailnet no longer has. */
function keep(extra: string | null): void {
  const { out, stack } = values;
  const kept = existsSync(out) ? readFileSync(out, "utf8") : null;
  if (extra === null) {
    if (kept === null) say("The tailnet's policy holds nothing to keep.\n");
    else say(`The tailnet's policy holds nothing to keep that is not in ${out} or ours.\n`);
    return;
  }
  if (kept !== null && isDeepStrictEqual(parseHujson(kept), parseHujson(extra))) {
    say(`What the tailnet has beside ours is in ${out} already.\n`);
    return;
  }
  if (kept !== null) {
    throw new Refusal(
      `${out} is there and differs from what the tailnet has now.\nNext: move it away, run this again, and compare the two.`,
    );
  }
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, extra);
  say(`What the tailnet had is kept in ${out}; name it in the stack's config:`);
  say(`  pulumi config set tailnetExtra ${out} --stack ${stack}\n`);
}

/** `GET /api/v2/tailnet/{tailnet}/acl`, with its comments; the variables are those of Pulumi's provider. */
async function presentPolicy(): Promise<string> {
  const { TAILSCALE_API_KEY, TAILSCALE_TAILNET, TAILSCALE_BASE_URL } = process.env;
  if (!TAILSCALE_API_KEY) {
    throw new Refusal(
      "TAILSCALE_API_KEY is not set.\nNext: make an API access token in Tailscale's console, under Settings, Keys.",
    );
  }
  const base = TAILSCALE_BASE_URL ?? "https://api.tailscale.com";
  const tailnet = encodeURIComponent(TAILSCALE_TAILNET ?? "-");
  const response = await fetch(new URL(`/api/v2/tailnet/${tailnet}/acl`, base), {
    headers: { authorization: `Bearer ${TAILSCALE_API_KEY}`, accept: "application/hujson" },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((error: unknown) => {
    throw new Refusal(`${base} does not answer: ${String((error as Error).cause ?? error)}`);
  });
  if (response.ok) return await response.text();
  const why =
    response.status === 401 || response.status === 403
      ? "the token is wrong, has expired (they last 90 days), or may not read the policy"
      : (await response.text()).slice(0, 200);
  throw new Refusal(`Tailscale answers ${response.status}: ${why}.`);
}

/** What the stack's file says in plain text, or the options in its place. */
function planOf(stack: string): Omit<TailnetPlan, "extraPolicy"> {
  const file = `Pulumi.${stack}.yaml`;
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  const setting = (key: string) =>
    new RegExp(`^\\s+tickhub:${key}:\\s*["']?([^"'#\\n]*[^"'#\\s])`, "m").exec(text)?.[1];
  const admins = (values.admins ?? setting("tailnetAdmins") ?? "")
    .split(",")
    .map((it) => it.trim());
  if (!admins.every((admin) => /^[^@\s]+@[^@\s]+$/.test(admin))) {
    throw new Refusal(
      `who are the admins?\nNext: set tickhub:tailnetAdmins in ${file}, or --admins you@example.com`,
    );
  }
  return {
    admins,
    phase: oneOf(PHASES, "phase", values.phase ?? setting("phase") ?? "cloud"),
    kiwoomEgress: oneOf(EGRESSES, "egress", values.egress ?? setting("kiwoomEgress") ?? "hub"),
  };
}

function oneOf<T extends string>(words: readonly T[], name: string, word: string): T {
  const found = words.find((one) => one === word);
  if (found === undefined) throw new Refusal(`${name} is ${word}; one of ${words.join(", ")}`);
  return found;
}
