// Columns of text: a dictionary of what occurs and, per row, which of it.
import { type ByteReader, type ByteWriter, corrupt } from "./bytes.ts";
import { readNumbers, writeNumbers } from "./numbers.ts";

/** Row i's text is `texts[of[i]]`. */
export interface TextColumn {
  of: Uint32Array;
  texts: string[];
}

export function writeTexts(out: ByteWriter, rowTexts: readonly string[]): void {
  const indexes = new Map<string, number>();
  const of = new Float64Array(rowTexts.length);
  for (let i = 0; i < rowTexts.length; i++) {
    const text = rowTexts[i]!;
    let index = indexes.get(text);
    if (index === undefined) indexes.set(text, (index = indexes.size));
    of[i] = index;
  }
  out.varint(indexes.size);
  for (const text of indexes.keys()) out.text(text);
  writeNumbers(out, of, null);
}

export function readTexts(from: ByteReader, rows: number): TextColumn {
  const texts = readDictionary(from, rows);
  return { of: readIndexes(from, rows, texts.length), texts };
}

/** Texts that most rows do not have: one byte when none does. */
export function writeOptionalTexts(out: ByteWriter, rowTexts: readonly (string | null)[]): void {
  const present = rowTexts.filter((text) => text !== null);
  out.byte(present.length === 0 ? 0 : 1);
  if (present.length === 0) return;
  writeNumbers(
    out,
    Float64Array.from(rowTexts, (text) => (text === null ? 0 : 1)),
    null,
  );
  writeTexts(out, present);
}

export function readOptionalTexts(from: ByteReader, rows: number): (string | null)[] | null {
  if (from.byte() === 0) return null;
  const presence = readNumbers(from, rows, null);
  const present = presence.reduce((count, bit) => count + (bit === 1 ? 1 : 0), 0);
  if (present === 0) throw corrupt("optional column without a value");
  const { of, texts } = readTexts(from, present);
  let next = 0;
  return Array.from(presence, (bit) => (bit === 1 ? texts[of[next++]!]! : null));
}

/** Byte strings: all lengths, then all bytes. */
export function writeBlobs(out: ByteWriter, blobs: readonly Uint8Array[]): void {
  writeNumbers(
    out,
    Float64Array.from(blobs, (blob) => blob.length),
    null,
  );
  for (const blob of blobs) out.blob(blob);
}

export function readBlobs(from: ByteReader, rows: number): Uint8Array[] {
  const lengths = readNumbers(from, rows, null);
  return Array.from(lengths, (length) => {
    if (!(Number.isInteger(length) && length >= 0)) throw corrupt("length of bytes");
    return from.blob(length);
  });
}

export function readDictionary(from: ByteReader, rows: number): string[] {
  const count = from.count(1);
  if (count > rows) throw corrupt("dictionary larger than the batch");
  return Array.from({ length: count }, () => from.text());
}

/** A column of indexes below `count`. */
export function readIndexes(from: ByteReader, rows: number, count: number): Uint32Array {
  const numbers = readNumbers(from, rows, null);
  const of = new Uint32Array(rows);
  for (let i = 0; i < rows; i++) {
    const index = numbers[i]!;
    if (!(index >= 0 && index < count && Number.isInteger(index)))
      throw corrupt("dictionary index");
    of[i] = index;
  }
  return of;
}
