import type { Writable } from 'node:stream'

/**
 * Resolves when the stream has taken the chunk. Rejects when it is destroyed before: while it waits for whoever reads from it
 * Node.js does not call back whoever writes.
 */
export function writeTo(stream: Writable, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const closed = () =>
      reject(stream.errored ?? new Error('it was closed before it had taken all'))
    if (stream.destroyed) return closed()
    stream.once('close', closed)
    stream.write(chunk, (error) => {
      stream.off('close', closed)
      if (error) reject(error)
      else resolve()
    })
  })
}
