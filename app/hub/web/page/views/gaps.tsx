// What is missing of today, and what became of it: first what grows right now, then what the hub declared.
import { computed } from "@preact/signals";
import type { Incident, Outcome } from "../../../query/coverage/incidents.ts";
import { count, kstTime, span } from "../format.ts";
import { messages } from "../messages/messages.ts";
import { interruptionsOf } from "../state/interruptions.ts";
import type { Interruption } from "../state/interruptions.ts";
import { picture, places } from "../state/live.ts";
import { Panel, Pill } from "./parts.tsx";
import type { Tone } from "./parts.tsx";

const SHOWN = 8;
const TONES: Record<Outcome, Tone> = {
  open: "warn",
  refilled: "good",
  partial: "bad",
  lost: "bad",
};

const interruptions = computed(() => {
  const hub = picture.value;
  if (!hub) return [];
  return interruptionsOf(
    hub,
    [...places()].map((tick) => tick.peek().trade),
  );
});
const incidents = computed(() => picture.value?.coverage.incidents ?? []);

export function Gaps() {
  const t = messages.value.gaps;
  const [now, told] = [interruptions.value, incidents.value];
  const isNone = now.length === 0 && told.length === 0;
  const open = now.length + told.filter(({ trades }) => trades === "open").length;
  return (
    <Panel
      id="gaps"
      title={t.label}
      aside={
        isNone ? (
          <Pill tone="good">✓ {t.none}</Pill>
        ) : (
          <Pill tone={open > 0 ? "warn" : "quiet"}>{count(now.length + told.length)}</Pill>
        )
      }
    >
      {!isNone && (
        <ul class="gap-list">
          {now.map((one) => (
            <InterruptionRow key={one.account} of={one} />
          ))}
          {told.slice(0, SHOWN).map((one) => (
            <IncidentRow key={`${one.source}/${one.fromMs}`} of={one} />
          ))}
        </ul>
      )}
      {told.length > SHOWN && <p class="quiet">{t.all(told.length - SHOWN)}</p>}
    </Panel>
  );
}

function InterruptionRow({ of: one }: { of: Interruption }) {
  const t = messages.value.gaps;
  const { account, edge, cause, fromMs, forMs, symbols } = one;
  return (
    <li class="gap open" data-source={account} data-state="now">
      <span class="when">
        {fromMs === null ? span(forMs) : `${t.since(kstTime(fromMs))} · ${span(forMs)}`}
      </span>
      <Pill tone="bad">{t.fates.now}</Pill>
      <span class="what">
        <b>{account}</b> {cause.is === "edge" ? t.edgeDown(edge) : t.feedDown(cause.feed)}
        {symbols > 0 && ` · ${t.ofSymbols(symbols)}`}
      </span>
    </li>
  );
}

function IncidentRow({ of: one }: { of: Incident }) {
  const t = messages.value.gaps;
  const { source, fromMs, toMs, reason, symbols, trades, books } = one;
  return (
    <li class="gap" data-source={source} data-state={trades ?? books ?? ""}>
      <span class="when">
        {kstTime(fromMs)} – {kstTime(toMs)} · {span(toMs - fromMs)}
      </span>
      <span class="fates">
        {trades && <Pill tone={TONES[trades]}>{`${t.trades} ${t.fates[trades]}`}</Pill>}
        {books && <Pill tone="quiet">{`${t.books} ${t.fates[books]}`}</Pill>}
      </span>
      <span class="what">
        <b>{source}</b> {reason} · {t.ofSymbols(symbols)}
      </span>
    </li>
  );
}
