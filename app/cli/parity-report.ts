// The report of a comparison as one HTML file: the figure, per hour, per symbol, and the kinds of differences.
import { countsOf } from "../hub/query/parity/store.ts";
import type { DaySymbol } from "../hub/query/parity/day.ts";
import type { PlacedDifference } from "../hub/query/parity/symbol.ts";
import type { Tally } from "../hub/query/parity/tally.ts";
import { KINDS, percent, shareOf, sumOf, volumesOf } from "../hub/query/parity/tally.ts";
import { systemClock } from "../shared/clock.ts";
import { isoAtVenue } from "../shared/market-time.ts";
import type { Markup } from "../report/page.ts";
import { pageOf, paragraph, tableOf } from "../report/page.ts";
import { barPlot, linePlot } from "../report/plot.ts";
import type { ParityResult } from "./parity.ts";

const SYMBOLS_MAX = 60;
const DIFFERENCES_MAX = 500;
/** The figure is interesting near the top only: the worse a share, the higher its bar. */
const lackOf = (tally: Tally) => {
  const { matched, answered } = volumesOf(tally);
  return answered === 0 ? 0 : ((answered - matched) / answered) * 100;
};

export function reportOf(result: ParityResult): string {
  const { ok, date, left, right, markets, parity, books } = result;
  const refused = markets.flatMap(({ market, refusals }) =>
    refusals.map((reason) => `${market}: ${reason}`),
  );
  return pageOf({
    title: `Parity of ${left} and ${right}, ${date}`,
    verdict: {
      ok,
      text: ok ? "They agree." : `Refused: ${refused.join("; ") || "nothing to compare"}.`,
    },
    made: `tickhub parity --date ${date} --left ${left} --right ${right}, ${isoAtVenue("KRX", systemClock.nowMs())}`,
    sections: [
      { heading: "The figure", content: [figureTable(result)] },
      { heading: "Hour by hour", content: hours(parity.symbols) },
      { heading: "Symbols", content: symbolsOf(parity.symbols) },
      { heading: "Differences", content: differences(result) },
      {
        heading: "Best quotes",
        content: [
          paragraph(
            "Compared once a second; no part of the figure, as no number ties books together.",
          ),
          tableOf(
            ["symbol", "seconds", "equal", "within one change"],
            books.map(({ venue, symbol, seconds, equal, near }) => [
              `${venue}:${symbol}`,
              seconds,
              percent(shareOf(equal, seconds)),
              percent(shareOf(near, seconds)),
            ]),
          ),
        ],
      },
    ],
  });
}

function figureTable({ markets }: ParityResult): Markup {
  return tableOf(
    ["market", "matched", "of", "share", "merged", "joint", "of all", "coverage"],
    markets.map(
      ({ market, share, coverage, volumes: { matched, answered, merged, joint, total } }) => [
        ...[market, matched, answered, percent(share), merged, joint, total, percent(coverage)],
      ],
    ),
  );
}

function hours(symbols: readonly DaySymbol[]): Markup[] {
  const byHour = new Map<number, Tally[]>();
  for (const { hours: own } of symbols) {
    for (const [hour, tally] of own) byHour.set(hour, [...(byHour.get(hour) ?? []), tally]);
  }
  const rows = [...byHour]
    .sort(([one], [other]) => one - other)
    .map(([hour, tallies]) => ({ hour, tally: sumOf(tallies) }));
  if (rows.length === 0) return [paragraph("Nothing was traded.")];
  const points = (share: (tally: Tally) => number) =>
    rows.map(({ hour, tally }) => ({ x: hour, y: share(tally) }));
  return [
    linePlot({
      caption:
        "Share that matched, and of it what a vendor merged, by the hour of the venue's day, in %",
      x: { label: "hour", format: String },
      y: { label: "%" },
      series: [
        { name: "matched", points: points((tally) => 100 - lackOf(tally)) },
        {
          name: "merged",
          points: points((tally) => {
            const { merged, answered } = volumesOf(tally);
            return answered === 0 ? 0 : (merged / answered) * 100;
          }),
        },
      ],
      rules: [{ y: 99.9, label: "99.9 %" }],
    }),
    tableOf(
      ["hour", "share", "matched", "of", "differences"],
      rows.map(({ hour, tally }) => {
        const { matched, answered } = volumesOf(tally);
        const count = KINDS.reduce((sum, kind) => sum + tally[kind].count, 0);
        return [`${hour}:00`, percent(shareOf(matched, answered)), matched, answered, count];
      }),
    ),
  ];
}

function symbolsOf(symbols: readonly DaySymbol[]): Markup[] {
  const worst = symbols.toSorted((one, other) => lackOf(other.tally) - lackOf(one.tally));
  const shown = worst.slice(0, SYMBOLS_MAX);
  return [
    barPlot({
      caption: `What did not match, in % of what both had to have; the ${shown.length} worst of ${symbols.length} symbols`,
      x: "symbol",
      y: { label: "%" },
      bars: shown.map(({ symbol, tally }) => ({ name: symbol, value: lackOf(tally) })),
    }),
    tableOf(
      ["symbol", "share", "matched", "of", "coverage", "last volume"],
      shown.map(({ venue, symbol, tally, isClosed }) => {
        const { matched, answered, joint, total } = volumesOf(tally);
        const figures = [percent(shareOf(matched, answered)), matched, answered];
        const coverage = percent(shareOf(joint, total));
        return [`${venue}:${symbol}`, ...figures, coverage, isClosed ? "known" : "not known"];
      }),
    ),
  ];
}

function differences({ markets, parity }: ParityResult): Markup[] {
  const tally = sumOf(markets.map((one) => one.tally));
  const counts = Object.entries(countsOf(tally)).filter(([outcome]) => outcome !== "same");
  if (counts.length === 0) return [paragraph("None.")];
  const shown = parity.differences.slice(0, DIFFERENCES_MAX);
  return [
    barPlot({
      caption: "Kinds of differences, in shares",
      x: "kind",
      y: { label: "shares" },
      bars: counts.map(([name, { volume }]) => ({ name, value: volume })),
    }),
    tableOf(
      ["kind", "count", "shares"],
      counts.map(([outcome, { count, volume }]) => [outcome, count, volume]),
    ),
    paragraph(`The first ${shown.length} of ${parity.differences.length}, times in Seoul:`),
    tableOf(["time", "symbol", "kind", "shares", "left", "right"], shown.map(rowOf)),
  ];
}

function rowOf({ ms, venue, symbol, kind, volume, left, right }: PlacedDifference) {
  const prints = (list: PlacedDifference["left"]) =>
    list.map(({ seq, size, price }) => `@${seq} ${size} at ${price}`).join(", ");
  const at = isoAtVenue("KRX", ms).slice(11, 19);
  return [at, `${venue}:${symbol}`, kind, volume, prints(left), prints(right)];
}
