// What became of every record, account by account: at the hub ever, and at the edge that collects now.
import { signal } from "@preact/signals";
import type { Ledger } from "../../../../shared/tick.ts";
import { count } from "../format.ts";
import { messages } from "../messages/messages.ts";
import { picture, section } from "../state/live.ts";
import { Figure, Panel, Pill } from "./parts.tsx";

const rows = section("rows");
const accounts = section("accounts");
const PARTS = ["received", "committed", "duplicate", "held", "quarantined", "lost"] as const;
/** Drawn while somebody reads it. */
const isOpen = signal(false);

/** Records a second between the last two readings of the books that differ. */
let before = { nowMs: 0, received: 0, rate: null as number | null };
function rate(): string {
  const hub = picture.value;
  if (!hub) return "–";
  const { nowMs, total } = hub;
  if (total.received < before.received || before.nowMs === 0) {
    before = { nowMs, received: total.received, rate: null };
  }
  const passedMs = nowMs - before.nowMs;
  if (passedMs >= 2_000) {
    const perSecond = ((total.received - before.received) * 1_000) / passedMs;
    before = { nowMs, received: total.received, rate: perSecond };
  }
  return count(before.rate);
}

export function Books() {
  const t = messages.value.ledger;
  const isWell = picture.value?.unbalanced.length === 0 && picture.value.total.isBalanced;
  return (
    <Panel
      id="books"
      title={t.label}
      aside={
        <Pill tone={isWell ? "good" : "bad"}>
          {isWell ? `✓ ${t.balanced}` : `✗ ${t.unbalanced}`}
        </Pill>
      }
    >
      <dl class="figures">
        <Figure name={t.trades}>{count(rows.value?.["trade"] ?? 0)}</Figure>
        <Figure name={t.books}>{count(rows.value?.["book"] ?? 0)}</Figure>
        <Figure name={t.rate}>{rate()}</Figure>
      </dl>
      <details onToggle={({ currentTarget }) => (isOpen.value = currentTarget.open)}>
        <summary>
          {t.account} ({count(accounts.value?.length ?? 0)})
        </summary>
        {isOpen.value && <AccountTable />}
      </details>
    </Panel>
  );
}

function AccountTable() {
  const t = messages.value.ledger;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={t.label}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t.account}</th>
            <th scope="col">{t.where}</th>
            {PARTS.map((part) => (
              <th key={part} scope="col">
                {t[part]}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {accounts.value?.flatMap(({ account, hub, edge }) => [
            <LedgerRow key={account} account={account} where={t.hub} of={hub} />,
            edge && <LedgerRow key={`${account} edge`} account="" where={t.edge} of={edge} />,
          ])}
        </tbody>
      </table>
    </div>
  );
}

function LedgerRow(props: {
  account: string;
  where: string;
  of: Ledger & { isBalanced: boolean };
}) {
  return (
    <tr class={props.of.isBalanced ? "" : "broken"}>
      <th scope="row">{props.account}</th>
      <td class="quiet">{props.where}</td>
      {PARTS.map((part) => (
        <td key={part}>{count(props.of[part])}</td>
      ))}
    </tr>
  );
}
