// A tape: a file of batches, of raw socket frames or of any other table. Written beside the path of the
// tick, read by replay. docs/wire.md has it byte by byte. Promises: a tape that was closed is on disk; of
// one that was cut short every whole batch is delivered before TAPE_UNREADABLE says so.
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { readHeader } from "./batch.ts";
import { TickhubError } from "./errors.ts";

const MAGIC = Buffer.from("TKTAPE1\n", "latin1");
const LENGTH_BYTES = 4;

/** What a tape says of itself: broker, market clock, when it was begun. */
export type TapeMeta = Record<string, string | number | boolean | null>;

/** What a reader accepts; larger is TAPE_UNREADABLE. */
export interface TapeLimits {
  metaBytesMax: number;
  batchBytesMax: number;
}

export const TAPE_LIMITS: TapeLimits = { metaBytesMax: 64 * 1024, batchBytesMax: 64 * 2 ** 20 };

export class TapeWriter {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Begins a tape. A file that is already there is an error (`EEXIST`): recordings are not overwritten. */
  static async create(path: string, meta: TapeMeta): Promise<TapeWriter> {
    const file = await open(path, "wx");
    await file.appendFile(Buffer.concat([MAGIC, prefixed(Buffer.from(JSON.stringify(meta)))]));
    return new TapeWriter(file);
  }

  /** Wait for it before the next: appends must not overlap. */
  async append(batch: Uint8Array): Promise<void> {
    await this.#file.appendFile(prefixed(batch));
  }

  async close(): Promise<void> {
    await this.#file.sync();
    await this.#file.close();
  }
}

export interface Tape {
  meta: TapeMeta;
  /** In order, each with a valid header. Can be read once. */
  batches: AsyncGenerator<Uint8Array, void, undefined>;
  /** Needed only when `batches` is never begun: it closes the file itself at its end or on a break. */
  close(): Promise<void>;
}

/** Opens a tape. Throws TAPE_UNREADABLE, now or from `batches`. */
export async function openTape(path: string, limits: TapeLimits = TAPE_LIMITS): Promise<Tape> {
  const file = await open(path, "r").catch((cause: unknown) => {
    throw new TickhubError("TAPE_UNREADABLE", { path }, { cause });
  });
  const reader = new ChunkReader(path, file);
  try {
    const magic = await reader.read(MAGIC.length);
    if (magic === null || !magic.equals(MAGIC)) throw reader.unreadable("not a tape");
    const text = await reader.readPrefixed(limits.metaBytesMax);
    if (text === null) throw reader.unreadable("cut short");
    const meta = parseMeta(text, reader);
    return { meta, batches: readBatches(reader, file, limits), close: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** SHA-256 of the whole file, in hex: the tape's identity. Throws TAPE_UNREADABLE. */
export async function tapeSha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  } catch (cause) {
    throw new TickhubError("TAPE_UNREADABLE", { path }, { cause });
  }
  return hash.digest("hex");
}

/**
 * The stream a tape's rows are stored under, so that storing them twice is noticed by number. A stream
 * is of one account and table: `lane` tells those of one tape apart. A UUID of version 8.
 */
export function tapeStream(sha256: string, lane = ""): string {
  const bytes = createHash("sha256").update(`${sha256}/${lane}`).digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

async function* readBatches(
  reader: ChunkReader,
  file: FileHandle,
  limits: TapeLimits,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for (;;) {
      const batch = await reader.readPrefixed(limits.batchBytesMax);
      if (batch === null) return;
      try {
        readHeader(batch);
      } catch (cause) {
        throw reader.unreadable("damaged batch", cause);
      }
      yield batch;
    }
  } finally {
    await file.close();
  }
}

/** Reads a file from its start, never more than was asked for. */
class ChunkReader {
  readonly #path: string;
  readonly #file: FileHandle;
  #at = 0;

  constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  /** `length` bytes, or null at the very end of the file. */
  async read(length: number): Promise<Buffer | null> {
    const bytes = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await this.#file.read(bytes, filled, length - filled, this.#at);
      if (bytesRead === 0 && filled === 0) return null;
      if (bytesRead === 0) throw this.unreadable("cut short");
      filled += bytesRead;
      this.#at += bytesRead;
    }
    return bytes;
  }

  /** What stands behind a length, or null at the end of the file. */
  async readPrefixed(bytesMax: number): Promise<Buffer | null> {
    const prefix = await this.read(LENGTH_BYTES);
    if (prefix === null) return null;
    const length = prefix.readUInt32LE();
    if (length === 0 || length > bytesMax) throw this.unreadable("length out of range");
    const bytes = await this.read(length);
    if (bytes === null) throw this.unreadable("cut short");
    return bytes;
  }

  unreadable(what: string, cause?: unknown): TickhubError {
    return new TickhubError("TAPE_UNREADABLE", { path: this.#path, what, at: this.#at }, { cause });
  }
}

function parseMeta(text: Buffer, reader: ChunkReader): TapeMeta {
  let meta: unknown;
  try {
    meta = JSON.parse(text.toString("utf8"));
  } catch (cause) {
    throw reader.unreadable("description", cause);
  }
  if (typeof meta !== "object" || meta === null) throw reader.unreadable("description");
  return meta as TapeMeta;
}

function prefixed(bytes: Uint8Array): Buffer {
  const prefix = Buffer.alloc(LENGTH_BYTES);
  prefix.writeUInt32LE(bytes.length);
  return Buffer.concat([prefix, bytes]);
}
