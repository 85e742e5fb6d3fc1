// From receipt at the edge to commit: the figures of the last minute, and a line of the minutes before.
import { computed } from "@preact/signals";
import { milliseconds } from "../format.ts";
import { messages } from "../messages/messages.ts";
import { latencies, section } from "../state/live.ts";
import type { LatencySample } from "../state/live.ts";
import { Figure, Panel } from "./parts.tsx";

const latency = section("latency");
const WIDTH = 300;
const HEIGHT = 48;
/** What the line's height is at least, so that noise of a few ms does not look like a storm. */
const TOP_MIN_MS = 200;

const lines = computed(() => {
  const samples = latencies.value;
  const top = Math.max(TOP_MIN_MS, ...samples.map(({ p99Ms }) => p99Ms ?? 0));
  const path = (of: (sample: LatencySample) => number | null) => pathOf(samples.map(of), top);
  return { p50: path((one) => one.p50Ms), p99: path((one) => one.p99Ms), top };
});

/** Right-aligned: the newest stands at the right edge; a second without a figure leaves a break. */
function pathOf(values: readonly (number | null)[], top: number): string {
  const step = WIDTH / 149;
  let path = "";
  let isOpen = false;
  for (const [at, value] of values.entries()) {
    if (value !== null) {
      const x = WIDTH - (values.length - 1 - at) * step;
      const y = HEIGHT - 1 - (value / top) * (HEIGHT - 2);
      path += `${isOpen ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    }
    isOpen = value !== null;
  }
  return path;
}

export function LatencyPanel() {
  const t = messages.value.latency;
  const [p50, p99] = [milliseconds(latency.value?.p50Ms), milliseconds(latency.value?.p99Ms)];
  return (
    <Panel id="latency" title={t.label} aside={<span class="quiet">{t.span}</span>}>
      <div class="spark">
        <dl class="figures">
          <Figure name={t.p50}>{p50}</Figure>
          <Figure name={t.p99}>{p99}</Figure>
        </dl>
        <svg
          role="img"
          aria-label={t.chart(p50, p99)}
          viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
          preserveAspectRatio="none"
        >
          <path class="p99" d={lines.value.p99} />
          <path class="p50" d={lines.value.p50} />
        </svg>
        <span class="quiet top-of">{milliseconds(lines.value.top)}</span>
      </div>
    </Panel>
  );
}
