// Draws the picture that /live sends twice a second: whole figures each time, trades only where they
// changed. Everything from outside goes in as text, never as markup.

const STALE_MS = 3_000;
const RETRY_MS = 2_000;
const INCIDENTS_SHOWN = 8;
const SUMS = ["received", "committed", "duplicate", "held", "quarantined", "lost"];

const byId = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en-US");
const clock = new Intl.DateTimeFormat("en-GB", { timeZone: "Asia/Seoul", timeStyle: "medium" });
const day = new Intl.DateTimeFormat("en-CA", { timeZone: "Asia/Seoul", dateStyle: "short" });

/** Rows of the trades' table by source, venue and symbol. */
const rows = new Map();
let source = null;
let lastMs = 0;
let previous = null;
let openedMs = Date.now();

function connect() {
  source?.close();
  source = new EventSource("/live");
  source.onmessage = ({ data }) => {
    lastMs = Date.now();
    draw(JSON.parse(data));
  };
}

/** The browser reconnects by itself, but not after an HTTP error, and it does not notice a dead line. */
function watch() {
  const silentMs = Date.now() - Math.max(lastMs, openedMs);
  const stale = silentMs > STALE_MS;
  document.body.classList.toggle("is-stale", stale);
  byId("now").textContent = `${clock.format(Date.now())} KST`;
  if (!stale) return;
  const since = lastMs ? ` since ${clock.format(lastMs)} KST` : "";
  alarm(`Hub unreachable${since}. What stands below is its last word.`);
  pill(byId("hub"), "unreachable", "bad");
  if (silentMs > STALE_MS + RETRY_MS) {
    openedMs = Date.now() - STALE_MS;
    connect();
  }
}

function draw(picture) {
  const {
    version,
    upMs,
    database,
    total,
    rows: stored,
    latency,
    edges,
    accounts,
    trades,
  } = picture;
  pill(byId("hub"), `hub ${version}, up ${span(upMs)}`, database.ok ? "good" : "bad");
  alarm(
    database.ok
      ? ""
      : `The database does not answer (${database.code}) since ${clock.format(database.sinceMs)} KST. Edges hold what they receive.`,
  );
  for (const name of SUMS)
    document.querySelector(`[data-sum=${name}]`).textContent = count(total[name]);
  drawBalance(total, accounts, picture.unbalanced);
  drawCoverage(picture.coverage);
  byId("trades").textContent = count(stored.trade ?? 0);
  byId("books").textContent = count(stored.book ?? 0);
  byId("rate").textContent = rateOf(picture);
  byId("latency").textContent = `${ms(latency.p50Ms)} · ${ms(latency.p99Ms)}`;
  if (edges.length > 0) byId("edges").replaceChildren(...edges.map(edgeCard));
  byId("accounts").tBodies[0].replaceChildren(...accounts.flatMap(accountRows));
  for (const trade of trades) drawTrade(trade);
  if (trades.length > 0) filter();
}

function drawBalance(total, accounts, unbalanced) {
  const wrong = accounts.filter(({ hub, edge }) => !hub.isBalanced || edge?.isBalanced === false);
  const balanced = total.isBalanced && wrong.length === 0 && unbalanced.length === 0;
  const off = total.received - SUMS.slice(1).reduce((sum, name) => sum + total[name], 0);
  const names = [...new Set([...wrong, ...unbalanced].map(({ account }) => account))].join(", ");
  const text = balanced ? "✓ balanced" : `✗ unbalanced by ${number.format(off)} ${names}`;
  pill(byId("balance"), text, balanced ? "good" : "bad");
}

/** The hub's own sentence, and what happened; what was refilled stays visible. */
function drawCoverage({ sentence, verifiedShare, incidents }) {
  byId("sentence").textContent = sentence;
  const countOf = (...fates) => incidents.filter(({ trades }) => fates.includes(trades)).length;
  const [open, gone] = [countOf("open"), countOf("lost", "partial")];
  const [text, tone] =
    verifiedShare === null
      ? ["nothing expected so far", ""]
      : gone > 0
        ? [`${number.format(gone)} cannot be refilled`, "bad"]
        : open > 0
          ? [`${number.format(open)} being refilled`, "warn"]
          : ["✓ no trade missing", "good"];
  pill(byId("verified"), text, tone);
  byId("gaps").hidden = incidents.length === 0;
  const shown = incidents.slice(0, INCIDENTS_SHOWN);
  byId("gaps")
    .querySelector("tbody")
    .replaceChildren(...shown.map(incidentRow));
  byId("more-gaps").hidden = incidents.length <= shown.length;
}

const TONES = { refilled: "good", open: "warn", partial: "bad", lost: "bad" };

function incidentRow({ source, fromMs, toMs, symbols, reason, trades, books }) {
  const cells = [
    `${clock.format(fromMs)} – ${clock.format(toMs)} (${span(toMs - fromMs)})`,
    source,
    number.format(symbols),
    reason,
  ];
  return element("tr", {}, [
    ...cells.map((cell) => element("td", {}, [cell])),
    ...[trades, books].map((fate) =>
      element("td", { className: TONES[fate] ?? "" }, [fate ?? "–"]),
    ),
  ]);
}

/** Records a second between the last two readings of the books that differ. */
function rateOf({ nowMs, total }) {
  if (!previous || total.received < previous.received)
    previous = { nowMs, received: total.received, rate: null };
  const passedMs = nowMs - previous.nowMs;
  if (passedMs >= 2_000) {
    const rate = ((total.received - previous.received) * 1_000) / passedMs;
    previous = { nowMs, received: total.received, rate };
  }
  return previous.rate === null ? "–" : number.format(Math.round(previous.rate));
}

function edgeCard({ edge, connections, seenAgeMs, status }) {
  const { outbox = {}, uplink = {}, accounts = {} } = status;
  const silent = seenAgeMs > 5_000;
  const state = silent ? `silent for ${span(seenAgeMs)}` : connections > 0 ? "connected" : "direct";
  const seconds = outbox.secondsLeft;
  const meter = element("meter", {
    min: 0,
    max: 600,
    low: 60,
    high: 120,
    optimum: 600,
    value: Math.min(seconds ?? 0, 600),
  });
  return element("article", { className: "edge" }, [
    element("header", {}, [
      element("h3", {}, [edge]),
      pillOf(state, silent ? "bad" : "good"),
      pillOf(`breaker ${uplink.breaker ?? "–"}`, uplink.breaker === "closed" ? "good" : "warn"),
    ]),
    element("dl", {}, [
      element("div", { className: "wide" }, [
        element("dt", {}, ["outbox lasts, if the hub went away now"]),
        element("dd", {}, [seconds === undefined ? "–" : span(seconds * 1_000), meter]),
      ]),
      figure("held", `${count(outbox.rows)} rows, ${bytes(outbox.bytes)}`),
      figure("receive to ack, p50 · p99", `${ms(uplink.p50Ms)} · ${ms(uplink.p99Ms)}`),
    ]),
    ...Object.entries(accounts).map(accountLine),
  ]);
}

function accountLine([account, { feed, code, lease, registrations, tickAgeMs }]) {
  const words = [
    `lease ${lease ?? "–"}`,
    ...(registrations === undefined ? [] : [`${registrations} registrations`]),
    `last tick ${tickAgeMs === undefined || tickAgeMs === null ? "never" : `${span(tickAgeMs)} ago`}`,
  ];
  return element("p", { className: "account" }, [
    element("b", {}, [account]),
    pillOf(code ? `${feed}: ${code}` : feed, feed === "live" ? "good" : "warn"),
    element("span", {}, [words.join(" · ")]),
  ]);
}

function accountRows({ account, lease, hub, edge }) {
  const holder = lease?.holder ? `${lease.edge}, epoch ${lease.epoch}` : lease ? "free" : "none";
  const cells = (first, second, where, ledger) =>
    element("tr", {}, [
      element("td", {}, [first]),
      element("td", {}, [second]),
      element("td", { className: "quiet" }, [where]),
      ...SUMS.map((name) => element("td", {}, [count(ledger[name])])),
      element("td", { className: ledger.isBalanced ? "good" : "bad" }, [
        ledger.isBalanced ? "✓" : "✗",
      ]),
    ]);
  const all = cells(account, holder, "hub, ever", hub);
  return edge ? [all, cells("", "", "edge, this run", edge)] : [all];
}

function drawTrade({ source: from, venue, symbol, price, size, side, exchangeMs }) {
  const key = `${symbol}/${venue}/${from}`;
  const row = rows.get(key) ?? newRow(key);
  const name = side > 0 ? "buy" : side < 0 ? "sell" : "–";
  const texts = [
    null,
    from,
    number.format(price),
    number.format(size),
    name,
    clock.format(exchangeMs),
  ];
  row.cells[0].replaceChildren(symbol, " ", element("small", {}, [venue]));
  texts.forEach((text, at) => text !== null && (row.cells[at].textContent = text));
  row.cells[2].className = row.cells[4].className = side > 0 ? "buy" : side < 0 ? "sell" : "";
  row.cells[5].title = day.format(exchangeMs);
  row.dataset.words = `${symbol} ${venue} ${from}`.toLowerCase();
  void row.offsetWidth; // Lets the animation start again.
  row.cells[2].classList.add("flash");
}

function newRow(key) {
  const row = element(
    "tr",
    {},
    Array.from({ length: 6 }, () => element("td")),
  );
  row.dataset.key = key;
  const body = byId("ticks").tBodies[0];
  const after = [...body.rows].find((other) => other.dataset.key > key);
  body.insertBefore(row, after ?? null);
  rows.set(key, row);
  byId("no-ticks").hidden = true;
  return row;
}

function filter() {
  const words = byId("filter").value.toLowerCase().trim();
  for (const row of rows.values()) row.hidden = !row.dataset.words.includes(words);
}

function element(name, properties = {}, children = []) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
const pillOf = (text, tone) => element("span", { className: `pill ${tone}` }, [text]);
const figure = (name, text) =>
  element("div", {}, [element("dt", {}, [name]), element("dd", {}, [text])]);
function pill(target, text, tone) {
  target.textContent = text;
  target.className = `pill ${tone}`;
}
function alarm(text) {
  byId("alert").textContent = text;
  byId("alert").hidden = text === "";
}

const count = (value) => (value === undefined ? "–" : number.format(value));
const bytes = (value) =>
  value === undefined
    ? "–"
    : value < 1e6
      ? `${(value / 1e3).toFixed(1)} kB`
      : `${(value / 1e6).toFixed(1)} MB`;
const ms = (value) =>
  value === undefined || value === null
    ? "–"
    : value < 10_000
      ? `${value.toFixed(value < 10 ? 1 : 0)} ms`
      : span(value);
function span(value) {
  const seconds = Math.max(0, value / 1_000);
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return seconds < 86_400
    ? `${Math.round(seconds / 3_600)} h`
    : `${Math.floor(seconds / 86_400)} d`;
}

byId("filter").addEventListener("input", filter);
setInterval(watch, 500);
connect();
