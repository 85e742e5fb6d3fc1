// A report that a command leaves behind: one HTML file without scripts or anything to fetch, readable in
// light and dark and on paper. Text is escaped here and nowhere else.

/** Markup that is safe as it is; only this folder makes it. */
export interface Markup {
  readonly markup: string;
}

export interface ReportPage {
  title: string;
  /** The verdict in a sentence, and whether it is a good one. */
  verdict: { ok: boolean; text: string };
  /** When and with which command it was made. */
  made: string;
  sections: readonly { heading: string; content: readonly Markup[] }[];
}

/** The whole file. */
export function pageOf({ title, verdict, made, sections }: ReportPage): string {
  const body = sections
    .map(({ heading, content }) => {
      const parts = content.map(({ markup }) => markup).join("\n");
      return `<section>\n<h2>${escaped(heading)}</h2>\n${parts}\n</section>`;
    })
    .join("\n");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escaped(title)}</h1>
<p class="verdict ${verdict.ok ? "good" : "bad"}">${escaped(verdict.text)}</p>
<p class="made">${escaped(made)}</p>
${body}
</body>
</html>
`;
}

export function paragraph(text: string): Markup {
  return { markup: `<p>${escaped(text)}</p>` };
}

/** Numbers to the right, the rest to the left, by what the first row holds. */
export function tableOf(
  columns: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): Markup {
  const isNumber = columns.map((_, i) => typeof rows[0]?.[i] === "number");
  const cell = (tag: string, value: string | number, i: number) =>
    `<${tag}${isNumber[i] ? ' class="number"' : ""}>${escaped(shown(value))}</${tag}>`;
  const line = (tag: string, values: readonly (string | number)[]) =>
    `<tr>${values.map((value, i) => cell(tag, value, i)).join("")}</tr>`;
  const body = rows.map((row) => line("td", row)).join("\n");
  return {
    markup: `<div class="wide"><table>\n<thead>${line("th", columns)}</thead>\n<tbody>\n${body}\n</tbody></table></div>`,
  };
}

function shown(value: string | number): string {
  return typeof value === "number"
    ? value.toLocaleString("en-US", { maximumFractionDigits: 3 })
    : value;
}

export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const STYLE = `
:root { color-scheme: light dark; --ink: #1c2128; --faint: #6b7683; --line: #d7dde3; --good: #137333; --bad: #b3261e;
  --c0: #2563eb; --c1: #d97706; --c2: #0d9488; --c3: #9333ea; --c4: #dc2626; --c5: #65a30d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --faint: #97a3af; --line: #39424c; --good: #6dd58c;
  --bad: #f2908a; --c0: #7aa7ff; --c1: #f5b04c; --c2: #4fd1c5; --c3: #c79bff; --c4: #ff8a80; --c5: #a3d65c; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.verdict { font-weight: 600; } .good { color: var(--good); } .bad { color: var(--bad); }
.made { color: var(--faint); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line); text-align: left; }
.number { text-align: right; }
figure { margin: 1rem 0; } figcaption { color: var(--faint); }
svg { width: 100%; height: auto; }
svg text { fill: var(--faint); font-size: 12px; }
.axis { stroke: var(--line); fill: none; }
`;
