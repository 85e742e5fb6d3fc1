// docs/metrics.md and what the processes register say the same: names, kinds, labels; and every label is bounded.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createEdgeMetrics } from "../../app/edge/metrics.ts";
import { createHubMetrics } from "../../app/hub/web/metrics.ts";
import { EVENTS } from "../../app/shared/events.ts";
import { counterName, createReporter } from "../../app/shared/report.ts";

const page = readFileSync("docs/metrics.md", "utf8");

/** `| name | type | labels | … |` rows of the section. */
function rowsOf(section: string): string[] {
  const text = page.split(/^## /m).find((part) => part.startsWith(section)) ?? "";
  return [...text.matchAll(/^\| `([a-z_]+)` +\| (\w+) +\| ([^|]*?) +\|/gm)].map(
    ([, name, type, labels]) => `${name!} ${type!} ${labels!.replaceAll("`", "").trim()}`.trim(),
  );
}

interface Registered {
  name: string;
  type: string;
  labelNames: string[];
}

/** What `register` adds to a process's registry, event counters left out. */
function registered(register: (registry: ReturnType<typeof createReporter>["registry"]) => void) {
  const { registry } = createReporter("test", "silent");
  const before = new Set(registry.getMetricsAsArray().map(({ name }) => name));
  register(registry);
  // Kind and labels are fields of prom-client's metrics; its types do not tell.
  const all = registry.getMetricsAsArray() as unknown as Registered[];
  return { all, own: all.filter(({ name }) => !before.has(name)) };
}

const hub = registered((registry) => createHubMetrics(registry, "0.0.0"));
const edge = registered((registry) =>
  createEdgeMetrics(registry, "0.0.0", { report: () => ({}) as never, counters: () => ({}) }),
);
const line = ({ name, type, labelNames }: Registered) =>
  `${name} ${type} ${labelNames.join(", ")}`.trim();

describe("docs/metrics.md", () => {
  const shared = new Set(rowsOf("Every process"));

  it("lists what hub and edge register, with kind and labels", () => {
    const every = [...shared].filter((row) => !row.startsWith("tickhub_log_lines_dropped_total"));
    for (const [section, { own }] of [
      ["The hub", hub],
      ["An edge", edge],
    ] as const) {
      expect([...rowsOf(section), ...every].sort(), section).toEqual(own.map(line).sort());
    }
  });

  it("names every label with its bound", () => {
    const labels = new Set([...hub.all, ...edge.all].flatMap(({ labelNames }) => labelNames));
    const told = page.split(/^## /m).find((part) => part.startsWith("Labels"))!;
    const bounds = [...told.matchAll(/^\| `(\w+)`(?:, `(\w+)`)* +\|/gm)].flatMap(([row]) =>
      [...row.matchAll(/`(\w+)`/g)].map(([, name]) => name!),
    );
    expect([...labels].filter((label) => !bounds.includes(label))).toEqual([]);
  });
});

describe("metrics", () => {
  it("have a help text, and only counters end in _total", () => {
    for (const { name, type, help } of [...hub.all, ...edge.all] as (Registered & {
      help: string;
    })[]) {
      expect(help, name).toMatch(/\w{3}/);
      expect(name.endsWith("_total"), name).toBe(type === "counter");
    }
  });

  it("count an event under its name, and what it adds in the name", () => {
    expect(counterName("gap_declared", EVENTS.gap_declared)).toBe("tickhub_gap_declared_total");
    expect(counterName("batch_stored", EVENTS.batch_stored)).toBe(
      "tickhub_batch_stored_rows_total",
    );
    const events = readFileSync("docs/events.md", "utf8");
    for (const [event, telling] of Object.entries(EVENTS)) {
      const labels = telling.labels.length > 0 ? `{${telling.labels.join(",")}}` : "";
      expect(events).toContain(`\`${counterName(event, telling)}${labels}\``);
    }
  });

  it("have an end to their series, whatever comes from outside", async () => {
    const { emit, registry } = createReporter("test", "silent");
    for (let i = 0; i < 1_000; i++) {
      emit({
        event: "feed_subscription_refused",
        source: "kis:1",
        key: "k",
        code: `C${i}`,
        reason: "",
      });
    }
    const text = await registry.metrics();
    const series = text.match(/^tickhub_feed_subscription_refused_total\{.*$/gm)!;
    expect(series).toHaveLength(201);
    expect(series.at(-1)).toMatch(/source="other",code="other".*\} 800$/);
  });
});
