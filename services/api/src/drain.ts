import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { Server as TcpServer } from 'node:net'
import { setTimeout } from 'node:timers'
import { setImmediate, setTimeout as wait } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'

/** For whoever has connected, to send what they connected for. */
const FIRST_WORD_MS = 500

/** Whether the service has begun to stop. */
export type IsStopping = () => boolean

/**
 * Lets nobody down who is connected when `app` is closed. For `lingerMs` we go on as if nothing were, but for /readyz: who
 * asks it looks elsewhere. Then nobody new is let in, and for up to twice as long each connection that is used is told with
 * an answer that it was the last: closed while it is idle, it may be the very one on which the next request is under way.
 * In this order, because connections that were told to end before would be replaced by new ones when we stop listening,
 * and whom the system has connected by then and we have not accepted, it resets.
 */
export function drainBeforeClosing(app: FastifyInstance, lingerMs: number): IsStopping {
  const { server } = app
  let stopping = false
  let last = false
  const sockets = new Set<Socket>()
  const nobodyLeft = Promise.withResolvers<void>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => {
      sockets.delete(socket)
      if (last && sockets.size === 0) nobodyLeft.resolve()
    })
  })

  app.addHook('preClose', async () => {
    stopping = true
    if (sockets.size > 0) {
      await wait(lingerMs)
      await untilNobodyWaits(server)
      stopListening(server)
    }
    last = true
    if (sockets.size > 0)
      await Promise.race([wait(2 * lingerMs, undefined, { ref: false }), nobodyLeft.promise])
    // Node takes them for busy: a browser's spare connection would hold us up until it is tired of it.
    setTimeout(() => {
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
    }, FIRST_WORD_MS).unref()
  })

  app.addHook('onSend', async ({ raw }, reply) => {
    if (!stopping) return
    // Closed while its body still comes, a connection is reset, and the answer may be lost with it.
    if (last && raw.complete) reply.header('connection', 'close')
    else reply.raw.removeHeader('connection')
  })
  return () => stopping
}

// Under a load that leaves no such moment we stop all the same.
const LOOKS = 1_000

async function untilNobodyWaits(server: Server): Promise<void> {
  let accepted = true
  server.on('connection', () => {
    accepted = true
  })
  for (let look = 0; accepted && look < LOOKS; look++) {
    accepted = false
    // After the next look at what the sockets have brought.
    await setImmediate()
  }
}

/** An HTTP server's own way would close idle connections with it. */
function stopListening(server: Server): void {
  if (server.listening) TcpServer.prototype.close.call(server)
}
