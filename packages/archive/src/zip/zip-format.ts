// The ZIP records that an archive needs (PKWARE's APPNOTE 6.3.10): names in UTF-8, deflated or stored, and ZIP64 if a value
// does not fit in 32 bits.

export interface EntryFacts {
  name: string
  mtime: Date
  deflated: boolean
  /** Sizes and checksum follow the entry, because they are unknown before. */
  streamed: boolean
  crc: number
  bytes: number
  packed: number
  /** The offset of its local header. */
  offset: number
}

const MAX_16 = 0xffff
const MAX_32 = 0xffffffff
const VERSION = 45
const MADE_BY_UNIX = (3 << 8) | VERSION
/** A regular file that only its owner can read and write. */
const MODE = 0o100600

export function localHeader(entry: EntryFacts): Buffer {
  const { name, streamed, crc, bytes, packed } = entry
  // No ZIP64 here: an entry whose sizes are known beforehand is small.
  return record(0x04034b50, [
    ...[u16(VERSION), ...commonFields(entry)],
    ...(streamed ? [u32(0), u32(0), u32(0)] : [u32(crc), u32(packed), u32(bytes)]),
    ...[u16(Buffer.byteLength(name)), u16(0), Buffer.from(name)],
  ])
}

/** The record after a streamed entry. */
export function dataDescriptor({ crc, bytes, packed }: EntryFacts): Buffer {
  const size = Math.max(bytes, packed) < MAX_32 ? u32 : u64
  return record(0x08074b50, [u32(crc), size(packed), size(bytes)])
}

export function centralHeader(entry: EntryFacts): Buffer {
  const { name, crc, bytes, packed, offset } = entry
  const is64 = Math.max(bytes, packed, offset) >= MAX_32
  const extra = is64
    ? Buffer.concat([u16(1), u16(24), u64(bytes), u64(packed), u64(offset)])
    : Buffer.alloc(0)
  const [packedIn, bytesIn, offsetIn] = is64 ? [MAX_32, MAX_32, MAX_32] : [packed, bytes, offset]
  return record(0x02014b50, [
    ...[u16(MADE_BY_UNIX), u16(VERSION), ...commonFields(entry)],
    ...[u32(crc), u32(packedIn), u32(bytesIn), u16(Buffer.byteLength(name)), u16(extra.length)],
    // The zeros: no comment, the first disk, binary content.
    ...[u16(0), u16(0), u16(0), u32(MODE * 0x10000), u32(offsetIn), Buffer.from(name), extra],
  ])
}

/** The records after the directory, without the comment and its length, which come last. */
export function endRecords(entries: number, size: number, offset: number): Buffer {
  const is64 = entries >= MAX_16 || Math.max(size, offset) >= MAX_32
  const end64 = is64
    ? Buffer.concat([
        record(0x06064b50, [
          ...[u64(44), u16(MADE_BY_UNIX), u16(VERSION), u32(0), u32(0)],
          ...[u64(entries), u64(entries), u64(size), u64(offset)],
        ]),
        record(0x07064b50, [u32(0), u64(offset + size), u32(1)]),
      ])
    : Buffer.alloc(0)
  const count = u16(is64 ? MAX_16 : entries)
  const [sizeIn, offsetIn] = is64 ? [MAX_32, MAX_32] : [size, offset]
  return Buffer.concat([
    end64,
    record(0x06054b50, [u16(0), u16(0), count, count, u32(sizeIn), u32(offsetIn)]),
  ])
}

/** Flags (names in UTF-8; sizes after the entry), method, time and date. */
function commonFields({ mtime, deflated, streamed }: EntryFacts): Buffer[] {
  const time = mtime.getUTCHours() * 2048 + mtime.getUTCMinutes() * 32 + mtime.getUTCSeconds() / 2
  const date = (mtime.getUTCFullYear() - 1980) * 512 + (mtime.getUTCMonth() + 1) * 32
  return [
    ...[u16(streamed ? 0x0808 : 0x0800), u16(deflated ? 8 : 0)],
    ...[u16(Math.floor(time)), u16(date + mtime.getUTCDate())],
  ]
}

const record = (signature: number, fields: Buffer[]) => Buffer.concat([u32(signature), ...fields])

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return bytes
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}
