// What the Sentinel raised, what of it lasts, and whether the Sentinel itself lives.
import { useEffect } from "preact/hooks";
import type { AlertLine, AlertList } from "../../../../shared/web-api.ts";
import { kstDate, kstTime, span } from "../format.ts";
import { messages } from "../messages/messages.ts";
import { clockMs } from "../state/live.ts";
import { polled } from "../state/polled.ts";
import { Panel, Pill } from "./parts.tsx";

const alerts = polled<AlertList>("/api/alerts", 5_000);
const SHOWN = 6;

export function Alerts() {
  useEffect(() => alerts.start(), []);
  const t = messages.value.alerts;
  const list = alerts.value.value?.alerts ?? [];
  const lasting = list.filter(({ endedMs }) => endedMs === null);
  const shown = [...lasting, ...list.filter(({ endedMs }) => endedMs !== null)].slice(0, SHOWN);
  const failure = alerts.failure.value;
  return (
    <Panel
      id="alerts"
      title={t.label}
      aside={lasting.length > 0 && <Pill tone="bad">{String(lasting.length)}</Pill>}
    >
      {failure && (
        <p class="quiet">
          {t.unavailable}: {failure.code}
        </p>
      )}
      {!failure && shown.length === 0 && <p class="quiet">{t.none}</p>}
      <ul class="alert-list">
        {shown.map((alert) => (
          <Alert key={alert.id} of={alert} />
        ))}
      </ul>
      {!failure && alerts.value.value && (
        <Heard sentinelSeenMs={alerts.value.value.sentinelSeenMs} />
      )}
    </Panel>
  );
}

function Alert({ of: { rule, subject, severity, text, raisedMs, endedMs } }: { of: AlertLine }) {
  const t = messages.value.alerts;
  const tone = endedMs !== null ? "quiet" : severity === "critical" ? "bad" : "warn";
  return (
    <li class="alert">
      <span class="when" title={kstDate(raisedMs)}>
        {kstTime(raisedMs)}
      </span>
      <Pill tone={tone}>
        {endedMs === null ? t.severities[severity] : t.over(span(endedMs - raisedMs))}
      </Pill>
      <span class="what">
        <b>
          {rule} {subject}
        </b>{" "}
        {text}
      </span>
    </li>
  );
}

function Heard({ sentinelSeenMs }: { sentinelSeenMs: number | null }) {
  const t = messages.value.alerts;
  if (sentinelSeenMs === null) return <p class="quiet">{t.noSentinel}</p>;
  return <p class="quiet">{t.sentinel(span(Math.max(0, clockMs.value - sentinelSeenMs)))}</p>;
}
