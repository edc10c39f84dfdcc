import type { Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'

const EVERY_MS = 20

/** From now on writes to this connection leave byte by byte. */
export function throttleWrites(socket: Socket): void {
  const write = socket.write.bind(socket) as (bytes: Buffer) => boolean
  let before = Promise.resolve()
  socket.write = (text: string | Uint8Array) => {
    before = before.then(async () => {
      for (const byte of Buffer.from(text)) {
        if (socket.destroyed) return
        write(Buffer.of(byte))
        await wait(EVERY_MS)
      }
    })
    return true
  }
}
