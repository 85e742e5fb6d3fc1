// One look, and what every rule says of it at once: `tickhub sentinel check`. Calls nobody.
import type { Severity } from "../shared/alerts.ts";
import { routeThrough } from "../shared/dial/route.ts";
import type { RuleName } from "./rules.ts";
import { judgeAll } from "./rules.ts";
import type { SentinelOptions } from "./sentinel.ts";
import { Telegram } from "./telegram.ts";
import { Watcher } from "./watcher.ts";

type CheckOptions = Pick<
  SentinelOptions,
  "hubUrl" | "edges" | "expiries" | "uplinkProxy" | "clock" | "language" | "telegram" | "slackUrl"
>;

export interface Checked {
  breaches: { rule: RuleName; subject: string; severity: Severity; text: string }[];
  /** Rules that could not be judged. */
  blind: RuleName[];
  hub: string;
  edges: Record<string, string>;
  /** `code`: why it would take nothing; a webhook says so only when it is used. */
  channels: { name: string; code: string | null }[];
}

export async function checkOnce(options: CheckOptions): Promise<Checked> {
  const { clock, uplinkProxy, language, telegram, slackUrl } = options;
  const route = routeThrough([uplinkProxy], clock);
  const watcher = new Watcher({ ...options, route, emit: () => undefined });
  const looked = await watcher.look();
  const verdicts = [...judgeAll({ ...looked, channels: new Map(), door: null })];
  const bot = telegram ? await new Telegram({ ...telegram, clock }).check() : null;
  return {
    breaches: verdicts.flatMap(([rule, { breaches }]) =>
      breaches.map(({ subject, severity, words }) => ({
        ...{ rule, subject, severity },
        text: words[language],
      })),
    ),
    blind: verdicts.flatMap(([rule, { isBlind }]) => (isBlind?.("") ? [rule] : [])),
    hub: looked.hub.name,
    edges: Object.fromEntries([...looked.edges].map(([edge, { name }]) => [edge, name])),
    channels: [
      ...(bot ? [{ name: "telegram", code: bot.name === "sent" ? null : bot.code }] : []),
      ...(slackUrl ? [{ name: "slack", code: null }] : []),
    ],
  };
}
