// The frame around every view: header, the banner of a lost connection, footer. Views other than the overview
// are fetched when they are first opened, so that the first look costs no chart.
import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { messages } from "../messages/messages.ts";
import { connection } from "../state/live.ts";
import { route } from "../state/route.ts";
import { kstTime } from "../format.ts";
import { ActDialog } from "./act.tsx";
import { Header } from "./header.tsx";
import { Overview } from "./overview.tsx";

const lazy = {
  symbol: () => import("./symbol.tsx").then(({ SymbolView }) => SymbolView),
  logs: () => import("./logs.tsx").then(({ LogsView }) => LogsView),
} satisfies Record<string, () => Promise<ComponentType>>;
const fetched = signal<Partial<Record<keyof typeof lazy, ComponentType>>>({});

export function App() {
  const t = messages.value;
  const { state } = connection.value;
  return (
    <>
      <a class="skip" href="#content" onClick={toContent}>
        {t.nav.skip}
      </a>
      <Header />
      <Banner />
      <main id="content" tabIndex={-1} class={state === "lost" ? "stale" : ""}>
        <View />
      </main>
      <Footer />
      <ActDialog />
    </>
  );
}

/** `#content` as an address would be a route. */
function toContent(event: Event): void {
  event.preventDefault();
  document.getElementById("content")?.focus();
}

function View() {
  const { view } = route.value;
  if (view === "overview") return <Overview />;
  const Found = fetched.value[view];
  if (Found) return <Found />;
  void lazy[view]().then((found) => (fetched.value = { ...fetched.peek(), [view]: found }));
  return null;
}

function Banner() {
  const t = messages.value.connection;
  const now = connection.value;
  const text =
    now.state !== "lost" ? "" : now.sinceMs ? t.lostSince(kstTime(now.sinceMs)) : t.neverHeard;
  return (
    <p id="banner" role="alert" hidden={text === ""}>
      {text}
    </p>
  );
}

function Footer() {
  const t = messages.value.nav;
  return (
    <footer>
      <a href="/status">/status</a>
      <a href="/metrics">/metrics</a>
      <a href="/healthz">/healthz</a>
      {/* The chart library's licence asks for this link. */}
      <a class="credit" href="https://www.tradingview.com/" rel="noreferrer" target="_blank">
        {t.charts}
      </a>
    </footer>
  );
}
