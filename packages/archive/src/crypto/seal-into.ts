import { Transform, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Header, newHeader, PIECE, sealPiece } from './seal.ts'

/** Seals what `write` writes into the sink, under a key that this archive alone has. */
export async function sealInto(
  sink: Writable,
  key: Buffer,
  signal: AbortSignal,
  write: (plain: Writable) => Promise<void>,
): Promise<void> {
  const plain = sealing(await newHeader(key))
  let reason: unknown
  const stored = pipeline(plain, sink, { signal }).catch((error: unknown) => {
    reason ??= error
  })
  try {
    await write(plain)
  } catch (error) {
    // Where the sink failed first, what is written fails because of that.
    reason ??= error
    plain.destroy(error as Error)
  }
  await stored
  if (reason) throw reason
}

function sealing({ bytes, key }: Header): Transform {
  let number = 0
  let held: Buffer[] = []
  let size = 0
  // With the first piece: a small archive is written at once.
  let header = bytes
  const seal = (plain: Buffer, isLast: boolean) => {
    const sealed = sealPiece(key, number++, isLast, plain)
    const all = header.length > 0 ? Buffer.concat([header, sealed]) : sealed
    header = Buffer.alloc(0)
    return all
  }
  return new Transform({
    highWaterMark: PIECE,
    transform(chunk: Buffer, _encoding, done) {
      held.push(chunk)
      size += chunk.length
      // The last piece, which may be a full one, is sealed when it is known to be the last.
      if (size > PIECE) {
        let all = Buffer.concat(held)
        for (; all.length > PIECE; all = all.subarray(PIECE))
          this.push(seal(all.subarray(0, PIECE), false))
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
