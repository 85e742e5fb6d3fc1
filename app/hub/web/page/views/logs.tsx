// The central log: filters in the address, follow, and each line's fields in place.
import { effect, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { LOG_LEVELS } from "../../../../shared/web-api.ts";
import type { LogLine } from "../../../../shared/web-api.ts";
import { after } from "../clock.ts";
import { count, kstDate, kstTime } from "../format.ts";
import { messages } from "../messages/messages.ts";
import { heed } from "../state/heed.ts";
import { picture } from "../state/live.ts";
import * as log from "../state/log-lines.ts";
import type { LogFilter } from "../state/log-lines.ts";
import { route, setQuery } from "../state/route.ts";
import { Panel } from "./parts.tsx";

const TYPING_MS = 300;
/** So near to the end counts as at the end. */
const END_PX = 24;

export function LogsView() {
  const now = route.value;
  const query = now.view === "logs" ? now.query : new URLSearchParams();
  const filter = filterOf(query);
  const isFollowing = query.get("follow") !== "0";
  const key = JSON.stringify([filter, isFollowing]);
  useEffect(() => log.openLog(filter, isFollowing), [key]);
  const t = messages.value.logs;
  const failure = log.failure.value;
  return (
    <Panel
      id="logs"
      title={t.label}
      aside={<span class="quiet">{t.lines(count(log.lines.value.length))}</span>}
    >
      <Filters filter={filter} isFollowing={isFollowing} />
      {failure && (
        <p class="note bad" role="status">
          {t.unavailable}: {failure.code} {failure.hint}
        </p>
      )}
      <Lines filter={filter} isFollowing={isFollowing} />
    </Panel>
  );
}

function filterOf(query: URLSearchParams): LogFilter {
  const [edge, level, event, q] = ["edge", "level", "event", "q"].map(
    (name) => query.get(name) ?? "",
  ) as [string, string, string, string];
  return { edge, level, event, q };
}

function change(name: string, value: string): void {
  const now = route.peek();
  const query = new URLSearchParams(now.view === "logs" ? now.query : "");
  if (value === "") query.delete(name);
  else query.set(name, value);
  setQuery(query);
}

function Filters({ filter, isFollowing }: { filter: LogFilter; isFollowing: boolean }) {
  const t = messages.value.logs;
  const names = new Set([...(picture.value?.edges.map(({ edge }) => edge) ?? []), "hub"]);
  if (filter.edge) names.add(filter.edge);
  return (
    <form class="log-filter" onSubmit={(event) => event.preventDefault()}>
      <label>
        {t.edge}
        <select
          id="log-edge"
          value={filter.edge}
          onChange={({ currentTarget }) => change("edge", currentTarget.value)}
        >
          <option value="">{t.anyEdge}</option>
          {[...names].map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        {t.level}
        <select
          id="log-level"
          value={filter.level}
          onChange={({ currentTarget }) => change("level", currentTarget.value)}
        >
          {LOG_LEVELS.map((level) => (
            <option key={level} value={level === "trace" ? "" : level}>
              {level}
            </option>
          ))}
        </select>
      </label>
      <Typed name="event" label={t.event} value={filter.event} />
      <Typed name="q" label={t.text} value={filter.q} />
      <label class="check">
        <input
          id="log-follow"
          type="checkbox"
          checked={isFollowing}
          onChange={({ currentTarget }) => change("follow", currentTarget.checked ? "" : "0")}
        />
        {t.follow}
      </label>
    </form>
  );
}

/** Asked when the typing pauses. */
function Typed({ name, label, value }: { name: string; label: string; value: string }) {
  const typed = useSignal(value);
  const cancel = useRef(() => {});
  return (
    <label>
      {label}
      <input
        id={`log-${name}`}
        type="search"
        value={typed.value}
        onInput={({ currentTarget }) => {
          typed.value = currentTarget.value;
          cancel.current();
          cancel.current = after(TYPING_MS, () => change(name, typed.peek().trim()));
        }}
      />
    </label>
  );
}

function Lines({ filter, isFollowing }: { filter: LogFilter; isFollowing: boolean }) {
  const t = messages.value.logs;
  const box = useRef<HTMLDivElement>(null);
  const isAtEnd = useSignal(true);
  const toEnd = () => box.current?.scrollTo({ top: box.current.scrollHeight });
  useEffect(
    () =>
      effect(() => {
        heed(log.lines);
        if (isFollowing && isAtEnd.peek()) requestAnimationFrame(toEnd);
      }),
    [isFollowing],
  );
  const shown = log.lines.value;
  return (
    <>
      <div
        ref={box}
        class="log-lines"
        role="log"
        aria-label={t.list}
        aria-live="off"
        tabIndex={0}
        onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
          isAtEnd.value = scrollHeight - scrollTop - clientHeight < END_PX;
        }}
      >
        {log.hasOlder.value && (
          <button type="button" onClick={() => void log.readOlder(filter)}>
            {t.older}
          </button>
        )}
        {shown.map((line) => (
          <Line key={line.id} of={line} />
        ))}
        {shown.length === 0 && !log.failure.value && <p class="quiet">{t.none}</p>}
      </div>
      {!isAtEnd.value && (
        <button type="button" class="to-end" onClick={toEnd}>
          ↓ {t.toEnd}
        </button>
      )}
    </>
  );
}

function Line({ of: line }: { of: LogLine }) {
  const { atMs, edge, level, event, fields } = line;
  return (
    <p class={`line ${level}`}>
      <time title={kstDate(atMs)}>{kstTime(atMs)}</time> <span class="level">{level}</span>{" "}
      <span class="who">{edge}</span> <b>{event}</b> <span class="fields">{textOf(fields)}</span>
    </p>
  );
}

/** `code=FEED_CLOSED attempt=3`. */
function textOf(fields: Record<string, unknown>): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
}
