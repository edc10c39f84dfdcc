import { randomUUID } from 'node:crypto'
import jwt from '@fastify/jwt'
import { readDatabaseTime } from '@lethe/lifecycle'
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  onRequestAsyncHookHandler,
} from 'fastify'
import type { Deps } from './deps.ts'
import { problem } from './problems.ts'

export const TICKET_COOKIE = 'lethe-export'
/** A day: on a slow line the largest archive takes hours, and a download that broke goes on with the same cookie. */
const MAX_SECONDS = 24 * 60 * 60

export interface DownloadTickets {
  /** Lets this browser fetch the archive for a day, but not beyond its expiry. Once it is withdrawn the row says so. */
  issue(reply: FastifyReply, archive: { exportId: string; expiresAt: Date }): Promise<void>
  /** An `onRequest` hook: without a valid ticket it is `unauthenticated`. */
  require: onRequestAsyncHookHandler
  get(request: FastifyRequest): Ticket
}

interface Ticket {
  /** Its own: a download in parts is one. */
  id: string
  exportId: string
}

/** The token of the mail travels in a body alone; a download, which a browser makes by itself, needs a cookie. */
export function downloadTickets(app: FastifyInstance, { db, keys, config }: Deps): DownloadTickets {
  const shown = new WeakMap<FastifyRequest, Ticket>()
  app.register(jwt, {
    namespace: 'download',
    secret: keys.downloads,
    sign: { algorithm: 'HS256' },
    // As of an access token: the database says whether it is over.
    verify: { algorithms: ['HS256'], ignoreExpiration: true },
  })
  const tickets = () => (app.jwt as unknown as { download: typeof app.jwt }).download
  const read = (ticket: string): (Ticket & { exp: number }) | undefined => {
    try {
      return tickets().verify(ticket)
    } catch {
      return undefined
    }
  }
  return {
    async issue(reply, { exportId, expiresAt }) {
      const iat = await readDatabaseTime(db)
      const exp = Math.min(iat + MAX_SECONDS, Math.floor(expiresAt.getTime() / 1_000))
      const ticket = tickets().sign({ id: randomUUID(), exportId, iat, exp })
      reply.setCookie(TICKET_COOKIE, ticket, {
        httpOnly: true,
        sameSite: 'strict',
        path: '/v1/exports',
        secure: config.secure,
        maxAge: exp - iat,
      })
    },
    async require(request) {
      const ticket = read(request.cookies[TICKET_COOKIE] ?? '')
      if (!ticket || ticket.exp <= (await readDatabaseTime(db)))
        throw problem('unauthenticated', {
          detail:
            'Open the link in the mail first: it lets this browser fetch the archive for a day.',
        })
      shown.set(request, ticket)
    },
    get(request) {
      const ticket = shown.get(request)
      if (ticket === undefined) throw new Error('this route asks for no ticket')
      return ticket
    },
  }
}
