import type { KeyObject } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { NONCE, openPiece, PIECE, readHeader, TAG } from './crypto/seal.ts'
import type { Storage, Stored } from './storage/storage.ts'

export interface SealedArchive {
  fileName: string
  /** The archive's own, 32 bytes. */
  key: Buffer
  /** Of the archive itself, as it was made. */
  bytes: number
}

/** Offsets of the first and the last byte, both included, as in a `Range` header. */
interface ByteRange {
  start: number
  end: number
}

/** What lies there is not what was stored. */
export class ArchiveDamagedError extends Error {
  override name = 'ArchiveDamagedError'
  readonly code = 'EDAMAGED'
}

/**
 * A stream of the archive as it was made, or of a byte range of it (an end past the last byte means the last byte);
 * undefined when it is not there. Only what was found untouched is given out: the stream fails with `ArchiveDamaged` at the
 * first piece that was changed, and there is none of an archive whose header or length was.
 *
 * @throws {RangeError} when no byte of the archive lies in the range.
 */
export async function openArchive(
  storage: Storage,
  { fileName, key, bytes }: SealedArchive,
  range: ByteRange = { start: 0, end: bytes - 1 },
): Promise<{ stream: Readable } | undefined> {
  const { start, end } = within(bytes, range)
  const stored = await storage.open(fileName)
  if (!stored) return undefined
  try {
    const sealed = await lookAt(stored, key, bytes)
    const stream = Readable.from(unsealed(stored, sealed, start, end), { objectMode: false })
    // Whether it was read or not.
    stream.once('close', () => void stored.close())
    return { stream }
  } catch (error) {
    await stored.close()
    throw error
  }
}

function within(bytes: number, { start, end }: ByteRange): ByteRange {
  const valid = Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0
  if (!valid || start > end || start >= bytes) throw new RangeError('No byte lies in that range')
  return { start, end: Math.min(end, bytes - 1) }
}

interface Sealed {
  /** Of its pieces. */
  key: KeyObject
  /** Where the first piece begins. */
  from: number
  pieces: number
}

/** Longer than any header with one recipient. */
const HEADER_AT_MOST = 1_024

async function lookAt(stored: Stored, key: Buffer, bytes: number): Promise<Sealed> {
  const last = Math.min(HEADER_AT_MOST, stored.size) - 1
  const begin = last < 0 ? Buffer.alloc(0) : await buffer(stored.read(0, last))
  const mac = begin.indexOf('\n--- ')
  const headerEnd = mac < 0 ? 0 : begin.indexOf('\n', mac + 1) + 1
  const from = headerEnd + NONCE
  const pieces = Math.ceil(bytes / PIECE)
  if (headerEnd === 0 || stored.size !== from + bytes + pieces * TAG)
    throw new ArchiveDamagedError('the archive has another length than it had')
  const header = begin.subarray(0, headerEnd)
  const nonce = begin.subarray(headerEnd, from)
  try {
    return { key: await readHeader(header, nonce, key), from, pieces }
  } catch {
    throw new ArchiveDamagedError('the header of the archive is not what it was')
  }
}

async function* unsealed(
  stored: Stored,
  { key, from, pieces }: Sealed,
  start: number,
  end: number,
): AsyncGenerator<Buffer> {
  const [first, last] = [Math.floor(start / PIECE), Math.floor(end / PIECE)]
  const sealed = stored.read(
    from + first * (PIECE + TAG),
    Math.min(from + (last + 1) * (PIECE + TAG), stored.size) - 1,
  )
  let number = first
  for await (const piece of inPieces(sealed)) {
    const plain = opened(key, number, number === pieces - 1, piece)
    const offset = number * PIECE
    yield plain.subarray(Math.max(0, start - offset), end - offset + 1)
    number++
  }
  if (number !== last + 1) throw new ArchiveDamagedError('the archive ends too early')
}

async function* inPieces(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer[] = []
  let size = 0
  for await (const chunk of chunks) {
    held.push(chunk)
    size += chunk.length
    if (size < PIECE + TAG) continue
    let all = Buffer.concat(held)
    for (; all.length >= PIECE + TAG; all = all.subarray(PIECE + TAG))
      yield all.subarray(0, PIECE + TAG)
    held = [all]
    size = all.length
  }
  if (size > 0) yield Buffer.concat(held)
}

function opened(...[key, number, isLast, piece]: Parameters<typeof openPiece>): Buffer {
  try {
    return openPiece(key, number, isLast, piece)
  } catch {
    throw new ArchiveDamagedError('a piece of the archive is not what it was')
  }
}
