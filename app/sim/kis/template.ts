// A KIS data frame cut into named fields, and put together again. A template read from a recording and
// rendered without changes is that recording byte for byte; that is how the layouts are proved.
import assert from "node:assert/strict";
import type { KisLayout } from "./layout.ts";

/** Field values by name. */
export type KisFields = Readonly<Record<string, string | number>>;

export interface KisTemplate {
  readonly layout: KisLayout;
  /** `0|H0STCNT0|001|`; empty where a recording has kept the payload only. */
  readonly head: string;
  readonly width: number;
  readonly records: readonly (readonly string[])[];
}

/** Cuts a frame, or a bare payload, into records. `layout` says what its fields are called. */
export function readTemplate(layout: KisLayout, frame: string): KisTemplate {
  const [head = ""] = /^[01]\|[^|]*\|[^|]*\|/.exec(frame) ?? [];
  const fields = frame.slice(head.length).split("^");
  // The head's count is wrong or missing in some recordings, so the known widths decide.
  const width = layout.widths.find((known) => fields.length % known === 0) ?? layout.widths.at(-1)!;
  const records: string[][] = [];
  for (let from = 0; from < fields.length; from += width) {
    records.push(fields.slice(from, from + width));
  }
  return { layout, head, width, records };
}

/** The template's frame with `changes` made in each of its records. */
export function render(template: KisTemplate, changes: KisFields): string {
  const { names } = template.layout;
  const unknown = Object.keys(changes).find((name) => !names.includes(name));
  assert(unknown === undefined, `${template.layout.tr} has no field ${unknown ?? ""}`);
  const records = template.records.map((fields) =>
    fields.map((value, i) => changes[names[i]!] ?? value).join("^"),
  );
  return template.head + records.join("^");
}

/** One record in today's layout: `fields`, and the layout's own values where there are none. */
export function renderRecord({ names, defaults }: KisLayout, fields: KisFields): string {
  let text = "";
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!;
    const value = fields[name] ?? defaults[name] ?? "";
    text += i === 0 ? String(value) : `^${value}`;
  }
  return text;
}

/** A frame of whole records, joined as the wire joins them: without a separator of their own. */
export function joinRecords(tr: string, count: number, records: readonly string[]): string {
  return `0|${tr}|${String(count).padStart(3, "0")}|${records.join("^")}`;
}
