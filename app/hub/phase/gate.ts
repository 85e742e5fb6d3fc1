// May the next phase be entered? Pure: evidence in, every condition out, each with the command that makes it
// hold. Going back has no gate but the trading session: it must not wait for a measurement.
import type { EvidenceKind } from "../../shared/evidence.ts";
import type { ReleaseWindow } from "../../shared/release-window.ts";
import { edgesOf, isSwitch, placementOf } from "./phases.ts";
import type { SiteRule, Transition } from "./phases.ts";
import { isSame } from "./plan.ts";

/** Days after which a measurement has to be made again; docs/phases.md has the reasons. */
export const FRESH_DAYS = {
  latency: 14,
  stress: 30,
  transfer: 7,
  backup: 30,
  probe: 7,
  alert: 30,
} as const satisfies Partial<Record<EvidenceKind, number>>;
type GateKind = keyof typeof FRESH_DAYS;

/** The newest of its kind and subject, by the database's clock. */
export interface Proof {
  kind: EvidenceKind;
  subject: string;
  ok: boolean;
  summary: string;
  ageMs: number;
  detail: Readonly<Record<string, unknown>>;
}

/** What app/hub/query/parity/gate.ts answers. */
export interface ParityVerdict {
  open: boolean;
  reasons: string[];
  days: { day: string; share: number | null; coverage: number }[];
}

export interface GateFacts {
  accounts: readonly string[];
  sites: readonly SiteRule[];
  proofs: readonly Proof[];
  /** Tables of the home database that have rows; null while that database was not given. */
  sourceTables: readonly string[] | null;
  parity: ParityVerdict;
  window: ReleaseWindow;
}

export interface Condition {
  name: string;
  open: boolean;
  says: string;
  /** The command, or what else a person does about it. */
  next: string;
}

const DAY_MS = 86_400_000;

/** Every condition of a transition; it may be made when each is open. */
export function gateOf(transition: Transition, facts: GateFacts): Condition[] {
  return [...evidenceOf(transition, facts), windowOf(facts.window)];
}

function evidenceOf(transition: Transition, facts: GateFacts): Condition[] {
  if (transition.verb === "rollback" || transition.from === null) return [];
  const { to } = transition;
  if (to === "local") {
    return [
      proofOf(facts, "latency", "home", "at home: tickhub latency --to HUB_URL"),
      ...transfersOf(facts),
    ];
  }
  const probes = movesOf(transition, facts).map((move) => probeOf(facts, move));
  if (to === "dual") {
    const names = placesOf(facts);
    return [
      ...names.map((edge) =>
        proofOf(facts, "latency", edge, `on ${edge}: tickhub latency --to HUB_URL`),
      ),
      proofOf(facts, "stress", "hub", "tickhub stress --profile krx-open"),
      proofOf(facts, "backup", "hub", "tickhub backup verify, against a restored copy"),
      ...probes,
    ];
  }
  return [
    parityOf(facts.parity),
    proofOf(facts, "alert", "sentinel", "where the Sentinel runs: tickhub sentinel test"),
    ...probes,
  ];
}

/** The cloud's edges of the brokers' accounts. */
function placesOf({ accounts, sites }: GateFacts): string[] {
  const brokers = accounts.filter((account) => /^(kis|kiwoom):/.test(account));
  return [...new Set(brokers.flatMap((account) => edgesOf(sites, account, "cloud")))].sort();
}

function movesOf({ from, to }: Transition, { accounts, sites }: GateFacts) {
  if (from === null || isSwitch({ from, to })) return [];
  const [before, after] = [from, to].map((phase) => placementOf(phase, accounts, sites).placement);
  return [...after!].flatMap(([account, edges]) =>
    /^(kis|kiwoom):/.test(account) && !isSame(before!.get(account), edges)
      ? [{ account, edges }]
      : [],
  );
}

function transfersOf({ sourceTables, proofs }: GateFacts): Condition[] {
  const next = (table: string) => `tickhub transfer --from HOME_URL --to HUB_URL --table ${table}`;
  if (sourceTables === null) {
    const says = "the home database was not given, so its tables are not known";
    return [{ name: "transfer", open: false, says, next: "give it: --from HOME_URL" }];
  }
  return sourceTables.map((table) => proofOf({ proofs }, "transfer", table, next(table)));
}

function proofOf(
  { proofs }: Pick<GateFacts, "proofs">,
  kind: GateKind,
  subject: string,
  next: string,
): Condition {
  const name = `${kind} ${subject}`;
  const proof = proofs.find((one) => one.kind === kind && one.subject === subject);
  if (!proof) return { name, open: false, says: "never measured", next };
  const days = proof.ageMs / DAY_MS;
  const ago = `${days.toFixed(1)} days ago: ${proof.summary}`;
  if (!proof.ok) return { name, open: false, says: `failed ${ago}`, next };
  const isFresh = days <= FRESH_DAYS[kind];
  const says = isFresh ? ago : `too old (${FRESH_DAYS[kind]} days at most), ${ago}`;
  return { name, open: isFresh, says, next };
}

/** A probe proves the place as much as the key: one from elsewhere proves nothing here. */
function probeOf(
  facts: GateFacts,
  { account, edges }: { account: string; edges: readonly string[] },
): Condition {
  const broker = account.split(":")[0]!;
  const where = edges.join(" and ");
  const next = `on ${where}: tickhub probe ${broker} --account ${account} (docs/phases.md says when)`;
  const condition = proofOf(facts, "probe", account, next);
  const proof = facts.proofs.find((one) => one.kind === "probe" && one.subject === account);
  if (!proof || !condition.open) return condition;
  const from = proof.detail["edge"];
  if (typeof from === "string" && edges.includes(from)) return condition;
  const place = typeof from === "string" ? from : "an unnamed place";
  return { ...condition, open: false, says: `passed at ${place}, not at ${where}` };
}

function parityOf({ open, reasons, days }: ParityVerdict): Condition {
  const says = open
    ? `${days.length} trading days in a row at 99.9 % and more`
    : reasons.join("; ");
  return { name: "parity", open, says, next: "tickhub parity --date YYYY-MM-DD, each trading day" };
}

function windowOf({ open, session, nextQuietAt }: ReleaseWindow): Condition {
  const name = "no trading session";
  if (open || !session)
    return { name, open: true, says: "no market that is collected trades now", next: "" };
  const { venue, kind, from, to } = session;
  const says = `${venue} ${kind} from ${from} to ${to}`;
  return { name, open: false, says, next: `wait until ${nextQuietAt ?? to}` };
}
