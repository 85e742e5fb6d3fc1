import { describe, expect, it } from "vitest";
import { pageOf, paragraph, tableOf } from "../../app/report/page.ts";
import { barPlot, linePlot } from "../../app/report/plot.ts";

describe("a report", () => {
  it("escapes whatever text it is given", () => {
    const evil = `<script>"'&`;
    const page = pageOf({
      title: evil,
      verdict: { ok: false, text: evil },
      made: evil,
      sections: [
        {
          heading: evil,
          content: [
            paragraph(evil),
            tableOf([evil], [[evil]]),
            barPlot({
              caption: evil,
              x: evil,
              y: { label: evil },
              bars: [{ name: evil, value: 1 }],
            }),
            linePlot({
              caption: evil,
              x: { label: evil },
              y: { label: evil },
              series: [{ name: evil, points: [{ x: 0, y: 1 }] }],
              rules: [{ y: 1, label: evil }],
            }),
          ],
        },
      ],
    });
    expect(page).not.toContain("<script>");
    expect(page).not.toContain(`"'&`);
  });

  it("fetches nothing", () => {
    const page = pageOf({ title: "t", verdict: { ok: true, text: "" }, made: "", sections: [] });
    expect(page).not.toMatch(/https?:|<script|src=|href=/);
  });
});

describe("a plot", () => {
  const points = [1, 10, 100].map((x) => ({ x, y: x }));

  it("draws equal decades of a logarithmic axis equally wide", () => {
    const plot = linePlot({
      caption: "",
      x: { label: "", scale: "log" },
      y: { label: "", scale: "log" },
      series: [{ name: "a", points: [{ x: 0, y: 1 }, ...points] }],
    });
    const path = /<path d="M([\d.]+),[\d.]+L([\d.]+),[\d.]+L([\d.]+),/.exec(plot.markup)!;
    const [first, second, third] = path.slice(1).map(Number) as [number, number, number];
    expect(third - second).toBeCloseTo(second - first, 0);
  });

  it.each(["linear", "log", "time"] as const)(
    "has no number that is none on a %s axis without data",
    (scale) => {
      const axis = { label: "", scale };
      expect(linePlot({ caption: "", x: axis, y: { label: "" }, series: [] }).markup).not.toMatch(
        /NaN|Infinity/,
      );
      expect(barPlot({ caption: "", x: "", y: { label: "" }, bars: [] }).markup).not.toMatch(
        /NaN|Infinity/,
      );
    },
  );

  it("gives each bar the height of its value", () => {
    const { markup } = barPlot({
      caption: "",
      x: "",
      y: { label: "" },
      bars: [
        { name: "a", value: 5 },
        { name: "b", value: 10 },
      ],
    });
    const [a, b] = [...markup.matchAll(/height="([\d.]+)" fill/g)].map((match) => Number(match[1]));
    expect(b! / a!).toBeCloseTo(2, 1);
  });

  it("names its series and thresholds", () => {
    const { markup } = linePlot({
      caption: "c",
      x: { label: "" },
      y: { label: "" },
      series: ["before", "after"].map((name) => ({ name, points })),
      rules: [{ y: 50, label: "limit" }],
    });
    for (const name of ["before", "after", "limit"]) expect(markup).toContain(name);
  });
});
