// A Kiwoom REAL frame cut into its envelope and the named strings of its rows, and put together again.
// The order of keys belongs to the template, so a recording rendered without changes is itself again,
// byte for byte; that is how the layouts are proved.
import assert from "node:assert/strict";

/** Values by FID, or by `type`, `name`, `item`, `stexTp`; as JSON strings hold them, unescaped. */
export type KiwoomFields = Readonly<Record<string, string | number>>;

/** One row: literal text around slots; `texts` is one longer than `slots`. */
export interface KiwoomRow {
  readonly texts: readonly string[];
  readonly slots: readonly { key: string; value: string }[];
}

export interface KiwoomTemplate {
  /** `{"data":[` or `{"trnm":"REAL","data":[`. */
  readonly before: string;
  readonly after: string;
  readonly rows: readonly KiwoomRow[];
}

const PAIR = /"((?:[^"\\]|\\.)*)":"((?:[^"\\]|\\.)*)"/g;
const FRAME = /^(\{(?:"trnm":"REAL",)?"data":\[)(.*)(\](?:,"trnm":"REAL")?\})$/s;

/** Cuts a REAL frame without white space between its tokens. */
export function readTemplate(frame: string): KiwoomTemplate {
  const [, before, rows, after] = FRAME.exec(frame) ?? [];
  assert(before !== undefined, "not a REAL frame");
  return { before, after: after!, rows: splitRows(rows!).map(readRow) };
}

/** The template's frame with `changes` made in each of its rows. */
export function render(template: KiwoomTemplate, changes: KiwoomFields): string {
  return joinRows(
    template,
    template.rows.map((row) => renderRow(row, changes)),
  );
}

/** One row with `changes` made. */
export function renderRow({ texts, slots }: KiwoomRow, changes: KiwoomFields): string {
  let text = texts[0]!;
  for (let i = 0; i < slots.length; i++) {
    const { key, value } = slots[i]!;
    text += String(changes[key] ?? value) + texts[i + 1]!;
  }
  return text;
}

/** The same row with no other slots than `keys`: what never changes becomes literal text. */
export function narrow({ texts, slots }: KiwoomRow, keys: ReadonlySet<string>): KiwoomRow {
  const kept: KiwoomRow["slots"][number][] = [];
  const merged = [texts[0]!];
  for (const [i, slot] of slots.entries()) {
    if (keys.has(slot.key)) {
      kept.push(slot);
      merged.push(texts[i + 1]!);
    } else merged.push(merged.pop()! + slot.value + texts[i + 1]!);
  }
  return { texts: merged, slots: kept };
}

/** A frame of rendered rows in the envelope of `template`. */
export function joinRows(template: KiwoomTemplate, rows: readonly string[]): string {
  return template.before + rows.join(",") + template.after;
}

function readRow(row: string): KiwoomRow {
  const texts: string[] = [];
  const slots: { key: string; value: string }[] = [];
  let from = 0;
  for (const pair of row.matchAll(PAIR)) {
    const [whole, key, value] = pair;
    const valueAt = pair.index + whole.length - value!.length - 1;
    texts.push(row.slice(from, valueAt));
    slots.push({ key: key!, value: value! });
    from = valueAt + value!.length;
  }
  texts.push(row.slice(from));
  return { texts, slots };
}

/** Rows end where the braces are even again; no value of this market holds a brace. */
function splitRows(text: string): string[] {
  const rows: string[] = [];
  let depth = 0;
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "{") depth += 1;
    if (text[i] === "}") depth -= 1;
    if (depth === 0 && text[i] === "}") {
      rows.push(text.slice(from, i + 1));
      from = i + 2;
    }
  }
  return rows;
}
