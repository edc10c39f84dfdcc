import { Transform, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createHeader, type Header, PIECE_BYTES, sealPiece } from './seal.ts'

/** Encrypts what `write` writes and passes it to the sink. `key` belongs to this archive only. */
export async function sealInto(
  sink: Writable,
  key: Buffer,
  signal: AbortSignal,
  write: (plain: Writable) => Promise<void>,
): Promise<void> {
  const plain = createSealStream(await createHeader(key))
  let failure: unknown
  const stored = pipeline(plain, sink, { signal }).catch((error: unknown) => {
    failure ??= error
  })
  try {
    await write(plain)
  } catch (error) {
    // If the sink failed first, this error is only a consequence.
    failure ??= error
    plain.destroy(error as Error)
  }
  await stored
  if (failure) throw failure
}

function createSealStream({ bytes, key }: Header): Transform {
  let number = 0
  let held: Buffer[] = []
  let size = 0
  // The header is written together with the first piece, so a small archive takes one write.
  let header = bytes
  const seal = (plain: Buffer, isLast: boolean) => {
    const sealed = sealPiece(key, number++, isLast, plain)
    const all = header.length > 0 ? Buffer.concat([header, sealed]) : sealed
    header = Buffer.alloc(0)
    return all
  }
  return new Transform({
    highWaterMark: PIECE_BYTES,
    transform(chunk: Buffer, _encoding, done) {
      held.push(chunk)
      size += chunk.length
      // Keep the last piece, which may be full, until the end: it is sealed as the last one.
      if (size > PIECE_BYTES) {
        let all = Buffer.concat(held)
        for (; all.length > PIECE_BYTES; all = all.subarray(PIECE_BYTES))
          this.push(seal(all.subarray(0, PIECE_BYTES), false))
        held = [all]
        size = all.length
      }
      done()
    },
    flush(done) {
      done(null, seal(Buffer.concat(held), true))
    },
  })
}
