// Damage as a line does it: bytes overwritten, a frame cut, bytes slipped in, a stretch sent twice.
import fc from "fast-check";

export interface Edit {
  how: "flip" | "cut" | "insert" | "double";
  /** Where, in thousandths of the frame. */
  permille: number;
  what: Uint8Array;
}

export const edit: fc.Arbitrary<Edit> = fc.record({
  how: fc.constantFrom("flip", "cut", "insert", "double"),
  permille: fc.integer({ min: 0, max: 1_000 }),
  what: fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 4 }),
    fc.string({ minLength: 1, maxLength: 4 }).map((text) => new TextEncoder().encode(text)),
    fc.constantFrom("^", "-", "0", '"', "\\", "{", "}", ",").map((mark) => Buffer.from(mark)),
  ),
});

/** `bytes` with one damage done. */
export function mutate(bytes: Buffer, { how, permille, what }: Edit): Buffer {
  const at = Math.floor((permille * bytes.length) / 1_000);
  const front = bytes.subarray(0, at);
  const back = bytes.subarray(at);
  if (how === "cut") return front;
  if (how === "insert") return Buffer.concat([front, what, back]);
  if (how === "double") return Buffer.concat([front, back.subarray(0, 300), back]);
  return Buffer.concat([front, what, back.subarray(what.length)]);
}
