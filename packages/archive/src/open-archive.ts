import type { KeyObject } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { NONCE_BYTES, openPiece, PIECE_BYTES, readHeader, TAG_BYTES } from './crypto/seal.ts'
import type { Storage, Stored } from './storage/storage.ts'

export interface SealedArchive {
  fileName: string
  /** The archive's own key, 32 bytes. */
  key: Buffer
  /** The size of the ZIP before it was sealed. */
  bytes: number
}

/** Offsets of the first and the last byte, both included, as in a `Range` header. */
interface ByteRange {
  start: number
  end: number
}

/** The stored bytes are not the bytes that were written. */
export class ArchiveDamagedError extends Error {
  override name = 'ArchiveDamagedError'
  readonly code = 'EDAMAGED'
}

/**
 * Opens the archive, or a byte range of it, as a stream of the unsealed ZIP. An end beyond the last byte means the last byte.
 * Resolves to undefined if the archive does not exist. Only authenticated bytes are emitted: the stream fails with
 * `ArchiveDamagedError` at the first changed piece.
 *
 * @throws {ArchiveDamagedError} if the header or the length was changed.
 * @throws {RangeError} if the range contains no byte of the archive.
 */
export async function openArchive(
  storage: Storage,
  { fileName, key, bytes }: SealedArchive,
  range: ByteRange = { start: 0, end: bytes - 1 },
): Promise<{ stream: Readable } | undefined> {
  const { start, end } = clampRange(bytes, range)
  const stored = await storage.open(fileName)
  if (!stored) return undefined
  try {
    const sealed = await readLayout(stored, key, bytes)
    const stream = Readable.from(openRange(stored, sealed, start, end), { objectMode: false })
    // Release the storage's handle whether the stream was read or not.
    stream.once('close', () => void stored.close())
    return { stream }
  } catch (error) {
    await stored.close()
    throw error
  }
}

function clampRange(bytes: number, { start, end }: ByteRange): ByteRange {
  const valid = Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0
  if (!valid || start > end || start >= bytes)
    throw new RangeError('The range contains no byte of the archive')
  return { start, end: Math.min(end, bytes - 1) }
}

interface SealedLayout {
  /** The key of the pieces. */
  key: KeyObject
  /** The offset of the first piece. */
  from: number
  pieces: number
}

/** Any header with one recipient is shorter. */
const MAX_HEADER_BYTES = 1_024

async function readLayout(stored: Stored, key: Buffer, bytes: number): Promise<SealedLayout> {
  const last = Math.min(MAX_HEADER_BYTES, stored.size) - 1
  const begin = last < 0 ? Buffer.alloc(0) : await buffer(stored.read(0, last))
  const mac = begin.indexOf('\n--- ')
  const headerEnd = mac < 0 ? 0 : begin.indexOf('\n', mac + 1) + 1
  const from = headerEnd + NONCE_BYTES
  const pieces = Math.ceil(bytes / PIECE_BYTES)
  if (headerEnd === 0 || stored.size !== from + bytes + pieces * TAG_BYTES)
    throw new ArchiveDamagedError('the length of the archive was changed')
  const header = begin.subarray(0, headerEnd)
  const nonce = begin.subarray(headerEnd, from)
  try {
    return { key: await readHeader(header, nonce, key), from, pieces }
  } catch {
    throw new ArchiveDamagedError('the header of the archive was changed')
  }
}

async function* openRange(
  stored: Stored,
  { key, from, pieces }: SealedLayout,
  start: number,
  end: number,
): AsyncGenerator<Buffer> {
  const [first, last] = [Math.floor(start / PIECE_BYTES), Math.floor(end / PIECE_BYTES)]
  const sealed = stored.read(
    from + first * (PIECE_BYTES + TAG_BYTES),
    Math.min(from + (last + 1) * (PIECE_BYTES + TAG_BYTES), stored.size) - 1,
  )
  let number = first
  for await (const piece of splitIntoPieces(sealed)) {
    const plain = openOrFail(key, number, number === pieces - 1, piece)
    const offset = number * PIECE_BYTES
    yield plain.subarray(Math.max(0, start - offset), end - offset + 1)
    number++
  }
  if (number !== last + 1) throw new ArchiveDamagedError('the archive ends too early')
}

async function* splitIntoPieces(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer[] = []
  let size = 0
  for await (const chunk of chunks) {
    held.push(chunk)
    size += chunk.length
    if (size < PIECE_BYTES + TAG_BYTES) continue
    let all = Buffer.concat(held)
    for (; all.length >= PIECE_BYTES + TAG_BYTES; all = all.subarray(PIECE_BYTES + TAG_BYTES))
      yield all.subarray(0, PIECE_BYTES + TAG_BYTES)
    held = [all]
    size = all.length
  }
  if (size > 0) yield Buffer.concat(held)
}

function openOrFail(...[key, number, isLast, piece]: Parameters<typeof openPiece>): Buffer {
  try {
    return openPiece(key, number, isLast, piece)
  } catch {
    throw new ArchiveDamagedError('a piece of the archive was changed')
  }
}
