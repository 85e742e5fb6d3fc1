// Hub and edges as Prometheus sees them: real processes, the real Prometheus, our own configuration, rules and
// dashboard. What a rule or a panel names has to be there.
import { readFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, startStack } from "../support/stack.ts";
import type { TestStack } from "../support/stack.ts";
import { dashboard, expressions, metricsOf, statements } from "./dashboard.ts";
import { FILES, hasPrometheus, promtool, startPrometheus } from "./prometheus.ts";
import type { Prometheus } from "./prometheus.ts";

const RULES = join(FILES, "rules/tickhub.yml");
const RULE_TESTS = join(import.meta.dirname, "rules.test.yml");

describe.skipIf(!hasPrometheus())("the files", () => {
  it("are configuration and rules that promtool finds nothing in", () => {
    for (const args of [
      ["check", "config", join(FILES, "prometheus.yml")],
      ["check", "rules", "--lint-fatal", RULES],
      ["test", "rules", RULE_TESTS],
    ]) {
      expect(promtool(args)).toMatchObject({ code: 0 });
    }
  });

  it("have a case that fires and one that does not for every alert", () => {
    const alerts = readFileSync(RULES, "utf8").match(/(?<=- alert: )\w+/g)!;
    const cases = readFileSync(RULE_TESTS, "utf8").match(/(?<=- name: )\w+ (fires|stays quiet)$/gm);
    expect(cases?.sort()).toEqual(
      alerts.flatMap((alert) => [`${alert} fires`, `${alert} stays quiet`]).sort(),
    );
  });
});

describe.skipIf(!hasPrometheus())("a running tickhub", () => {
  let tested: TestStack;
  let prometheus: Prometheus;
  let scraped: Map<string, string>;
  let edgeUrl: string;

  beforeAll(async () => {
    tested = await startStack();
    const urls = new Map([["hub:8611", tested.stack.hubUrl]]);
    for (const broker of ["kis", "kiwoom"] as const) {
      const { url } = await tested.stack.edges.get(broker)!.announced("edge_listening");
      urls.set(`tickhub-edge-${broker}:8620`, String(url));
    }
    edgeUrl = urls.get("tickhub-edge-kis:8620")!;
    const targets = [...urls].map(([name, url]) => [name, new URL(url).host] as const);
    prometheus = await startPrometheus(new Map(targets));
    await eventually(60_000, "all to be scraped and to have stored", async () => {
      const up = await prometheus.query("up == 1");
      const rates = await prometheus.query("account:tickhub_committed_records:rate1m > 0");
      return up.length === 3 && rates.length === 2;
    });
    scraped = new Map(
      await Promise.all(
        [...urls].map(
          async ([name, url]) =>
            [name, await (await fetch(`${url.replace(/\/$/, "")}/metrics`)).text()] as const,
        ),
      ),
    );
  });
  afterAll(async () => {
    await prometheus.stop();
    await tested.stop();
  });

  it("shows metrics that promtool finds nothing in", () => {
    for (const [name, text] of scraped)
      expect(promtool(["check", "metrics"], text), name).toEqual({ code: 0, said: "" });
  });

  it("has a rate of ticks that SQL agrees with", async () => {
    const count = async () => {
      const { rows } = await tested.pool.query<{ n: number }>(
        "select sum(committed)::float8 as n from stream where account <> 'canary'",
      );
      return rows[0]!.n;
    };
    const before = await count();
    const [now] = await eventually(10_000, "a scrape", async () => {
      const sums = await prometheus.query('sum(tickhub_records_total{outcome="committed"})');
      return sums[0]!.value >= before ? sums : null;
    });
    expect(now!.value).toBeGreaterThan(0);
    expect(now!.value).toBeLessThanOrEqual(await count());
  });

  it("tells of feed, lease, breaker and outbox of every account, the hub as the edge", async () => {
    for (const [hubs, edges] of [
      ['tickhub_edge_feed_state{state="live"} == 1', 'tickhub_feed_state{state="live"} == 1'],
      [
        'tickhub_edge_lease_state{state="holding"} == 1',
        'tickhub_lease_state{state="holding"} == 1',
      ],
      [
        'tickhub_edge_breaker_state{state="closed"} == 1',
        'tickhub_breaker_state{state="closed"} == 1',
      ],
      ["tickhub_edge_outbox_seconds > 60", "tickhub_outbox_seconds > 60"],
      ["tickhub_lease_held == 1", "tickhub_uplink_up == 1"],
      ["tickhub_edge_tick_age_seconds < 30", "tickhub_feed_tick_age_seconds < 30"],
    ] as const) {
      await eventually(15_000, `${hubs}, ${edges}`, async () => {
        const [ofHub, ofEdges] = [await prometheus.query(hubs), await prometheus.query(edges)];
        return ofHub.length === 2 && ofEdges.length === 2;
      });
    }
  });

  it("says how large each table is, as the database does", async () => {
    const tables = await prometheus.query("tickhub_database_table_bytes");
    expect(tables.map(({ metric }) => metric["table"])).toEqual(
      expect.arrayContaining(["trade", "book", "stream", "ingest_batch", "gap"]),
    );
    const { rows } = await tested.pool.query<{ bytes: number }>(
      "select pg_database_size(current_database())::float8 as bytes",
    );
    const [sum] = await prometheus.query("sum(tickhub_database_table_bytes)");
    expect(sum!.value).toBeLessThan(rows[0]!.bytes);
  });

  it("has no series whose number grows with symbols, streams or texts", () => {
    for (const [name, text] of scraped) {
      expect(text, name).not.toMatch(
        /^tickhub_[^\n]*\{[^}]*\b(symbol|stream|holder|address|url)=/m,
      );
      expect(text.split("\n").filter((line) => /^[a-z]/.test(line)).length, name).toBeLessThan(700);
    }
  });

  it("sends Prometheus less than a third of an edge's text, which its vendor may bill", async () => {
    const plain = Buffer.byteLength(scraped.get("tickhub-edge-kis:8620")!);
    const sent = await new Promise<Buffer[]>((resolve, reject) => {
      const headers = { "accept-encoding": "gzip" };
      get(`${edgeUrl}/metrics`, { headers }, (response) => {
        resolve(response.toArray() as Promise<Buffer[]>);
      }).on("error", reject);
    });
    const body = Buffer.concat(sent);
    expect(gunzipSync(body).toString()).toContain("tickhub_outbox_bytes");
    console.log(`an edge's /metrics: ${plain} bytes, ${body.length} compressed`);
    expect(body.length).toBeLessThan(plain / 3);
  });

  it("evaluates every rule without an error, and none of a dead process fires", async () => {
    const { groups } = await prometheus.api<{
      groups: { rules: { name: string; health: string; lastError?: string; state?: string }[] }[];
    }>("rules");
    const rules = groups.flatMap((group) => group.rules);
    expect(rules.length).toBeGreaterThan(25);
    expect(rules.filter(({ health }) => health !== "ok")).toEqual([]);
    const dead = /^(HubDown|DatabaseDown|EdgeDown|LedgerUnbalanced|OutboxShort|ClockSkew)$/;
    expect(rules.filter(({ name, state }) => dead.test(name) && state === "firing")).toEqual([]);
  });

  it("has every metric that a rule or a panel names, and every expression is PromQL", async () => {
    const told = await prometheus.api<Record<string, unknown>>("metadata");
    const names = await prometheus.api<string[]>("label/__name__/values");
    const known = new Set([...Object.keys(told), ...names, "ALERTS"]);
    const rules = [...readFileSync(RULES, "utf8").matchAll(/expr: (?:>-\n((?: {10}.+\n)+)|(.+))/g)];
    const all = [
      ...expressions,
      ...rules.map(([, folded, plain]) => ({ where: "rules", text: folded ?? plain! })),
    ];
    expect(all.length).toBeGreaterThan(60);
    for (const { where, text } of all) {
      const named = metricsOf(text);
      expect(named.length, text).toBeGreaterThan(0);
      expect(
        named.filter(
          (name) => !known.has(name.replace(/_(bucket|sum|count)$/, "")) && !known.has(name),
        ),
        `${where}: ${text}`,
      ).toEqual([]);
      await expect(prometheus.query(text), where).resolves.toBeInstanceOf(Array);
    }
  });

  it("answers every SQL panel to who may only read", async () => {
    expect(statements.length).toBeGreaterThan(5);
    const client = await tested.pool.connect();
    try {
      for (const { where, text } of statements) {
        await client.query("begin read only");
        await client.query("set local role tickhub_read");
        await expect(client.query(text), `${where}: ${text}`).resolves.toBeDefined();
        await client.query("rollback");
      }
    } finally {
      client.release();
    }
  });

  it("is a dashboard whose panels have a source, a title of their own and a place", () => {
    const titles = dashboard.panels.map(({ title }) => title);
    expect(new Set(titles).size).toBe(titles.length);
    for (const { type, title, datasource } of dashboard.panels) {
      if (type === "row") continue;
      expect(["tickhub-prometheus", "tickhub-database"], title).toContain(datasource?.uid);
    }
  });
});
