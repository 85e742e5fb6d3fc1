// The smallest tar writer that does: regular files of root, without a date, in the order given (POSIX ustar,
// IEEE Std 1003.1, "pax - Ustar Interchange Format"). So the same files are the same bytes on any machine.
import assert from "node:assert/strict";

export interface TarFile {
  /** Relative, at most 100 bytes. */
  path: string;
  /** Permission bits. */
  mode: number;
  body: Uint8Array;
}

const BLOCK = 512;

export function tarOf(files: readonly TarFile[]): Buffer {
  const blocks = files.flatMap(({ path, mode, body }) => [
    header(path, mode, body.length),
    body,
    Buffer.alloc((BLOCK - (body.length % BLOCK)) % BLOCK),
  ]);
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

function header(path: string, mode: number, size: number): Buffer {
  assert(Buffer.byteLength(path) <= 100 && !path.startsWith("/"), `${path} does not fit`);
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number) =>
    block.write(`${value.toString(8).padStart(digits, "0")}\0`, at, "latin1");
  block.write(path, 0);
  octal(mode, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(size, 124, 11);
  octal(0, 136, 11);
  block.write("        ", 148, "latin1");
  block.write("0", 156, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  block.write("root", 265, "latin1");
  block.write("root", 297, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}
