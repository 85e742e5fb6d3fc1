// The meters of the free tiers as lines for people: `tickhub status --meters`.
import type { MeterPicture } from "../hub/query/meters/keeper.ts";
import { amount } from "../hub/query/verdict.ts";

const HEAD = ["meter", "of", "used", "month's end", "limit", "share", "state", "rests on"];

/** One line a meter, in columns, under a line that names the month. */
export function metersTable(meters: readonly MeterPicture[]): string {
  const [first] = meters;
  if (!first) return "No meter was read yet: the hub reads them once a minute.\n";
  const rows = [HEAD, ...meters.map(cellsOf)];
  const widths = HEAD.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)));
  const lines = rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at]!))
      .join("  ")
      .trimEnd(),
  );
  const month = `${Math.floor(first.month / 100)}-${String(first.month % 100).padStart(2, "0")}`;
  return `Meters of ${month}, projected to its end\n${lines.join("\n")}\n`;
}

function cellsOf(one: MeterPicture): string[] {
  const { meter, subject, unit, used, projected, plusMinus, limit, share, state } = one;
  const isKnown = projected > used || one.openDays + one.openDaysBefore > 0;
  const isTold = isKnown && share !== null && Number.isFinite(share);
  return [
    meter,
    subject,
    `${amount(used)} ${unit}`,
    isKnown ? `${amount(projected)} ± ${amount(plusMinus)} ${unit}` : "not known yet",
    limit === null ? "none" : `${amount(limit)} ${unit}`,
    isTold ? `${(100 * share).toFixed(0)} %` : "",
    limit === null ? "" : state,
    restsOn(one),
  ];
}

/** How sure a projection can be: a rate is as good as the trading days it was seen on. */
function restsOn({ openDays, openDaysBefore }: MeterPicture): string {
  if (openDays + openDaysBefore === 0) return "no whole trading day yet: a guess";
  const before = openDaysBefore > 0 ? `, ${openDaysBefore} of last month` : "";
  return `${openDays} trading days${before}`;
}
