import type { Writable } from 'node:stream'

/**
 * Resolves when the stream has taken the chunk. Rejects if the stream is destroyed first: while a stream waits for its reader,
 * Node.js does not call the write callback of a destroyed stream.
 */
export function writeTo(stream: Writable, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const closed = () =>
      reject(stream.errored ?? new Error('the stream was closed before it took the chunk'))
    if (stream.destroyed) return closed()
    stream.once('close', closed)
    stream.write(chunk, (error) => {
      stream.off('close', closed)
      if (error) reject(error)
      else resolve()
    })
  })
}
