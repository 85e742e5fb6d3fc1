// Name, views, the hub's version and time, and the reader's three choices.
import type { ComponentChildren } from "preact";
import { kstDate, kstTime, span } from "../format.ts";
import { messages } from "../messages/messages.ts";
import { isUnlocked, openActs } from "../state/act.ts";
import { clockMs, connection, picture } from "../state/live.ts";
import { route } from "../state/route.ts";
import * as settings from "../state/settings.ts";

export function Header() {
  const t = messages.value;
  return (
    <header class="top">
      <a class="brand" href="#/" aria-label="tickhub">
        <img src="/icon.svg" alt="" width="20" height="20" />
        <span>tickhub</span>
      </a>
      <nav aria-label={t.nav.label}>
        <ViewLink href="#/" isHere={route.value.view !== "logs"}>
          {t.nav.overview}
        </ViewLink>
        <ViewLink href="#/logs" isHere={route.value.view === "logs"}>
          {t.nav.logs}
        </ViewLink>
      </nav>
      <HubWord />
      <div class="choices">
        <button type="button" id="acts" onClick={() => openActs({ wish: "menu" })}>
          {isUnlocked.value ? t.nav.unlocked : t.nav.unlock}
        </button>
        <Choice
          id="colours"
          label={t.nav.colours}
          options={settings.COLOURS}
          words={t.nav.coloursOf}
          value={settings.colours.value}
          choose={settings.chooseColours}
        />
        <Choice
          id="theme"
          label={t.nav.theme}
          options={settings.THEMES}
          words={t.nav.themes}
          value={settings.theme.value}
          choose={settings.chooseTheme}
        />
        <LanguageSwitch />
      </div>
    </header>
  );
}

function ViewLink(props: { href: string; isHere: boolean; children: ComponentChildren }) {
  return (
    <a href={props.href} aria-current={props.isHere ? "page" : undefined}>
      {props.children}
    </a>
  );
}

function HubWord() {
  const t = messages.value;
  const { state } = connection.value;
  const hub = picture.value;
  const version = hub ? t.verdict.version(hub.version, span(hub.upMs)) : t.connection.connecting;
  return (
    <p class="hub-word">
      <span class={`dot ${state}`} />
      <span id="connection" role="status">
        {state === "live" ? t.connection.live : state === "lost" ? t.connection.lost : ""}
      </span>
      <span id="hub">{version}</span>
      <Now />
    </p>
  );
}

function Now() {
  const at = clockMs.value;
  return (
    <time id="now" title={kstDate(at)}>
      {kstTime(at)} KST
    </time>
  );
}

function LanguageSwitch() {
  const { language, chooseLanguage } = settings;
  const other = language.value === "en" ? "ko" : "en";
  return (
    <button type="button" id="language" lang={other} onClick={() => chooseLanguage(other)}>
      {messages.value.nav.switchLanguage}
    </button>
  );
}

function Choice<T extends string>(props: {
  id: string;
  label: string;
  options: readonly T[];
  words: Record<T, string>;
  value: T;
  choose: (value: T) => void;
}) {
  const { id, label, options, words, value, choose } = props;
  return (
    <select
      id={id}
      aria-label={label}
      title={label}
      value={value}
      onChange={({ currentTarget }) => choose(currentTarget.value as T)}
    >
      {options.map((option) => (
        <option key={option} value={option}>
          {words[option]}
        </option>
      ))}
    </select>
  );
}
