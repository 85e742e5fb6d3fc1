// The live book, ten levels a side: asks above, best in the middle, bids below. Its rows stay; texts change.
import { count, price } from "../format.ts";
import { messages } from "../messages/messages.ts";
import { ladder } from "../state/watch.ts";
import { Panel } from "./parts.tsx";

const LEVELS = 10;

interface Level {
  price: number;
  size: number;
}

export function LadderPanel() {
  const t = messages.value.symbol;
  const book = ladder.value;
  const [asks, bids] = [book?.asks ?? [], book?.bids ?? []];
  const most = Math.max(1, ...asks.map(({ size }) => size), ...bids.map(({ size }) => size));
  const [ask, bid] = [asks[0], bids[0]];
  return (
    <Panel
      id="ladder"
      title={t.ladder}
      aside={
        ask && bid && <span class="quiet">{`${t.spread} ${price(ask.price - bid.price)}`}</span>
      }
    >
      {!book && <p class="quiet">{t.noBook}</p>}
      {book && (
        <table class="ladder">
          <thead class="unseen">
            <tr>
              <th scope="col">{t.ask}</th>
              <th scope="col">{t.price}</th>
              <th scope="col">{t.bid}</th>
            </tr>
          </thead>
          <tbody>
            {levelsOf(asks)
              .reverse()
              .map((level, at) => (
                <LevelRow key={`ask ${at}`} side="ask" level={level} most={most} />
              ))}
            {book.expectedPrice !== null && (
              <tr class="expected">
                <td colSpan={3}>
                  {t.expected} {price(book.expectedPrice)}
                </td>
              </tr>
            )}
            {levelsOf(bids).map((level, at) => (
              <LevelRow key={`bid ${at}`} side="bid" level={level} most={most} />
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  );
}

/** Always as many rows, so that nothing below moves. */
function levelsOf(levels: readonly Level[]): (Level | null)[] {
  return Array.from({ length: LEVELS }, (_, at) => levels[at] ?? null);
}

function LevelRow(props: { side: "ask" | "bid"; level: Level | null; most: number }) {
  const { side, level, most } = props;
  const size = level && (
    <span class="depth">
      <span class="fill" style={{ transform: `scaleX(${(level.size / most).toFixed(3)})` }} />
      <span class="text">{count(level.size)}</span>
    </span>
  );
  return (
    <tr class={side}>
      <td>{side === "ask" && size}</td>
      <td class="level-price">{level ? price(level.price) : "\u00a0"}</td>
      <td>{side === "bid" && size}</td>
    </tr>
  );
}
