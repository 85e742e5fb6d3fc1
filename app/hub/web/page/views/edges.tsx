// The map of edges: where each stands, what it holds, and how it does. Red is an edge that is not there.
import type { EdgePicture } from "../../../query/picture.ts";
import type { EdgeHealth } from "../../../../shared/web-api.ts";
import { count, milliseconds, span } from "../format.ts";
import { messages } from "../messages/messages.ts";
import { isUnlocked, openActs } from "../state/act.ts";
import { picture, section } from "../state/live.ts";
import { Figure, Panel, Pill } from "./parts.tsx";
import type { Tone } from "./parts.tsx";

const edges = section("edges");
const phase = section("phase");
const SITES = ["home", "cloud", "unknown"] as const;
const PHASES = ["home", "local", "dual", "cloud"] as const;
const TONES: Record<EdgeHealth["state"], Tone> = { ok: "good", late: "warn", down: "bad" };
/** Below a minute an outage of the hub soon costs records. */
const OUTBOX_LOW_S = 60;
const OUTBOX_FULL_S = 600;

export function Edges() {
  const t = messages.value.edges;
  const all = edges.value ?? [];
  const sites = SITES.map((site) => ({
    site,
    own: all.filter(({ health }) => (health.site ?? "unknown") === site),
  })).filter(({ own }) => own.length > 0);
  return (
    <Panel id="edges" title={t.label} aside={<PhaseSteps />}>
      {all.length === 0 && <p class="quiet">{t.none}</p>}
      <div class="map">
        {sites.map(({ site, own }) => (
          <div key={site} class="site" style={{ flexGrow: own.length }}>
            {(site !== "unknown" || sites.length > 1) && <h3>{t.sites[site]}</h3>}
            <div class="cards">
              {own.map((edge) => (
                <EdgeCard key={edge.edge} of={edge} />
              ))}
            </div>
          </div>
        ))}
      </div>
    </Panel>
  );
}

/** home → local → dual → cloud, with the one where the migration stands. */
function PhaseSteps() {
  const t = messages.value.edges;
  const now = phase.value;
  if (!now) return null;
  return (
    <ol class="phases" aria-label={`${t.phase}: ${now.name ?? t.noPhase}`}>
      {PHASES.map((name) => (
        <li key={name} aria-current={now.name === name ? "step" : undefined}>
          {t.phases[name]}
        </li>
      ))}
      {now.moving && <Pill tone="warn">{now.moving}</Pill>}
    </ol>
  );
}

function EdgeCard({ of: { edge, seenAgeMs, status, health } }: { of: EdgePicture }) {
  const t = messages.value.edges;
  const { uplink = {} } = status;
  const isDown = health.state === "down";
  return (
    <article class={`edge ${TONES[health.state]}`} data-edge={edge} data-state={health.state}>
      <header>
        <h4>{edge}</h4>
        <Pill tone={TONES[health.state]}>{t.states[health.state]}</Pill>
        <span class="quiet reason" title={health.reason}>
          {isDown ? t.silent(span(seenAgeMs)) : health.reason}
        </span>
      </header>
      <dl>
        <Figure name={t.lastTick}>
          {health.tickAgeMs === null ? t.never : t.ago(span(health.tickAgeMs))}
        </Figure>
        <Figure name={t.breaker}>
          <span class={health.breaker === "closed" || isDown ? "" : "warn-text"}>
            {health.breaker ? (t.breakers[health.breaker] ?? health.breaker) : "–"}
          </span>
        </Figure>
        <Figure name={t.outbox}>
          <OutboxMeter seconds={health.outboxSeconds} label={t.outbox} />
        </Figure>
        <Figure name={t.held}>
          {health.outboxRows === null ? "–" : t.rows(count(health.outboxRows))}
        </Figure>
        <Figure name={t.ack}>
          {milliseconds(uplink.p50Ms)} · {milliseconds(uplink.p99Ms)}
        </Figure>
      </dl>
      {Object.entries(status.accounts ?? {}).map(([account, said]) => (
        <AccountLine
          key={account}
          account={account}
          feed={said.feed}
          code={said.code}
          registrations={said.registrations}
          holds={health.holds.includes(account)}
          isDown={isDown}
        />
      ))}
    </article>
  );
}

function OutboxMeter({ seconds, label }: { seconds: number | null; label: string }) {
  if (seconds === null) return <>–</>;
  const share = Math.min(1, Math.max(0, seconds / OUTBOX_FULL_S));
  const tone = seconds < OUTBOX_LOW_S ? "bad" : "good";
  return (
    <span class="with-bar">
      {span(seconds * 1_000)}
      <span
        class={`bar ${tone}`}
        role="meter"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={OUTBOX_FULL_S}
        aria-valuenow={Math.round(Math.min(seconds, OUTBOX_FULL_S))}
      >
        <span style={{ transform: `scaleX(${share.toFixed(2)})` }} />
      </span>
    </span>
  );
}

function AccountLine(props: {
  account: string;
  feed: string;
  code: string | undefined;
  registrations: number | undefined;
  holds: boolean;
  isDown: boolean;
}) {
  const t = messages.value.edges;
  const { account, feed, code, registrations, holds, isDown } = props;
  const lease = picture.value?.accounts.find((one) => one.account === account)?.lease;
  const tone: Tone = isDown ? "bad" : feed === "live" ? "good" : "warn";
  return (
    <p class="account">
      <b>{account}</b>
      <Pill tone={tone}>{isDown ? t.states.down : code ? `${feed}: ${code}` : feed}</Pill>
      <span class="quiet">
        {holds && lease ? `${t.lease} ${t.epoch(lease.epoch)}` : `${t.lease} –`}
        {registrations === undefined ? "" : ` · ${t.registrations(registrations)}`}
      </span>
      {isUnlocked.value && holds && (
        <button type="button" onClick={() => openActs({ wish: "release", account })}>
          {t.release}
        </button>
      )}
    </p>
  );
}
