// What a probe has seen, judged point by point: works, does not, cannot be told. Pure.
import { ERRORS } from "../../shared/errors.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import type { Failure, Observed } from "./probe.ts";
import type { Reach } from "./reach.ts";

export interface Check {
  check: string;
  state: "ok" | "failed" | "unsure" | "skipped";
  says: string;
  code?: ErrorCode;
  next?: string;
}

export interface VerdictLimits {
  /** Live for so long without a heartbeat is too long. */
  beatMs: Record<Observed["broker"], number>;
  /** The broker's clock may differ so far. */
  offsetMs: number;
  /** Live for so long without a record, while trades are due. */
  recordMs: number;
}

/** Kiwoom's PING comes every 10 s. KIS's cadence is not published; it gives up on a client after 100 s. */
export const VERDICT_LIMITS: VerdictLimits = {
  beatMs: { kis: 100_000, kiwoom: 30_000 },
  offsetMs: 2_000,
  recordMs: 20_000,
};

/** The account's lease: held for the probe, or not asked for. */
export type LeaseFact = { name: "held"; hub: string; epoch: number } | { name: "not asked" };

export function judgeProbe(
  seen: Observed,
  lease: LeaseFact,
  limits: VerdictLimits = VERDICT_LIMITS,
): Check[] {
  return [
    leaseCheck(lease),
    reachCheck("REST host", seen.rest),
    reachCheck("WebSocket host", seen.socket),
    offsetCheck(seen, limits),
    keyCheck(seen),
    ...(seen.broker === "kiwoom" ? [addressCheck(seen)] : []),
    sessionCheck(seen),
    subscriptionCheck(seen),
    capCheck(seen),
    beatCheck(seen, limits),
    recordsCheck(seen, limits),
    decodingCheck(seen),
    goodbyeCheck(seen),
  ];
}

function leaseCheck(lease: LeaseFact): Check {
  const check = "lease";
  if (lease.name === "held") {
    return { check, state: "ok", says: `granted by ${lease.hub} under epoch ${lease.epoch}` };
  }
  const says = "not asked for (--no-hub): nobody made sure that no edge uses this account";
  return { check, state: "unsure", says };
}

function reachCheck(check: string, { place, addresses, connectMs, tls, failed }: Reach): Check {
  if (failed) {
    const code: ErrorCode = failed.code in ERRORS ? (failed.code as ErrorCode) : "FEED_UNREACHABLE";
    const next = NEXT[failed.step];
    return {
      ...{ check, state: "failed", code, says: `${place}: ${failed.step}: ${failed.reason}` },
      next: code === "FEED_UNREACHABLE" ? next : ERRORS[code].hint,
    };
  }
  const way = addresses === null ? "by the proxy" : addresses.join(", ");
  const until = tls ? new Date(tls.untilMs).toISOString().slice(0, 10) : "";
  const secured = tls ? `${tls.protocol}, certificate until ${until}` : "no TLS";
  return { check, state: "ok", says: `${place} (${way}), ${ms(connectMs ?? 0)}, ${secured}` };
}

const NEXT = {
  name: "Does this machine's resolver work? getent hosts HOST",
  connection: "Is the port open from here (a firewall, a provider's egress rule)? nc -vz HOST PORT",
  TLS: "Does something between here and the broker break TLS? openssl s_client -connect HOST:PORT",
} as const;

function offsetCheck({ offset, rest }: Observed, limits: VerdictLimits): Check {
  const check = "clock";
  if (!offset) {
    const says = rest.failed ? "the REST host was not reached" : "the broker's answer has no Date";
    return { check, state: "skipped", says };
  }
  const says = `the broker's is ${signed(offset.ms)} ± ${ms(offset.slackMs)} against this machine's`;
  if (Math.abs(offset.ms) - offset.slackMs <= limits.offsetMs) return { check, state: "ok", says };
  return { check, state: "failed", code: "CLOCK_SKEW", says, next: ERRORS.CLOCK_SKEW.hint };
}

function keyCheck({ broker, key }: Observed): Check {
  const check = broker === "kis" ? "approval key" : "token";
  if (!key) return notReached(check);
  if ("code" in key && isAddress(key)) {
    return { check, state: "skipped", says: "the broker refused the address before it looked" };
  }
  return "code" in key ? failed(check, key) : { check, state: "ok", says: ms(key.tookMs) };
}

/** Kiwoom's allow-list: it refuses a token (8050), or one that came to another address (8010). */
function addressCheck({ key, ended, confirmed }: Observed): Check {
  const check = "allow-list";
  const refusal = [key && "code" in key ? key : null, ended].find((one) => one && isAddress(one));
  if (refusal) {
    const [seen] = /\b\d{1,3}(\.\d{1,3}){3}\b/.exec(refusal.reason) ?? [];
    const which = seen
      ? `Register ${seen} with Kiwoom`
      : "The broker does not say which address it saw. Register the public one of the machine that dials Kiwoom (with TICKHUB_BROKER_PROXY: the proxy's; on the hub: the reserved IP, as `pulumi stack output` shows it)";
    const next = `${which}: openapi.kiwoom.com, the app key's page, registered addresses (up to 10); then wait a minute and probe again.`;
    return { ...failed(check, refusal), next };
  }
  if (confirmed === null) return notReached(check);
  return { check, state: "ok", says: "this address may use the key" };
}

function sessionCheck({ key, opened, ended, confirmed }: Observed): Check {
  const check = "session";
  if (!key || "code" in key) return notReached(check);
  if (ended) return failed(check, ended);
  if (!opened) return failed(check, { code: "FEED_UNREACHABLE", reason: "not open in time" });
  if (confirmed === null) {
    return failed(check, { code: "FEED_ACK_TIMEOUT", reason: "nothing was confirmed in time" });
  }
  return { check, state: "ok", says: "open, and this account's only one" };
}

function subscriptionCheck({ refused, confirmed, wanted }: Observed): Check {
  const check = "subscription";
  const [first] = refused;
  if (first) {
    const reason = `${first.key}: ${first.reason}`;
    return failed(check, { code: "FEED_SUBSCRIPTION", reason });
  }
  if (confirmed === null) return notReached(check);
  // Kiwoom's market-wide statuses come on top of what was planned.
  return { check, state: "ok", says: `${confirmed} confirmed, of ${wanted} asked for` };
}

function capCheck({ broker, cap, confirmed }: Observed): Check {
  const check = "cap";
  if (cap !== null) {
    const says = `the broker allows ${cap} registrations only`;
    return { check, state: "unsure", says, next: "Plan with more app keys, or fewer symbols." };
  }
  if (confirmed === null) return notReached(check);
  const documented = broker === "kis" ? "41 registrations" : "200 items";
  return { check, state: "ok", says: `not met by this symbol; documented: ${documented}` };
}

function beatCheck({ broker, beats, liveMs, confirmed }: Observed, limits: VerdictLimits): Check {
  const check = "heartbeat";
  const name = broker === "kis" ? "PINGPONG" : "PING";
  if (beats > 0) return { check, state: "ok", says: `${beats} ${name} answered` };
  if (confirmed === null) return notReached(check);
  const says = `no ${name} in ${ms(liveMs)}`;
  if (liveMs < limits.beatMs[broker]) {
    const next = `--seconds ${Math.ceil(limits.beatMs[broker] / 1_000) + 10} would tell.`;
    return { check, state: "unsure", says, next };
  }
  return { check, state: "failed", code: "FEED_SILENT", says, next: ERRORS.FEED_SILENT.hint };
}

function recordsCheck(seen: Observed, limits: VerdictLimits): Check {
  const { records, confirmed, expects, session, liveMs } = seen;
  const check = "records";
  const sum = records.trade + records.book + records.status;
  const counted = `${records.trade} trades, ${records.book} books, ${records.status} statuses`;
  if (sum > 0) return { check, state: "ok", says: `${counted} (market: ${session})` };
  if (confirmed === null) return notReached(check);
  if (expects === "no") {
    return { check, state: "skipped", says: `market closed (${session}): no trades expected` };
  }
  const says = `none in ${ms(liveMs)} (market: ${session})`;
  if (expects === "unknown" || liveMs < limits.recordMs) {
    return { check, state: "unsure", says, next: "Probe a symbol that trades every second." };
  }
  const next = "Does the symbol exist, and trade? Brokers confirm a code they do not know.";
  return { check, state: "failed", code: "FEED_SILENT", says, next };
}

function decodingCheck({ rejects, drifts, records }: Observed): Check {
  const check = "decoding";
  const [first] = rejects;
  if (first) {
    const says = `${rejects.length} records could not be read: ${first.code}, ${first.reason}`;
    return { check, state: "failed", says, next: "tickhub decode shows them from a tape." };
  }
  if (drifts.length > 0) {
    return { check, state: "unsure", says: `a layout nobody has seen: ${drifts.join("; ")}` };
  }
  const sum = records.trade + records.book + records.status;
  if (sum === 0) return { check, state: "skipped", says: "nothing to read" };
  return { check, state: "ok", says: "every record was read, in a known layout" };
}

function goodbyeCheck({ goodbye, confirmed, ended }: Observed): Check {
  const check = "goodbye";
  if (confirmed === null || ended) return notReached(check);
  if (goodbye) return { check, state: "ok", says: "unsubscribed and closed" };
  const says = "the broker did not answer the close; it may hold the slot for a while";
  return { check, state: "unsure", says };
}

function notReached(check: string): Check {
  return { check, state: "skipped", says: "not reached" };
}

function failed(check: string, { code, reason }: Failure): Check {
  const { hint } = ERRORS[code];
  return { check, state: "failed", code, says: reason || code, next: hint };
}

function isAddress({ code }: Failure): boolean {
  return code === "FEED_ADDRESS_REFUSED";
}

function ms(value: number): string {
  return value < 1_000 ? `${Math.round(value)} ms` : `${(value / 1_000).toFixed(1)} s`;
}

function signed(value: number): string {
  return `${value < 0 ? "−" : "+"}${ms(Math.abs(value))}`;
}
