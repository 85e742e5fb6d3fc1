// Plain aligned text: what the fault tests measured, to be read in the log of the run.

export type Cell = string | number;

/** Lines of `rows` under `head`; numbers are grouped by thousands and stand to the right. */
export function formatTable(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const texts = rows.map((row) => row.map(textOf));
  const widths = head.map((name, column) =>
    Math.max(name.length, ...texts.map((row) => row[column]?.length ?? 0)),
  );
  const isNumber = head.map((_, column) => rows.some((row) => typeof row[column] === "number"));
  const line = (cells: readonly string[]) =>
    widths
      .map((width, column) => {
        const text = cells[column] ?? "";
        return isNumber[column] ? text.padStart(width) : text.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...texts.map(line)].join(
    "\n",
  );
}

/** Prints a table to the log of the run. */
export function printTable(
  title: string,
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
): void {
  console.log(`\n${title}\n\n${formatTable(head, rows)}\n`);
}

function textOf(cell: Cell): string {
  return typeof cell === "number" ? cell.toLocaleString("en-US") : cell;
}
