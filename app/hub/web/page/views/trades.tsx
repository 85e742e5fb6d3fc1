// The newest trades of one place; what was refilled or transferred says so.
import { count, isAbroad, kstTime, price, zoneTime } from "../format.ts";
import { messages } from "../messages/messages.ts";
import { trades } from "../state/watch.ts";
import { Panel } from "./parts.tsx";

const SHOWN = 40;

export function TradesPanel({ zone }: { zone: string | undefined }) {
  const t = messages.value.symbol;
  const list = trades.value.slice(0, SHOWN);
  return (
    <Panel id="trades" title={t.trades}>
      {list.length === 0 && <p class="quiet">{t.noTrades}</p>}
      {list.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label={t.trades}>
          <table class="trade-list">
            <thead>
              <tr>
                <th scope="col">{t.time}</th>
                <th scope="col">{t.price}</th>
                <th scope="col">{t.quantity}</th>
              </tr>
            </thead>
            <tbody>
              {list.map(({ exchangeMs, price: paid, size, side, seq, origin }) => (
                <tr key={`${seq}/${exchangeMs}`}>
                  <td>
                    {kstTime(exchangeMs)}
                    {isAbroad(zone) && <small class="abroad">{zoneTime(exchangeMs, zone)}</small>}
                    {origin !== "live" && <small class="quiet"> {t.origins[origin]}</small>}
                  </td>
                  <td>{price(paid)}</td>
                  <td
                    class={side > 0 ? "rise" : side < 0 ? "fall" : ""}
                    title={side > 0 ? t.side.buy : side < 0 ? t.side.sell : t.side.none}
                  >
                    {count(size)}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}
