// How far two brokers agree, day by day, and how far the gate to the cloud is.
import { percent } from "../format.ts";
import { messages } from "../messages/messages.ts";
import { section } from "../state/live.ts";
import { Panel, Pill } from "./parts.tsx";

const parity = section("parity");

/** Percent without its sign, which the key has. */
function bare(share: number, digits: number): string {
  return percent(share, digits).replace(" %", "");
}

export function ParityPanel() {
  const t = messages.value.parity;
  const now = parity.value;
  const days = now?.days ?? [];
  const refused = new Set(now?.reasons.map((reason) => reason.slice(0, 10)));
  const reached = days.filter(({ day }) => !refused.has(day)).length;
  return (
    <Panel
      id="parity"
      title={t.label}
      aside={
        now && (
          <Pill tone={now.open ? "good" : "quiet"}>
            {now.open ? `✓ ${t.open}` : t.closed(reached, days.length)}
          </Pill>
        )
      }
    >
      <p class="quiet">{days.length === 0 ? t.none : t.key}</p>
      <ol class="days">
        {days.map(({ day, share, coverage }) => (
          <li
            key={day}
            class={refused.has(day) ? (share === null ? "unknown" : "missed") : "reached"}
            title={
              share === null
                ? t.notComputed
                : `${t.share} ${percent(share, 3)}, ${t.coverage} ${percent(coverage, 1)}`
            }
          >
            <span class="mark" aria-hidden="true">
              {refused.has(day) ? (share === null ? "·" : "✗") : "✓"}
            </span>
            <b>{day.slice(5)}</b>
            <span>{share === null ? "–" : bare(share, 2)}</span>
            <span class="quiet">{share === null ? "–" : bare(coverage, 1)}</span>
          </li>
        ))}
      </ol>
      {now && now.reasons.length > 0 && (
        <details>
          <summary>
            {t.why} ({now.reasons.length})
          </summary>
          <ul class="reasons">
            {now.reasons.map((reason) => (
              <li key={reason}>{reason}</li>
            ))}
          </ul>
        </details>
      )}
    </Panel>
  );
}
