// The page that answers "is everything all right?": the verdict first, then what it rests on.
import { Alerts } from "./alerts.tsx";
import { Edges } from "./edges.tsx";
import { Gaps } from "./gaps.tsx";
import { LatencyPanel } from "./latency.tsx";
import { Books } from "./ledger.tsx";
import { Meters } from "./meters.tsx";
import { ParityPanel } from "./parity.tsx";
import { Symbols } from "./symbols.tsx";
import { Verdict } from "./verdict.tsx";

export function Overview() {
  return (
    <div class="overview">
      <Verdict />
      <Edges />
      <div class="columns">
        <div class="column side">
          <Gaps />
          <Alerts />
          <LatencyPanel />
          <ParityPanel />
          <Meters />
          <Books />
        </div>
        <div class="column wide">
          <Symbols />
        </div>
      </div>
    </div>
  );
}
