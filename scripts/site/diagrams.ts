// Mermaid diagrams become SVG while the site is built: the page loads no script for them, and they follow its
// colours, light and dark. GitHub draws the same text itself.
import { renderMermaidSVG } from "beautiful-mermaid";
import type { MarkdownRenderer } from "vitepress";

const COLOURS = { bg: "var(--vp-c-bg)", fg: "var(--vp-c-text-1)", accent: "var(--vp-c-brand-1)" };

/** One style for all of them, in the page's head: a page's own template must have none. */
export const DIAGRAM_STYLE = `
.diagram { overflow-x: auto; margin: 16px 0; }
${styleOf(drawn("flowchart LR\n  a --> b"))}
.diagram svg { max-width: 100%; height: auto; min-width: min(100%, 640px); }
.diagram text { font-family: var(--vp-font-family-base); }
`;

export function diagrams(md: MarkdownRenderer): void {
  const fence = md.renderer.rules.fence!;
  md.renderer.rules.fence = (tokens, index, ...rest) => {
    const { info, content } = tokens[index]!;
    if (info.trim() !== "mermaid") return fence(tokens, index, ...rest);
    const svg = drawn(content).replace(/<style>.*?<\/style>/s, "");
    return `<div class="diagram" v-pre>${svg}</div>\n`;
  };
}

function drawn(text: string): string {
  return renderMermaidSVG(text, { ...COLOURS, transparent: true, padding: 8 });
}

/** Without the font it would fetch from elsewhere. */
function styleOf(svg: string): string {
  const style = /<style>(.*?)<\/style>/s.exec(svg)?.[1] ?? "";
  return style
    .replace(/@import[^\n]*\n/, "")
    .replace(/^(\s*)(svg|text|\.mono) \{/gm, "$1.diagram $2 {");
}
