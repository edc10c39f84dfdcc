import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { linkSockets } from '@lethe/db/testing'
import type { Test } from 'tap'

/** Starts a proxy that can be cut and restored: for its clients the server is down or up. */
export async function startCuttableProxy(t: Pick<Test, 'teardown'>, target: string) {
  let leadsTo = new URL(target)
  const sockets = new Set<Socket>()
  let server: Server | undefined
  let admitted = Number.POSITIVE_INFINITY
  const listen = async (on: number) => {
    server = createServer((near) => {
      if (admitted-- <= 0) return near.destroy()
      const far = connect(Number(leadsTo.port), leadsTo.hostname)
      linkSockets(near, far, sockets)
      near.pipe(far).pipe(near)
    })
    server.listen(on, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }
  const cut = async () => {
    const closing = server
    server = undefined
    if (!closing) return
    closing.close()
    for (const socket of sockets) socket.destroy()
    await once(closing, 'close')
  }
  const own = await listen(0)
  t.teardown(cut)
  const url = new URL(target)
  url.host = `127.0.0.1:${own}`
  return {
    url: url.href,
    cut,
    mend: () => listen(own),
    /** Accepts this many more connections and rejects the others. */
    admit(count: number) {
      admitted = count
    },
    /** Forwards new connections to another server; existing ones stay. */
    lead(elsewhere: string) {
      leadsTo = new URL(elsewhere)
    },
  }
}
