// Symbols and accounts, as settings write them.
import type { Settings } from "../shared/config.ts";
import type { SiteRule } from "../hub/phase/phases.ts";
import { TickhubError } from "../shared/errors.ts";
import type { Venue } from "../shared/tick.ts";

/** Registrations (KIS) or items (Kiwoom) one session may hold; the brokers' documents give 41 and 200. */
const CAPS = { kis: 41, kiwoom: 200 } as const;
const VENUES = new Set(["KRX", "NXT", "UN", "NAS", "NYS", "AMS"]);

/** `005930` is on KRX; any other venue stands in front: `NXT:005930`, `NAS:AAPL`. */
export function symbolsOf(settings: Settings): { venue: Venue; symbol: string }[] {
  return settings.TICKHUB_SYMBOLS.map((text) => symbolOf(text, "TICKHUB_SYMBOLS"));
}

/** One of them; `name` is the setting or option that it stands in. Throws CONFIG_INVALID. */
export function symbolOf(text: string, name: string): { venue: Venue; symbol: string } {
  const [venue, symbol] = text.includes(":")
    ? (text.split(":", 2) as [string, string])
    : ["KRX", text];
  if (!VENUES.has(venue) || !/^[A-Z0-9./]{1,12}$/.test(symbol)) {
    throw new TickhubError("CONFIG_INVALID", {
      ...{ name, value: text },
      wanted: `SYMBOL or VENUE:SYMBOL with a venue of ${[...VENUES].join(", ")}`,
    });
  }
  return { venue, symbol };
}

/** `kis:1` → broker and the registrations one session of it may hold. */
export function accountsOf(
  settings: Settings,
): { account: string; broker: "kis" | "kiwoom"; cap: number }[] {
  return settings.TICKHUB_ACCOUNTS.map((account) => {
    const broker = /^(kis|kiwoom):\d+$/.exec(account)?.[1];
    if (broker !== "kis" && broker !== "kiwoom") {
      throw new TickhubError("CONFIG_INVALID", {
        name: "TICKHUB_ACCOUNTS",
        value: account,
        wanted: "kis:N or kiwoom:N",
      });
    }
    return { account, broker, cap: CAPS[broker] };
  });
}

/** `kis:1=home|cloud` → edges that may hold the account. Throws CONFIG_INVALID. */
export function placementOf(settings: Settings): Map<string, string[]> {
  const name = "TICKHUB_PLACEMENT";
  const placement = new Map<string, string[]>();
  for (const [account, text] of settings[name] ?? []) {
    const sites = text.split("|");
    if (!settings.TICKHUB_ACCOUNTS.includes(account)) {
      const wanted = "accounts of TICKHUB_ACCOUNTS";
      throw new TickhubError("CONFIG_INVALID", { name, value: account, wanted });
    }
    if (!sites.every((site) => /^[a-z0-9-]{1,40}$/.test(site))) {
      const wanted = "ACCOUNT=EDGE or ACCOUNT=EDGE|EDGE";
      throw new TickhubError("CONFIG_INVALID", { name, value: text, wanted });
    }
    placement.set(account, sites);
  }
  return placement;
}

/**
 * `kis@home=home-kis,kis@cloud=kis,kis:2@cloud=kis2|kis3` → which edges stand where for a broker's accounts, or
 * for one. Throws CONFIG_INVALID, also when TICKHUB_PLACEMENT would place the same accounts.
 */
export function sitesOf(settings: Settings): SiteRule[] {
  const name = "TICKHUB_SITES";
  const sites = [...(settings[name] ?? [])].map(([key, text]): SiteRule => {
    const [, target, side] = /^([a-z]+(?::\d+)?)@(home|cloud)$/.exec(key) ?? [];
    const edges = text.split("|");
    if (!target || !side || !edges.every((edge) => /^[a-z0-9-]{1,40}$/.test(edge))) {
      const wanted = "BROKER@home=EDGE,BROKER@cloud=EDGE; also kis:2@cloud=EDGE|EDGE";
      throw new TickhubError("CONFIG_INVALID", { name, value: `${key}=${text}`, wanted });
    }
    return { target, side: side === "home" ? "home" : "cloud", edges };
  });
  const twice = bothSides(sites);
  if (twice) {
    const wanted = "an edge stands on one side only";
    throw new TickhubError("CONFIG_INVALID", { name, value: twice, wanted });
  }
  if (sites.length > 0 && settings.TICKHUB_PLACEMENT?.size) {
    const reason = "with TICKHUB_SITES the migration's phase places accounts: unset one of them";
    throw new TickhubError("CONFIG_INVALID", { name: "TICKHUB_PLACEMENT", reason });
  }
  return sites;
}

function bothSides(sites: readonly SiteRule[]): string | undefined {
  const edgesAt = (wanted: SiteRule["side"]) =>
    sites.filter(({ side }) => side === wanted).flatMap(({ edges }) => edges);
  const cloud = new Set(edgesAt("cloud"));
  return edgesAt("home").find((edge) => cloud.has(edge));
}
