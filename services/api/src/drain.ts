import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { Server as TcpServer } from 'node:net'
import { setTimeout } from 'node:timers'
import { setImmediate, setTimeout as wait } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'

/** A new connection has this long to send its first byte. */
const FIRST_BYTE_TIMEOUT_MS = 500

/** Whether the service has begun to stop. */
export type IsStopping = () => boolean

/**
 * Closes `app` without failing the requests of connected clients. For `lingerMs` the API serves as before, except that
 * /readyz is 503 so that load balancers choose another instance. Then it stops listening, and for up to twice as long it
 * adds `Connection: close` to each response. It closes no idle connection, because the next request may be on its way.
 *
 * The order matters: clients that are asked to close before we stop listening open new connections, and the system resets
 * those that it has connected and we have not accepted.
 */
export function drainBeforeClosing(app: FastifyInstance, lingerMs: number): IsStopping {
  const { server } = app
  let stopping = false
  let isLastResponse = false
  const sockets = new Set<Socket>()
  const allClosed = Promise.withResolvers<void>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => {
      sockets.delete(socket)
      if (isLastResponse && sockets.size === 0) allClosed.resolve()
    })
  })

  app.addHook('preClose', async () => {
    stopping = true
    if (sockets.size > 0) {
      await wait(lingerMs)
      await acceptPendingConnections(server)
      stopListening(server)
    }
    isLastResponse = true
    if (sockets.size > 0)
      await Promise.race([wait(2 * lingerMs, undefined, { ref: false }), allClosed.promise])
    // Node counts a connection without a request as busy: a browser's spare connection would delay the exit until it times out.
    setTimeout(() => {
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
    }, FIRST_BYTE_TIMEOUT_MS).unref()
  })

  app.addHook('onSend', async ({ raw }, reply) => {
    if (!stopping) return
    // Closing a connection while the request body is arriving resets it, and the client may lose the answer.
    if (isLastResponse && raw.complete) reply.header('connection', 'close')
    else reply.raw.removeHeader('connection')
  })
  return () => stopping
}

/** Under constant load new connections never pause; stop listening after this many turns of the event loop. */
const MAX_TURNS = 1_000

/** Waits until a turn of the event loop brings no new connection. */
async function acceptPendingConnections(server: Server): Promise<void> {
  let accepted = true
  server.on('connection', () => {
    accepted = true
  })
  for (let turn = 0; accepted && turn < MAX_TURNS; turn++) {
    accepted = false
    // Resolves after the event loop has polled the sockets once.
    await setImmediate()
  }
}

/** `close` of an HTTP server would also close idle connections; `close` of a TCP server does not. */
function stopListening(server: Server): void {
  if (server.listening) TcpServer.prototype.close.call(server)
}
