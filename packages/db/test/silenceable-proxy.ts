import type { Socket } from 'node:net'
import type { Test } from 'tap'
import { startProxy } from './start-proxy.ts'

/** A way to a server on which it can fall silent: no connection ends, and nothing passes. */
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
    /** New connections are answered; the silent ones stay so. */
    speak() {
      silent = false
    },
  }
}
