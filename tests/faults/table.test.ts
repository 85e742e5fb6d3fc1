import { expect, it } from "vitest";
import { formatTable } from "./support/table.ts";

it("a table's numbers stand to the right, its words to the left", () => {
  const table = formatTable(
    ["fault", "rows"],
    [
      ["hub kill -9", 1_800_000],
      ["reset", 7],
    ],
  );
  expect(table.split("\n")).toEqual([
    "fault             rows",
    "-----------  ---------",
    "hub kill -9  1,800,000",
    "reset                7",
  ]);
});
