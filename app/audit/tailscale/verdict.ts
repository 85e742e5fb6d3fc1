// The Tailscale section: whose tailnet this is, what its policy lets through, which machines are in it under which
// tags, what will expire, and whether ticks go straight or through a relay. Judging is pure.
import type { Clock } from "../../shared/clock.ts";
import { AskError } from "../ask.ts";
import type { Finding } from "../finding.ts";
import { sectionOf } from "../finding.ts";
import type { Report } from "../meter.ts";
import { Ledger } from "../meter.ts";
import type { Month } from "../month.ts";
import type { Advice } from "../refusal.ts";
import { explained, unansweredFindings } from "../refusal.ts";
import type { TailnetAccount, TailnetDevice, TailnetFacts } from "./facts.ts";
import { readTailnet } from "./facts.ts";
import type { PeerPath } from "./paths.ts";
import { readPaths } from "./paths.ts";
import type { Policy } from "./policy.ts";
import { policyFinding } from "./policy.ts";

const { ok, note, fail } = sectionOf("Tailscale");

const ADVICE: Advice = {
  signIn:
    "Make an API access token as an admin (login.tailscale.com > Settings > Keys), or an OAuth client with the scope all:read, and set TAILSCALE_API_KEY.",
  rights: "Give the OAuth client the scopes that docs/audit.md lists, or use an admin's token.",
  statusPage: "status.tailscale.com",
};

const DAY_MS = 86_400_000;
/** A key this close to its end is nobody's surprise next week. */
const NEAR_DAYS = 14;
/** An ephemeral device leaves within an hour of its last sign of life. */
const EPHEMERAL_MS = 3_600_000;

/** What each of tickhub's machines joins as, by its name in the tailnet (infra/lib/names.ts). */
export const EXPECTED_TAGS: Readonly<Record<string, string>> = {
  "tickhub-hub": "tag:hub",
  "tickhub-edge-kis": "tag:edge-kis",
  "tickhub-edge-kiwoom": "tag:edge-kiwoom",
  "tickhub-edge-gcp": "tag:edge-news",
  "tickhub-sentinel": "tag:sentinel",
  "tickhub-egress": "tag:egress",
};

/** On a tick's path; a relay there is a delay and a limit on every batch. */
const FEED_TAGS = ["tag:hub", "tag:edge-kis", "tag:edge-kiwoom"];

export interface TailnetQuestion extends TailnetAccount {
  /** The committed policy. */
  ours?: Policy | undefined;
  clock: Clock;
  /** Of the tailscaled on this machine. */
  socketPath: string;
}

/** Asks the tailnet and the tailscaled of this machine, and judges the answers. */
export async function auditTailnet(question: TailnetQuestion, month: Month): Promise<Report> {
  const { clock, ours, socketPath } = question;
  try {
    const facts = await readTailnet(question);
    const report = judgeTailnet(facts, { ours, month });
    report.findings.push(...(await pathFindings(socketPath, clock)));
    return report;
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    const { found, next } = explained(error, ADVICE);
    return { section: "Tailscale", findings: [fail("sign-in", found, next)], rows: [], extras: [] };
  }
}

export function judgeTailnet(
  facts: TailnetFacts,
  { ours, month }: { ours: Policy | undefined; month: Month },
): Report {
  const ledger = new Ledger(month);
  const { policy, devices = [], magicDns } = facts;
  ledger.say(policyFinding(policy, ours));
  judgePlan(facts, ledger);
  if (facts.devices !== undefined)
    ledger.say(
      deviceFinding(devices),
      ...tagFindings(devices, policy),
      ...presenceFindings(devices, month.nowMs),
    );
  ledger.say(...expiryFindings(facts, month.nowMs));
  if (magicDns !== undefined)
    ledger.say(
      magicDns
        ? ok("MagicDNS", "on")
        : fail(
            "MagicDNS",
            "off: edges find the hub by its name, and there are no names",
            "`pulumi up --stack oci` turns it on; or do it in the console (DNS > MagicDNS).",
          ),
    );
  ledger.say(...unansweredFindings("Tailscale", facts.unanswered, ADVICE));
  const { findings, rows, extras } = ledger;
  return { section: "Tailscale", findings, rows, extras };
}

const isTagged = ({ tags }: TailnetDevice) => tags.length > 0;

function judgePlan({ users, devices, policy }: TailnetFacts, ledger: Ledger): void {
  ledger.say(note("plan", "Personal is for non-commercial use only"));
  ledger.count(
    "users",
    users === undefined ? undefined : { limit: "tailscaleUsers", used: users },
    "Remove people who are gone, or keep tickhub in a tailnet of its own.",
  );
  ledger.count(
    "tagged devices",
    devices && { limit: "tailscaleTagged", used: devices.filter(isTagged).length, usdEach: 1 },
    "Remove machines that are gone (Machines > ... > Remove), or keep tickhub in a tailnet of its own.",
  );
  ledger.count(
    "groups",
    { limit: "tailscaleGroups", used: Object.keys(policy["groups"] ?? {}).length },
    "Use tags or autogroups in place of groups.",
  );
  if (devices?.some(({ isEphemeral }) => isEphemeral))
    ledger.count("ephemeral minutes", { limit: "tailscaleEphemeralMinutes", used: undefined }, "");
}

function deviceFinding(devices: readonly TailnetDevice[]): Finding {
  if (devices.length === 0) return ok("devices", "none yet");
  const tagged = devices.filter(isTagged);
  const names = tagged.map(({ name, tags }) => `${name} (${tags.join(" ")})`);
  const people = devices.length - tagged.length;
  return ok(
    "devices",
    `${people} of people, ${tagged.length} tagged${names.length === 0 ? "" : `: ${names.join(", ")}`}`,
  );
}

/** A second machine of a name gets `-1` behind it. */
const roleOf = (name: string) => name.replace(/-\d+$/, "");

function tagFindings(devices: readonly TailnetDevice[], policy: Policy): Finding[] {
  const owners = Object.keys(policy["tagOwners"] ?? {});
  return devices.flatMap(({ name, tags, user }) => {
    const expected = EXPECTED_TAGS[roleOf(name)];
    if (expected !== undefined && !tags.includes(expected))
      return [
        fail(
          "tags",
          `${name} is ${tags.length === 0 ? `${user}'s own` : tags.join(" ")}, not ${expected}: the policy takes it for something else`,
          "Remove it (Machines > ... > Remove) and let its stack join it again with a tagged key.",
        ),
      ];
    const unowned = tags.filter((tag) => !owners.includes(tag));
    return unowned.length === 0
      ? []
      : [
          note(
            "tags",
            `${name} carries ${unowned.join(" ")}, which the policy does not name`,
            "Nothing is granted to it; remove the device or the tag.",
          ),
        ];
  });
}

function presenceFindings(devices: readonly TailnetDevice[], nowMs: number): Finding[] {
  const found: Finding[] = [];
  const ago = (ms: number) => Math.floor((nowMs - ms) / DAY_MS);
  const names = (list: readonly TailnetDevice[]) => list.map(({ name }) => name).join(", ");
  const seen = devices.filter(({ lastSeenMs }) => lastSeenMs !== undefined);
  const leftovers = seen.filter(
    ({ isEphemeral, lastSeenMs }) => isEphemeral && nowMs - lastSeenMs! > EPHEMERAL_MS,
  );
  if (leftovers.length > 0)
    found.push(
      note(
        "leftovers",
        `ephemeral and gone for over an hour: ${names(leftovers)}`,
        "Tailscale removes them by itself; if they pile up, an edge restarts in a loop (its minutes count).",
      ),
    );
  const gone = seen.filter(
    (device) => isTagged(device) && !device.isEphemeral && ago(device.lastSeenMs!) >= 1,
  );
  if (gone.length > 0)
    found.push(
      note(
        "last seen",
        gone.map(({ name, lastSeenMs }) => `${name} ${ago(lastSeenMs!)} days ago`).join(", "),
        "Remove machines that are gone; start those that should be there.",
      ),
    );
  const outdated = devices.filter(({ updateAvailable }) => updateAvailable);
  if (outdated.length > 0)
    found.push(
      note(
        "updates",
        `a newer tailscale for ${names(outdated)}`,
        "VMs update by their package manager; images by `npm run images:pin` and a release.",
      ),
    );
  const waiting = devices.filter(({ isAuthorized }) => !isAuthorized);
  if (waiting.length > 0)
    found.push(
      note("approval", `waiting: ${names(waiting)}`, "Approve or remove them in the console."),
    );
  const closed = devices.filter(
    (device) =>
      isTagged(device) && device.connectivity !== undefined && !device.connectivity.hasUdp,
  );
  if (closed.length > 0)
    found.push(
      note(
        "UDP",
        `${names(closed)} cannot send UDP: what they send goes through a relay`,
        "Let UDP out of that network; the hub listens on 41641.",
      ),
    );
  return found;
}

function expiryFindings({ devices = [], keys = [] }: TailnetFacts, nowMs: number): Finding[] {
  const daysOf = (ms: number) => Math.floor((ms - nowMs) / DAY_MS);
  const when = (days: number) => (days < 0 ? "expired" : `expires in ${days} days`);
  const machines = devices.flatMap((device) => {
    const { name, expiresMs } = device;
    if (expiresMs === undefined || device.isExternal) return [];
    const days = daysOf(expiresMs);
    const next = "Sign in on that machine again, or disable key expiry for it (Machines > ...).";
    // A tagged machine serves; a person's laptop is a nuisance at most.
    if (days < NEAR_DAYS)
      return [(isTagged(device) ? fail : note)("device key", `${name} ${when(days)}`, next)];
    return isTagged(device)
      ? [
          note(
            "device key",
            `${name} ${when(days)}: a machine that serves should not`,
            "Disable key expiry for it (Machines > ...).",
          ),
        ]
      : [];
  });
  const access = keys.flatMap(({ id, kind, description, expiresMs, reusable }) => {
    const label = `${kind === "" ? "" : `${kind} `}${id}${description === "" ? "" : ` (${description})`}`;
    const days = expiresMs === undefined ? Infinity : daysOf(expiresMs);
    if (days < 0) return [];
    const found: Finding[] = [];
    if (days < NEAR_DAYS)
      found.push(
        note(
          "access key",
          `${label} ${when(days)}`,
          "Fine for a one-time machine key. A token in use has to be made anew before that (docs/runbooks, key rotation).",
        ),
      );
    if (reusable)
      found.push(
        note(
          "access key",
          `${label} is reusable: whoever has it joins`,
          "Revoke it unless it is in use; tickhub's own keys are for one machine each.",
        ),
      );
    return found;
  });
  return [...machines, ...access];
}

async function pathFindings(socketPath: string, clock: Clock): Promise<Finding[]> {
  let paths: PeerPath[] | undefined;
  try {
    paths = await readPaths(socketPath, clock);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [
      note(
        "paths",
        `not told by the tailscaled of this machine: ${reason}`,
        "Run it as a user who may read the socket (root, or `tailscale set --operator=$USER`), with tailscale up.",
      ),
    ];
  }
  if (paths === undefined)
    return [
      note(
        "paths",
        `not asked: no tailscaled at ${socketPath}`,
        "Run `tickhub audit --section tailscale` on the hub's machine to see which edges are relayed.",
      ),
    ];
  return judgePaths(paths);
}

/** Pure: the ways from this machine to tickhub's others. */
export function judgePaths(paths: readonly PeerPath[]): Finding[] {
  const ours = paths.filter(({ name, tags }) => tags.length > 0 || roleOf(name) in EXPECTED_TAGS);
  if (ours.length === 0) return [note("paths", "no machine of tickhub's among this one's peers")];
  const ways = (wanted: PeerPath["path"]) => ours.filter(({ path }) => path === wanted);
  const relayed = ways("relayed");
  const found: Finding[] = relayed.map(({ name, by, tags }) => {
    const feed = tags.some((tag) => FEED_TAGS.includes(tag));
    const text = `${name} is relayed by DERP ${by}`;
    const next =
      "Let UDP 41641 in at the hub (its security list has the rule) and UDP out at the other end; `tailscale netcheck` on both says what is in the way.";
    return (feed ? fail : note)("paths", text, next);
  });
  for (const { name, by } of ways("peer relay"))
    found.push(note("paths", `${name} goes by the peer relay ${by}`));
  const parts = (["direct", "idle", "offline"] as const).flatMap((way) => {
    const names = ways(way).map(({ name }) => name);
    return names.length === 0 ? [] : [`${way}: ${names.join(", ")}`];
  });
  if (parts.length > 0) found.push(ok("paths", parts.join("; ")));
  return found;
}
