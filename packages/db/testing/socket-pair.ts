import type { Socket } from 'node:net'

/** The two ends of a way through a test, which are kept in `open` until they close: the end of one is the end of the other. */
export function pair(near: Socket, far: Socket, open: Set<Socket>): void {
  for (const [socket, other] of [
    [near, far],
    [far, near],
  ] as const) {
    open.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      open.delete(socket)
      other.destroy()
    })
  }
}
