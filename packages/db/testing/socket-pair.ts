import type { Socket } from 'node:net'

/** Pipes two sockets into each other and keeps them in `open` until they close. When one ends, so does the other. */
export function linkSockets(near: Socket, far: Socket, open: Set<Socket>): void {
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
