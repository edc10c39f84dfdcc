import { constants, type FileHandle, open } from 'node:fs/promises'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { isMissing } from './folder.ts'
import { assertArchiveName } from './names.ts'

/** Offsets of the first and the last byte, both included, as in a `Range` header. */
interface ByteRange {
  start: number
  end: number
}

/**
 * A read stream of the stored archive, or of a byte range of it; undefined when it is not there.
 * An end past the last byte means the last byte.
 * Whoever opens it reads it to its end or destroys it.
 *
 * @throws {RangeError} when no byte of the archive lies in the range.
 */
export async function openArchive(
  exportDir: string,
  fileName: string,
  range?: ByteRange,
): Promise<{ stream: Readable } | undefined> {
  assertArchiveName(fileName)
  const file = await openIfThere(path.join(exportDir, fileName))
  if (!file) return
  try {
    const { size } = await file.stat()
    return { stream: file.createReadStream(within(size, range)) }
  } catch (error) {
    await file.close()
    throw error
  }
}

function within(size: number, range: ByteRange = { start: 0, end: size - 1 }): ByteRange {
  const { start, end } = range
  const valid = Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0
  if (!valid || start > end || start >= size) throw new RangeError('No byte lies in that range')
  return { start, end: Math.min(end, size - 1) }
}

async function openIfThere(file: string): Promise<FileHandle | undefined> {
  try {
    return await open(file, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (error) {
    if (isMissing(error)) return
    throw error
  }
}
