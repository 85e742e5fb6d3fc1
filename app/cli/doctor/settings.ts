// Settings by themselves: their names, their forms, and what contradicts itself. All of them are told, not the
// first alone.
import { SETTINGS } from "../../shared/config.ts";
import type { Settings } from "../../shared/config.ts";
import { TickhubError } from "../../shared/errors.ts";
import { parseMarketClock } from "../../shared/market-clock.ts";
import { refuseReplayedClock } from "../broker-settings.ts";
import { broken, troubleOf } from "./finding.ts";
import type { Check, Trouble } from "./finding.ts";

/** What surveySettings found. */
export function settingTroubles(errors: readonly TickhubError[]): Trouble[] {
  return errors.map((error) => {
    const { name, nearest } = error.context;
    return troubleOf(
      error,
      error.code === "CONFIG_UNKNOWN"
        ? `\`unset ${name}\`, or write its value to ${nearest}.`
        : `\`export ${name}=…\`, in the form of docs/configuration.md.`,
    );
  });
}

/** Lengths and alphabet as the brokers' portals give them out. */
const KEY_FORMS = {
  KIS: {
    keys: "KIS_APP_KEY",
    secrets: "KIS_APP_SECRET",
    key: /^[A-Za-z0-9]{36}$/,
    secret: /^[A-Za-z0-9+/=]{180}$/,
  },
  KIWOOM: {
    keys: "KIWOOM_APP_KEY",
    secrets: "KIWOOM_SECRET_KEY",
    key: /^[\w-]{20,64}$/,
    secret: /^[\w-]{20,64}$/,
  },
} as const;

/** Keys of a broker are optional on this machine; half of them, or a pasted quote, are not. */
function keyTroubles(settings: Settings, broker: keyof typeof KEY_FORMS): Trouble[] {
  const form = KEY_FORMS[broker];
  const [keys, secrets] = [settings[form.keys], settings[form.secrets]];
  if (keys.length !== secrets.length) {
    const name = keys.length > secrets.length ? form.secrets : form.keys;
    const facts = { name, keys: keys.length, secrets: secrets.length };
    return [broken("CONFIG_MISSING", facts, `\`export ${name}=…\`, one for each of the other.`)];
  }
  const wrong = (name: string, values: readonly string[], wanted: RegExp): Trouble[] =>
    values.flatMap((value, at) => {
      if (wanted.test(value)) return [];
      // The form alone: nothing of a secret is shown.
      const flaw = /["'`]/.test(value) ? "a quotation mark" : /\s/.test(value) ? "a space" : "";
      const facts = { name, position: at + 1, characters: value.length, wanted: wanted.source };
      return [
        broken(
          "CONFIG_INVALID",
          { ...facts, ...(flaw ? { contains: flaw } : {}) },
          `\`export ${name}=…\`, copied whole from the broker's portal, without quotation marks.`,
        ),
      ];
    });
  return [...wrong(form.keys, keys, form.key), ...wrong(form.secrets, secrets, form.secret)];
}

/** An edge has a name, a hub and, for the gateway, a token: or none of them. */
function edgeTroubles(settings: Settings): Trouble[] {
  const { TICKHUB_EDGE_TOKEN: token, TICKHUB_EDGE_ID: edge, TICKHUB_HUB_URL: hub } = settings;
  if (token?.startsWith("sha256:")) {
    const reason = "this is the hash, which is the hub's to have; the edge has the token";
    const facts = { name: "TICKHUB_EDGE_TOKEN", reason };
    return [broken("CONFIG_INVALID", facts, `\`npx tickhub token ${edge ?? "EDGE"}\``)];
  }
  const wanted = {
    TICKHUB_EDGE_ID: edge,
    TICKHUB_HUB_URL: hub,
    ...(hub?.startsWith("postgres") ? {} : { TICKHUB_EDGE_TOKEN: token }),
  };
  // The hub's URL alone is what `latency` and others need.
  if (edge === undefined && token === undefined) return [];
  return Object.entries(wanted)
    .filter(([, value]) => value === undefined)
    .map(([name]) =>
      broken(
        "CONFIG_MISSING",
        { name, help: SETTINGS[name as keyof Settings].help },
        `\`export ${name}=…\``,
      ),
    );
}

/** A key and a market that is not today's: real ticks would land on the wrong day. */
function checkMarketClock(settings: Settings): Trouble[] {
  parseMarketClock(settings.TICKHUB_MARKET_CLOCK);
  const hosts = [
    ...(settings.KIS_APP_KEY.length > 0 ? [settings.KIS_WS_URL] : []),
    ...(settings.KIWOOM_APP_KEY.length > 0 ? [settings.KIWOOM_WS_URL] : []),
  ];
  refuseReplayedClock(settings, hosts);
  return [];
}

export const SETTING_CHECKS: readonly Check[] = [
  {
    name: "market clock",
    needs: ["TICKHUB_MARKET_CLOCK"],
    run: ({ settings }) =>
      guarded(() => checkMarketClock(settings), "`unset TICKHUB_MARKET_CLOCK`"),
  },
  { name: "KIS keys", run: ({ settings }) => keyTroubles(settings, "KIS") },
  { name: "Kiwoom keys", run: ({ settings }) => keyTroubles(settings, "KIWOOM") },
  {
    name: "edge",
    needs: ["TICKHUB_EDGE_ID", "TICKHUB_EDGE_TOKEN", "TICKHUB_HUB_URL"],
    run: ({ settings }) => edgeTroubles(settings),
  },
];

/** What `check` says; what it throws is a trouble with `next`. */
export function guarded(check: () => Trouble[], next: string): Trouble[] {
  try {
    return check();
  } catch (error) {
    return [troubleOf(error, next)];
  }
}
