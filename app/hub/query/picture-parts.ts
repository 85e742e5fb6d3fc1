// The picture as texts, a part each, so that a reader of /live is sent what changed and not the rest. Pure but for
// what it remembers: the texts of the last picture it heard. Made once for all readers.
import type { Picture } from "./picture.ts";

/** The part whose own fields are told apart: its gaps are long, and stand still while its times move. */
const SPLIT = "coverage";

export class PictureParts {
  #texts = new Map<string, string>();
  #change = "{}";
  #version = 0;

  /** Rises with every picture. */
  get version(): number {
    return this.#version;
  }

  hear(picture: Picture): void {
    const texts = textsOf(picture);
    const changed = [...texts].filter(([path, text]) => this.#texts.get(path) !== text);
    this.#change = joined(changed);
    this.#texts = texts;
    this.#version++;
  }

  /** Everything, as JSON. */
  whole(): string {
    return joined([...this.#texts]);
  }

  /** What the last picture changed in the one before, as JSON. */
  change(): string {
    return this.#change;
  }
}

function textsOf(picture: Picture): Map<string, string> {
  const texts = new Map<string, string>();
  for (const [name, part] of Object.entries(picture)) {
    if (name !== SPLIT) texts.set(name, JSON.stringify(part));
  }
  for (const [name, part] of Object.entries(picture[SPLIT])) {
    texts.set(`${SPLIT}.${name}`, JSON.stringify(part));
  }
  return texts;
}

function joined(parts: readonly (readonly [string, string])[]): string {
  const own: string[] = [];
  const split: string[] = [];
  for (const [path, text] of parts) {
    if (path.startsWith(`${SPLIT}.`))
      split.push(`${JSON.stringify(path.slice(SPLIT.length + 1))}:${text}`);
    else own.push(`${JSON.stringify(path)}:${text}`);
  }
  if (split.length > 0) own.push(`${JSON.stringify(SPLIT)}:{${split.join(",")}}`);
  return `{${own.join(",")}}`;
}
