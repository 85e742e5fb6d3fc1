// The header of a batch and its checksum, and the payload's compression. The header's checksum continues
// the payload's, and the payload's is kept: so numbering a batch reads 80 bytes, however many rows it has.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { constants, crc32, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { type BatchHead, type BatchHeader, WIRE_VERSION, WIRE_VERSIONS } from "../batch.ts";
import { TickhubError } from "../errors.ts";
import { originOf, ORIGINS } from "../origin.ts";
import { tableOf, TABLES } from "../table.ts";
import { corrupt } from "./bytes.ts";

/** Where each field starts; little-endian; docs/wire.md. */
const AT = {
  magic: 0,
  crc: 4,
  wire: 8,
  table: 9,
  flags: 10,
  accountBytes: 11,
  payloadCrc: 12,
  stream: 16,
  number: 32,
  epoch: 40,
  rows: 48,
  rawBytes: 52,
  payloadBytes: 56,
  firstMs: 60,
  lastMs: 68,
  account: 76,
} as const;

const MAGIC = Buffer.from("TKHB", "latin1");
const FLAGS = { tombstone: 1, zstd: 2 } as const;
/** Two bits of the flags are the origin's number; the four above them mean nothing yet. */
const ORIGIN_SHIFT = 2;
const ORIGIN_MASK = 3;
const FLAGS_UNKNOWN = 0xf0;

const COMPRESS = { params: { [constants.ZSTD_c_compressionLevel]: 3 } };
/** Level 3 never needs a window above 2 MiB; a frame that asks for more would make us allocate it. */
const WINDOW_LOG_MAX = 21;

type Span = Pick<BatchHeader, "rows" | "firstMs" | "lastMs" | "tombstone">;

export function writeEnvelope(head: BatchHead, span: Span, raw: Uint8Array): Uint8Array {
  const account = Buffer.from(head.account, "utf8");
  assert(account.length > 0 && account.length <= 255, "account is 1 to 255 bytes");
  const packed = zstdCompressSync(raw, COMPRESS);
  const isPacked = packed.length < raw.length;
  const payload = isPacked ? packed : raw;
  const payloadAt = AT.account + account.length;
  const bytes = Buffer.allocUnsafe(payloadAt + payload.length);
  MAGIC.copy(bytes, AT.magic);
  bytes[AT.wire] = WIRE_VERSION;
  bytes[AT.table] = TABLES[head.table];
  bytes[AT.flags] =
    (span.tombstone ? FLAGS.tombstone : 0) |
    (isPacked ? FLAGS.zstd : 0) |
    (ORIGINS[head.origin ?? "live"] << ORIGIN_SHIFT);
  bytes[AT.accountBytes] = account.length;
  bytes.writeUInt32LE(crc32(payload), AT.payloadCrc);
  writeUuid(bytes, head.stream);
  writeUint64(bytes, head.number, AT.number);
  writeUint64(bytes, head.epoch, AT.epoch);
  bytes.writeUInt32LE(span.rows, AT.rows);
  bytes.writeUInt32LE(raw.length, AT.rawBytes);
  bytes.writeUInt32LE(payload.length, AT.payloadBytes);
  bytes.writeDoubleLE(span.firstMs, AT.firstMs);
  bytes.writeDoubleLE(span.lastMs, AT.lastMs);
  account.copy(bytes, AT.account);
  bytes.set(payload, payloadAt);
  return resealed(bytes);
}

/** A copy with another number. Reads the header only, however long the payload. */
export function withNumber(bytes: Uint8Array, number: number): Uint8Array {
  const copy = Buffer.from(bytes);
  writeUint64(copy, number, AT.number);
  return resealed(copy);
}

/** A copy in another stream, under a number of that stream; as cheap as `withNumber`. */
export function withAddress(bytes: Uint8Array, stream: string, number: number): Uint8Array {
  const copy = Buffer.from(bytes);
  writeUuid(copy, stream);
  writeUint64(copy, number, AT.number);
  return resealed(copy);
}

/** Checks magic, version, lengths and checksum. Throws BATCH_CORRUPT or BATCH_VERSION. */
export function readHeader(bytes: Uint8Array): BatchHeader {
  const from = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (from.length < AT.account || !from.subarray(AT.magic, AT.crc).equals(MAGIC)) {
    throw corrupt("not a batch");
  }
  const wire = from[AT.wire]!;
  if (!WIRE_VERSIONS.includes(wire)) {
    throw new TickhubError("BATCH_VERSION", { wire, known: WIRE_VERSIONS.join(" ") });
  }
  const payloadAt = AT.account + from[AT.accountBytes]!;
  if (from.length !== payloadAt + from.readUInt32LE(AT.payloadBytes)) throw corrupt("length");
  const crc = from.readUInt32LE(AT.crc);
  const payloadCrc = from.readUInt32LE(AT.payloadCrc);
  if (crc32(from.subarray(payloadAt)) !== payloadCrc || headerCrc(from, payloadAt) !== crc) {
    throw corrupt("checksum");
  }
  const table = tableOf(from[AT.table]!);
  if (table === undefined) throw new TickhubError("BATCH_VERSION", { table: from[AT.table]! });
  const flags = from[AT.flags]!;
  const origin = originOf((flags >> ORIGIN_SHIFT) & ORIGIN_MASK);
  // A flag nobody here knows may change what the rest means.
  if (origin === undefined || (flags & FLAGS_UNKNOWN) !== 0) {
    throw new TickhubError("BATCH_VERSION", { flags });
  }
  const rows = from.readUInt32LE(AT.rows);
  const tombstone = (flags & FLAGS.tombstone) !== 0;
  if (tombstone !== (rows === 0)) throw corrupt("rows");
  return {
    wire,
    table,
    stream: readUuid(from),
    number: readUint64(from, AT.number),
    account: from.toString("utf8", AT.account, payloadAt),
    epoch: readUint64(from, AT.epoch),
    origin,
    rows,
    firstMs: from.readDoubleLE(AT.firstMs),
    lastMs: from.readDoubleLE(AT.lastMs),
    rawBytes: from.readUInt32LE(AT.rawBytes),
    crc,
    tombstone,
  };
}

/** The payload as it was before compression. `header` is the batch's own and within the limits. */
export function readPayload(bytes: Uint8Array, header: BatchHeader): Uint8Array {
  const stored = bytes.subarray(AT.account + bytes[AT.accountBytes]!);
  const raw = (bytes[AT.flags]! & FLAGS.zstd) === 0 ? stored : unpack(stored, header.rawBytes);
  if (raw.length !== header.rawBytes) throw corrupt("raw length");
  // Never a Buffer: rows cut out of it are what was put in.
  return new Uint8Array(raw.buffer, raw.byteOffset, raw.length);
}

function unpack(packed: Uint8Array, rawBytes: number): Uint8Array {
  try {
    return zstdDecompressSync(packed, {
      maxOutputLength: Math.max(rawBytes, 1),
      params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX },
    });
  } catch (cause) {
    throw new TickhubError("BATCH_CORRUPT", { what: "compression" }, { cause });
  }
}

function resealed(bytes: Buffer): Buffer {
  bytes.writeUInt32LE(headerCrc(bytes, AT.account + bytes[AT.accountBytes]!), AT.crc);
  return bytes;
}

function headerCrc(bytes: Buffer, payloadAt: number): number {
  return crc32(bytes.subarray(AT.wire, payloadAt), bytes.readUInt32LE(AT.payloadCrc));
}

function writeUuid(bytes: Buffer, uuid: string): void {
  const written = bytes.write(uuid.replaceAll("-", ""), AT.stream, 16, "hex");
  assert(written === 16, "stream is a UUID");
}

function readUuid(bytes: Buffer): string {
  const hex = bytes.toString("hex", AT.stream, AT.stream + 16);
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

function writeUint64(bytes: Buffer, value: number, at: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, "a count below 2^53");
  bytes.writeUInt32LE(value % 2 ** 32, at);
  bytes.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}

function readUint64(bytes: Buffer, at: number): number {
  const value = bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
  if (!Number.isSafeInteger(value)) throw corrupt("number out of range");
  return value;
}
