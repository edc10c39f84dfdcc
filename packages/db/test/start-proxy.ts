import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'
import { linkSockets } from '../testing/index.ts'

/**
 * Starts a TCP proxy and returns its URL. `join` receives both ends of each connection. The test's teardown closes
 * them.
 */
export async function startProxy(
  t: Pick<Test, 'teardown'>,
  target: string,
  join: (near: Socket, far: Socket) => void,
): Promise<string> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(Number(port), hostname)
    linkSockets(near, far, sockets)
    join(near, far)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const url = new URL(target)
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return url.href
}
