// How much of the free tiers is used, projected to the month's end; what is nearest to its limit comes first.
import type { MeterPicture } from "../../../query/meters/keeper.ts";
import { amount, percent } from "../format.ts";
import { messages } from "../messages/messages.ts";
import { section } from "../state/live.ts";
import { Panel, Pill } from "./parts.tsx";
import type { Tone } from "./parts.tsx";

const meters = section("meters");
const SHOWN = 4;
const TONES: Record<MeterPicture["state"], Tone> = { ok: "good", warn: "warn", over: "bad" };

export function Meters() {
  const t = messages.value.meters;
  const limited = (meters.value ?? [])
    .filter(({ limit }) => limit !== null)
    .sort((one, other) => shareOf(other) - shareOf(one));
  const worst = limited.find(({ state }) => state !== "ok")?.state ?? "ok";
  const rest = limited.slice(SHOWN);
  return (
    <Panel
      id="meters"
      title={t.label}
      aside={limited.length > 0 && <Pill tone={TONES[worst]}>{t.states[worst]}</Pill>}
    >
      {limited.length === 0 && <p class="quiet">{t.none}</p>}
      <MeterList of={limited.slice(0, SHOWN)} />
      {rest.length > 0 && (
        <details>
          <summary>
            {t.all} ({limited.length})
          </summary>
          <MeterList of={rest} />
        </details>
      )}
    </Panel>
  );
}

/** Of its limit: what the projection says, or what is used where nothing can be projected yet. */
function shareOf({ share, used, limit }: MeterPicture): number {
  return share !== null && Number.isFinite(share) ? share : limit ? used / limit : 0;
}

function MeterList({ of }: { of: readonly MeterPicture[] }) {
  return (
    <ul class="meter-list">
      {of.map((meter) => (
        <MeterRow key={`${meter.meter}@${meter.subject}`} of={meter} />
      ))}
    </ul>
  );
}

function MeterRow({ of: one }: { of: MeterPicture }) {
  const t = messages.value.meters;
  const { meter, subject, used, limit, unit, projected, state } = one;
  const isProjected = projected > used || one.openDays + one.openDaysBefore > 0;
  const name = `${subject} ${t.names[meter] ?? meter}`;
  const scale = (part: number) => `scaleX(${Math.min(1, limit ? part / limit : 0).toFixed(3)})`;
  return (
    <li class="meter">
      <span>{name}</span>
      <span class="quiet">
        {isProjected ? t.projected(`${amount(projected)} ${unit}`) : t.guess}
      </span>
      <span
        class={`bar ${TONES[state]}`}
        role="meter"
        aria-label={name}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(Math.min(1, shareOf(one)) * 100)}
        title={percent(shareOf(one), 1)}
      >
        <span class="projected" style={{ transform: scale(isProjected ? projected : used) }} />
        <span style={{ transform: scale(used) }} />
      </span>
      <b>{t.used(amount(used), `${amount(limit ?? 0)} ${unit}`)}</b>
    </li>
  );
}
