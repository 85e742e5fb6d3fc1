// What a hub would plan from the settings: symbols, accounts, and which edge may hold which.
import { planAssignments } from "../../hub/lease/planner.ts";
import type { Settings } from "../../shared/config.ts";
import { accountsOf, placementOf, sitesOf, symbolsOf } from "../watchlist.ts";
import { broken, warning } from "./finding.ts";
import type { Check, Trouble } from "./finding.ts";
import { guarded } from "./settings.ts";

function symbolTroubles(settings: Settings): Trouble[] {
  const set = (text: string) => `\`export TICKHUB_SYMBOLS=…\`${text}`;
  return guarded(() => {
    const names = symbolsOf(settings).map(({ venue, symbol }) => `${venue}:${symbol}`);
    const twice = names.filter((name, at) => names.indexOf(name) !== at);
    if (twice.length === 0) return [];
    const facts = { name: "TICKHUB_SYMBOLS", value: twice.join(","), reason: "named twice" };
    return [warning("CONFIG_INVALID", facts, set(" without the second one."))];
  }, set(", each as SYMBOL or VENUE:SYMBOL."));
}

/** The symbols fit into what the accounts' sessions may register, and every planned account has a key here. */
function capTroubles(settings: Settings): Trouble[] {
  const { TICKHUB_SYMBOLS: texts, KIS_APP_KEY: kis, KIWOOM_APP_KEY: kiwoom } = settings;
  const accounts = accountsOf(settings);
  const troubles = guarded(() => {
    const symbols = texts.length > 0 ? symbolsOf(settings) : [];
    planAssignments({ symbols, accounts, channels: ["trade", "book"], previous: [] });
    return [];
  }, "`export TICKHUB_ACCOUNTS=kis:1,kis:2,kiwoom:1`, with as many keys; or watch fewer symbols.");
  // The symbols' own check tells of one that cannot be read.
  const caps = troubles.filter(({ code }) => code === "CAP_TOO_SMALL");
  for (const [broker, keys, name] of [
    ["kis", kis, "KIS_APP_KEY"],
    ["kiwoom", kiwoom, "KIWOOM_APP_KEY"],
  ] as const) {
    const planned = accounts.filter((one) => one.broker === broker).length;
    if (keys.length === 0 || keys.length >= planned) continue;
    const keysMissing = planned - keys.length;
    const facts = { broker, accounts: planned, keys: keys.length, keysMissing };
    caps.push(broken("CAP_TOO_SMALL", facts, `\`export ${name}=…\`, a key for each account.`));
  }
  return caps;
}

/** Placement and tags speak of edges that the hub knows, and do not contradict the sites. */
function placementTroubles(settings: Settings): Trouble[] {
  const { TICKHUB_EDGE_TOKENS: tokens, TICKHUB_EDGE_TAGS: tags } = settings;
  const found = guarded(() => {
    sitesOf(settings);
    return [];
  }, "`export TICKHUB_SITES=…`, or `unset TICKHUB_PLACEMENT`; docs/phases.md says which.");
  const placed = [...(found.length === 0 ? sitesOf(settings) : [])].flatMap(({ edges }) => edges);
  const unplaced = guarded(() => {
    placed.push(...[...placementOf(settings).values()].flat());
    return [];
  }, "`export TICKHUB_PLACEMENT=…`, of accounts in TICKHUB_ACCOUNTS.");
  const unknown = (name: string, edges: Iterable<string>) =>
    [...new Set(edges)]
      .filter((edge) => tokens !== undefined && !tokens.has(edge))
      .map((edge) =>
        broken(
          "CONFIG_INVALID",
          { name, value: edge, reason: "not an edge of TICKHUB_EDGE_TOKENS" },
          `\`npx tickhub token ${edge}\`, and its hash to TICKHUB_EDGE_TOKENS.`,
        ),
      );
  const setting = settings.TICKHUB_SITES?.size ? "TICKHUB_SITES" : "TICKHUB_PLACEMENT";
  return [
    ...found,
    ...unplaced,
    ...unknown(setting, placed),
    ...unknown("TICKHUB_EDGE_TAGS", tags?.keys() ?? []),
  ];
}

export const PLAN_CHECKS: readonly Check[] = [
  {
    name: "accounts",
    needs: ["TICKHUB_ACCOUNTS"],
    run: ({ settings }) =>
      guarded(() => {
        accountsOf(settings);
        return [];
      }, "`export TICKHUB_ACCOUNTS=kis:1,kiwoom:1`"),
  },
  { name: "symbols", needs: ["TICKHUB_SYMBOLS"], run: ({ settings }) => symbolTroubles(settings) },
  {
    name: "enough app keys",
    needs: ["TICKHUB_SYMBOLS", "TICKHUB_ACCOUNTS"],
    run: ({ settings }) =>
      guarded(() => capTroubles(settings), "`export TICKHUB_ACCOUNTS=…`").filter(
        ({ code }) => code === "CAP_TOO_SMALL",
      ),
  },
  {
    name: "placement",
    needs: ["TICKHUB_PLACEMENT", "TICKHUB_SITES", "TICKHUB_EDGE_TOKENS", "TICKHUB_EDGE_TAGS"],
    run: ({ settings }) => placementTroubles(settings),
  },
];
