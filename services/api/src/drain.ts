import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout } from 'node:timers'
import { setImmediate, setTimeout as wait } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'

/** For whoever has connected, to send what they connected for. */
const FIRST_WORD_MS = 500

/** Whether the service has begun to stop. */
export type IsStopping = () => boolean

/**
 * Lets nobody down who is connected when `app` is closed. An idle connection may be the very one on which the next
 * request is under way, so for `lingerMs` we go on listening and answering, and each answer says that it was the last of
 * its connection. Only what nobody used in all that time is closed as it is.
 */
export function drainBeforeClosing(app: FastifyInstance, lingerMs: number): IsStopping {
  const { server } = app
  let stopping = false
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })

  app.addHook('preClose', async () => {
    stopping = true
    if (sockets.size > 0) await wait(lingerMs)
    await untilNobodyWaits(server)
    // Node takes them for busy: a browser's spare connection would hold us up until it is tired of it.
    setTimeout(() => {
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
    }, FIRST_WORD_MS).unref()
  })

  app.addHook('onSend', async ({ raw }, reply) => {
    if (!stopping) return
    // Closed while its body still comes, a connection is reset, and the answer may be lost with it.
    if (raw.complete) reply.header('connection', 'close')
    else reply.raw.removeHeader('connection')
  })
  return () => stopping
}

// Under a load that leaves no such moment we stop all the same.
const LOOKS = 1_000

/** Who has connected and was not accepted yet is reset when we stop listening. */
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
