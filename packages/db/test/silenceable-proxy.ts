import type { Socket } from 'node:net'
import type { Test } from 'tap'
import { startProxy } from './start-proxy.ts'

/** Starts a proxy that can stop forwarding without closing a connection. */
export async function startSilenceableProxy(t: Pick<Test, 'teardown'>, target: string) {
  const sockets = new Set<Socket>()
  let silent = false
  const url = await startProxy(t, target, (near, far) => {
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('data', (chunk) => other.write(chunk))
      socket.on('close', () => sockets.delete(socket))
      if (silent) socket.pause()
    }
  })
  return {
    url,
    silence() {
      silent = true
      for (const socket of sockets) socket.pause()
    },
    /** Forwards new connections again; the silenced ones stay silent. */
    speak() {
      silent = false
    },
  }
}
